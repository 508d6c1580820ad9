"""Every request of a run goes through here, and the host learns how it went."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from skitter.events import Answered, HostClosed, HostNarrowed, HostsLearnt, HostWaits, Observer, Requested
from skitter.model import Done, Failure, HostState, Reason, Request, Response, RobotsCopy
from skitter.ports import Clock, Fetcher, Take
from skitter.rules.backoff import retry_after
from skitter.rules.host import Signal
from skitter.rules.schedule import Lane, Schedule
from skitter.rules.verdict import LEAST_WAIT, OVERLOADED, REDIRECTS, REFUSALS

__all__ = ["Contact"]

# A crawl gives a host up for good; a program that fetches for days may ask for it again.
_GIVEN_UP = 300.0
# A window goes up and down by one all the time; this share of it is news.
_TELLING = 0.75
_MISSING = frozenset({401, 403, 404, 410})
# Waits shorter than this are the ordinary pace and nobody's news.
_NEWS = 1.0


class Contact:
    """Sends requests, and keeps what they say about hosts until it is stored."""

    def __init__(
        self,
        schedule: Schedule,
        fetcher: Fetcher,
        clock: Clock,
        observe: Observer,
        chance: Callable[[], float],
        retries: int,
        wake: asyncio.Event,
    ) -> None:
        self.changed: Callable[[], None] = lambda: None  # is told of what has to be stored soon
        self.is_busy: Callable[[], bool] = lambda: False  # is our own loop what answers wait for?
        self._schedule = schedule
        self._fetcher = fetcher
        self._clock = clock
        self._observe = observe
        self._chance = chance
        self._retries = retries
        self._wake = wake
        self._touched: dict[str, Lane] = {}
        self._copies: dict[str, RobotsCopy] = {}  # robots.txt files that are not stored yet

    # -- what has to be stored ---------------------------------------------------------------

    def touch(self, lane: Lane) -> None:
        """Something is known of the host that has to outlive us."""
        self._touched[lane.host.origin] = lane

    def keep(self, lane: Lane, copy: RobotsCopy) -> None:
        """A robots.txt is new."""
        self._copies[lane.host.origin] = copy
        self.touch(lane)
        self.changed()

    def is_stored(self, lane: Lane) -> bool:
        """Is all that is known of the host on its way to the frontier?"""
        return lane.host.origin not in self._touched

    def take_states(self) -> tuple[HostState, ...]:
        """What has changed since the last call and has to be stored."""
        touched, self._touched = self._touched, {}
        states = tuple(lane.host.state(self._copies.pop(origin, None)) for origin, lane in touched.items())
        self._observe(HostsLearnt(states))
        return states

    # -- requests ----------------------------------------------------------------------------

    async def send(
        self, lane: Lane, request: Request, *, sample: bool = True, take: Take | None = None
    ) -> Response | Failure:
        """Make one hop; the schedule has reserved the host. The host learns how it went; from how long it
        took only if it is a ``sample`` of the host's pages."""
        host, started = lane.host, self._clock.now()
        on_the_wire = False

        def sent() -> None:
            nonlocal on_the_wire
            on_the_wire = True
            host.sent(self._clock.now())
            self._observe(Requested(request.url))
            if host.delay or lane.robots is None:  # then it is about to be told a delay
                asyncio.get_running_loop().call_soon(lambda: host.flushed(self._clock.now()))
            if host.delay:
                self._schedule.put(lane)
                self._wake.set()

        answer = None
        try:
            answer = await self._fetcher.fetch(request, sent, take)
            if on_the_wire:
                host.answered_after(answer.sent_at, answer.ttfb)
            return answer
        finally:
            if not on_the_wire:
                host.unused()
            self._learn(lane, answer, started, sample=sample)
            if on_the_wire:
                status = answer.status if answer is not None else None
                self._observe(Answered(request.url, status, self._clock.now() - started))
            self._schedule.ended(lane, self._clock.now())
            self._wake.set()

    def unsent(self, lane: Lane, started: float) -> None:
        """A request that the schedule had reserved the host for is not made after all."""
        lane.host.unused()
        lane.host.ended(self._clock.now(), started, Signal.NEUTRAL, 0.0)
        self._schedule.ended(lane, self._clock.now())
        self._wake.set()

    def _learn(self, lane: Lane, answer: Response | Failure | None, started: float, *, sample: bool) -> None:
        """What an answer says about its host; None if it was cut short."""
        host, now = lane.host, self._clock.now()
        before = host.gate, host.window.size
        if sample and isinstance(answer, Response) and _is_page(answer.status):
            self._sample(lane, answer, now)
        if answer is None:
            host.ended(now, started, Signal.NEUTRAL, 0.0)
        else:
            host.ended(now, started, _signal(answer), self._chance(), _asked(answer, now))
            self._report(lane, answer, *before)
            if isinstance(answer, Failure) and answer.reason is Reason.DNS_FAILED:
                lane.resolved = False  # the next one asks for its address again
        self.touch(lane)

    def _sample(self, lane: Lane, answer: Response, now: float) -> None:
        window = lane.host.window
        ttfb = answer.ttfb
        if self.is_busy() and window.base:
            ttfb = min(ttfb, window.base)  # that it came late is our own affair, not the server's
        before = window.size
        window.sample(now, answer.sent_at, ttfb, answer.elapsed)
        if window.size <= before * _TELLING and before - window.size > 1:
            self._observe(HostNarrowed(lane.host.origin, window.size, "latency rises beyond"))

    # -- news --------------------------------------------------------------------------------

    def _report(self, lane: Lane, answer: Response | Failure, gate: float, window: int) -> None:
        """Tell how an answer has changed what the host may be asked."""
        host = lane.host
        if host.gate > gate:
            self._report_gate(lane, answer, gate)
        elif host.window.size < window and _signal(answer) is not Signal.GOOD:
            self._observe(HostNarrowed(host.origin, host.window.size, _why(answer)))

    def _report_gate(self, lane: Lane, answer: Response | Failure, before: float) -> None:
        host = lane.host
        self.hold_back(lane, host.gate, _why(answer), before)
        if lane.closed is None and host.gave_up:
            self.close(lane, Done(Reason.GAVE_UP, f"the host refused {host.refusals} times in a row"))
        elif (
            lane.closed is None
            and isinstance(answer, Failure)
            and answer.host_fault
            and not host.answered
            and host.failures > self._retries
        ):
            self.close(lane, Done(answer.reason, answer.message))

    def hold_back(self, lane: Lane, until: float, why: str, before: float | None = None) -> None:
        """The host must not be contacted before ``until``; ``before`` this was said, it was so until then."""
        before = lane.host.gate if before is None else before
        lane.host.wait(until)
        lane.host.why = why
        self.touch(lane)
        self.changed()
        now = self._clock.now()
        wait = until - now
        if until - max(now, before) >= _NEWS:
            self._observe(HostWaits(lane.host.origin, until, wait, why))

    def close(self, lane: Lane, done: Done) -> None:
        """All URLs of the host end so, unasked."""
        lane.asked_robots = False
        # What other hosts have sent for here goes its own way; it closes them if it fails.
        for errand in [errand for errand in lane.errands if errand.lane is lane]:
            lane.errands.remove(errand)
        if lane.closed is not None:
            return
        lane.closed, lane.closed_at = done, self._clock.now()
        self._observe(HostClosed(lane.host.origin, done.reason, done.error or ""))

    def try_again(self, lane: Lane) -> None:
        """Somebody asks for a URL of a host that was given up: some time later it gets another chance."""
        if lane.closed is not None and self._clock.now() - lane.closed_at > _GIVEN_UP:
            lane.closed = lane.robots = None
            lane.host.failures = lane.host.refusals = 0


