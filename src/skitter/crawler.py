"""The facade: puts the default parts together."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterable
from types import TracebackType
from typing import Any

from skitter.clock import SystemClock
from skitter.config import Config, build
from skitter.content.page import Page
from skitter.engine import Engine, pages_of, pages_of_sync
from skitter.engine.visit import Deliver
from skitter.errors import ConfigError
from skitter.events import Observer
from skitter.frontier import MemoryFrontier, SqliteFrontier
from skitter.job import open_job
from skitter.model import Summary
from skitter.net import AiohttpFetcher, run_loop
from skitter.outputs import plain_sinks
from skitter.ports import Frontier
from skitter.rules.scope import Bounds

__all__ = ["Crawler", "Run", "crawl", "crawl_sync"]


class Run:
    """One run with its parts: an async context manager that closes them all."""

    def __init__(
        self,
        config: Config,
        command: str,
        folder: str | None,
        *,
        observe: Observer = lambda event: None,
        deliver: Deliver | None = None,
    ) -> None:
        """Open the job in ``folder``, or none. Raises ConfigError, JobError (nothing was made) and
        StorageError."""
        clock = SystemClock()
        # First whatever can find fault with the settings, then what makes files.
        fetcher = AiohttpFetcher(config.http, config.limits, clock)
        Bounds(config.scope)
        self.folder = folder
        self._job = open_job(folder, config, command) if folder else None
        self._sinks = self._job.sinks if self._job else plain_sinks(config.output.output)
        self._frontier: Frontier = (
            SqliteFrontier(self._job.store) if self._job else MemoryFrontier(by_level=config.scope.by_level)
        )
        self._fetcher = fetcher
        self.outputs = self._job.outputs if self._job else config.output.output
        self.engine = Engine(
            config,
            fetcher=fetcher,
            frontier=self._frontier,
            sinks=self._sinks,
            clock=clock,
            observe=observe,
            deliver=deliver,
        )

    async def __aenter__(self) -> Engine:
        return self.engine

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._fetcher.close()
        finally:
            try:
                await self._frontier.close()
            finally:
                for sink in self._sinks:
                    sink.close()
                if self._job is not None:
                    self._job.close()


class Crawler:
    """A crawl to be configured and run. Keyword arguments are the command's options.

    ``job`` is the folder of a durable job; without it the state is in memory and no file is made
    that ``output`` or ``records`` do not name. Raises ConfigError for an unknown option or a bad value.
    """

    def __init__(
        self, *, output: str | Iterable[str] = (), records: str | Iterable[str] = (), **options: Any
    ) -> None:
        outputs = [(paths,) if isinstance(paths, str) else tuple(paths) for paths in (output, records)]
        self.config = build(("{}", {**options, "output": outputs[0] + outputs[1]}))
        self._engine: Engine | None = None

    async def run(self, seeds: Iterable[str], *, deliver: Deliver | None = None) -> Summary:
        """Crawl; the summary says how it ended. ``deliver`` is awaited with every page that ends.

        Raises ConfigError, JobError and StorageError; failures of pages are records, not exceptions.
        """
        seeds = (seeds,) if isinstance(seeds, str) else seeds
        run = Run(self.config, "crawl", self.config.output.job, deliver=deliver)
        async with run as engine:
            self._engine = engine
            return await engine.run(seeds)

    def run_sync(self, seeds: Iterable[str]) -> Summary:
        """:meth:`run` for programs without an event loop."""
        return run_loop(self.run(seeds))

    def stop(self) -> None:
        """Take no new URLs; what is in flight is finished and saved. Returns at once."""
        if self._engine is not None:
            self._engine.stop()


def crawl(*seeds: str, **options: Any) -> AsyncGenerator[Page, None]:
    """Crawl and hand out pages as they end, failures included (``page.ok`` is False).

    A slow consumer slows the crawl; breaking out ends it. Options are those of :class:`Crawler`.
    """
    crawler = _crawler(seeds, options)
    return pages_of(lambda deliver: crawler.run(seeds, deliver=deliver))


def crawl_sync(*seeds: str, **options: Any) -> Generator[Page, None, None]:
    """:func:`crawl` for programs without an event loop: it runs in a thread of its own."""
    crawler = _crawler(seeds, options)
    return pages_of_sync(lambda deliver: crawler.run(seeds, deliver=deliver), run_loop)


def _crawler(seeds: tuple[str, ...], options: dict[str, Any]) -> Crawler:
    if not seeds:
        raise ConfigError("no URL given")
    return Crawler(**options)
