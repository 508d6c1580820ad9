"""THREATS section 8: what a run leaves behind. F1: our names, and no link followed; F5: lines on the wire;
F6: pages of HTML; F7: who may read it; D1: nobody is listened to."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.threats.wiretap import Tap, answer, family, html, moved

import skitter
from skitter.cli.main import main
from skitter.errors import ConfigError, JobError
from skitter.failpoint import FAILPOINT
from skitter.job import folder_for
from skitter.sinks.appended import AppendedFile

OURS = {"job.db", "pages.jsonl", "lock"}


def command(folder: Path, *words: str, umask: int = -1, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "skitter", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        umask=umask,
        env={**os.environ, **variables},
    )


Here = Callable[..., tuple[int, str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """The command in this process, which is quicker: its exit code, and what it said on stderr."""

    def run(*words: str, folder: Path = tmp_path) -> tuple[int, str]:
        monkeypatch.chdir(folder)
        code = main(list(words))
        return code, capsys.readouterr().err

    return run


# F1: names

HOSTS = ["..", ".", "-rf", "$(id)", "~", "*", "'x`", "con", "a" * 300, "x." * 150 + "com", "[::1]:81"]


@pytest.mark.parametrize("host", HOSTS, ids=range(len(HOSTS)))
def test_F1_the_folder_of_a_job_is_named_by_us_whatever_the_host(
    host: str, tmp_path: Path, here: Here
) -> None:
    """A proxy answers for all of them."""
    work = tmp_path / "outer" / "work"
    work.mkdir(parents=True)
    with Tap() as proxy:
        words = ("crawl", f"http://{host}/", "-x", proxy.origin, "--no-robots", "-q")
        code, said = here(*words, folder=work)
        assert (code, said) == (3 if ".." in host else 0, ""), "no name has an empty label"
    (folder,) = work.iterdir()
    assert re.fullmatch(r"[a-z0-9_][a-z0-9._-]*\.crawl", folder.name)
    assert len(folder.name) < 256
    assert {path.name for path in folder.iterdir()} == OURS
    assert [path.name for path in tmp_path.iterdir()] == ["outer"]
    assert [path.name for path in (tmp_path / "outer").iterdir()] == ["work"]


def test_F1_ordinary_hosts_keep_their_names_and_two_hosts_never_share_one() -> None:
    assert folder_for("https://example.com/a") == "example.com.crawl"
    assert folder_for("http://127.0.0.1:8273/") == "127.0.0.1-8273.crawl"
    assert folder_for("https://xn--mnchen-3ya.example/") == "xn--mnchen-3ya.example.crawl"
    assert folder_for(f"https://{'a' * 63}.{'b' * 63}.example/") == f"{'a' * 63}.{'b' * 63}.example.crawl"
    hosts = ["$", "*", "_", "a$b", "a*b", "a_b", "a" * 299, "a" * 300]
    assert len({folder_for(f"http://{host}/") for host in hosts}) == len(hosts)


TRAVERSALS = [
    "/../../../etc/passwd",
    "/%2e%2e/%2e%2e/%2e%2e/x",
    "/..%2f..%2f..%2fx",
    "/..%5c..%5cx",
    "/%00.jsonl",
    "/a%00b",
    "//etc/passwd",
    "/C:/x",
    "/con",
    "/pages.jsonl",
    "/job.db",
    f"/{'a' * 4000}",
    "/?file=../../x",
    "/ ",
    "/~root/.ssh/id",
]


def test_F1_nothing_that_a_server_says_names_a_file(tmp_path: Path, here: Here) -> None:
    names = ["../../../evil", "/tmp/evil", "..\\\\evil", "pages.jsonl", "job.db", "a" * 2000, "con"]

    def answers(target: str) -> bytes:
        if target == "/":
            return html(*TRAVERSALS, *(f"/named/{n}" for n in range(len(names))))
        if target.startswith("/named/"):
            name = names[int(target[7:])]
            field = f"Content-Disposition: attachment; filename=\"{name}\"; filename*=UTF-8''{name}"
            return answer(
                "200 OK", b"evil", field, "Content-Location: ../evil", content_type="application/zip"
            )
        return html()

    work = tmp_path / "outer" / "work"
    work.mkdir(parents=True)
    with Tap(answers) as own:
        assert here("crawl", f"{own.origin}/", "-q", folder=work) == (0, "")
        assert len(own.targets()) > len(names) + len(TRAVERSALS) // 2
        made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
        assert made == {f"outer/work/127.0.0.1-{own.port}.crawl/{name}" for name in OURS}


PLANTED = ["pages.jsonl", "job.db", "job.db-wal", "job.db-shm", "job.db-journal", "lock"]


@pytest.mark.parametrize("is_there", [True, False], ids=["to a file", "to nothing"])
@pytest.mark.parametrize("name", PLANTED)
def test_F1_no_link_in_a_job_is_followed(tmp_path: Path, here: Here, name: str, is_there: bool) -> None:
    elsewhere = tmp_path / "elsewhere"
    with Tap(lambda target: html("/1", "/2") if target == "/" else html()) as own:
        words = ("crawl", f"{own.origin}/", "--job", "j", "-q")
        assert here(*words, "-n", "1") == (0, "")
        (tmp_path / "j" / name).unlink(missing_ok=True)
        if is_there:
            elsewhere.write_text("precious\n")
        (tmp_path / "j" / name).symlink_to(elsewhere)
        said = f"skitter: j/{name}: is a symbolic link, which a job's own file never is; remove it\n"
        for extra in ((), ("--fresh",)):
            assert here(*words, *extra) == (2, said)
            assert elsewhere.exists() is is_there
            assert not is_there or elsewhere.read_text() == "precious\n"
        (tmp_path / "j" / name).unlink()
        if name != "job.db":
            assert here(*words) == (0, "")


def test_F1_nor_in_a_folder_that_is_no_job_yet(tmp_path: Path) -> None:
    for name in PLANTED:
        folder = tmp_path / name / "j"
        folder.mkdir(parents=True)
        (folder / name).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(JobError, match="symbolic link"):
            skitter.Crawler(job=str(folder)).run_sync(["http://127.0.0.1:9/"])
        assert [path.name for path in folder.iterdir()] == [name]
    assert not (tmp_path / "elsewhere").exists()


def test_F1_a_link_that_comes_between_look_and_open_is_not_followed_either(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(skitter.errors.StorageError, match="symbolic links"):
        AppendedFile(str(tmp_path / "out.jsonl"), private=True).open(None)
    assert not (tmp_path / "elsewhere").exists()


def test_F1_what_the_user_named_himself_may_be_a_link_of_his(tmp_path: Path, here: Here) -> None:
    """An output elsewhere and the job's folder; but not a folder whose name was our idea."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "out.jsonl").symlink_to(tmp_path / "disk/real.jsonl")
    (tmp_path / "j").symlink_to(tmp_path / "disk")
    with Tap() as own:
        url = f"{own.origin}/"
        assert here("crawl", url, "-q", "-o", "out.jsonl", "--job", "k") == (0, "")
        assert (tmp_path / "disk/real.jsonl").stat().st_size
        assert here("fetch", url, "-q", "-o", "out.jsonl") == (0, "")
        (tmp_path / "disk/real.jsonl").unlink()
        assert here("crawl", url, "-q", "--job", "j") == (0, "")
        assert {path.name for path in (tmp_path / "disk").iterdir()} == OURS
        ours = f"127.0.0.1-{own.port}.crawl"
        (tmp_path / ours).symlink_to(tmp_path / "disk")
        said = f"skitter: {ours}: is a symbolic link; --job {ours} follows it\n"
        assert here("crawl", url, "-q") == (2, said)


