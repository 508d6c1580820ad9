"""A server of limited capacity: `python servers.py SCENARIO LOG` prints its URL and serves until SIGTERM.

LOG gets one JSON line a request: host, path, when it arrived, when the answer was due and when it had been
sent, in seconds of the monotonic clock, and the status, which is 0 if the client was gone by then.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Protocol, TextIO

from aiohttp import web
from scenarios import BURST, PAGE, QUICK, RATE, RETRY_AFTER, SCENARIOS, Scenario

_FIRST_LINKS = 200  # on the start page: more than any crawler has in flight


class Service(Protocol):
    """How long an answer takes, and whether it is a page."""

    def begin(self) -> None:
        """The first request has arrived."""

    async def answer(self) -> tuple[int, float]:
        """Wait until a request that arrives now is answered; return its status and when that was due."""
        ...


class Fifo:
    """Workers that take requests in the order of arrival.

    A worker's next page starts when its last one was due, not when the event loop noticed. So timers that
    fire late do not add up, and the capacity is exact.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._chance = random.Random(1)
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[float, asyncio.Future[float]]] = deque()
        self._workers = scenario.workers[0][1]
        self._busy = 0

    def begin(self) -> None:
        """The changes of capacity count from here."""
        for delay, workers in self._scenario.workers[1:]:
            self._loop.call_later(delay, self._resize, workers)

    async def answer(self) -> tuple[int, float]:
        """Wait for a worker, and then as long as the page takes."""
        done = self._loop.create_future()
        now = self._loop.time()
        self._queue.append((now, done))
        self._dispatch(now)
        return 200, await done

    def _dispatch(self, free_since: float) -> None:
        """Give requests to idle workers, the first of which is idle since `free_since`."""
        while self._queue and self._busy < self._workers:
            arrived, done = self._queue.popleft()
            self._busy += 1
            due = max(arrived, free_since) + self._cost()
            self._loop.call_at(due, self._finish, due, done)

    def _finish(self, due: float, done: asyncio.Future[float]) -> None:
        self._busy -= 1
        if not done.done():  # else the handler was cancelled, when the server stopped
            done.set_result(due)
        self._dispatch(due)

    def _resize(self, workers: int) -> None:
        # Workers that go finish the page in hand.
        self._workers = workers
        self._dispatch(self._loop.time())

    def _cost(self) -> float:
        return self._chance.expovariate(1 / PAGE) if self._scenario.random else PAGE


class Bucket:
    """A token a page; without one the answer is 429."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tokens = BURST
        self._filled = self._loop.time()

    def begin(self) -> None:
        """The bucket is full from the start."""

    async def answer(self) -> tuple[int, float]:
        """Take a token, if there is one. Either answer takes QUICK seconds."""
        now = self._loop.time()
        self._tokens = min(BURST, self._tokens + (now - self._filled) * RATE)
        self._filled = now
        status = 200 if self._tokens >= 1 else 429
        self._tokens -= status == 200
        await asyncio.sleep(QUICK)
        return status, now + QUICK


class Site:
    """An endless site: each page links to pages that no other page links to."""

    def __init__(self, service: Service, links: int, log: TextIO) -> None:
        self._service = service
        self._links = links
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._numbers: Iterator[int] = count()
        self._begun = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer, and log when. The log is written also if the client is gone or the server stops."""
        arrived = due = self._loop.time()
        if not self._begun:
            self._begun = True
            self._service.begin()
        status = 0
        try:
            found = 404
            if request.path != "/robots.txt":  # which is served at once, outside of the queue
                found, due = await self._service.answer()
            response = self._response(found, request.path)
            with suppress(ConnectionResetError):  # as when a crawler was stopped
                await response.prepare(request)
                await response.write_eof()
                status = found
            return response
        finally:
            times = {"arrived": arrived, "due": due, "ended": self._loop.time()}
            entry = {"host": request.host, "path": request.path, **times, "status": status}
            print(json.dumps(entry), file=self._log, flush=True)

    def _response(self, status: int, path: str) -> web.Response:
        if status != 200:
            headers = {"Retry-After": str(RETRY_AFTER)} if status == 429 else None
            return web.Response(status=status, headers=headers, text="no page")
        numbers = [next(self._numbers) for _ in range(_FIRST_LINKS if path == "/" else self._links)]
        links = "\n".join(f'<a href="/p/{number}">{number}</a>' for number in numbers)
        page = f"<!doctype html><title>{path}</title>\n{links}\n"
        return web.Response(text=page, content_type="text/html")


async def serve(scenario: Scenario, log: TextIO) -> None:
    """Serve at a free port of the loopback interface until SIGTERM."""
    application = web.Application()
    site = Site(Bucket() if scenario.is_bucket else Fifo(scenario), scenario.links, log)
    application.router.add_get("/{path:.*}", site.handle)
    # The crawler has been stopped before: nobody is there to wait for.
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/", flush=True)
    await stop.wait()
    await runner.cleanup()


def main(scenario: str, log: str) -> None:
    """Serve one scenario."""
    with Path(log).open("w") as sink:
        asyncio.run(serve(SCENARIOS[scenario], sink))


if __name__ == "__main__":
    main(*sys.argv[1:])
