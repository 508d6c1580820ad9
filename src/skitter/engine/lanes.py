"""The hosts of a run: their lanes, and what of the frontier's is in hand for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from itertools import islice

from skitter.config import Config
from skitter.engine.contact import Contact
from skitter.engine.errands import Errands
from skitter.events import Observer
from skitter.failpoint import reached
from skitter.model import Entry, HostState, Lease
from skitter.ports import Clock, Fetcher, Frontier
from skitter.rules.host import Host
from skitter.rules.schedule import Lane, Schedule

__all__ = ["Lanes"]

# Leased at once: enough that a lane does not run dry during one trip to the frontier, few enough
# that memory follows the number of active hosts (PRECEDENTS section 9: at most 100).
_LEAST_LEASE, _MOST_LEASE = 16, 100
# Hosts in rotation, as a multiple of the concurrency: the load is spread over as many, and each has a
# few KiB of memory for its turn.
_IN_ROTATION = 8
# So many hosts are asked in bursts if they keep the same time.
_MANY = 16
# Lanes with nothing to do that are kept, beside those in rotation, at 3 KiB each: who comes back soon is
# known at once. What is known of the others comes with their next lease.
_KEPT_IDLE = 1_000
# So many are looked at together: it costs a walk over twice as many.
_AT_ONCE = 256
# Of all slots, those that hosts in doubt may hold: they must not hold back the others.
_DOUBTS = 0.5


class Lanes:
    """All lanes by origin. The engine asks here for work."""

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
        limits = config.limits
        self.schedule = Schedule()
        self.contact = Contact(self.schedule, fetcher, clock, observe, chance, limits.retries, wake)
        self.errands = Errands(
            config, self.contact, self.schedule, fetcher, clock, observe, chance, self.meet
        )
        self.in_hand = 0  # leased URLs that no visit has begun with
        self.leasing = False  # an answer of the frontier is awaited
        self.more_hosts = False  # the frontier has hosts with work that were not lent yet
        self._config = config
        self._frontier = frontier
        self._clock = clock
        self._chance = chance
        self._wake = wake
        self._lanes: dict[str, Lane] = {}
        self._wanted: dict[str, Lane] = {}
        self._hosts_wanted = 0
        self._given: set[str] = set()
        self._asked = asyncio.Event()
        self._kept = _KEPT_IDLE + _IN_ROTATION * limits.concurrency

    def __len__(self) -> int:
        return len(self._lanes)

    def lane(self, origin: str) -> Lane:
        """The lane of a host, made at its first mention."""
        lane = self._lanes.get(origin)
        if lane is None:
            lane = self._lanes[origin] = Lane(Host(origin, self._config.politeness))
            lane.host.given = origin in self._given
            self.errands.are_many = len(self._lanes) > _MANY
            if len(self._lanes) > 1:  # alone, it holds nobody back
                self.schedule.doubts = max(1, int(self._config.limits.concurrency * _DOUBTS))
            if len(self._lanes) >= self._kept + _AT_ONCE:
                self._asked.set()
        return lane

    def meet(self, origin: str) -> Lane:
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
        self.errands.restore(lane, state.robots)
        lane.host.restore(state, self._clock.now())
        if self.errands.are_many:
            lane.host.spread(self._chance())

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
            lane = self._lanes[origin]
            lane.host.given = True
            self.contact.touch(lane)

    def want(self, lane: Lane) -> None:
        """Ask the frontier for more before the lane runs dry."""
        if lane.more is None or lane.leasing or lane.more > self._clock.now():
            return
        if len(lane.entries) <= lane.host.window.size or lane.lacks_files:
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
            gone = self._forget_idle() if len(self._lanes) >= self._kept + _AT_ONCE else ()
            leases = await self._frontier.lease(wants, self._clock.now(), hosts, _LEAST_LEASE, gone)
            if len(leases) < len(wants) + hosts:
                self.more_hosts = False
            reached("after-claim")
            for lease in leases:
                self._take(lease)
            self.leasing = bool(self._wanted or self._hosts_wanted)
            self._wake.set()

    def _forget_idle(self) -> list[str]:
        """Memory follows the hosts that are at work, not those that were met: drop the lanes of some that are
        not, the longest unused first."""
        now, gone = self._clock.now(), []
        for origin in tuple(islice(self._lanes, 2 * (len(self._lanes) - self._kept))):
            lane = self._lanes.pop(origin)
            if lane.is_idle(now) and self.contact.is_stored(lane):
                gone.append(origin)
            else:
                self._lanes[origin] = lane  # as if it were new
        return gone

    def _take(self, lease: Lease) -> None:
        lane = self.lane(lease.origin)
        if lease.state is not None:
            self._restore(lane, lease.state)
        lane.leased(lease.entries, lease.more)
        self.in_hand += len(lease.entries)
        self.schedule.put(lane)

    def pop(self, lane: Lane) -> Entry:
        """The lane's next URL, sitemaps first."""
        self.in_hand -= 1
        return lane.files.popleft() if lane.files else lane.entries.popleft()

    def put_back(self, lane: Lane, entry: Entry) -> None:
        """Whoever had it is gone: it is the lane's next URL once more."""
        self.in_hand += 1
        (lane.files if entry.sitemap else lane.entries).appendleft(entry)
        self.schedule.put(lane)
        self._wake.set()


def _lease_size(lane: Lane) -> int:
    return min(_MOST_LEASE, max(_LEAST_LEASE, 4 * lane.host.window.size))
