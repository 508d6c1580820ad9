"""The facade: what users configure, and start."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from dataclasses import replace
from os import PathLike, fspath
from types import TracebackType
from typing import Any, TypeVar

from msgspec.structs import replace as replace_in

from skitter.config import build
from skitter.engine import (
    Desk,
    Route,
    Stopper,
    UserCode,
    pages_of,
    pages_of_sync,
)
from skitter.engine.hooks import AfterResponse, BeforeRequest, OnRecord, ShouldFollow
from skitter.engine.routes import Match, Statuses, conditions
from skitter.engine.tell import Deliver
from skitter.errors import ConfigError, UsageError
from skitter.events import Observer
from skitter.model import Summary
from skitter.net import run_loop
from skitter.observe.logger import LibraryLog, guarded
from skitter.page import Page
from skitter.ports import Fetcher, Frontier, Sink
from skitter.rules.ask import Data, ask_for
from skitter.run import Run

__all__ = ["Crawler", "crawl", "crawl_sync"]

F = TypeVar("F", bound=Callable[[Page], Any])
# The hooks' types (engine.hooks): a decorator gives back what it was given.
B = TypeVar("B", bound=BeforeRequest)
A = TypeVar("A", bound=AfterResponse)
S = TypeVar("S", bound=ShouldFollow)
R = TypeVar("R", bound=OnRecord)


class Crawler:
    """A crawl to be configured and run, or a desk that hands out tasks. Keyword arguments are the
    command's options.

    ``job`` is the folder of a durable job; without it the state is in memory and no file is made
    that ``output`` or ``records`` do not name. ``output`` takes the items of handlers, where there are
    any, else records; ``records`` always takes records. ``on_error="stop"`` ends the crawl, as :meth:`stop`
    does, when a handler raises; else only the page's record says so. ``observe`` is called with every event
    (:mod:`skitter.events`); by default, what matters goes to the logger ``skitter``. ``fetcher`` and
    ``frontier`` take the place of skitter's own, ``sinks`` come beside the outputs (:mod:`skitter.ports`); a
    job keeps its own frontier and outputs. ``summary`` is that of the last run, when it has ended.
    Raises ConfigError for an unknown option or a bad value.
    """

    def __init__(
        self,
        *,
        output: _Paths = (),
        records: _Paths = (),
        on_error: str = "continue",
        observe: Observer | None = None,
        fetcher: Fetcher | None = None,
        frontier: Frontier | None = None,
        sinks: Iterable[Sink] = (),
        **options: Any,
    ) -> None:
        if on_error not in ("continue", "stop"):
            raise ConfigError(f"on_error {on_error!r}: give 'continue' or 'stop'")
        self.summary: Summary | None = None
        self._code = UserCode(
            stops=on_error == "stop", fetcher=fetcher, frontier=frontier, sinks=tuple(sinks)
        )
        self.config = build(("{}", options))
        if self.config.output.job and (frontier is not None or self._code.sinks):
            raise ConfigError(
                "a job keeps its own frontier and outputs: leave out job, or frontier and sinks"
            )
        self._output = _paths(output)
        self._records = _paths(records)
        self._observe: Observer = guarded(observe) if observe else LibraryLog()
        self._routes: list[Route] = []
        self._default: tuple[Route, ...] = ()
        self._unfinished: list[Match | None] = []  # of on(), which has given back a decorator that waits
        self._engine: Stopper | None = None
        self._is_open = False
        self._desk: Desk | None = None
        self._desk_run: Run | None = None

    # -- a crawl -----------------------------------------------------------------------------

    def on(
        self,
        match: Match | None = None,
        *,
        content_type: str | None = None,
        status: Statuses | None = None,
    ) -> Callable[[F], F]:
        """Decorate the handler of pages whose URL matches: a glob, or ``re:`` an expression; or of those for
        which a predicate, called with the page, says yes.

        ``content_type`` is a glob for the media type, as in ``"image/*"``. A handler takes fetched pages;
        with ``status`` it takes those whose answer had it, failures too: a number, ``"4xx"``, or several.

        The first handler that matches takes a page. It is called with the page: ``async def`` on the
        loop, a plain ``def`` in a thread. It may return one item (a dict, a dataclass, a msgspec or
        pydantic object) or None; as a generator it yields items and ``page.follow(...)`` or requests, and
        then those take the place of the page's links. What goes wrong in it ends the record as
        ``handler_error``. Over a crash a handler may run again; its items are written once.
        Raises ConfigError for what cannot be understood.
        """

        if match is None and content_type is None and status is None:
            raise ConfigError(
                "on: give a pattern, a predicate, content_type or status; @crawler.default takes the rest"
            )
        try:
            matches, accepts = conditions(match, content_type, status)
        except ValueError as error:
            raise ConfigError(f"on: {error}") from None
        self._unfinished.append(match)

        def register(function: F) -> F:
            if match in self._unfinished:
                self._unfinished.remove(match)
            self._routes.append(Route(matches, function, accepts))
            return function

        return register

    def default(self, function: F) -> F:
        """Decorate the handler of fetched pages that no other one takes."""
        matches, accepts = conditions()
        self._default = (Route(matches, function, accepts),)
        return function

    def before_request(self, hook: B) -> B:
        """Decorate a plain function that is called with each :class:`Request` before it goes out, and may
        give another one for the same URL (:func:`msgspec.structs.replace`). Not for robots.txt and
        sitemaps."""
        self._hook(hook, before_request=(*self._code.hooks.before_request, hook))
        return hook

    def after_response(self, hook: A) -> A:
        """Decorate a plain function that is called with a request and its answer (a ``Response`` or a
        ``Failure``), and may give another answer. It sees redirects and answers that are tried again, too."""
        self._hook(hook, after_response=(*self._code.hooks.after_response, hook))
        return hook

    def should_follow(self, hook: S) -> S:
        """Decorate a plain function that is called with a page and the URL of a link that is in scope, and
        says whether to follow it."""
        self._hook(hook, should_follow=(*self._code.hooks.should_follow, hook))
        return hook

    def on_record(self, hook: R) -> R:
        """Decorate a plain function that is called with each :class:`Record` before it is written, and may
        give another one of the same URL."""
        self._hook(hook, on_record=(*self._code.hooks.on_record, hook))
        return hook

    def _hook(self, hook: Callable[..., Any], **hooks: Any) -> None:
        if inspect.iscoroutinefunction(hook):
            raise ConfigError("hooks are called on the loop for every page: make it a plain `def`")
        self._code = replace_in(self._code, hooks=replace_in(self._code.hooks, **hooks))

    async def run(self, seeds: Iterable[str], *, deliver: Deliver | None = None) -> Summary:
        """Crawl; the summary says how it ended. ``deliver`` is awaited with every page that ends.

        Raises ConfigError, JobError and StorageError; failures of pages are records, not exceptions.
        """
        seeds = (seeds,) if isinstance(seeds, str) else seeds
        for match in self._unfinished:
            raise ConfigError(f"on: {match!r} has no handler; on() decorates one, with its brackets")
        routes = (*self._routes, *self._default)
        items, records = (self._output, ()) if routes else ((), self._output)
        run = Run(
            replace(self.config, output=replace(self.config.output, output=records + self._records)),
            "crawl",
            self.config.output.job,
            observe=self._observe,
            deliver=deliver,
            code=replace_in(self._code, routes=routes),
            items=items,
            adopt=self._adopt,
        )
        async with run as engine:
            self._engine = engine
            self.summary = await engine.run(seeds)
        return self.summary

    def run_sync(self, seeds: Iterable[str]) -> Summary:
        """:meth:`run` for programs without an event loop."""
        return run_loop(self.run(seeds))

    def stop(self) -> None:
        """Take no new URLs; what is in flight is finished and saved. Returns at once."""
        for engine in self._engines():
            engine.stop()

    def pause(self) -> None:
        """Begin no new visits until :meth:`resume`; what is in flight is finished and saved. Returns at once;
        from any thread."""
        for engine in self._engines():
            engine.pause()

    def resume(self) -> None:
        """Go on after :meth:`pause`."""
        for engine in self._engines():
            engine.resume()

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
                self.summary = await desk.close(cancel=kind is not None)
        finally:
            self._is_open = False
            self._desk = self._desk_run = None
            if run is not None:
                await run.__aexit__(kind, error, trace)

    def submit(
        self,
        url: str,
        *,
        method: str | None = None,
        headers: Mapping[str, str] | None = None,
        data: Data | None = None,
        json: Any = None,
        meta: Mapping[str, Any] | None = None,
    ) -> asyncio.Task[Page]:
        """A task that fetches ``url``, follows its redirects under any scope, and gives the last page.

        It is named by the URL. A failure is a page with ``ok`` False. Cancelling it takes the request
        off the wire and frees its slot. How it is asked for is said as in :meth:`Page.follow`. Raises
        ConfigError for what is no URL, ValueError for what cannot be asked, and UsageError outside of
        ``async with``.
        """
        return self._open_desk().submit(url, ask_for(method, headers, data, json, meta))

    async def fetch_all(self, urls: Iterable[str]) -> list[Page]:
        """The pages of all URLs, in their order; each URL is fetched as often as it is named."""
        urls = (urls,) if isinstance(urls, str) else urls
        return await self._open_desk().fetch_all(urls)

    def _open_desk(self) -> Desk:
        if not self._is_open:
            raise UsageError("submit and fetch_all need `async with skitter.Crawler() as crawler:`")
        if self.config.output.job or self._output or self._records or self._code.sinks:
            raise UsageError(
                "submit and fetch_all hand out pages and keep nothing: job, output and records are for run()"
            )
        if self._desk is None:
            self._desk_run = Run(self.config, "fetch", None, observe=self._observe, code=self._code)
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
