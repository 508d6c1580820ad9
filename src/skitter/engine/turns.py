"""A host's turn: the one thing that can be done for it now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec.structs import replace

from skitter.engine.calls import Calls
from skitter.engine.lanes import Lanes
from skitter.engine.sitemaps import Sitemaps
from skitter.engine.trap_guard import TrapGuard
from skitter.engine.visits import Visits
from skitter.model import Done, Entry, Reason, Settlement
from skitter.rules.schedule import Lane

__all__ = ["Start", "Turns"]

Start = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]


class Turns:
    """Serves the hosts that the schedule names."""

    def __init__(
        self, lanes: Lanes, visits: Visits, calls: Calls, sitemaps: Sitemaps, trap_guard: TrapGuard
    ) -> None:
        self._lanes = lanes
        self._sitemaps = sitemaps
        self._trap_guard = trap_guard
        self._visits = visits
        self._calls = calls

    async def serve(self, lane: Lane, now: float, start: Start) -> None:
        """Do one thing for a lane; ``start`` begins what takes time."""
        errands = self._lanes.errands
        if lane.has_work() and not errands.knows_address(lane):
            start(errands.look_up(lane), f"address of {lane.host.origin}")
        elif lane.errands:
            errand = lane.errands.popleft()
            self._lanes.schedule.start(lane, now)
            start(errands.run(lane, errand), errand.url)
        elif lane.calls:
            self._call_next(lane, now, start)
        elif lane.files or lane.pages:
            await self._visit_next(lane, now, start)
        self._lanes.want(lane)
        self._lanes.schedule.put(lane)

    async def _visit_next(self, lane: Lane, now: float, start: Start) -> None:
        done = self._unfetched(lane, (lane.files or lane.entries)[0], now)
        if lane.asked_robots:
            return
        may_have_files = done is None or done.reason is Reason.ROBOTS_DENIED
        if may_have_files and not self._sitemaps.knows(lane):
            start(self._sitemaps.announce(lane), f"sitemaps of {lane.host.origin}")
            return
        entry = self._lanes.pop(lane)
        done = done or self._trap_guard.refuses(entry)
        if done is not None:
            if entry.sitemap:
                await self._sitemaps.end(lane, Settlement(entry))
            else:
                await self._visits.end_unfetched(entry, done)
        elif entry.sitemap:
            self._lanes.schedule.start(lane, now)
            start(self._sitemaps.read(lane, _there(entry, lane)), entry.url)
        else:
            self._visits.begin(lane, now)
            start(self._visits.visit(lane, _there(entry, lane)), entry.url)

    def _call_next(self, lane: Lane, now: float, start: Start) -> None:
        number, entry = next(iter(lane.calls.items()))
        done = self._unfetched(lane, entry, now)
        if lane.asked_robots:
            return
        del lane.calls[number]
        if done is not None:
            self._calls.end(entry, done)
        else:
            self._calls.start(lane, entry, start)

    def _unfetched(self, lane: Lane, entry: Entry, now: float) -> Done | None:
        """How a URL ends that is not to be asked for; None if it may be, or robots.txt was sent for."""
        errands = self._lanes.errands
        refused = errands.refuses(lane, entry)
        if refused is not None or not errands.knows_robots(lane, now):
            return refused
        return lane.denies(entry.url)


def _there(entry: Entry, lane: Lane) -> Entry:
    """What is found on a page may lead where the page itself is."""
    kind = lane.kind or ""
    return entry if entry.reach == kind else replace(entry, reach=kind)
