"""A run as a stream of pages: bounded, and over when the consumer is.

A page is settled only when the consumer comes back for the next one: what he never had in hand stays
pending, and a job hands it out again. So at most as many pages wait as there are requests in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any

from skitter.engine.tell import Deliver
from skitter.model import Summary
from skitter.page import Page

__all__ = ["pages_of", "pages_of_sync"]

RunWith = Callable[[Deliver], Coroutine[Any, Any, Summary]]
RunLoop = Callable[[Coroutine[Any, Any, None]], None]


async def pages_of(run: RunWith) -> AsyncGenerator[Page, None]:
    """The pages of ``run(deliver)``. Closing the iterator cancels the run and waits for its end."""
    pages: asyncio.Queue[tuple[Page, asyncio.Future[None]] | None] = asyncio.Queue()

    async def deliver(page: Page) -> None:
        taken = asyncio.get_running_loop().create_future()
        pages.put_nowait((page, taken))
        await taken

    async def produce() -> None:
        try:
            await run(deliver)
        finally:
            pages.put_nowait(None)

    task = asyncio.create_task(produce(), name="crawl")
    try:
        while (item := await pages.get()) is not None:
            page, taken = item
            yield page
            if not taken.done():
                taken.set_result(None)
        await task  # raises what stopped the run
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def pages_of_sync(run: RunWith, run_loop: RunLoop) -> Generator[Page, None, None]:
    """The same from a thread with an event loop of its own."""
    pages: queue.SimpleQueue[tuple[Page, Callable[[], None]] | None] = queue.SimpleQueue()
    runner = _Runner()

    async def deliver(page: Page) -> None:
        loop = asyncio.get_running_loop()
        taken = asyncio.Event()
        pages.put((page, lambda: _tell(loop, taken.set)))
        await taken.wait()

    def work() -> None:
        try:
            run_loop(runner.watch(run(deliver)))
        except BaseException as error:
            runner.error = error
        finally:
            pages.put(None)

    thread = threading.Thread(target=work, name="skitter-crawl", daemon=True)
    thread.start()
    try:
        while (item := pages.get()) is not None:
            page, taken = item
            yield page
            taken()
        if runner.error is not None:
            raise runner.error
    finally:
        runner.cancel()
        thread.join()


class _Runner:
    """The crawl's task, to be cancelled from another thread."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._cancelled = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    async def watch(self, crawl: Coroutine[Any, Any, Summary]) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._cancelled:
            crawl.close()
            return
        await crawl

    def cancel(self) -> None:
        self._cancelled = True
        if self._loop is not None and self._task is not None:
            _tell(self._loop, self._task.cancel)


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: the run is over
        loop.call_soon_threadsafe(what)
