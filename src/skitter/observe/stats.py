"""Counts and rates of a run, from its events."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, deque

from skitter.events import Ended, Event, Finished, HostsLearnt, Progressed, Started
from skitter.model import HostState, Reason

__all__ = ["FINE", "Stats"]

# The rate shown is that of the last few seconds: what the crawl does now.
_SPAN = 5.0
# Hosts that are kept in mind for the display: those contacted last.
_HOSTS = 256
# Endings that are no failure of anybody.
FINE = frozenset({Reason.FETCHED, Reason.NOT_MODIFIED, Reason.REDIRECTED, Reason.ROBOTS_DENIED, Reason.TRAP})


class Stats:
    """An observer that counts. Read from other threads too: it only ever assigns whole values."""

    def __init__(self) -> None:
        self.by_reason: Counter[Reason] = Counter()
        self.size = 0
        self.pending = 0
        self.in_flight = 0
        self.hosts = 0
        self.fetched_now = 0
        self.began = time.monotonic()
        self._states: OrderedDict[str, HostState] = OrderedDict()
        self._recent: deque[tuple[float, int]] = deque([(self.began, 0)])

    def __call__(self, event: Event) -> None:
        match event:
            case Started(opening, _):
                self.by_reason.update(opening.tally)
                self.size, self.pending = opening.size, opening.pending
            case Ended(record):
                self.by_reason[record.reason] += 1
                self.size += record.size
                self.fetched_now += record.reason is Reason.FETCHED
            case Progressed(pending, in_flight, hosts):
                self.pending, self.in_flight, self.hosts = pending, in_flight, hosts
            case HostsLearnt(states):
                self._learn(states)
            case Finished(summary):
                self.pending, self.in_flight = summary.pending, 0

    def _learn(self, states: tuple[HostState, ...]) -> None:
        known = self._states.copy()  # the display's thread may be reading the former one
        for state in states:
            known[state.origin] = state
            known.move_to_end(state.origin)
        while len(known) > _HOSTS:
            known.popitem(last=False)
        self._states = known

    @property
    def states(self) -> tuple[HostState, ...]:
        """What is known of the hosts that were contacted lately."""
        return tuple(self._states.values())

    @property
    def done(self) -> int:
        return sum(self.by_reason.values())

    @property
    def failed(self) -> int:
        """URLs that ended as somebody's failure."""
        return sum(number for reason, number in self.by_reason.items() if reason not in FINE)

    def rate(self) -> float:
        """Fetched pages a second over the last five seconds. To be called a few times a second."""
        now = time.monotonic()
        self._recent.append((now, self.fetched_now))
        while len(self._recent) > 2 and now - self._recent[1][0] > _SPAN:
            self._recent.popleft()
        then, number = self._recent[0]
        return (self.fetched_now - number) / (now - then) if now > then else 0.0
