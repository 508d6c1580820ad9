"""Sitemaps: found by robots.txt, read as they arrive, and taken for links of the front page.

A sitemap is a URL of the frontier like any other, so that it is fetched at its host's pace, tried again,
and not forgotten by a kill; but it has no record. It is read before the pages of its host, so that these
get their ``lastmod``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from msgspec.structs import replace

from skitter.config import Config
from skitter.content.sitemap import MAX_BYTES, Listed, SitemapError, SitemapReader
from skitter.engine.commit import Committer
from skitter.engine.lanes import Lanes
from skitter.events import Observer, SitemapRead
from skitter.model import (
    Change,
    Done,
    Entry,
    Failure,
    Headers,
    Reason,
    Redirect,
    Request,
    RetryAt,
    Settlement,
)
from skitter.ports import Clock, Frontier, Lost
from skitter.rules.addresses import PUBLIC
from skitter.rules.schedule import Lane
from skitter.rules.scope import Bounds
from skitter.rules.url import canonical, key_of, origin_of, sitemap_key, without_userinfo
from skitter.rules.verdict import judge

__all__ = ["Sitemaps"]

# Indexes within indexes, and redirects on the way: the protocol has one level, Crawlee stops at ten.
_MAX_LEVELS = 5
# Before anything of a host, so that it is there when the pages come.
_DEPTH = -1
# Entries that go to the frontier together.
_CHUNK = 500
# Of a gzip file, a kibibyte may become a mebibyte, which takes 50 ms to read.
_GZIP, _GZIP_SLICE, _SLICE = b"\x1f\x8b", 512, 64 * 1024


class Sitemaps:
    """Reads the sitemaps of the hosts that are crawled."""

    def __init__(
        self,
        config: Config,
        bounds: Bounds,
        lanes: Lanes,
        frontier: Frontier,
        committer: Committer,
        clock: Clock,
        observe: Observer,
        chance: Callable[[], float],
        changed: Callable[[Change], None],
    ) -> None:
        """``changed`` is told what has been admitted."""
        scope = config.scope
        self._are_off = not scope.sitemaps or scope.scope == "page" or scope.depth == 0
        self._retries = config.limits.retries
        self._bounds = bounds
        self._lanes = lanes
        self._frontier = frontier
        self._committer = committer
        self._clock = clock
        self._observe = observe
        self._chance = chance
        self._changed = changed

    # -- where they are ----------------------------------------------------------------------

    def knows(self, lane: Lane) -> bool:
        """Are the lane's sitemaps in the frontier? If not, :meth:`announce` is to be run; robots.txt has
        to be known."""
        if self._are_off or lane.knows_sitemaps or lane.closed is not None:
            return True
        lane.preparing = True
        return False

    async def announce(self, lane: Lane) -> None:
        """Hand in what robots.txt names, or else the usual place (sitemaps.org, "Informing crawlers")."""
        try:
            named = lane.robots.sitemaps if lane.robots is not None else ()
            said = named or ("/sitemap.xml",)
            home = f"{lane.host.origin}/robots.txt"
            entries = [entry for each in said if (entry := self._file(each, home, lane)) is not None]
            await self._admit_files(lane, entries)
        finally:
            lane.knows_sitemaps, lane.preparing = True, False
            self._lanes.schedule.put(lane)

    def _file(self, said: str, base: str, lane: Lane, hops: tuple[str, ...] = ()) -> Entry | None:
        """A sitemap as an entry; None if it is not to be fetched. Those of the host itself lie where
        they like, others have to be in scope."""
        url = canonical(said, base)
        if url is None or len(hops) > _MAX_LEVELS:
            return None
        url = without_userinfo(url)
        origin = origin_of(url)
        if self._bounds.refuses_seed(url) or (origin != lane.host.origin and self._bounds.refuses_place(url)):
            return None
        kind = lane.kind or PUBLIC
        return Entry(url, sitemap_key(url), origin, _DEPTH, base, hops, reach=kind, sitemap=True)

    async def _admit(self, entries: list[Entry]) -> int:
        if not entries:
            return 0
        change = await self._frontier.admit(entries)
        self._changed(change)
        return change.admitted

    async def _admit_files(self, lane: Lane, files: list[Entry]) -> int:
        """The lane's pages wait for those of its own that are new."""
        own = [file for file in files if file.origin == lane.host.origin]
        new = await self._admit(own)
        lane.files_open += new
        self._look_again(lane)
        return new + await self._admit([file for file in files if file.origin != lane.host.origin])

    # -- one of them -------------------------------------------------------------------------

    async def end(self, lane: Lane, settlement: Settlement) -> None:
        """A sitemap has ended, or is to be tried later: the lane's pages wait for it no more."""
        await self._committer.put(settlement)
        lane.files_open = max(0, lane.files_open - 1)
        self._look_again(lane)

    async def read(self, lane: Lane, entry: Entry) -> None:
        """Fetch a sitemap, and admit what it lists while it arrives. The schedule has reserved the host."""
        lane.files_under_way += 1
        try:
            await self._read(lane, entry)
        finally:
            lane.files_under_way -= 1
            self._look_again(lane)

    def _look_again(self, lane: Lane) -> None:
        """What the lane's pages wait for has changed: it may lack a file now, or be free."""
        self._lanes.want(lane)
        self._lanes.schedule.put(lane)

    async def _read(self, lane: Lane, entry: Entry) -> None:
        reading = _Reading(lambda listed: self._take(lane, entry, listed))
        request = Request(entry.url, MAX_BYTES, cut=True, credentials=lane.host.given, reach=entry.reach)
        try:
            answer = await self._lanes.contact.send(lane, request, sample=False, take=reading.take)
            await reading.close()
        except Lost:
            self._lanes.put_back(lane, entry)
            return
        verdict = judge(
            answer, entry, retries=self._retries, now=self._clock.now(), chance=self._chance(),
            host_answered=lane.host.answered,
        )  # fmt: skip
        tried = replace(entry, attempts=entry.attempts + 1)
        settlement, error = Settlement(entry), reading.note
        match verdict:
            case RetryAt(at, _, _, free):
                settlement = Settlement(entry, retry=replace(tried, spent=entry.spent + (not free), due=at))
            case Redirect(location):
                found = self._file(location, entry.url, lane, (*entry.hops, entry.url))
                await self._admit_files(lane, [found] if found is not None else [])
            case Done(reason, said):
                error = error if reason is Reason.FETCHED else said
                cut = not isinstance(answer, Failure) and answer.truncated and not reading.full
                error = "cut short" if cut and error is None else error
                self._observe(SitemapRead(entry.url, reading.kind, reading.admitted, error))
        await self.end(lane, settlement)

    async def _take(self, lane: Lane, entry: Entry, listed: list[Listed]) -> int:
        hops = (*entry.hops, entry.url)
        files = [self._file(each.url, entry.url, lane, hops) for each in listed if each.sitemap]
        pages = list(self._pages(entry, [each for each in listed if not each.sitemap]))
        admitted = await self._admit_files(lane, [found for found in files if found is not None])
        return admitted + await self._admit(pages)

    def _pages(self, entry: Entry, listed: list[Listed]) -> Iterator[Entry]:
        """Listed URLs are links from the site's front door: one away from a seed."""
        for each in listed:
            url = canonical(each.url, entry.url)
            if url is None:
                continue
            url = without_userinfo(url)
            if self._bounds.refuses(url, 1) is None:
                yield Entry(
                    url,
                    key_of(url),
                    origin_of(url),
                    1,
                    entry.url,
                    reach=entry.reach,
                    lastmod=each.lastmod,
                    listed=True,
                )


