"""The hosts of a run: their lanes, what is in hand for them, and every request that goes to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from skitter.config import Config
from skitter.events import Answered, HostClosed, HostNarrowed, HostWaits, Observer, Requested, RobotsRead
from skitter.failpoint import reached
from skitter.model import Done, Entry, Failure, HostState, Lease, Reason, Request, Response, RobotsCopy
from skitter.ports import Clock, Fetcher, Frontier
from skitter.rules import robots
from skitter.rules.backoff import full_jitter, retry_after
from skitter.rules.host import Host, Signal
from skitter.rules.robots_verdict import Again, Denied, Hop, Known, from_copy, judge_robots
from skitter.rules.schedule import Errand, Lane, Schedule
from skitter.rules.url import origin_of
from skitter.rules.verdict import LEAST_WAIT, OVERLOADED, REFUSALS

__all__ = ["Lanes"]

# Leased at once: enough that a lane does not run dry during one trip to the frontier, few enough
# that memory follows the number of active hosts (PRECEDENTS section 9: at most 100).
_LEAST_LEASE, _MOST_LEASE = 16, 100
# Hosts in rotation, as a multiple of the concurrency: the load is spread over as many, and each has a
# few KiB of memory for its turn.
_IN_ROTATION = 8
# A crawl gives a host up for good; a program that fetches for days may ask for it again.
_GIVEN_UP = 300.0
# Waits shorter than this are the ordinary pace and nobody's news.
_NEWS = 1.0


class Lanes:
    """All lanes by origin. The engine asks here for work and sends through here."""

    def __init__(
        self,
        config: Config,
        fetcher: Fetcher,
        frontier: Frontier,
        clock: Clock,
        observe: Observer,
        chance: Callable[[], float],
        wake: asyncio.Event,
    ) -> None:
        self.schedule = Schedule()
        self.in_hand = 0  # leased URLs that no visit has begun with
        self.leasing = False  # an answer of the frontier is awaited
        self.changed: Callable[[], None] = lambda: None  # is told of what has to be stored soon
        self.more_hosts = False  # the frontier has hosts with work that were not lent yet
        self._config = config
        self._fetcher = fetcher
        self._frontier = frontier
        self._clock = clock
        self._observe = observe
        self._chance = chance
        self._wake = wake
        self._token = robots.product_token(config.http.user_agent)
        self._lanes: dict[str, Lane] = {}
        self._wanted: dict[str, Lane] = {}
        self._hosts_wanted = 0
        self._given: set[str] = set()
        self._asked = asyncio.Event()
        self._touched: set[str] = set()
        self._copies: dict[str, RobotsCopy] = {}  # robots.txt files that are not stored yet

    def __len__(self) -> int:
        return len(self._lanes)

    def lane(self, origin: str) -> Lane:
        """The lane of a host, made at its first mention."""
        lane = self._lanes.get(origin)
        if lane is None:
            lane = self._lanes[origin] = Lane(Host(origin, self._config.politeness))
            lane.host.given = origin in self._given
        return lane

    def _meet(self, origin: str) -> Lane:
        """The lane of a host that is to be contacted without having been lent: what a former run knew of it
        is asked for first."""
        if origin in self._lanes:
            return self._lanes[origin]
        lane = self.lane(origin)
        self._ask(lane)
        return lane

    # -- work in and out ---------------------------------------------------------------------

    def _restore(self, lane: Lane, state: HostState) -> None:
        """Take over what a former run knew of a host."""
        now = self._clock.now()
        if state.robots is not None and state.robots.fetched_at + robots.TTL > now:
            self._take_robots(lane, from_copy(state.robots, self._token), state.robots)
        lane.host.restore(state, now)

    def announce(self, due: Mapping[str, float]) -> None:
        """The frontier has work for these hosts, from these times on."""
        for origin, at in due.items():
            lane = self.lane(origin)
            lane.announce(at)
            self.want(lane)
            self.schedule.put(lane)

    def give(self, origin: str) -> None:
        """A seed of the user's lies there: his headers, cookies and auth may be sent."""
        self._given.add(origin)
        if origin in self._lanes:
            self._lanes[origin].host.given = True
            self._touched.add(origin)

    def want(self, lane: Lane) -> None:
        """Ask the frontier for more before the lane runs dry."""
        if lane.more is None or lane.leasing or lane.more > self._clock.now():
            return
        if len(lane.entries) <= lane.host.window:
            self._ask(lane)

    def _ask(self, lane: Lane) -> None:
        lane.leasing = self.leasing = True
        self._wanted[lane.host.origin] = lane
        self._asked.set()

    def reach_out(self) -> None:
        """Ask the frontier for hosts that were not met yet, a few at a time: memory follows the hosts that
        are at work, not those that wait for their turn."""
        if self.more_hosts and not self.leasing:
            self._hosts_wanted = self._config.limits.concurrency
            self.leasing = True
            self._asked.set()

    @property
    def are_few(self) -> bool:
        """Are fewer hosts in rotation than would spread the load well?"""
        return len(self.schedule) < _IN_ROTATION * self._config.limits.concurrency

    async def refill(self) -> None:
        """Lease for all lanes that want more, in one trip; for ever."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            lanes, self._wanted = self._wanted, {}
            hosts, self._hosts_wanted = self._hosts_wanted, 0
            wants = {origin: _lease_size(lane) for origin, lane in lanes.items()}
            leases = await self._frontier.lease(wants, self._clock.now(), hosts, _LEAST_LEASE)
            if len(leases) < len(wants) + hosts:
                self.more_hosts = False
            reached("after-claim")
            for lease in leases:
                self._take(lease)
            self.leasing = bool(self._wanted or self._hosts_wanted)
            self._wake.set()

    def _take(self, lease: Lease) -> None:
        lane = self.lane(lease.origin)
        if lease.state is not None:
            self._restore(lane, lease.state)
        lane.leased(lease.entries, lease.more)
        self.in_hand += len(lease.entries)
        self.schedule.put(lane)

    def pop(self, lane: Lane) -> Entry:
        """The lane's next URL."""
        self.in_hand -= 1
        return lane.entries.popleft()

    def take_states(self) -> tuple[HostState, ...]:
        """What has changed since the last call and has to be stored."""
        states = tuple(
            self._lanes[origin].host.state(self._copies.pop(origin, None)) for origin in self._touched
        )
        self._touched.clear()
        return states

    # -- robots ------------------------------------------------------------------------------

    def knows_robots(self, lane: Lane, now: float) -> bool:
        """May the lane's URLs be judged? If not, robots.txt is sent for."""
        if self._config.politeness.no_robots or lane.closed:
            return True
        if lane.robots is not None and now < lane.robots_until:
            return True
        lane.robots = None
        lane.asked_robots = True
        lane.errands.append(Errand(f"{lane.host.origin}/robots.txt", lane))
        return False

    async def run_errand(self, lane: Lane, errand: Errand) -> None:
        """Fetch a robots.txt, at the pace of the host where it lies."""
        answer = await self.send(lane, Request(errand.url, robots.MAX_BYTES, cut=True))
        verdict = judge_robots(
            answer,
            token=self._token,
            hops=errand.hops,
            tries=errand.tries,
            retries=self._config.limits.retries,
            now=self._clock.now(),
        )
        match verdict:
            case Known(rules, copy):
                self._take_robots(errand.lane, rules, copy)
                self._observe(
                    RobotsRead(errand.lane.host.origin, copy.status, rules.crawl_delay, len(rules.rules))
                )
            case Hop(url):
                target = self._meet(origin_of(url))
                target.errands.append(Errand(url, errand.lane, errand.hops + 1))
                self.schedule.put(target)
            case Again(error, free):
                self._ask_again(lane, errand, error, free=free)
            case Denied(done):
                self._close(errand.lane, done)
        self.schedule.put(lane)
        self.schedule.put(errand.lane)
        self._wake.set()

    def _ask_again(self, lane: Lane, errand: Errand, error: str, *, free: bool) -> None:
        if lane.closed is not None:  # the host has used up its patience
            self._close(errand.lane, lane.closed)
            return
        if not free:
            wait = full_jitter(errand.tries, self._chance())
            self._hold_back(lane, self._clock.now() + wait, f"robots.txt: {error}")
        lane.errands.append(Errand(errand.url, errand.lane, errand.hops, errand.tries + (not free)))

    def _take_robots(self, lane: Lane, rules: robots.Robots, copy: RobotsCopy) -> None:
        lane.robots = rules
        lane.robots_until = copy.fetched_at + robots.TTL
        lane.asked_robots = False
        host = lane.host
        host.ask_delay(max(self._config.politeness.delay, rules.crawl_delay))
        self._copies[host.origin] = copy
        self._touched.add(host.origin)
        self.changed()

    def _close(self, lane: Lane, done: Done) -> None:
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

    # -- requests ----------------------------------------------------------------------------

    async def send(self, lane: Lane, request: Request) -> Response | Failure:
        """Make one hop; the schedule has reserved the host. The host learns how it went."""
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
                self.schedule.put(lane)
                self._wake.set()

        signal, asked, answer = Signal.NEUTRAL, None, None
        try:
            answer = await self._fetcher.fetch(request, sent)
            signal = _signal(answer)
            if on_the_wire:
                host.answered_after(answer.sent_at, answer.ttfb)
            if signal is Signal.REFUSED:
                asked = retry_after(answer.headers.get("retry-after"), self._clock.now())
                asked = asked if asked is not None and asked >= LEAST_WAIT else None
            return answer
        finally:
            if not on_the_wire:
                host.unused()
            before = host.gate, int(host.window)
            host.ended(self._clock.now(), started, signal, self._chance(), asked)
            if on_the_wire:
                status = answer.status if answer is not None else None
                self._observe(Answered(request.url, status, self._clock.now() - started))
            if answer is not None:
                self._report(lane, answer, *before)
            self._touched.add(host.origin)
            self.schedule.ended(lane)
            self._wake.set()

    def unsent(self, lane: Lane, started: float) -> None:
        """A request that the schedule had reserved the host for is not made after all."""
        lane.host.unused()
        lane.host.ended(self._clock.now(), started, Signal.NEUTRAL, 0.0)
        self.schedule.ended(lane)
        self._wake.set()

    def _report(self, lane: Lane, answer: Response | Failure, gate: float, window: int) -> None:
        """Tell how an answer has changed what the host may be asked."""
        host = lane.host
        if int(host.window) < window:
            self._observe(HostNarrowed(host.origin, int(host.window), _why(answer)))
        if host.gate > gate:
            self._report_gate(lane, answer)

    def _report_gate(self, lane: Lane, answer: Response | Failure) -> None:
        host = lane.host
        self._hold_back(lane, host.gate, _why(answer))
        if lane.closed is None and host.gave_up:
            self._close(lane, Done(Reason.GAVE_UP, f"the host refused {host.refusals} times in a row"))
        elif (
            lane.closed is None
            and isinstance(answer, Failure)
            and not host.answered
            and host.failures > self._config.limits.retries
        ):
            self._close(lane, Done(answer.reason, answer.message))

    def _hold_back(self, lane: Lane, until: float, why: str) -> None:
        lane.host.wait(until)
        self._touched.add(lane.host.origin)
        self.changed()
        wait = until - self._clock.now()
        if wait >= _NEWS:
            self._observe(HostWaits(lane.host.origin, until, wait, why))


def _signal(answer: Response | Failure) -> Signal:
    """What an answer says about the host, whatever it says about the URL."""
    if isinstance(answer, Failure):
        return Signal.FAULT if answer.host_fault else Signal.NEUTRAL
    if answer.status == OVERLOADED:
        return Signal.OVERLOADED
    return Signal.REFUSED if answer.status in REFUSALS else Signal.GOOD


def _why(answer: Response | Failure) -> str:
    return answer.message if isinstance(answer, Failure) else f"HTTP {answer.status}"


def _lease_size(lane: Lane) -> int:
    return min(_MOST_LEASE, max(_LEAST_LEASE, 4 * int(lane.host.window)))