def _is_page(status: int) -> bool:
    """Is it an answer that took the server what a page takes? A missing page is one, too: a site may have
    nothing else for us."""
    return 200 <= status < 300 or status in _MISSING


def _signal(answer: Response | Failure) -> Signal:
    """What an answer says about the host, whatever it says about the URL."""
    if isinstance(answer, Failure):
        if answer.host_fault:
            return Signal.FAULT
        silent = answer.status is None and answer.reason in (Reason.TIMED_OUT, Reason.UNREACHABLE)
        return Signal.SILENT if silent else Signal.NEUTRAL
    if answer.status == OVERLOADED:
        return Signal.OVERLOADED
    return Signal.REFUSED if answer.status in REFUSALS else Signal.GOOD


def _asked(answer: Response | Failure, now: float) -> float | None:
    """The wait that a Retry-After asks for, where it is one of the host's: on refusals (RFC 9110, 15.6.4;
    RFC 6585, 4) and redirects (RFC 9110, 10.2.3)."""
    if isinstance(answer, Failure) or answer.status not in REFUSALS | REDIRECTS:
        return None
    asked = retry_after(answer.headers.get("retry-after"), now)
    return asked if asked is not None and asked >= LEAST_WAIT else None


def _why(answer: Response | Failure) -> str:
    return answer.message if isinstance(answer, Failure) else f"HTTP {answer.status}"
