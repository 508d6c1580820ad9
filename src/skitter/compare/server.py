"""The local server of the experiment, in a process of its own, so that it competes with nobody for an
interpreter and sees what really arrives.

It works on at most so many requests at once, each for ``delay`` seconds; the others queue, first come,
first served. With a gateway's time-out, a request that has queued and worked longer is answered 504; as
behind a real gateway, work that has begun goes on all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection

import msgspec
from aiohttp import web

from skitter.testing import Site

__all__ = ["Figures", "LabServer", "serving"]


class Figures(msgspec.Struct, frozen=True):
    """What the server saw since it was last asked to forget."""

    requests: int
    max_in_flight: int
    connections: int


class LabServer:
    """The server seen from the client's side."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def figures(self) -> Figures:
        """What it has seen since the last call; it says so once it is at rest."""
        # Not through any client under test.
        connection = HTTPConnection(self.origin.removeprefix("http://"))
        with contextlib.closing(connection):
            connection.request("GET", "/figures")
            return msgspec.json.decode(connection.getresponse().read(), type=Figures)


@contextlib.contextmanager
def serving(delay: float, capacity: int | None, gateway_timeout: float | None) -> Iterator[LabServer]:
    """Run the server beside us; it ends when we do."""
    words = json.dumps([delay, capacity, gateway_timeout])
    with subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-m", __name__, words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            yield LabServer(child.stdout.readline().strip())
        finally:
            child.stdin.close()


class _Worker:
    """Answers ``/delay/...`` as told, and counts."""

    def __init__(self, delay: float, capacity: int | None, gateway_timeout: float | None) -> None:
        self._delay = delay
        self._slots = asyncio.Semaphore(capacity) if capacity else contextlib.nullcontext()
        self._timeout = gateway_timeout
        self._in_flight = 0
        self._working: set[asyncio.Task[None]] = set()
        self._forget()

    def _forget(self) -> None:
        self._requests = self._most = 0
        # Held, so that no two connections can be taken for the same one.
        self._connections: set[object] = set()

    async def figures(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._working:  # work that nobody waits for would be in the next strategy's way
            await asyncio.wait(tuple(self._working))
        figures = Figures(self._requests, self._most, len(self._connections))
        self._forget()
        return web.Response(body=msgspec.json.encode(figures), content_type="application/json")

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self._requests += 1
        self._in_flight += 1
        self._most = max(self._most, self._in_flight)
        self._connections.add(request.protocol)
        try:
            return await self._gateway()
        finally:
            self._in_flight -= 1

    async def _gateway(self) -> web.StreamResponse:
        began = asyncio.Event()
        work = asyncio.create_task(self._work(began))
        self._working.add(work)
        work.add_done_callback(self._working.discard)
        try:
            await asyncio.wait((work,), timeout=self._timeout)
        finally:
            if not began.is_set():  # it still queues: nobody waits for it any more
                work.cancel()
        if work.done():
            return web.Response(text=f"This answer took {self._delay:g} seconds of work.\n")
        return web.Response(status=504, text="The gateway has waited too long.\n")

    async def _work(self, began: asyncio.Event) -> None:
        async with self._slots:
            began.set()
            await asyncio.sleep(self._delay)


def _main(words: str) -> None:
    worker = _Worker(*json.loads(words))
    with Site(keep_log=False) as site:
        site.robots("User-agent: *\nAllow: /\n")
        site.handler("/figures", worker.figures)
        site.handler("/delay/*", worker.answer)
        sys.stdout.write(f"{site.origin}\n")
        sys.stdout.flush()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is our parent's to answer
        sys.stdin.read()  # to its end: then whoever started us is gone


if __name__ == "__main__":
    _main(sys.argv[1])
