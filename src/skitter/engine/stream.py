"""A run as a stream of pages: bounded, and over when the consumer is."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any

from skitter.engine.visit import Deliver
from skitter.model import Page, Summary

__all__ = ["pages_of", "pages_of_sync"]

# Pages that wait for the consumer: enough to keep both sides busy, few enough to hold bodies.
_AHEAD = 16

RunWith = Callable[[Deliver], Coroutine[Any, Any, Summary]]


async def pages_of(run: RunWith) -> AsyncGenerator[Page, None]:
    """The pages of ``run(deliver)``. Closing the iterator cancels the run and waits for its end."""
    pages: asyncio.Queue[Page | None] = asyncio.Queue(_AHEAD)

    async def produce() -> None:
        try:
            await run(pages.put)
        finally:
            with contextlib.suppress(asyncio.QueueFull):
                pages.put_nowait(None)

    task = asyncio.create_task(produce(), name="crawl")
    try:
        while not (task.done() and pages.empty()):
            getter = asyncio.ensure_future(pages.get())
            await asyncio.wait((getter, task), return_when=asyncio.FIRST_COMPLETED)
            if not getter.done():
                getter.cancel()
                continue
            page = getter.result()
            if page is not None:
                yield page
        await task  # raises what stopped the run
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def pages_of_sync(
    run: RunWith, run_loop: Callable[[Coroutine[Any, Any, None]], None]
) -> Generator[Page, None, None]:
    """The same from a thread with an event loop of its own."""
    pages: queue.Queue[Page | BaseException | None] = queue.Queue(_AHEAD)
    over = threading.Event()

    async def produce() -> None:
        async def deliver(page: Page) -> None:
            while not over.is_set():
                try:
                    return pages.put_nowait(page)
                except queue.Full:
                    await asyncio.sleep(0.01)
            raise asyncio.CancelledError

        await run(deliver)

    def work() -> None:
        end: BaseException | None = None
        try:
            run_loop(produce())
        except BaseException as error:
            end = error
        if not over.is_set():
            pages.put(end)

    thread = threading.Thread(target=work, name="skitter-crawl", daemon=True)
    thread.start()
    try:
        while (page := pages.get()) is not None:
            if isinstance(page, BaseException):
                raise page
            yield page
    finally:
        over.set()
        thread.join(timeout=60)
