"""The whole experiment as a user runs it, on a real clock, small enough for a test."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from aiohttp import web
from tests.cli.conftest import skitter as skitter  # the fixture

from skitter.compare.lab import Lab
from skitter.compare.plan import Plan
from skitter.compare.strategies import STRATEGIES
from skitter.testing import Site

Skitter = Callable[..., CompletedProcess[str]]
BLOCKING = {"serial", "coroutines-blocking", "coroutines-wrapped"}
# Ten times what overlapped requests take: the machines are noisy.
NOISE = 10


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        site.page("/", "<p>here</p>", delay=0.02)
        yield site


def figures(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_bytes())
    assert isinstance(content, dict)
    return content


def test_blocking_ones_add_up_and_the_others_overlap(skitter: Skitter, tmp_path: Path) -> None:
    """The lesson itself: who blocks needs the sum, with one in flight; the others have all in flight."""
    ran = skitter(
        "compare", "--requests", "4", "--delay", "250ms", "--json", "r.json", "--chart", "r.html", "-v"
    )
    assert ran.returncode == 0, ran.stderr
    content = figures(tmp_path / "r.json")
    assert (content["requests"], content["delay"], content["capacity"]) == (4, 0.25, None)
    by_name = {one["name"]: one["rounds"][0] for one in content["strategies"]}
    assert list(by_name) == list(STRATEGIES)
    for name, one in by_name.items():
        assert one["statuses"] == {"200": 4}, name
        assert len(one["requests"]) == 4
        assert all(life["start"] <= life["first_byte"] <= life["end"] for life in one["requests"])
        assert max(life["end"] for life in one["requests"]) <= one["total"] + 0.05
        if name in BLOCKING:
            assert one["total"] >= 1.0
            assert one["max_in_flight"] == 1
        else:
            assert 0.25 <= one["total"] < 0.25 * NOISE
            assert name == "processes" or one["max_in_flight"] == 4
        blocks = name.startswith("coroutines")
        assert (one["loop_blocked_ms"] >= 800) == blocks, name
        if blocks:
            assert one["loop_blocked_in"]["call"] == "requests.get"
            assert one["loop_blocked_in"]["file"].endswith(f"{name.replace('-', '_')}.py")
    assert "`requests.get` called at coroutines_blocking.py:" in " ".join(ran.stdout.split())
    assert "<svg" in (tmp_path / "r.html").read_text()
    started = re.findall(r"^\d\d:\d\d:\d\d\.\d{3} INFO +start http://127", ran.stderr, re.MULTILINE)
    ended = re.findall(
        r"^\d\d:\d\d:\d\d\.\d{3} INFO +end   http://127\S+ 200 after", ran.stderr, re.MULTILINE
    )
    # Beside the 36 there is skitter's robots.txt.
    assert (len(started), len(ended)) == (37, 37)


def test_nobody_beats_the_servers_capacity(skitter: Skitter, tmp_path: Path) -> None:
    ran = skitter(
        "compare", "--requests", "6", "--delay", "100ms", "--capacity", "2", "--json", "r.json",
        "--strategy", "threads", "--strategy", "aiohttp", "--strategy", "skitter", "--rounds", "2",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    content = figures(tmp_path / "r.json")
    assert content["limit"] == pytest.approx(0.3)
    for strategy in content["strategies"]:
        assert strategy["speedup"] is None
        assert [one["total"] >= 0.3 for one in strategy["rounds"]] == [True, True]


def test_skitter_gets_all_pages_from_a_server_that_cannot_keep_up(skitter: Skitter, tmp_path: Path) -> None:
    ran = skitter(
        "compare", "--requests", "10", "--delay", "200ms", "--capacity", "2", "--gateway-timeout", "500ms",
        "--strategy", "aiohttp", "--strategy", "skitter", "--json", "r.json",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    aiohttp, crawler = (one["rounds"][0] for one in figures(tmp_path / "r.json")["strategies"])
    assert aiohttp["statuses"].get("504", 0) >= 1
    assert crawler["statuses"] == {"200": 10}
    assert crawler["attempts"] > 10
    said = " ".join(ran.stdout.split())
    assert "504 x" in said.partition("skitter: ")[2]
    assert "it asked for at most 5 at once" in said


def test_a_server_that_is_not_ours_is_asked_fifty_times_at_most(skitter: Skitter, site: Site) -> None:
    ran = skitter("compare", site.url("/"), "--strategy", "serial", "--strategy", "skitter")
    assert ran.returncode == 0, ran.stderr
    assert f"at most 46 requests to {site.url('/')}" in ran.stderr.splitlines()[0]
    assert site.count("/") == 21, "ten each, and a look"
    assert all("skitter" in (seen.header("User-Agent") or "") for seen in site.requests)
    assert skitter("compare", site.url("/"), "--requests", "10").returncode == 2
    assert site.count("/") == 21


@pytest.mark.parametrize(
    ("robots", "said"),
    [("User-agent: *\nDisallow: /", "does not allow it"), ("User-agent: *\nCrawl-delay: 2", "asks for 2 s")],
)
def test_robots_is_obeyed(skitter: Skitter, site: Site, robots: str, said: str) -> None:
    site.robots(robots)
    ran = skitter("compare", site.url("/"))
    assert ran.returncode == 3
    assert said in ran.stderr
    assert site.targets() == []


def test_redirects_are_followed_once_before_it_begins(skitter: Skitter, site: Site) -> None:
    site.redirect("/old", "/")
    ran = skitter("compare", site.url("/old"), "--strategy", "aiohttp")
    assert ran.returncode == 0
    assert f"leads to {site.url('/')}" in ran.stderr
    assert (site.count("/old"), site.count("/")) == (1, 11)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--strategy", "aio"), "did you mean 'aiohttp'"),
        (("--requests", "0"), "give a whole number, 1 or more"),
        (("--rounds", "many"), "give a whole number"),
        (("--delay", "5"), "give a time with its unit"),
        (("--chart", "r.pdf"), "known are .html, .svg, .png"),
        (("--json", "no/such/r.json"), "does not exist"),
        (("http://127.0.0.1:9/", "--capacity", "2"), "--capacity is of the local server"),
        (("--max-requests", "90"), "--max-requests is of a server that is not ours"),
        (("--requests", "10001"), "10000 are the most"),
        (("--json", "r.svg", "--chart", "r.svg"), "cannot be both"),
        (("--delay", "2s", "--gateway-timeout", "2s"), "longer than the delay"),
        (("ftp://example.com/",), "not an http or https URL"),
        (("--bogus",), "unknown option --bogus"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_asked(
    skitter: Skitter, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    ran = skitter("compare", *words)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_missing_library_is_named_with_the_way_to_get_it(skitter: Skitter, tmp_path: Path) -> None:
    """A folder that hides requests, as if it were not installed."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, importlib.abc\n"
        "class Hide(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.partition('.')[0] in ('requests', 'matplotlib'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hide())\n"
    )
    ran = skitter("compare", PYTHONPATH=str(tmp_path))
    assert ran.returncode == 2
    assert "pip install 'skitter[compare]'" in ran.stderr
    few = ("compare", "--strategy", "aiohttp", "--requests", "2", "--delay", "50ms")
    assert skitter(*few, PYTHONPATH=str(tmp_path)).returncode == 0
    ran = skitter(*few, "--chart", "r.svg", PYTHONPATH=str(tmp_path))
    assert (ran.returncode, "matplotlib" in ran.stderr) == (2, True)


