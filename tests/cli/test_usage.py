"""Bad input: one clear line, the documented exit code, nothing made or destroyed."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Skitter

from skitter.config import options
from skitter.testing import Site

SEED = "http://127.0.0.1:9/"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("crawl", SEED, "--dept", "3"), "did you mean '--depth'"),
        (("crawl", SEED, "--depth"), "expected one argument"),
        (("crawl", SEED, "--depth", "many"), "--depth: 'many': give a whole number"),
        (("crawl", SEED, "--delay", "5"), "--delay: '5': give a time with its unit"),
        (("crawl", SEED, "--delay=-5s"), "give a time"),
        (("crawl", SEED, "--max-body", "10"), "give a size with its unit"),
        (("crawl", SEED, "--scope", "hsot"), "did you mean 'host'"),
        (("crawl", SEED, "--include", "re:("), "not a regular expression"),
        (("crawl", SEED, "-H", "no colon"), "'Name: value'"),
        (("crawl", SEED, "-x", "proxy"), "http://HOST:PORT"),
        (("crawl", SEED, "--ca-file", "none.pem"), "--ca-file"),
        (("crawl", "http://"), "not an http or https URL"),
        (("crawl", "ftp://example.com/"), "not an http or https URL"),
        (("crawl", "mailto:a@b.example"), "not an http or https URL"),
        (("crawl", "http://exa mple.com/"), "not an http or https URL"),
        (("crawl",), "no URL given"),
        (("fetch", "-i", "nowhere.txt"), "-i nowhere.txt: no such file"),
        (("crawl", "-i", "nowhere.txt"), "-i nowhere.txt: no such file"),
        (("fetch", "-i", "bad.txt"), "line 2: 'http://['"),
        (("crawl", "-i", "good.txt"), "--job"),
        (("crawl", SEED, "--config", "none.toml"), "none.toml: no such file"),
        (("crawl", SEED, "--config", "bad.toml"), "did you mean 'delay'"),
        (("crawl", SEED, "--config", "table.toml"), "did you mean 'politeness'"),
        (("crawl", SEED, "--config", "broken.toml"), "not TOML"),
        (("crawl", SEED, "--config", "value.toml"), "[limits] depth"),
        (("crawl", SEED, "-o", "out.txt"), "ending says the format"),
        (("crawl", SEED, "-o", "no/such/out.jsonl"), "does not exist"),
        (("crawl", SEED, "-o", "folder.jsonl"), "is a folder"),
        (("crawl", SEED, "-o", "/proc/out.jsonl"), "/proc/out.jsonl"),  # also root may not write there
        (("fetch", SEED, "-o", "/proc/out.jsonl"), "/proc/out.jsonl"),
        (("crawl", SEED, "-o", "a.jsonl", "-o", "./a.jsonl"), "named twice"),
        (("crawl", SEED, "-o", "theirs.jsonl"), "theirs.jsonl: exists"),
        (("crawl", SEED, "-o", "theirs.jsonl", "--fresh"), "not made by skitter"),
        (("fetch", SEED, "-o", "theirs.jsonl"), "skitter did not make it"),
        (("crawl", SEED, "--job", "good.txt"), "is a file"),
        (("crawl", SEED, "--job", "theirs"), "holds other files"),
        (("crawl", SEED, "--job", "no/such/job"), "does not exist"),
        (("status", "nowhere.crawl"), "holds no job"),
        (("status", "theirs"), "holds no job"),
        (("fetch", SEED, "--depth", "1"), "unknown option --depth"),
        (("nonsense",), "invalid choice"),
        ((), "required"),
        (("serve", "--port", "99999"), "cannot listen"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(
    skitter: Skitter, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "good.txt").write_text(f"{SEED}\n")
    (tmp_path / "bad.txt").write_text(f"{SEED}\nhttp://[\n")
    (tmp_path / "bad.toml").write_text('[politeness]\ndely = "1s"\n')
    (tmp_path / "table.toml").write_text('[politness]\ndelay = "1s"\n')
    (tmp_path / "broken.toml").write_text("delay = \n")
    (tmp_path / "value.toml").write_text('[limits]\ndepth = "x"\n')
    (tmp_path / "theirs.jsonl").write_text('{"my": "data"}\n')
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/notes.txt").write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    result = skitter(*words)
    assert result.returncode == 2, result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert said in result.stderr
    assert result.stdout == ""
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_that_may_not_be_written(skitter: Skitter, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    result = skitter("crawl", SEED, "-o", "locked/out.jsonl")
    assert result.returncode == 2
    assert "may not be written" in result.stderr


def test_a_variable_that_is_no_option(skitter: Skitter, tmp_path: Path) -> None:
    result = skitter("crawl", SEED, SKITTER_DELY="1s")
    assert result.returncode == 2
    assert "did you mean 'SKITTER_DELAY'" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_would_make_the_stored_state_wrong_is_refused(skitter: Skitter, site: Site) -> None:
    site.page("/", links=["/1"])
    assert skitter("crawl", site.url("/"), "--job", "j", "--depth", "3").returncode == 0
    for words, said in (
        (("--depth", "2"), "--depth was 3 when this job began and is 2 now"),
        (("--depth", "3", "--scope", "any"), "--scope was host when this job began and is any now"),
        (("--depth", "3", "--exclude", "*x"), "--exclude was not given"),
        (("--depth", "3", "--field", "html"), "--field was not given"),
    ):
        result = skitter("crawl", site.url("/"), "--job", "j", *words)
        assert result.returncode == 2
        assert said in result.stderr
    assert skitter("fetch", site.url("/"), "--job", "j").returncode == 2


def test_flags_win_over_variables_over_the_file(skitter: Skitter, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        'retries = 1\n[crawl]\ndepth = 1\n[scope]\nscope = "page"\nexclude = ["*x"]\n'
    )
    flags = ("crawl", "example.com", "EXAMPLE.com/x", "--dry-run", "--config", "c.toml")
    assert skitter(*flags).stdout == (
        "https://example.com/\tadmitted: a seed, scope 'page'\nhttps://example.com/x\texcluded by '*x'\n"
    )
    by_variable = skitter(*flags, SKITTER_SCOPE="domain", SKITTER_EXCLUDE="*a\n*b").stdout
    assert by_variable.splitlines()[1] == "https://example.com/x\tadmitted: a seed, scope 'domain'"
    by_flag = skitter(*flags, "--scope", "any", SKITTER_SCOPE="domain").stdout
    assert "scope 'any'" in by_flag
    assert [path.name for path in tmp_path.iterdir()] == ["c.toml"], "a dry run makes nothing"


def test_seeds_come_from_arguments_files_and_stdin(skitter: Skitter, tmp_path: Path) -> None:
    (tmp_path / "seeds.txt").write_text("\ufeffa.test\n\n# no\n  http://b.test/x#y  \r\n")
    listed = skitter("crawl", "c.test", "-i", "seeds.txt", "--dry-run").stdout
    assert [line.split("\t")[0] for line in listed.splitlines()] == [
        "https://c.test/",
        "https://a.test/",
        "http://b.test/x",
    ]
    assert skitter("fetch", "-i", "-", "--dry-run", stdin="d.test\n").stdout.startswith("https://d.test/")


def test_help_names_every_option_with_its_default(skitter: Skitter) -> None:
    text = skitter("crawl", "--help").stdout
    for option in options().values():
        assert option.flag in text
    assert "default: 30s" in text
    assert "default: 10MiB" in text
    for command in ("crawl", "fetch", "status", "report", "robots", "serve"):
        assert command in skitter("--help").stdout


def test_version(skitter: Skitter) -> None:
    result = skitter("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("skitter 0.")


def test_robots_says_which_line_decided(skitter: Skitter, site: Site) -> None:
    site.robots("User-agent: *\nCrawl-delay: 2\nDisallow: /a\nAllow: /a/b\nSitemap: http://x.test/s.xml\n")
    denied = skitter("robots", site.url("/a/c"))
    assert denied.returncode == 0
    assert f"{site.url('/a/c')}: disallowed for skitter (line 3: Disallow: /a)" in denied.stdout
    assert "delay: 2.0 s" in denied.stdout
    assert "http://x.test/s.xml" in denied.stdout
    allowed = skitter("robots", site.url("/a/b"), "otherbot/2.0")
    assert "allowed for otherbot (line 4: Allow: /a/b)" in allowed.stdout
    assert skitter("robots", "http://127.0.0.1:9/").returncode == 3


def test_a_full_disk_behind_stdout_is_7(skitter: Skitter, tmp_path: Path) -> None:
    command = f"{sys.executable} -m skitter crawl example.com --dry-run > /dev/full"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert result.returncode == 7
    assert result.stderr == "skitter: no space left on device\n"


def test_status_counts_what_there_is(skitter: Skitter, site: Site) -> None:
    site.page("/", links=["/1", "/gone"])
    site.page("/1")
    skitter("crawl", site.url("/"), "--job", "j")
    assert "finished" in skitter("status", "j").stdout
    facts = json.loads(skitter("status", "j", "--json").stdout)
    assert facts["by_reason"] == {"fetched": 2, "http_error": 1}
    assert facts["pending"] == 0
    assert facts["running"] is None
    assert facts["busiest"][0]["origin"] == site.origin


def test_logs_are_lines_of_text_or_json(skitter: Skitter, site: Site) -> None:
    site.page("/", links=["/gone"])
    text = skitter("crawl", site.url("/"), "--job", "a", "-v").stderr
    assert f"404 {site.url('/gone')} http_error" in text
    assert f"SQLite {sqlite3.sqlite_version}" in text.splitlines()[0]
    lines = skitter("crawl", site.url("/"), "--job", "b", "-v", "--log-format", "json").stderr.splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["event"] for event in events].count("ended") == 2
    assert events[-1]["event"] == "finished"
    assert events[-1]["summary"]["by_reason"] == {"fetched": 1, "http_error": 1}
    assert skitter("crawl", site.url("/"), "--job", "c", "-q").stderr == ""


def test_serve_runs_beside_a_command_and_ends_with_it(skitter: Skitter, tmp_path: Path) -> None:
    result = skitter("serve", "--port", "0", "--run", "sh -c 'exit 5'")
    assert result.returncode == 5
    assert result.stderr.startswith("serving the demo site on http://127.0.0.1:")


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Connection", "TE"])
def test_a_header_that_says_where_a_request_ends_is_refused(skitter: Skitter, site: Site, name: str) -> None:
    """A server that believed it would take the next request for a body."""
    result = skitter("fetch", site.url("/"), "-H", f"{name}: 5")
    assert result.returncode == 2
    assert "says where a request ends" in result.stderr
    assert site.requests == []
