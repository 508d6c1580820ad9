"""Where calls are taken: an engine that stays, and the tasks that wait for its answers.

It is started by the first call, and closed by whoever opened it: no task outlives it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from skitter.engine.loop import Engine
from skitter.engine.seeds import read_seed
from skitter.errors import UsageError
from skitter.model import Ask, Summary
from skitter.page import Page

__all__ = ["Desk"]


class Desk:
    """Hands out tasks that fetch. To be made on a running loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._leave = asyncio.Event()
        self._closing = False
        self._tasks: set[asyncio.Task[Page]] = set()
        self._run: asyncio.Task[Summary] = asyncio.create_task(engine.run(stay=self._leave), name="crawl")

    def submit(self, url: str, ask: Ask | None = None) -> asyncio.Task[Page]:
        """A task that fetches ``url``, by a plain GET or as ``ask`` says, and is named by it. Raises
        ConfigError for what is no URL, and UsageError when the tasks are being cancelled."""
        if self._closing:
            raise UsageError("the crawler is being left: nothing more is fetched")
        target = read_seed(url)
        task = asyncio.create_task(self._engine.calls.fetch(target, ask), name=target)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def fetch_all(self, urls: Iterable[str]) -> list[Page]:
        """The pages of all URLs, in their order. Cancelled, it cancels what it waits for.

        Raises ConfigError, and then fetches nothing.
        """
        return await asyncio.gather(*[self.submit(url) for url in [read_seed(url) for url in urls]])

    async def close(self, *, cancel: bool) -> Summary:
        """Wait for all tasks, or cancel them; then end the run. Raises what has ended it before."""
        try:
            await self._finish(cancel=cancel)
        except asyncio.CancelledError:  # whoever leaves is cancelled himself
            await self._finish(cancel=True)
            raise
        finally:
            self._closing = True
            self._leave.set()
            await asyncio.wait((self._run,))
        return self._run.result()

    async def _finish(self, *, cancel: bool) -> None:
        self._closing |= cancel
        while self._tasks:
            if cancel:
                for task in self._tasks:
                    task.cancel()
            await asyncio.wait(self._tasks)
