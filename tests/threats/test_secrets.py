"""THREATS section 3, A8 and A11, and C4: where secrets lie, and where they are said. Not in logs, records,
the database or the process list; a proxy's at the proxy alone."""

from __future__ import annotations

import ast
import base64
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.threats.wiretap import CERTIFICATE, Proxy, Tap, answer, family, free_port, html, moved

import skitter
from skitter.cli.main import main
from skitter.events import Ended, Event
from skitter.model import Record

ROOT = Path(__file__).parent.parent.parent
SECRET = "hunter2hunter2"
BASIC = base64.b64encode(f"carol:{SECRET}".encode()).decode()


def command(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "skitter", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **variables},
    )


Here = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Here:
    """The command in this process, which is quicker, in ``tmp_path``."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        code = main(list(words))
        said = capfd.readouterr()
        return subprocess.CompletedProcess(words, code, said.out, said.err)

    return run


def crawl(*seeds: str, **options: object) -> dict[str, Record]:
    records: dict[str, Record] = {}

    def observe(event: Event) -> None:
        if isinstance(event, Ended):
            records[event.record.url] = event.record

    every: dict[str, Any] = {"scope": "any", "ca_file": str(CERTIFICATE), "retries": 0, **options}
    skitter.Crawler(observe=observe, **every).run_sync(list(seeds))
    return records


def holds(folder: Path, *secrets: str) -> list[str]:
    """Files in which one of these is."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(secret.encode() in path.read_bytes() for secret in secrets)]


# A8: a proxy


def test_A8_the_credentials_of_a_proxy_stay_there() -> None:
    with Proxy() as proxy, Tap(tls=True) as secure, Tap(lambda target: html(f"{secure.origin}/")) as own:
        via = proxy.origin.replace("//", f"//carol:{SECRET}@")
        records = crawl(f"{own.origin}/", proxy=via, auth="dave:other-secret")
        assert {record.reason for record in records.values()} == {"fetched"}
        asked = [head.split(b" ")[0] for head in proxy.heads]
        assert set(asked) == {b"GET", b"CONNECT"}
        for head in proxy.heads:
            assert head.lower().count(b"\r\nproxy-authorization: basic " + BASIC.lower().encode()) == 1
        for tap in (own, secure):
            assert tap.targets() == ["/"]
            assert b"proxy-" not in tap.received.lower()
            assert BASIC.encode() not in tap.received
        assert b"authorization" not in secure.received.lower(), "nor is it the seed's origin"
        tunnels = b"".join(head for head in proxy.heads if head.startswith(b"CONNECT"))
        assert b"\r\nauthorization" not in tunnels.lower(), "the origin's own are not for the proxy"


def test_A8_another_proxy_gets_what_is_its_own() -> None:
    with Proxy() as first, Proxy() as second, Tap() as own, Tap(tls=True) as secure:
        crawl(f"{own.origin}/", f"{secure.origin}/", proxy=first.origin.replace("//", f"//carol:{SECRET}@"))
        crawl(f"{own.origin}/", f"{secure.origin}/", proxy=second.origin)
        assert second.heads
        assert b"proxy-authorization" not in second.received.lower()
        crawl(f"{own.origin}/", proxy=second.origin.replace("//", "//eve%40home:p%2Fw%3A@"))
        assert base64.b64encode(b"eve@home:p/w:") in second.received
        assert b"proxy-authorization" in first.received.lower()


def test_A8_a_proxy_that_refuses_is_not_passed_by(tmp_path: Path, here: Here) -> None:
    with Proxy(refuse=True) as proxy, Tap(tls=True) as secure:
        via = proxy.origin.replace("//", f"//carol:{SECRET}@")
        words = ("crawl", f"{secure.origin}/", "--job", "j", "--retries", "0", "-v", "--insecure", "-x", via)
        result = here(*words)
        assert result.returncode == 3
        assert "proxy_error" in result.stderr
        assert secure.connections == 0
        assert SECRET not in result.stdout + result.stderr
        assert holds(tmp_path, SECRET, BASIC) == []