# F5: lines


def test_F5_only_lines_that_we_meant_are_on_the_wire() -> None:
    """Encoded line ends stay encoded, raw ones are taken out of a URL (URL Standard, 4.4), and what a
    careless encoder would make into one (U+010D, U+010A) goes out as UTF-8."""
    evil = "X-Evil: 1"
    hrefs = [
        f"/a%0d%0a{evil}",
        f"/b%0D%0A%0D%0AGET%20/evil%20HTTP/1.1%0d%0a{evil}",
        f"/c\r\n{evil}",
        f"/d\n{evil}\t",
        f"/e\u010d\u010a{evil}",
        f"/f?q=\r\n{evil}%0d%0a{evil}",
        f"/g HTTP/1.1\r\n{evil}",
        f"/h\x00\x0b\x1f{evil}",
    ]

    def answers(target: str) -> bytes:
        if target == "/":
            return html(*hrefs, "/moved")
        return moved(302, f"/i%0d%0a{evil}\x85{evil}") if target == "/moved" else html()

    given: dict[str, Any] = {
        "header": "X-Own: a\u010d\u010ab",
        "cookie": "c=\u010d\u010a",
        "user_agent": "ua/1 \u010d\u010a",
    }
    with Tap(answers) as own:
        skitter.Crawler(**given, auth="u:\u010d\u010a").run_sync([f"{own.origin}/"])
        assert {target[1:2] for target in own.targets()} == set("abcdefghim") | {""}
        assert b"".join(own.heads) == own.received
        wanted = {
            b"host",
            b"accept",
            b"accept-encoding",
            b"user-agent",
            b"x-own",
            b"cookie",
            b"authorization",
        }
        for head in own.heads:
            first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
            assert re.fullmatch(rb"GET /[!-~]* HTTP/1\.1", first)
            assert {line.split(b":")[0].lower() for line in lines} <= wanted
            assert not set(range(0x20)) & set(b"".join(lines))


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\x00", "\u2028", "\x85"])
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("header", "X-Own: a{}X-Evil: 1"),
        ("header", "X-Own{}: a"),
        ("cookie", "a=b{}X-Evil: 1"),
        ("user_agent", "ua{}X-Evil: 1"),
        ("auth", "u:p{}X-Evil: 1"),
        ("proxy", "http://u:p{}X-Evil@h:1"),
    ],
)
def test_F5_no_line_end_comes_in_by_an_option(option: str, value: str, end: str) -> None:
    given: dict[str, Any] = {option: value.format(end)}
    with pytest.raises(ConfigError, match=f"^{option}: "):
        skitter.Crawler(**given)