def _after_the_look(site: Site, then: str) -> None:
    """``/turn`` answers once, and then behaves badly."""
    seen = 0

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal seen
        seen += 1
        if seen == 1:
            return web.Response(text="welcome")
        if then == "refuse":
            return web.Response(status=503, headers={"Retry-After": "1"})
        if then == "redirect":
            return web.Response(status=302, headers={"Location": "/elsewhere"})
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    site.handler("/turn", answer)
    site.page("/elsewhere", "here")


@pytest.mark.parametrize("then", ["reset", "refuse", "redirect"])
def test_not_even_a_server_that_turns_bad_is_asked_more_often(
    skitter: Skitter, site: Site, then: str
) -> None:
    """Repeats that libraries make unseen, free waits and redirects count, too."""
    _after_the_look(site, then)
    words = ("--strategy", "serial", "--strategy", "aiohttp", "--strategy", "skitter", "--requests", "10")
    ran = skitter("compare", site.url("/turn"), *words)
    assert ran.returncode == 0, ran.stderr
    most = int(re.findall(r"^at most (\d+) requests", ran.stderr)[0])
    assert most <= 50
    assert len(site.requests) <= most
    # The others follow no redirect; skitter does, within its share.
    assert site.count("/turn") >= 31
    assert site.count("/elsewhere") == 0 if then != "redirect" else site.count("/elsewhere") <= 10


