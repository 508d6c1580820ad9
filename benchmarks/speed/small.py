"""The small benchmark that every change has to pass: `python small.py [--record]`.

A generated tree is crawled by bare.py and by skitter, as whole processes in turns. What counts is the CPU
time of a page, without the start of the process, which a crawl of one page measures; of each the mean of the
best rounds. The ratio of the two is compared with the one in recorded.json, and this exits with 1 if it is
more than 15 % worse in three tries; so the speed of the machine does not matter, and hardly that others use
it. --record writes the file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, median

import measuring
import uvloop
from sites import generated

_HERE = Path(__file__).resolve().parent
_RECORDED = _HERE / "recorded.json"
_PAGES = 500
_ROUNDS = 7
_GOOD = 3  # rounds whose mean counts: whatever else a machine does only ever adds
_TRIES = 3
_WORSE = 1.15
_LIMIT = 60.0  # seconds for one crawl
# A page without links, for a crawl that is all start-up. It is large enough to be read aside, so that the
# process that reads such pages is started in it, too: once a crawl, and not once in 500 pages.
_ALONE = "/alone"
_LONG = 700_000


class _Connection(asyncio.Protocol):
    """Answers from memory."""

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self._answers = answers
        self._buffer = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._buffer.endswith(b"\r\n\r\n"):
            path = self._buffer.split(b" ", 2)[1]
            self._buffer = b""
            self._transport.write(self._answers.get(path, self._answers[b""]))


def _answer(status: str, body: str) -> bytes:
    data = body.encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


async def serve() -> None:
    """Print the port, and serve until killed."""
    pages = {"/" + path: text for path, text in generated(_PAGES).items()}
    pages["/"] = pages.pop("/index.html").replace("index.html", "./")
    pages = {path: text.replace("../index.html", "../") for path, text in pages.items()}
    answers = {path.encode(): _answer("200 OK", text) for path, text in pages.items()}
    answers[_ALONE.encode()] = _answer(
        "200 OK", "<!doctype html><title>Alone</title>" + "<p>No links.</p>\n" * (_LONG // 17)
    )
    answers[b""] = _answer("404 Not Found", "")
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(answers), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def _serving() -> Iterator[str]:
    """The server in a process of its own; gives its URL, without a slash at its end."""
    command = [sys.executable, str(_HERE / "small.py"), "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


def _bare(url: str, pages: int) -> float:
    """CPU seconds of a crawl with the bare loop."""
    outcome = _run([sys.executable, str(_HERE / "bare.py"), url])
    found = json.loads(outcome.said)["pages"]
    if found != pages:
        raise SystemExit(f"the bare loop found {found} of {pages} pages")
    return outcome.cpu


def _skitter(url: str, pages: int) -> float:
    """CPU seconds of a crawl with skitter: a durable frontier and a record for each page."""
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job"
        command = [sys.executable, "-m", "skitter", "crawl", url, "--job", str(job), "--per-host", "64", "-q"]
        outcome = _run(command)
        with (job / "pages.jsonl").open() as records:
            found = sum('"reason":"fetched"' in line.replace(" ", "") for line in records)
    if found != pages:
        raise SystemExit(f"skitter has {found} records of {pages} pages")
    return outcome.cpu


def _run(command: list[str]) -> measuring.Outcome:
    with tempfile.TemporaryDirectory() as folder:
        outcome = measuring.run(command, Path(folder), _LIMIT)
    if outcome.ended != "exit 0":
        raise SystemExit(f"{' '.join(command)}: {outcome.ended}\n{outcome.said}")
    return outcome


def measure(url: str, rounds: int) -> dict[str, float]:
    """One try: CPU ms a page of both, and their ratio."""
    times: dict[str, list[float]] = {"bare": [], "bare_start": [], "skitter": [], "skitter_start": []}
    for _ in range(rounds):
        times["bare_start"].append(_bare(url + _ALONE, 1))
        times["bare"].append(_bare(url + "/", _PAGES))
        times["skitter_start"].append(_skitter(url + _ALONE, 1))
        times["skitter"].append(_skitter(url + "/", _PAGES))
    # Not the very best, which may be of a moment that only one of them met.
    good = {name: fmean(sorted(found)[:_GOOD]) for name, found in times.items()}
    bare, skitter = (1000 * (good[name] - good[f"{name}_start"]) / _PAGES for name in ("bare", "skitter"))
    return {"bare_ms": round(bare, 3), "skitter_ms": round(skitter, 3), "cpu_ratio": round(skitter / bare, 3)}


def _describe(found: dict[str, float], recorded: float | None) -> str:
    beside = f", recorded {recorded:.3f} ({found['cpu_ratio'] / recorded - 1:+.1%})" if recorded else ""
    each = f"bare loop {found['bare_ms']:.3f}, skitter {found['skitter_ms']:.3f} CPU ms a page"
    return f"{each}; ratio {found['cpu_ratio']:.3f}{beside}"


def check(url: str, rounds: int) -> int:
    """Compare with what is recorded; 1 if every try was worse."""
    recorded = json.loads(_RECORDED.read_text())["cpu_ratio"]
    for _ in range(_TRIES):
        found = measure(url, rounds)
        print(_describe(found, recorded), flush=True)
        if found["cpu_ratio"] <= recorded * _WORSE:
            return 0
    print(f"worse than recorded by more than {_WORSE - 1:.0%}, {_TRIES} times; if it has to be: --record")
    return 1


def record(url: str, rounds: int) -> None:
    """Write the middle one of three."""
    tries = [measure(url, rounds) for _ in range(_TRIES)]
    for found in tries:
        print(_describe(found, None), flush=True)
    ratio = median(found["cpu_ratio"] for found in tries)
    packages = {name: version(name) for name in ("aiohttp", "selectolax", "uvloop")}
    facts = {
        "cpu_ratio": ratio,
        "at": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        **packages,
    }
    _RECORDED.write_text(json.dumps(facts, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="write recorded.json")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        uvloop.run(serve())
        return 0
    with _serving() as url:
        if options.record:
            record(url, options.rounds)
            return 0
        return check(url, options.rounds)


if __name__ == "__main__":
    sys.exit(main())