class _Reading:
    """One file on its way from the fetcher to the frontier."""

    def __init__(self, admit: Callable[[list[Listed]], Awaitable[int]]) -> None:
        self._admit = admit
        self._reader: SitemapReader | None = None
        self._slice = _SLICE
        self._listed: list[Listed] = []
        self._error: str | None = None
        self.admitted = 0

    @property
    def kind(self) -> str | None:
        """What the file is."""
        return self._reader.kind if self._reader is not None else None

    @property
    def note(self) -> str | None:
        """What of it was not used."""
        return self._error or (self._reader.note if self._reader is not None else None)

    @property
    def full(self) -> bool:
        """Will nothing more come of it, whatever follows?"""
        return self._error is not None or (self._reader is not None and self._reader.full)

    async def take(self, headers: Headers, data: bytes) -> bool:
        """Decoded bytes; False if no more are wanted."""
        if self._reader is None:
            self._reader = SitemapReader(headers.get("content-type"))
            self._slice = _GZIP_SLICE if data.startswith(_GZIP) else _SLICE
        for start in range(0, len(data), self._slice):
            self._feed(data[start : start + self._slice])
            if len(self._listed) >= _CHUNK:
                await self._flush()
            elif self._slice == _GZIP_SLICE:
                await asyncio.sleep(0)
            if self.full:
                return False
        return True

    async def close(self) -> None:
        """The answer is over."""
        if self._reader is not None and not self.full:
            try:
                self._listed += self._reader.close()
            except SitemapError as error:
                self._error = str(error)
        await self._flush()

    def _feed(self, data: bytes) -> None:
        assert self._reader is not None
        try:
            self._listed += self._reader.feed(data)
        except SitemapError as error:
            self._error = str(error)

    async def _flush(self) -> None:
        listed, self._listed = self._listed, []
        for start in range(0, len(listed), _CHUNK):
            self.admitted += await self._admit(listed[start : start + _CHUNK])
