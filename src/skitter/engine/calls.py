"""Fetches that somebody waits for: outside of the frontier, under the same manners.

A call goes hop by hop through the lane of the host that it leads to, so that pace, window, gates and
robots.txt hold for it as for any visit. It fetches what it is told, also the same URL ten times; it
follows redirects under any scope, and waits out retries without holding a slot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from itertools import count
from typing import Any

from msgspec.structs import replace

from skitter.config import Config
from skitter.engine.lanes import Lanes
from skitter.engine.tell import Teller
from skitter.engine.visit import Visitor
from skitter.model import Ask, Done, Entry, Failure, Reason, Response
from skitter.page import Page
from skitter.ports import Clock, Lost
from skitter.rules.ask import request_for
from skitter.rules.schedule import Lane
from skitter.rules.url import key_of, origin_of

__all__ = ["Calls"]

_STOPPED = Done(Reason.CANCELLED, "the crawler ended before its turn")

Start = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]


class _Hop:
    """One hop that a call waits for."""

    __slots__ = ("answer", "answered", "begun", "kind", "started", "task")

    def __init__(self) -> None:
        self.answer: asyncio.Future[Response | Failure | Done] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[None] | None = None  # None: it waits for its host's turn
        self.begun = False  # has the task taken its first step?
        self.started = 0.0
        self.kind = ""  # of the host's address
        self.answered = False  # had the host answered before?


class Calls:
    """All calls of a run. The engine takes their hops from the lanes."""

    def __init__(
        self,
        config: Config,
        lanes: Lanes,
        visitor: Visitor,
        teller: Teller,
        clock: Clock,
        wake: asyncio.Event,
    ) -> None:
        self._max_wait = config.limits.max_wait
        self._max_body = config.limits.max_body
        http = config.http
        self._gives = bool(http.header or http.cookie or http.auth)
        self._lanes = lanes
        self._visitor = visitor
        self._teller = teller
        self._clock = clock
        self._wake = wake
        self._hops: dict[int, _Hop] = {}
        self._ids = count(1)
        self._closed = asyncio.Event()

    async def fetch(self, url: str, ask: Ask | None = None) -> Page:
        """Fetch a canonical URL to its end; every failure is a page, too."""
        if self._gives:
            self._lanes.give(origin_of(url))
        entry = Entry(url, key_of(url), origin_of(url), seed=True, given=True, ask=ask)
        history: tuple[Response | Failure, ...] = ()
        while True:
            hop = await self._ask(entry)
            answer = hop.answer.result()
            if isinstance(answer, Done):
                return await self._unfetched(entry, answer, history)
            entry = replace(entry, reach=hop.kind)
            visited = await self._visitor.settle(entry, answer, hop.started, host_answered=hop.answered)
            await self._teller.tell(visited)
            retry = visited.settlement.retry
            following = retry or visited.redirected
            if following is None:
                assert visited.page is not None
                visited.page.history = history
                return visited.page
            history = (*history, answer)
            if following.due - self._clock.now() > self._max_wait:
                return await self._unfetched(following, self._too_long(following), history)
            await self._pause(following.due)
            entry = replace(following, due=0.0)

    # -- for the engine ----------------------------------------------------------------------

    def start(self, lane: Lane, entry: Entry, start: Start) -> None:
        """It is this hop's turn: send it, unless nobody waits for it any more."""
        hop = self._hops[entry.seq]
        hop.started, hop.answered = self._clock.now(), lane.host.answered
        hop.kind = lane.kind or ""
        self._lanes.schedule.start(lane, hop.started)
        hop.task = start(self._send(lane, entry, hop), entry.url)

    def end(self, entry: Entry, done: Done) -> None:
        """A rule ends this hop without a request."""
        hop = self._hops[entry.seq]
        if not hop.answer.done():
            hop.answer.set_result(done)

    def give_up(self) -> bool:
        """End every hop that waits for its host's turn: all would wait too long. Were there any?"""
        return self._give_up(hop for hop in self._hops.values() if hop.task is None)

    def _give_up(self, hops: Iterable[_Hop]) -> bool:
        waiting = [hop for hop in hops if not hop.answer.done()]
        for hop in waiting:
            hop.answer.set_result(Done(Reason.GAVE_UP, self._beyond()))
        return bool(waiting)

    def _waits_too_long(self, lane: Lane) -> bool:
        return lane.host.gate - self._clock.now() > self._max_wait

    def close(self) -> None:
        """The run is over: whoever still waits gets a page that says so."""
        self._closed.set()
        for hop in self._hops.values():
            if not hop.answer.done():
                hop.answer.set_result(_STOPPED)

    # -- one call ----------------------------------------------------------------------------

    async def _ask(self, entry: Entry) -> _Hop:
        """Queue a hop, and wait for its answer. Cancelled, it leaves the queue or the wire."""
        hop = _Hop()
        if self._closed.is_set():
            hop.answer.set_result(_STOPPED)
            return hop
        entry = replace(entry, seq=next(self._ids))
        lane = self._lanes.meet(entry.origin)
        self._lanes.contact.try_again(lane)
        if self._waits_too_long(lane):
            hop.answer.set_result(Done(Reason.GAVE_UP, self._beyond()))
            return hop
        self._hops[entry.seq] = hop
        lane.calls[entry.seq] = entry
        self._lanes.schedule.put(lane)
        self._wake.set()
        try:
            await hop.answer
        finally:
            del self._hops[entry.seq]
            lane.calls.pop(entry.seq, None)
            if hop.answer.cancelled() and hop.begun and hop.task is not None:
                hop.task.cancel()
        return hop

    async def _send(self, lane: Lane, entry: Entry, hop: _Hop) -> None:
        hop.begun = True
        if hop.answer.cancelled():  # in the same turn of the loop
            self._lanes.contact.unsent(lane, hop.started)
            return
        request = request_for(entry, self._max_body, credentials=lane.host.given, reach=hop.kind)
        try:
            answer = await self._lanes.contact.send(lane, request)
        except Lost:
            hop.task, hop.begun = None, False
            lane.calls[entry.seq] = entry
            self._lanes.schedule.put(lane)
            return
        if not hop.answer.done():
            hop.answer.set_result(answer)
        if self._waits_too_long(lane):
            self._give_up(self._hops[number] for number in lane.calls)

    async def _pause(self, until: float) -> None:
        """Wait for the time of a retry or a redirect, or for the end of the run."""
        if not until:
            return
        try:
            async with asyncio.timeout(max(0.0, until - self._clock.now())):
                await self._closed.wait()
        except TimeoutError:
            pass

    async def _unfetched(self, entry: Entry, done: Done, history: tuple[Response | Failure, ...]) -> Page:
        visited = self._visitor.unfetched(entry, done)
        await self._teller.tell(visited)
        row = visited.settlement.row
        assert row is not None
        meta = entry.ask.meta if entry.ask is not None else None
        if not entry.attempts:  # what there is answered URLs before this one
            return Page(row.record, history=history, meta=meta)
        return Page(row.record, history[-1], history=history[:-1], meta=meta)

    def _too_long(self, entry: Entry) -> Done:
        reason = Reason.HTTP_ERROR if entry.status is not None else Reason.GAVE_UP
        return Done(reason, self._beyond())

    def _beyond(self) -> str:
        return f"the host asks to wait for longer than {self._max_wait:g} s (max_wait)"