def test_A8_a_header_for_proxies_is_not_sent_to_origins(here: Here) -> None:
    """Through a tunnel it would be the origin that gets it."""
    result = here("crawl", "http://127.0.0.1:9/", "-H", f"Proxy-Authorization: Basic {BASIC}")
    assert result.returncode == 2
    assert "-x http://USER:PASS@HOST:PORT" in result.stderr
    assert BASIC not in result.stderr


# A11: user information in URLs


def leaking(target: str, other: str) -> bytes:
    """Everything of the server's that may hold user information."""
    base = other.replace("//", f"//carol:{SECRET}@")
    if target == "/":
        return html(
            f"{base}/link",
            "/moved",
            "/based",
            head=f'<link rel=canonical href="{base}/canonical">'
            f'<meta http-equiv=refresh content="9; url={base}/meta">',
        )
    if target == "/moved":
        return moved(302, f"{base}/there")
    if target == "/based":
        return html("by-base", head=f'<base href="{base}/">')
    if target == "/robots.txt":
        return moved(302, f"{base}/rules.txt")
    return html()


@pytest.mark.parametrize("format_of_logs", ["text", "json"])
def test_A11_user_information_is_nowhere(tmp_path: Path, here: Here, format_of_logs: str) -> None:
    with Tap() as other, Tap(lambda target: leaking(target, other.origin)) as own:
        seed = own.origin.replace("//", f"//carol:{SECRET}@")
        words = ("--job", "j", "--scope", "any", "-v", "--log-format", format_of_logs, "--field", "outlinks")
        result = here("crawl", f"{seed}/", *words, "-o", "j/pages.jsonl", "-o", "-")
        assert result.returncode == 0, result.stderr
        assert sorted(other.targets()) == ["/by-base", "/canonical", "/link", "/meta", "/rules.txt", "/there"]
        status = here("status", "j", "--json")
        for text in (result.stdout, result.stderr, status.stdout):
            assert text
            assert SECRET not in text
            assert "carol" not in text
        assert holds(tmp_path, SECRET, BASIC, "carol") == []
        for tap in (own, other):
            assert SECRET.encode() not in tap.received
            assert BASIC.encode() not in tap.received
            assert b"authorization" not in tap.received.lower()


def test_A11_no_referer_is_sent() -> None:
    """Nor anything else that says where we come from: the whole list of what is sent."""
    with Tap() as other, Tap(lambda target: html("/1", f"{other.origin}/2")) as own:
        crawl(f"{own.origin}/")
        for tap in (own, other):
            for head in tap.heads:
                names = [line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:-2]]
                assert sorted(names) == [b"accept", b"accept-encoding", b"host", b"user-agent"]


@pytest.mark.parametrize("location", ["http://carol:{}@127.0.0.1:{}/", "ftp://carol:{}@127.0.0.1/{}"])
def test_A11_nor_in_a_redirect_that_is_not_followed(location: str) -> None:
    with Tap() as own:
        own.answers = lambda target: (
            moved(302, location.format(SECRET, own.port)) if target == "/" else html()
        )
        records = crawl(f"{own.origin}/")
        assert SECRET not in repr(records)


def test_A11_nor_in_a_mistake() -> None:
    with pytest.raises(skitter.errors.ConfigError) as caught:
        skitter.Crawler().run_sync([f"http://carol:{SECRET}@exa mple.com/"])
    assert SECRET not in str(caught.value)


def test_A11_nor_where_the_command_is_missing(here: Here) -> None:
    result = here(f"http://carol:{SECRET}@example.com/")
    assert result.returncode == 2
    assert "skitter crawl http://example.com/" in result.stderr
    assert SECRET not in result.stderr


# What the user gives


MISTAKES = [
    ("--auth", SECRET),
    ("--auth", f"carol:{SECRET}\x07"),
    ("-H", f"X-Api-Key {SECRET}"),
    ("-H", f"X Api: {SECRET}"),
    ("-H", f"X-Api-Key: {SECRET}\r\nX-Other: 1"),
    ("-b", SECRET),
    ("-x", f"carol:{SECRET}@proxy:1"),
    ("-x", f"http://carol:{SECRET}/@proxy:1"),
    ("-x", f"http://carol:{SECRET}@proxy:x"),
    ("-x", f"http://carol:{SECRET}@proxy:99999"),
    ("-x", f"http://carol:{SECRET}@"),
    (f"--atuh={SECRET}", "x"),
]


