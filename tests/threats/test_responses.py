"""B7 and B6: what is no good HTTP is refused, or read in one way, with both of aiohttp's parsers.

No answer that nobody asked for is ever taken for one that somebody did.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from tests.threats.responses import PATIENCE, ROWS, Came, Row, parser_in_use, play

from skitter.clock import SystemClock
from skitter.config import Http, Limits
from skitter.model import Failure, Reason, Request
from skitter.net import AiohttpFetcher
from skitter.net.connection import MAX_INTERIM

ROOT = Path(__file__).parent.parent.parent
MIB = 1024 * 1024
OWN = "200 'own answer to request 2'"
Results = dict[str, Came]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def results() -> dict[str, Results]:
    """What came of every row with the parser of the name: the pure one runs in a process of its own."""
    environment = os.environ | {"AIOHTTP_NO_EXTENSIONS": "1", "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    command = [sys.executable, "-m", "tests.threats.responses"]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            with_c = asyncio.run(play())
            output, _ = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 0
    told = json.loads(output)
    assert (parser_in_use(), told["parser"]) == ("c", "pure")
    return {"c": with_c, "pure": {name: Came(**came) for name, came in told["came"].items()}}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_B7_every_answer_has_its_verdict(row: Row, results: dict[str, Results]) -> None:
    for parser in ("c", "pure"):
        came = results[parser][row.name]
        assert (came.verdict, came.kept) == row.expected(parser), parser
        # The next request has gone out, and got what the server gave to it: no byte of the first answer.
        assert (came.second, came.requests) == (OWN, 2), parser
        if row.then != "hang":
            assert came.seconds < PATIENCE / 2, parser


def test_B7_the_table_is_large_and_every_difference_is_explained() -> None:
    assert len(ROWS) >= 150
    assert [name for name, count in Counter(row.name for row in ROWS).items() if count > 1] == []
    for row in ROWS:
        assert row.rfc, row.name
        assert row.parts or row.then != "keep", row.name
        differs = row.expected("c") != row.expected("pure")
        assert differs == bool(row.why), row.name
        assert row.verdict.split(" ")[0] in (*Reason, *map(str, range(100, 1000))), row.name


def test_B7_a_refused_head_is_never_followed_on_its_connection() -> None:
    """Whoever cannot tell where an answer ends cannot tell where the next one begins."""
    for row in ROWS:
        for parser in ("c", "pure"):
            verdict, kept = row.expected(parser)
            if verdict == "malformed" and kept:
                # Only the body's coding was wrong: its end was not in doubt.
                assert b"Content-Encoding" in row.parts[0], row.name


# B6


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[str]:
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
        writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}/"
    finally:
        running.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def resident() -> int:
    """Bytes of memory that this process has now."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


class Flood:
    """Writes a beginning, then a part for ever, in pieces of a few bytes if ``step`` says so."""

    def __init__(self, head: bytes, part: bytes, step: int = 0, pause: float | None = None) -> None:
        self._head = head
        self._part = part
        self._step = step
        self._pause = pause
        self.written = 0
        self.peak = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        step = self._step or len(self._part)
        writer.write(self._head)
        while True:
            for start in range(0, len(self._part), step):
                writer.write(self._part[start : start + step])
                await writer.drain()
                self.written += step
                if self._pause is not None:
                    await asyncio.sleep(self._pause)
            self.peak = max(self.peak, resident())


FLOODS = {
    "a head without end": Flood(b"HTTP/1.1 200 OK\r\n", b"X-Field: value\r\n" * 100),
    "a head without end, in split reads": Flood(
        b"HTTP/1.1 200 OK\r\n", b"X-Field: value\r\n", step=3, pause=0.0
    ),
    "10,000 fields": Flood(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000, b"X: y\r\n" * 100),
    "a value without end": Flood(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 10_000),
    "a value without end, in split reads": Flood(
        b"HTTP/1.1 200 OK\r\nX: ", b"y" * 10_000, step=500, pause=0.0
    ),
    "a name without end": Flood(b"HTTP/1.1 200 OK\r\nX", b"y" * 10_000),
    "a name without end, in split reads": Flood(b"HTTP/1.1 200 OK\r\nX", b"y" * 10_000, step=500, pause=0.0),
    "a folded line without end": Flood(b"HTTP/1.1 200 OK\r\nX: y\r\n", b" y\r\n" * 1000),
    "a reason without end": Flood(b"HTTP/1.1 200 ", b"y" * 10_000),
    "a reason without end, in split reads": Flood(b"HTTP/1.1 200 ", b"y" * 10_000, step=500, pause=0.0),
    "interim answers without end": Flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "interim answers one by one": Flood(b"", b"HTTP/1.1 103 x\r\nLink: </a>\r\n\r\n", pause=0.001),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_B6_a_head_without_end_is_refused_in_flat_memory(flood: Flood) -> None:
    async def main() -> None:
        fetcher = AiohttpFetcher(Http(), Limits(timeout=20.0), SystemClock())
        async with server(flood) as url:
            await fetcher.fetch(
                Request(url, MIB, reach="loopback"), lambda: None
            )  # what is imported or allotted once
            before, flood.peak = resident(), 0
            start = time.perf_counter()
            answer = await fetcher.fetch(Request(url, MIB, reach="loopback"), lambda: None)
            took = time.perf_counter() - start
            await fetcher.close()
        assert took < 10
        assert isinstance(answer, Failure)
        assert (answer.reason, answer.transient) == (Reason.MALFORMED, False)
        assert max(flood.peak, resident()) - before < 16 * MIB

    asyncio.run(main())


@pytest.mark.parametrize("count", [MAX_INTERIM, MAX_INTERIM + 1])
@pytest.mark.parametrize("pause", [None, 0.001])
def test_B6_the_cap_on_interim_answers_is_exact(count: int, pause: float | None) -> None:
    """However they come: each by itself, or all in one read. The count begins anew with each request."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            for _ in range(count):
                writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
                if pause is not None:
                    await writer.drain()
                    await asyncio.sleep(pause)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            await reader.readuntil(b"\r\n\r\n")

    async def main() -> list[str]:
        fetcher = AiohttpFetcher(Http(), Limits(timeout=20.0), SystemClock())
        ends = []
        async with server(answer) as url:
            for _ in range(2):
                came = await fetcher.fetch(Request(url, MIB, reach="loopback"), lambda: None)
                ends.append(came.reason if isinstance(came, Failure) else came.body.decode())
            await fetcher.close()
        return ends

    assert asyncio.run(main()) == (["hello"] * 2 if count <= MAX_INTERIM else [Reason.MALFORMED] * 2)
