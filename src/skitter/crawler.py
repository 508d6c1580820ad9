"""The facade: puts the default parts together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from dataclasses import replace
from os import PathLike, fspath
from types import TracebackType
from typing import Any, TypeVar

from skitter.aside import Aside
from skitter.clock import SystemClock
from skitter.config import Config, build
from skitter.content.page import Page
from skitter.disk import Disks
from skitter.engine import Desk, Engine, Handlers, Route, Stopper, pages_of, pages_of_sync
from skitter.engine.governor import Governor
from skitter.engine.tell import Deliver
from skitter.errors import ConfigError, UsageError
from skitter.events import Noted, Observer
from skitter.frontier import MemoryFrontier, SqliteFrontier
from skitter.job import open_job
from skitter.model import Summary
from skitter.net import AiohttpFetcher, run_loop
from skitter.observe.logger import LibraryLog, guarded
from skitter.observe.memory import memory_used
from skitter.observe.watchdog import Watchdog
from skitter.outputs import plain_sinks
from skitter.ports import Frontier
from skitter.rules.pattern import compile_pattern
from skitter.rules.scope import Bounds
from skitter.staff import crew_of

__all__ = ["Crawler", "Run", "crawl", "crawl_sync"]

F = TypeVar("F", bound=Callable[[Page], Any])


class Run:
    """One run with its parts: an async context manager that closes them all."""

    def __init__(
        self,
        config: Config,
        command: str,
        folder: str | None,
        *,
        observe: Observer,
        deliver: Deliver | None = None,
        routes: tuple[Route, ...] = (),
        items: tuple[str, ...] = (),
        adopt: Callable[[Stopper], None] = lambda stopper: None,
    ) -> None:
        """Open the job in ``folder``, or none; ``items`` are outputs for what the handlers of ``routes``
        make; a worker process gives ``adopt`` what handlers may stop the crawl with. Raises ConfigError,
        JobError (nothing was made) and StorageError."""
        clock = SystemClock()
        watch = Watchdog(config.limits.slow_callback, observe)
        # First whatever can find fault with the settings, then what makes files.
        home = AiohttpFetcher(config.http, config.limits, clock, watch.lag)
        Bounds(config.scope)
        # Worker processes come before files: they are to have none of them.
        self._crew = crew_of(config, home, clock, observe, routes, adopt, wants_pages=deliver is not None)
        self._fetcher = self._crew or home
        self._open(config, command, folder, items, observe)
        self._aside = Aside()
        self.engine = Engine(
            config,
            fetcher=self._fetcher,
            frontier=self._frontier,
            sinks=self._sinks,
            clock=clock,
            observe=observe,
            deliver=deliver,
            handlers=Handlers(routes) if routes else None,
            watch=watch,
            governor=Governor(config.limits.concurrency, memory_used, observe, self._crew),
            disk_low=Disks((folder, *self.outputs), config.output.min_free).low,
            aside=self._aside.read,
        )

    def _open(
        self, config: Config, command: str, folder: str | None, items: tuple[str, ...], observe: Observer
    ) -> None:
        """The frontier and the outputs: a job's, or memory and plain files."""
        self.folder = folder
        try:
            self._job = open_job(folder, config, command, items) if folder else None
        except BaseException:
            if self._crew is not None:
                self._crew.disband()
            raise
        for note in self._job.notes if self._job else ():
            observe(Noted(note))
        self._sinks = self._job.sinks if self._job else plain_sinks(config.output.output, items)
        self._frontier: Frontier = (
            SqliteFrontier(self._job.store) if self._job else MemoryFrontier(by_level=config.scope.by_level)
        )
        self.outputs = self._job.outputs if self._job else (*config.output.output, *items)

    async def __aenter__(self) -> Engine:
        return self.engine

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._aside.close()
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
    """A crawl to be configured and run, or a desk that hands out tasks. Keyword arguments are the
    command's options.

    ``job`` is the folder of a durable job; without it the state is in memory and no file is made
    that ``output`` or ``records`` do not name. ``output`` takes the items of handlers, where there are
    any, else records; ``records`` always takes records. ``observe`` is called with every event
    (:mod:`skitter.events`); by default, what matters goes to the logger ``skitter``.
    Raises ConfigError for an unknown option or a bad value.
    """

    def __init__(
        self,
        *,
        output: _Paths = (),
        records: _Paths = (),
        observe: Observer | None = None,
        **options: Any,
    ) -> None:
        self.config = build(("{}", options))
        self._output = _paths(output)
        self._records = _paths(records)
        self._observe: Observer = guarded(observe) if observe else LibraryLog()
        self._routes: list[Route] = []
        self._engine: Stopper | None = None
        self._is_open = False
        self._desk: Desk | None = None
        self._desk_run: Run | None = None

    # -- a crawl -----------------------------------------------------------------------------

    def on(self, pattern: str) -> Callable[[F], F]:
        """Decorate the handler of fetched pages whose URL matches: a glob, or ``re:`` an expression.

        The first handler that matches takes a page. It is called with the page: ``async def`` on the
        loop, a plain ``def`` in a thread. It may return one item (a dict, a dataclass, a msgspec or
        pydantic object) or None; as a generator it yields items and ``page.follow(...)``, and then those
        take the place of the page's links. What goes wrong in it ends the record as ``handler_error``.
        Raises ConfigError for a pattern that cannot be understood.
        """
        if not isinstance(pattern, str):
            raise ConfigError(f'on: needs a pattern, as in @crawler.on("*/product/*"), not {pattern!r}')
        try:
            matches = compile_pattern(pattern)
        except ValueError as error:
            raise ConfigError(f"on: {error}") from None

        def register(function: F) -> F:
            self._routes.append(Route(matches, function))
            return function

        return register

    async def run(self, seeds: Iterable[str], *, deliver: Deliver | None = None) -> Summary:
        """Crawl; the summary says how it ended. ``deliver`` is awaited with every page that ends.

        Raises ConfigError, JobError and StorageError; failures of pages are records, not exceptions.
        """
        seeds = (seeds,) if isinstance(seeds, str) else seeds
        items, records = (self._output, ()) if self._routes else ((), self._output)
        run = Run(
            replace(self.config, output=replace(self.config.output, output=records + self._records)),
            "crawl",
            self.config.output.job,
            observe=self._observe,
            deliver=deliver,
            routes=tuple(self._routes),
            items=items,
            adopt=self._adopt,
        )
        async with run as engine:
            self._engine = engine
            return await engine.run(seeds)

    def run_sync(self, seeds: Iterable[str]) -> Summary:
        """:meth:`run` for programs without an event loop."""
        return run_loop(self.run(seeds))

    def stop(self) -> None:
        """Take no new URLs; what is in flight is finished and saved. Returns at once."""
        for engine in self._engines():
            engine.stop()

    def abort(self) -> None:
        """Stop now: requests in flight and handlers are cut off, their URLs stay pending. Returns at once.

        A plain ``def`` handler cannot be cut off; its thread is left to itself.
        """
        for engine in self._engines():
            engine.abort()

    def _adopt(self, stopper: Stopper) -> None:
        """In a worker process, what a handler says to this object goes to the owner."""
        self._engine = stopper

    def _engines(self) -> list[Stopper]:
        every = (self._engine, self._desk_run.engine if self._desk_run else None)
        return [engine for engine in every if engine is not None]

    # -- tasks -------------------------------------------------------------------------------

    async def __aenter__(self) -> Crawler:
        if self._is_open:
            raise UsageError("this crawler is open already: make another one")
        self._is_open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for the submitted tasks; after an exception, cancel them."""
        desk, run = self._desk, self._desk_run
        try:
            if desk is not None:
                await desk.close(cancel=kind is not None)
        finally:
            self._is_open = False
            self._desk = self._desk_run = None
            if run is not None:
                await run.__aexit__(kind, error, trace)

    def submit(self, url: str) -> asyncio.Task[Page]:
        """A task that fetches ``url``, follows its redirects under any scope, and gives the last page.

        It is named by the URL. A failure is a page with ``ok`` False. Cancelling it takes the request
        off the wire and frees its slot. Raises ConfigError for what is no URL, and UsageError outside of
        ``async with``.
        """
        return self._open_desk().submit(url)

    async def fetch_all(self, urls: Iterable[str]) -> list[Page]:
        """The pages of all URLs, in their order; each URL is fetched as often as it is named."""
        urls = (urls,) if isinstance(urls, str) else urls
        return await self._open_desk().fetch_all(urls)

    def _open_desk(self) -> Desk:
        if not self._is_open:
            raise UsageError("submit and fetch_all need `async with skitter.Crawler() as crawler:`")
        if self.config.output.job or self._output or self._records:
            raise UsageError(
                "submit and fetch_all hand out pages and keep nothing: job, output and records are for run()"
            )
        if self._desk is None:
            self._desk_run = Run(self.config, "fetch", None, observe=self._observe)
            self._desk = Desk(self._desk_run.engine)
        return self._desk


_Paths = str | PathLike[str] | Iterable[str | PathLike[str]]


def _paths(paths: _Paths) -> tuple[str, ...]:
    return (fspath(paths),) if isinstance(paths, str | PathLike) else tuple(fspath(path) for path in paths)


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
