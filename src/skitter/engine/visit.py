"""From an answer to a settlement: judge, read, let the handler have it. Sends nothing, tells nobody."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping
from copy import deepcopy
from hashlib import sha256
from typing import Any, NamedTuple

from msgspec.structs import replace

from skitter.config import Config
from skitter.content.mime import media_type
from skitter.content.read import Unreadable
from skitter.engine.handlers import Handled, Handlers
from skitter.engine.hooks import HookFailed, Hooks
from skitter.engine.reader import ReadAside, Reader
from skitter.engine.record import page_row, unfetched_row
from skitter.model import (
    Attempt,
    Done,
    Entry,
    Failure,
    Link,
    Reading,
    Reason,
    Redirect,
    Response,
    RetryAt,
    Row,
    Settlement,
)
from skitter.page import Page
from skitter.ports import Clock
from skitter.rules.ask import key_with, redirected
from skitter.rules.backoff import retry_after
from skitter.rules.robots import product_token
from skitter.rules.scope import Bounds
from skitter.rules.url import origin_of
from skitter.rules.verdict import LEAST_WAIT, judge
from skitter.threads import in_thread

__all__ = ["Visited", "Visitor"]


# Links that are judged in one go: some 5 ms, if all are new.
_AT_ONCE = 1_000
# Tries of one URL that are remembered for `explain`.
_REMEMBERED = 20
# Bodies that are hashed in a thread, where it holds nobody up: a millisecond's worth.
_LONG = 1024 * 1024


class Visited(NamedTuple):
    """What a visit brought: its settlement, new roots of the scope, the page if it has ended, the URL to go
    on with if that is a redirect which may be followed, and the verdict if it is another try."""

    settlement: Settlement
    roots: tuple[str, ...] = ()
    page: Page | None = None
    redirected: Entry | None = None
    again: RetryAt | None = None


class Visitor:
    """Turns what came back for a URL into a settlement."""

    def __init__(
        self,
        config: Config,
        bounds: Bounds,
        clock: Clock,
        chance: Callable[[], float],
        knows: Callable[[int], bool],
        handlers: Handlers | None = None,
        aside: ReadAside | None = None,
        hooks: Hooks = Hooks(),  # noqa: B008 (frozen)
    ) -> None:
        """``knows`` says that the URL of a key is admitted for certain: its links need no further look.
        ``aside`` reads what would hold the loop."""
        self._retries = config.limits.retries
        self._fields = frozenset(config.output.field)
        self._follows = config.scope.scope != "page"
        self._bounds = bounds
        self._clock = clock
        self._chance = chance
        self._knows = knows
        self._reader = Reader(product_token(config.http.user_agent), self._fields, aside)
        self._handlers = handlers
        self._hooks = hooks

    async def settle(
        self, entry: Entry, answer: Response | Failure, started: float, *, host_answered: bool
    ) -> Visited:
        """What becomes of a URL after an answer."""
        now = self._clock.now()
        verdict = judge(
            answer,
            entry,
            retries=self._retries,
            now=now,
            chance=self._chance(),
            host_answered=host_answered,
        )
        tried = replace(entry, attempts=entry.attempts + 1)
        if isinstance(verdict, RetryAt):
            spent = entry.spent + (not verdict.free)
            retry = replace(tried, spent=spent, due=verdict.at, status=answer.status)
            return Visited(
                Settlement(entry, retry=retry, attempt=_attempt(tried, answer, verdict, started)),
                again=verdict,
            )
        if isinstance(verdict, Redirect):
            return self._redirect(entry, tried, answer, verdict, started)
        return await self._done(entry, tried, answer, verdict, started)

    def unfetched(self, entry: Entry, done: Done) -> Visited:
        """The end of a URL by a rule, without a request."""
        row = self._seen(unfetched_row(entry, done, self._clock.now()))
        return Visited(Settlement(entry, row), page=Page(row.record, meta=_meta(entry)))

    def _redirect(
        self,
        entry: Entry,
        tried: Entry,
        answer: Response | Failure,
        verdict: Redirect,
        started: float,
    ) -> Visited:
        row = self._seen(page_row(tried, answer, verdict, Reading(), started, self._fields))
        page = _page(entry, row, answer, Reading())
        target = verdict.location
        roots: tuple[str, ...] = ()
        if entry.seed:  # the target of a seed's redirect becomes a seed
            refused = self._bounds.refuses_seed(target)
            if refused is None and (root := self._bounds.add_root(target)):
                roots = (root,)
        else:
            refused = self._bounds.refuses(target, entry.depth)
        if refused is not None:
            return Visited(Settlement(entry, row), roots, page)
        origin = origin_of(target)
        ask = redirected(entry.ask, answer.status or 0, same_origin=origin == entry.origin)
        found = Entry(
            target,
            key_with(target, ask),
            origin,
            entry.depth,
            entry.referrer,
            (*entry.hops, entry.url),
            seed=entry.seed,
            due=self._not_before(answer),
            reach=entry.reach,
            ask=ask,
        )
        return Visited(Settlement(entry, row, found=(found,)), roots, page, redirected=found)

    def _not_before(self, answer: Response | Failure) -> float:
        """When the target of a redirect may be asked for (RFC 9110, 10.2.3); 0 for at once."""
        now = self._clock.now()
        asked = retry_after(answer.headers.get("retry-after"), now)
        return now + asked if asked is not None and asked >= LEAST_WAIT else 0.0

    async def _done(
        self, entry: Entry, tried: Entry, answer: Response | Failure, verdict: Done, started: float
    ) -> Visited:
        reading = Reading(content_type=media_type(answer.headers.get("content-type"))[0])
        if verdict.reason is Reason.FETCHED and isinstance(answer, Response):
            verdict, reading = await self._read(answer, verdict, reading)
        digest = None
        if isinstance(answer, Response) and len(answer.body) > _LONG:
            digest = (await in_thread(sha256, answer.body)).hexdigest()
        row = page_row(tried, answer, verdict, reading, started, self._fields, digest)
        page = _page(entry, row, answer, reading)
        handled = None
        if self._handlers is not None and answer.status is not None:
            handled = await self._handlers.handle(page)
        try:
            found, links = await self._found(entry, page, handled)
            error = handled.error if handled is not None else None
        except HookFailed as failed:
            found, links, error = (), b"", str(failed)
        if error is not None:
            row = replace(row, record=replace(row.record, reason=Reason.HANDLER_ERROR, error=error))
        row = self._seen(replace(row, items=tuple(handled.items)) if handled is not None else row)
        page.record = row.record
        return Visited(Settlement(entry, row, found=found, links=links), page=page)

    def _seen(self, row: Row) -> Row:
        """The row as the user's hooks leave it."""
        if not self._hooks.on_record:
            return row
        return replace(row, record=self._hooks.record(row.record))

    async def _read(self, answer: Response, verdict: Done, plain: Reading) -> tuple[Done, Reading]:
        try:
            reading = await self._reader.read(answer)
        except MemoryError:  # says nothing about the page: the run ends, and the page is pending
            raise
        except Exception as error:  # whatever a parser trips over: the page ends, the crawl goes on
            return Done(Reason.UNPARSABLE, f"{type(error).__name__}: {error}"[:500]), plain
        if isinstance(reading, Unreadable):
            return Done(Reason.UNPARSABLE, reading.why), plain
        return verdict, reading

    async def _found(
        self, entry: Entry, page: Page, handled: Handled | None
    ) -> tuple[tuple[Entry, ...], bytes]:
        """The links that are admitted and not known yet, and the keys of all. A handler that steers says
        which to follow. Raises HookFailed."""
        found: list[Entry] = []
        reading = page.reading
        links, depth = reading.links, entry.depth + 1
        if self._follows and not reading.nofollow and not (handled and handled.steers):
            for start in range(0, len(links), _AT_ONCE):
                if start:
                    await asyncio.sleep(0)
                found += self._new(links[start : start + _AT_ONCE], depth, entry)
            if self._hooks.should_follow:
                found = [each for each in found if self._hooks.follows(page, each.url)]
        for url, ask in handled.wanted if handled else ():
            if self._bounds.refuses(url, depth) is None:
                key, origin = key_with(url, ask), origin_of(url)
                found.append(Entry(url, key, origin, depth, entry.url, reach=entry.reach, ask=ask))
        return tuple(found), struct.pack(f">{len(links)}q", *[link.key for link in links])

    def _new(self, links: tuple[Link, ...], depth: int, parent: Entry) -> list[Entry]:
        return [
            Entry(link.url, link.key, link.origin, depth, parent.url, reach=parent.reach)
            for link in links
            if link.follow and not self._knows(link.key) and self._bounds.refuses(link.url, depth) is None
        ]


def _attempt(tried: Entry, answer: Response | Failure, verdict: RetryAt, started: float) -> Attempt | None:
    """What is remembered of a try; nothing where a host asks us again and again to wait."""
    if tried.attempts > _REMEMBERED:
        return None
    return Attempt(started, verdict.reason, answer.status, round(answer.elapsed, 6), verdict.error)


def _page(entry: Entry, row: Row, answer: Response | Failure, reading: Reading) -> Page:
    return Page(row.record, answer, reading, meta=_meta(entry))


def _meta(entry: Entry) -> Mapping[str, Any]:
    """A copy: what one handler does to it is no other page's affair."""
    return deepcopy(entry.ask.meta) if entry.ask is not None else {}
