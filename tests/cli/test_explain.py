"""`skitter explain`: one answer for whatever is a URL, beside a running job and after."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.conftest import BARE, Skitter

from skitter.testing import Site


def test_the_answer_comes_first_and_as_json(skitter: Skitter, site: Site) -> None:
    site.robots("User-agent: *\nDisallow: /private/\n")
    site.page("/", links=["/private/x"])
    assert skitter("crawl", site.url("/"), "--job", "j").returncode == 0
    typed = f"HTTP://127.0.0.1:{site.port}/a/../private/%78#top"
    text = skitter("explain", "j", typed)
    assert text.returncode == 0, text.stderr
    assert text.stderr == ""
    first, *rest = text.stdout.splitlines()
    denied = f"robots_denied: {site.url('/robots.txt')} line 2: Disallow: /private/"
    assert first == f"{site.url('/private/x')}: admitted, but not fetched: {denied}"
    assert rest[0] == f"  typed      {typed}"
    said = json.loads(skitter("explain", "j", typed, "--json").stdout)
    assert (said["typed"], said["url"]) == (typed, site.url("/private/x"))
    assert (said["state"], said["admitted"], said["rule"]) == ("ended", True, "robots")
    assert said["running"] is None
    assert said["record"]["reason"] == "robots_denied"
    assert [step["how"] for step in said["found"]] == ["link", "seed"]
    assert said["pages"] == [{"url": site.url("/"), "depth": 0, "reason": "fetched", "nofollow": False}]
    assert said["next"]["at"] is None


def test_a_url_that_was_never_seen_is_no_mistake(skitter: Skitter, site: Site) -> None:
    site.page("/")
    skitter("crawl", site.url("/"), "--job", "j")
    never = skitter("explain", "j", "example.com/nowhere")
    assert never.returncode == 0
    first = "https://example.com/nowhere: never seen: no page of the job links to it; if one did: refused: "
    assert never.stdout.startswith(f"{first}outside scope 'host'")
    assert "  as a link  refused: outside scope 'host'" in never.stdout
    assert "  as a seed  admitted and fetched, if address and robots (not known yet) allow it" in never.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("explain", "j", "ftp://example.com/"), "'ftp://example.com/' is not an http or https URL"),
        (("explain", "j", "http://u:secret@[/"), "'http://[/' is not an http or https URL"),
        (("explain", "j", ""), "not an http or https URL"),
        (("explain", "nowhere", "http://example.com/"), "nowhere holds no job"),
        (("explain", "damaged", "http://example.com/"), "not a database"),
        (("explain", "j"), "required: URL"),
        (("explain", "j", "http://example.com/", "--jsno"), "did you mean '--json'"),
        (("explain", "j", "http://a.example/", "http://b.example/"), "what is 'http://b.example/'"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(
    skitter: Skitter, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged/job.db").write_text("no database, but long enough for its header" * 5)
    result = skitter(*words)
    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr
    assert "secret" not in result.stderr


def test_it_answers_while_the_job_runs(skitter: Skitter, site: Site, tmp_path: Path) -> None:
    site.page("/", links=["/hangs", "/waits"])
    site.hang("/hangs")
    command = [sys.executable, "-m", "skitter", "crawl", site.url("/"), "--job", "j", "--delay", "1h", "-q"]
    command += ["--max-wait", "2h", "--no-robots"]
    process = subprocess.Popen(command, cwd=tmp_path, env=BARE)
    try:
        deadline = time.monotonic() + 60
        while True:
            answer = skitter("explain", "j", site.url("/waits"), "--json")
            if answer.returncode == 0 and json.loads(answer.stdout)["state"] == "pending":
                break
            assert time.monotonic() < deadline, answer
        said = json.loads(answer.stdout)
        assert said["running"] == process.pid
        assert said["next"]["advice"] is None
        assert said["next"]["words"] == "number 2 in its host's queue"
        assert said["next"]["at"] is not None, "one request an hour"
        assert said["host"]["delay"] == 3600.0
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_what_strangers_wrote_is_escaped(skitter: Skitter, site: Site) -> None:
    site.page("/", links=["http://evil.example/\u202egnp.exe"])
    site.robots("User-agent: *\nDisallow: /\u202e\x1b[31m\n")
    skitter("crawl", site.url("/"), "--job", "j")
    for words in ((), ("--json",)):
        said = skitter("explain", "j", site.url("/\u202e\x1b[31m"), *words).stdout
        assert "Disallow" in said
        assert all(char.isprintable() or char == "\n" for char in said)
