"""What is crawled: which server, which programs on how many cores, and what a complete crawl is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from contenders import Task
from loopback import address
from serving import nginx
from sites import Site, copies, small_pages

__all__ = ["WORKLOADS", "Count", "Serving", "Workload"]

_HERE = Path(__file__).resolve().parent
_SERVER_CORE = 1
_HOSTS = 10_000


@dataclass(frozen=True)
class Count:
    """What the server saw: answers with 200, how many of them were different pages, and for robots.txt."""

    pages: int
    distinct: int
    robots: int
    most_in_flight: int = 0
    too_early: int = 0  # pages that were asked for before their host's robots.txt


@dataclass
class Serving:
    """A server that runs; `count` is there when it has ended."""

    task: Task
    expected: int
    words: str
    count: Count | None = None


@dataclass(frozen=True)
class Workload:
    """Rows are (contender, cores): on one core the program has core 0 and the server core 1; on two nobody is
    pinned. The first row of as many cores is what the others are compared with."""

    title: str
    rows: tuple[tuple[str, int], ...]
    serve: Callable[
        [Path, int], AbstractContextManager[Serving]
    ]  # given a folder for sites and logs, and cores
    limit: float  # seconds that a run may take
    robots: int = 0  # requests for robots.txt of one who obeys, where that is counted
    unit: str = "pages"
    floor: float = 0.0  # seconds that nobody can do it in


@contextmanager
def _files(make: Callable[[], Site], folder: Path, cores: int) -> Iterator[Serving]:
    """A site of files behind nginx."""
    site = make()
    log = folder / "access.log"
    log.unlink(missing_ok=True)
    with nginx(site.folder, log, _SERVER_CORE if cores == 1 else None) as server:
        serving = Serving(Task(server.url, Path(), 0), site.pages, site.words)
        yield serving
    serving.count = _read(log)


def _read(log: Path) -> Count:
    """Count a log of serving.py's."""
    pages: Counter[str] = Counter()
    robots = 0
    with log.open() as lines:
        for line in lines:
            status, kind, _, path = line.rstrip("\n").split("\t")
            if path == "/robots.txt":
                robots += 1
            elif status == "200" and kind.startswith("text/html"):
                pages[path] += 1
    return Count(sum(pages.values()), len(pages), robots)


def _tree(number: int, folder: Path, cores: int) -> AbstractContextManager[Serving]:
    return _files(lambda: copies(folder / f"manual-{number}", number), folder, cores)


def _small(number: int, folder: Path, cores: int) -> AbstractContextManager[Serving]:
    return _files(lambda: small_pages(folder / "small", number), folder, cores)


def _server(stack: ExitStack, cores: int, *words: str) -> tuple[subprocess.Popen[str], int]:
    """Start loopback.py; return its port."""
    command = [sys.executable, str(_HERE / "loopback.py"), *words]
    if cores == 1:
        command = ["taskset", "-c", str(_SERVER_CORE), *command]
    server = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    stack.callback(server.kill)  # does nothing to one that has ended
    assert server.stdout is not None
    port = int(server.stdout.readline() or 0)
    if not port:
        raise SystemExit("a port that was free on 127.1.0.1 is taken on another address; try again")
    return server, port


def _stop(servers: list[subprocess.Popen[str]]) -> Count:
    """Stop servers; what they saw, added up."""
    total: Counter[str] = Counter()
    for server in servers:
        server.terminate()
        total.update(json.loads(server.communicate(timeout=60)[0]))
    return Count(**total)


@contextmanager
def _delay(number: int, seconds: float, folder: Path, cores: int) -> Iterator[Serving]:
    """One host that answers late, and so many URLs of it."""
    with ExitStack() as stack:
        server, port = _server(stack, cores, "delay", str(seconds))
        urls = folder / "urls.txt"
        urls.write_text("".join(f"http://127.0.0.1:{port}/delay/{place}\n" for place in range(number)))
        serving = Serving(Task("", urls, number), number, f"one host that answers after {seconds:g} s")
        yield serving
        serving.count = _stop([server])


@contextmanager
def _hosts(number: int, folder: Path, cores: int) -> Iterator[Serving]:
    """Many hosts of two pages. Two servers, because listeners and connections of one could exceed what a
    process may open; on one core they share it."""
    with ExitStack() as stack:
        half = number // 2
        first, port = _server(stack, cores, "hosts", "0", str(half), "0")
        second, _ = _server(stack, cores, "hosts", str(half), str(number - half), str(port))
        seeds = folder / "seeds.txt"
        seeds.write_text("".join(f"http://{address(place)}:{port}/\n" for place in range(number)))
        words = f"{number:,} hosts with a robots.txt and two pages each"
        serving = Serving(Task("", seeds, 256), 2 * number, words)
        yield serving
        serving.count = _stop([first, second])


def _crawls(*slow: str) -> tuple[tuple[str, int], ...]:
    """The rows of a crawl of one site."""
    one = ("bare", *slow, "skitter", "skitter-default", "scrapy-tuned", "crawlee-tuned", "wget2")
    two = ("bare", "skitter", "skitter-p2", "wget2")
    return tuple((key, 1) for key in one) + tuple((key, 2) for key in two)


_FETCHES = (("client", 1), ("client-gc", 1), ("fetch", 1), ("client", 2), ("fetch", 2), ("fetch-p2", 2))

WORKLOADS = {
    "a1": Workload("a1: a real tree", _crawls("bare-each", "scrapy", "crawlee"), partial(_tree, 1), 120),
    "a10": Workload("a10: ten copies of a real tree", _crawls("bare-each"), partial(_tree, 10), 240),
    "b": Workload("b: small pages", _crawls(), partial(_small, 20_000), 600),
    "c1": Workload(
        "c1: 1,000 requests of 1 s at once",
        _FETCHES,
        partial(_delay, 1000, 1.0),
        60,
        unit="answers",
        floor=1.0,
    ),
    "c": Workload(
        "c: 10,000 requests of 5 s at once",
        _FETCHES,
        partial(_delay, 10_000, 5.0),
        120,
        unit="answers",
        floor=5.0,
    ),
    "d": Workload(
        "d: 10,000 hosts",
        (("bare", 1), ("hosts", 1), ("bare", 2), ("hosts", 2), ("hosts-p2", 2)),
        partial(_hosts, _HOSTS),
        300,
        robots=_HOSTS,
    ),
}