@pytest.mark.parametrize(("flag", "value"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_in_a_secret_is_told_without_it(flag: str, value: str, here: Here) -> None:
    result = here("crawl", "http://127.0.0.1:9/", "--dry-run", flag, value)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert SECRET not in result.stderr
    assert {"-H": "--header: ", "-b": "--cookie: ", "-x": "--proxy: "}.get(flag, flag[:5]) in result.stderr


def test_secrets_are_in_no_log_record_or_database(tmp_path: Path, here: Here) -> None:
    with Tap(lambda target: html("/1", "/gone") if target == "/" else answer("404 Gone")) as own:
        given = ("--auth", f"carol:{SECRET}", "-H", f"X-Api-Key: {SECRET}", "-b", f"sid={SECRET}")
        for number, extra in enumerate((("-v",), ("-v", "--log-format", "json"), ("--field", "headers"))):
            words = ("crawl", f"{own.origin}/", "--job", f"j{number}", *given, *extra)
            result = here(*words)
            assert result.returncode == 0, result.stderr
            assert result.stderr
            shown = here("status", f"j{number}", "--json").stdout
            assert SECRET not in result.stdout + result.stderr + shown
            assert BASIC not in result.stdout + result.stderr + shown
        assert holds(tmp_path, SECRET, BASIC, "carol") == []
        assert SECRET.encode() in own.received
        assert BASIC.encode() in own.received


def test_secrets_in_files_are_not_in_the_process_list(tmp_path: Path) -> None:
    """Not of the command, nor of its nursery and workers."""
    files = {
        "auth": f"carol:{SECRET}\n",
        "headers": f"X-Api-Key: {SECRET}\nX-Two:  2 \r\n\n",
        "jar": f"sid={SECRET}\ntheme=dark\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    asked, looked = threading.Event(), threading.Event()

    def answers(target: str) -> bytes:
        if target == "/slow":
            asked.set()
            looked.wait(20)
        return html("/slow") if target == "/" else html()

    with Tap(answers) as own:
        secrets = ("--auth", "@auth", "-H", "@headers", "-b", "@jar")
        words = ("crawl", f"{own.origin}/", *secrets, "--processes", "2", "-q")
        process = subprocess.Popen(
            [sys.executable, "-m", "skitter", *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        assert asked.wait(20)
        everybody = family(process.pid)
        seen = b"".join(
            Path(f"/proc/{pid}/{name}").read_bytes() for pid in everybody for name in ("cmdline", "environ")
        )
        looked.set()
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")
        assert len(everybody) >= 4, "the command, a nursery, two workers"
        assert b"@auth" in seen
        assert SECRET.encode() not in seen
        fields = own.fields("/")
    for wanted in (
        ("authorization", f"Basic {BASIC}"),
        ("x-api-key", SECRET),
        ("x-two", "2"),
        ("cookie", f"sid={SECRET}; theme=dark"),
    ):
        assert wanted in fields


def test_secrets_come_from_variables_and_from_the_file_of_settings(tmp_path: Path) -> None:
    (tmp_path / "proxy").write_text(f"http://dave:{SECRET}@127.0.0.1:{free_port()}\n")
    (tmp_path / "c.toml").write_text(f'header = ["@headers", "X-Toml: {SECRET}"]\n')
    (tmp_path / "headers").write_text("\ufeffX-From: file\n")
    with Tap() as own:
        words = ("crawl", f"{own.origin}/", "--config", "c.toml", "-q", "--job", "j")
        variables = {"SKITTER_AUTH": f"carol:{SECRET}", "SKITTER_COOKIE": "a=1\nb=2"}
        assert command(tmp_path, *words, **variables).returncode == 0
        fields = own.fields("/")
        assert ("authorization", f"Basic {BASIC}") in fields
        assert ("cookie", "a=1; b=2") in fields
        assert ("x-toml", SECRET) in fields
        assert ("x-from", "file") in fields
        before = len(own.heads)
        again = ("fetch", f"{own.origin}/", "--retries", "0")
        result = command(tmp_path, *again, SKITTER_PROXY="@proxy", SKITTER_HEADER="X: 1")
        assert '"reason":"proxy_error"' in result.stdout
        assert SECRET not in result.stdout + result.stderr
        assert len(own.heads) == before


@pytest.mark.parametrize(
    ("flag", "content", "said"),
    [
        ("--auth", None, "--auth @f: no such file or directory"),
        ("--auth", "", "--auth @f: holds 0 lines; one is wanted"),
        ("--auth", f"carol:{SECRET}\nx:y\n", "--auth @f: holds 2 lines; one is wanted"),
        ("--auth", SECRET, "--auth: write it as USER:PASS"),
        ("--proxy", "", "--proxy @f: holds 0 lines; one is wanted"),
        ("--header", f"X-Key: 1\n{SECRET}\n", "--header: give a header as 'Name: value'"),
        ("--cookie", SECRET, "--cookie: write it as name=value"),
        ("--cookie", "\udcff", "--cookie @f: not text in UTF-8"),
    ],
)
def test_a_file_of_secrets_that_cannot_be_used(
    tmp_path: Path, here: Here, flag: str, content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "f").write_bytes(content.encode(errors="surrogateescape"))
    result = here("crawl", "http://127.0.0.1:9/", flag, "@f")
    assert result.returncode == 2
    assert result.stderr == f"skitter: {said}\n"


@pytest.mark.parametrize(("mode", "told"), [(0o644, True), (0o640, True), (0o600, False), (0o400, False)])
def test_a_file_of_secrets_that_others_may_read_is_told(
    tmp_path: Path, here: Here, mode: int, told: bool
) -> None:
    (tmp_path / "f").write_text("carol:x\n")
    (tmp_path / "f").chmod(mode)
    with Tap() as own:
        result = here("fetch", f"{own.origin}/", "--auth", "@f")
    assert result.returncode == 0
    assert ("--auth @f: others may read this file: chmod 600 f" in result.stderr) is told


def test_a_bad_variable_is_named_as_it_was_written(tmp_path: Path) -> None:
    result = command(tmp_path, "crawl", "http://127.0.0.1:9/", SKITTER_MAX_BODY="10")
    assert result.returncode == 2
    assert result.stderr.startswith("skitter: SKITTER_MAX_BODY: '10': give a size with its unit")
    result = command(tmp_path, "crawl", "http://127.0.0.1:9/", SKITTER_AUTH=SECRET)
    assert result.stderr == "skitter: SKITTER_AUTH: write it as USER:PASS\n"


# C4: nothing on disk may run code when it is read


def test_C4_a_planted_pickle_is_refused_and_never_loaded(tmp_path: Path, here: Here) -> None:
    made = tmp_path / "it ran"
    planted = b"cos\nsystem\n(S'touch \"" + str(made).encode() + b"\"'\ntR."
    job = tmp_path / "j"
    for name in ("job.db", "job.pkl", "requests.seen", "spider.state", "pages.jsonl", "lock"):
        job.mkdir(exist_ok=True)
        (job / name).write_bytes(planted)
        with Tap() as own:
            result = here("crawl", f"{own.origin}/", "--job", "j", "-q")
        if name != "lock":  # which is emptied, never read
            assert result.returncode == 2, result.stderr
            assert (job / name).read_bytes() == planted
        assert not made.exists()
        for path in job.iterdir():
            path.unlink()


def test_C4_nothing_that_can_run_code_is_imported() -> None:
    banned = re.compile(r"(pickle|cPickle|shelve|marshal|dill|cloudpickle|jsonpickle|dbm)\b")
    for path in (ROOT / "src/skitter").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not [alias for alias in node.names if banned.match(alias.name)], path
            if isinstance(node, ast.ImportFrom):
                assert not banned.match(node.module or ""), path