# F6: the chart of `compare`, which shows a URL that the user gave, and the report of a job


class Elements(HTMLParser):
    """Names of elements, and of attributes, of a document."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_F6_the_chart_escapes_the_url(tmp_path: Path) -> None:
    with Tap() as own:
        target = "/'onload='alert(1)'&lt;script&gt;x?a=1&amp;b=<script>alert(1)</script>\"onload=\"x"
        words = ("compare", own.origin + target, "--requests", "1", "--strategy", "serial", "-q")
        result = command(tmp_path, *words, "--chart", "c.html", "--json", "c.json")
        assert result.returncode == 0, result.stderr
    page = Elements()
    page.feed((tmp_path / "c.html").read_text())
    assert "&lt;script&gt;x" in page.text, "the URL is shown as it is"
    assert not page.names & {"script", "iframe", "object", "img", "link", "a", "form", "base"}
    assert not [name for name in page.attributes if name.startswith("on")]
    assert "default-src 'none'" in (tmp_path / "c.html").read_text()


HOSTILE = [
    "</title><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "'><svg/onload=alert(1)>",
    "</style><script>alert(1)</script><style>*{background:url(//evil.example/)}",
    "--><script>alert(1)</script><!--",
    "<![CDATA[<script>alert(1)</script>]]>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\u202e\u2066gpj.exe\u2069\x1b]8;;http://evil.example\x07\x9b31m",
]


def test_F6_nothing_of_a_page_runs_in_the_report_of_its_job(tmp_path: Path, here: Here) -> None:
    """Hostile titles, URLs, types and redirects, as strangers send them, in every list that shows them."""
    titles = [title.replace("&", "&amp;").replace("<", "&lt;").encode() for title in HOSTILE]

    def answers(target: str) -> bytes:
        if target == "/":
            return html(
                *(f"/{n}" for n in range(len(HOSTILE))), *(f"/dead/{evil}" for evil in HOSTILE), "/moved"
            )
        if target == "/moved":
            return moved(302, f"/dead/{HOSTILE[2]}")
        if target[1:].isdecimal():
            title = titles[int(target[1:])]
            body = b"<meta charset=utf-8><meta name=robots content=noindex><title>" + title + b"</title>"
            kind = "text/html; x=<script>" if int(target[1:]) % 2 else "text/html"
            return answer("200 OK", body, content_type=kind)
        return answer("404 <script>alert(1)</script>", b"", content_type="<script>/x")

    with Tap(answers) as own:
        assert here("crawl", f"{own.origin}/", "--job", "j", "-q") == (0, "")
    assert here("report", "j") == (0, "")
    written = (tmp_path / "j/report.html").read_text()
    page = Elements()
    page.feed(written)
    allowed = {"html", "head", "meta", "title", "style", "body", "header", "main", "nav", "section", "footer"}
    allowed |= {
        "h1",
        "h2",
        "h3",
        "p",
        "br",
        "b",
        "a",
        "span",
        "div",
        "ul",
        "li",
        "code",
        "time",
        "table",
        "thead",
    }
    allowed |= {"tbody", "tr", "th", "td", "details", "summary", "svg", "rect", "line", "text"}
    assert page.names <= allowed | {"polyline", "polygon"}
    assert not [name for name in page.attributes if name.startswith("on") or name in ("src", "style")]
    for title in HOSTILE[:-1]:
        assert title in page.text, "it is shown as it is"
    assert "\\u202e\\u2066gpj.exe\\u2069" in page.text
    assert not [char for char in written if not char.isprintable() and char != "\n"]
    assert "default-src 'none'; style-src 'sha256-" in written
    assert "unsafe" not in written


# F7: who may read it


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_F7_a_job_is_its_owners_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    with Tap(lambda target: html("/1", "/2")) as own:
        outputs = ("-o", "j/pages.jsonl", "-o", "j/more.jsonl.gz", "-o", "mine.jsonl")
        words = ("crawl", f"{own.origin}/", "-q", "--job", "j", *outputs)
        killed = {FAILPOINT: "after-commit-before-ack:1"}  # with its log and shared memory beside it
        assert command(tmp_path, *words, umask=umask, **killed).returncode == -9
        names = {path.name for path in (tmp_path / "j").iterdir()}
        assert names == {*OURS, "more.jsonl.gz", "job.db-wal", "job.db-shm"}
        _is_private(tmp_path / "j")
        assert command(tmp_path, *words, umask=umask).returncode == 0
        _is_private(tmp_path / "j")
        # What the user puts elsewhere is like all that he makes.
        assert (tmp_path / "mine.jsonl").stat().st_mode & 0o777 == 0o666 & ~umask
        fetch = ("fetch", f"{own.origin}/", "-q", "-o", "o.jsonl")
        assert command(tmp_path, *fetch, umask=umask).returncode == 0
        assert (tmp_path / "o.jsonl").stat().st_mode & 0o777 == 0o666 & ~umask


def _is_private(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_F7_a_folder_that_was_there_keeps_its_mode_and_shows_nothing(tmp_path: Path) -> None:
    (tmp_path / "j").mkdir(mode=0o755)
    with Tap() as own:
        assert command(tmp_path, "crawl", f"{own.origin}/", "-q", "--job", "j", umask=0).returncode == 0
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "j").iterdir()} == {0o600}


# D1: no listener


def listening(pid: int) -> list[str]:
    """The lines of /proc/net/tcp and tcp6 that are sockets of this process and wait for connections."""
    own = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            own.add(file.readlink().name)
    found = []
    for table in ("tcp", "tcp6"):
        lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        parts = [line.split() for line in lines]
        found += [line[1] for line in parts if line[3] == "0A" and f"socket:[{line[9]}]" in own]
    return found


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")
def test_D1_a_run_listens_to_nobody(tmp_path: Path) -> None:
    serve = subprocess.Popen(
        [sys.executable, "-m", "skitter", "serve", "--port", "0"], stderr=subprocess.PIPE, text=True
    )
    with serve:
        assert serve.stderr is not None
        serve.stderr.readline()
        assert len(listening(serve.pid)) == 1, "the one that is asked for is seen"
        serve.terminate()
    asked, looked = threading.Event(), threading.Event()

    def answers(target: str) -> bytes:
        if target == "/slow":
            asked.set()
            looked.wait(20)
        return html("/slow") if target == "/" else html()

    with Tap(answers) as own:
        words = [sys.executable, "-m", "skitter", "crawl", f"{own.origin}/", "-q", "--processes", "2"]
        with subprocess.Popen(words, cwd=tmp_path) as process:
            assert asked.wait(20)
            everybody = family(process.pid)
            found = [line for pid in everybody for line in listening(pid)]
            looked.set()
            assert process.wait(30) == 0
    assert len(everybody) >= 4
    assert found == []