def test_a_server_that_hangs_is_not_waited_for_without_end() -> None:
    """Thirty seconds, as for any page; only our own server is waited for."""
    known: dict[str, Any] = {
        "strategies": ("serial",), "rounds": 1, "concurrency": None, "retries": 0, "requests": 1,
        "delay": 5.0, "capacity": None, "gateway_timeout": None,
    }  # fmt: skip
    assert Lab([], Plan(url="https://example.com/", **known)).timeout == 30
    assert Lab([], Plan(url=None, **known)).timeout > 600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_an_experiment_that_is_ended(number: int, tmp_path: Path) -> None:
    """Server, fork server and workers are gone when their parent is, however it went."""
    words = ["compare", "--requests", "3", "--delay", "20s", "--strategy", "processes", "-v"]
    with subprocess.Popen(
        [sys.executable, "-m", "skitter", *words], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        assert child.stderr is not None
        lines = iter(child.stderr.readline, "")
        assert any("start" in line for line in lines)
        family = _session(child.pid)
        assert len(family) >= 5, "the command, the server, the fork server and three workers"
        child.send_signal(number)
        assert child.wait(60) in (128 + number, -number)
        deadline = time.monotonic() + 30
        while _session(child.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert _session(child.pid) == []


def _session(leader: int) -> list[str]:
    """The live processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[3] == str(leader) and fields[0] != "Z":
                found.append(stat.parent.name)
    return found


def test_what_was_measured_is_kept_though_nobody_reads_the_screen(tmp_path: Path) -> None:
    words = [
        "compare",
        "--requests",
        "2",
        "--delay",
        "20ms",
        "--strategy",
        "aiohttp",
        "--json",
        "r.json",
        "-q",
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "skitter", *words], stdout=subprocess.PIPE, cwd=tmp_path
    ) as child:
        assert child.stdout is not None
        child.stdout.close()
    assert child.returncode == 141
    assert figures(tmp_path / "r.json")["requests"] == 2
    shell = f"exec {sys.executable} -m skitter {' '.join(words)} --chart r.svg >&-"
    assert subprocess.run(shell, shell=True, cwd=tmp_path, timeout=60).returncode == 0
    assert (tmp_path / "r.svg").read_text().startswith("<?xml")


def test_json_may_go_to_stdout_and_any_encoding_will_do(skitter: Skitter) -> None:
    words = ("compare", "--requests", "2", "--delay", "20ms", "--strategy", "aiohttp", "-q")
    assert json.loads(skitter(*words, "--json", "-").stdout)["requests"] == 2
    ran = skitter(*words, PYTHONIOENCODING="ascii", COLUMNS="30")
    assert ran.returncode == 0
    assert "200 x 2" in ran.stdout
