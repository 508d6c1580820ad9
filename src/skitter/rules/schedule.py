"""Which host may be contacted now, or until when to wait: one heap of hosts by time.

Each host stands in a :class:`Lane` with the work at hand. A lane is in the heap at most once, under
the earliest time at which something can be done with it; entries that have become wrong are dropped
when they surface. Waiting is only ever a number here: nobody holds a slot while he waits.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from itertools import count

import msgspec

from skitter.model import Done, Entry
from skitter.rules.host import Host
from skitter.rules.robots import Robots

__all__ = ["Busy", "Decision", "Drained", "Errand", "Lane", "NotBefore", "Ready", "Schedule"]


class Errand(msgspec.Struct, frozen=True):
    """A request that is not a visit of a URL of the job: robots.txt for ``lane``, maybe after hops.

    It is paced like any other request of the host it goes to.
    """

    url: str
    lane: Lane
    hops: int = 0
    tries: int = 0


class Lane:
    """A host and the work at hand for it."""

    __slots__ = (
        "asked_robots",
        "at",
        "calls",
        "closed",
        "closed_at",
        "entries",
        "errands",
        "host",
        "leasing",
        "met",
        "more",
        "robots",
        "robots_until",
        "woken",
    )  # fmt: skip

    def __init__(self, host: Host) -> None:
        self.host = host
        self.entries: deque[Entry] = deque()  # leased URLs
        # URLs that somebody waits for, outside of the frontier, by number: one may be taken back.
        self.calls: OrderedDict[int, Entry] = OrderedDict()
        self.errands: deque[Errand] = deque()
        self.more: float | None = None  # the frontier has more, due then
        self.leasing = False  # a lease is on its way
        self.met = False  # a lease has come, with what a former run knew of the host
        self.woken: float | None = None  # work that was announced meanwhile
        self.robots: Robots | None = None
        self.robots_until = 0.0
        self.asked_robots = False  # robots.txt is on its way
        self.closed: Done | None = None  # how all its URLs end
        self.closed_at = 0.0
        self.at: float | None = None  # under which time it is in the heap

    def __repr__(self) -> str:
        return f"<Lane {self.host!r} {len(self.entries)} leased, more at {self.more}>"

    def has_work(self) -> bool:
        """Is there something that could be sent now, were it the host's time?"""
        return bool(self.errands) or (bool(self.entries or self.calls) and not self.asked_robots)

    def ready_at(self) -> float | None:
        """When something can be done: a request, or asking the frontier for more. None: no idea."""
        if self.leasing and not self.met:
            return None
        if self.has_work():
            # A closed lane contacts nobody: its URLs can end at once.
            return 0.0 if self.closed and not self.errands else self.host.ready_at()
        if self.more is not None and not self.leasing and not self.entries:
            return self.more
        return None

    def announce(self, due: float) -> None:
        """The frontier has work for the host from ``due`` on."""
        if self.leasing:  # its answer may be older than this: keep both
            self.woken = due if self.woken is None else min(self.woken, due)
        else:
            self.more = due if self.more is None else min(self.more, due)

    def leased(self, entries: tuple[Entry, ...], more: float | None) -> None:
        """The answer of the frontier."""
        self.leasing, self.met = False, True
        self.entries.extend(entries)
        self.more = more
        woken, self.woken = self.woken, None
        if woken is not None:
            self.announce(woken)


class Ready(msgspec.Struct, frozen=True):
    """This lane can be served now. It is out of the heap until it is put back."""

    lane: Lane


class NotBefore(msgspec.Struct, frozen=True):
    """Nothing can be done before ``at``."""

    at: float


class Busy(msgspec.Struct, frozen=True):
    """Only the end of something under way can bring work."""


class Drained(msgspec.Struct, frozen=True):
    """No host has work, and nothing is under way."""


Decision = Ready | NotBefore | Busy | Drained


class Schedule:
    """The lanes of all active hosts, by time."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Lane]] = []
        self._ticks = count()  # first come, first served among equals
        self.in_flight = 0

    def __len__(self) -> int:
        """About how many lanes have a time; those that have got an earlier one count twice for a while."""
        return len(self._heap)

    def put(self, lane: Lane) -> None:
        """Take a lane in, or note that its time may have changed."""
        at = lane.ready_at()
        if at is not None and (lane.at is None or at < lane.at):
            lane.at = at
            heapq.heappush(self._heap, (at, next(self._ticks), lane))

    def next(self, now: float) -> Decision:
        """Decide. A Ready lane has to be put back by the caller once he has served it."""
        while self._heap:
            at, _, lane = self._heap[0]
            if lane.at != at:  # it was put in again, earlier
                heapq.heappop(self._heap)
                continue
            if at > now:
                return NotBefore(at)
            heapq.heappop(self._heap)
            lane.at = None
            actual = lane.ready_at()
            if actual is not None and actual <= now:
                return Ready(lane)
            self.put(lane)
        return Busy() if self.in_flight else Drained()

    def start(self, lane: Lane, now: float) -> None:
        """A request to the lane's host starts now."""
        self.in_flight += 1
        lane.host.start(now)
        self.put(lane)

    def ended(self, lane: Lane) -> None:
        """A request is over; the host has been told how."""
        self.in_flight -= 1
        self.put(lane)
