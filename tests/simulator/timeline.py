"""Virtual time: what is to happen, in order."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

__all__ = ["Timeline"]

_START = 1_700_000_000.0


class Timeline:
    """A clock that jumps from one event to the next."""

    def __init__(self) -> None:
        self.start = self.now = _START
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._ticks = count()

    def at(self, time: float, what: Callable[[], object]) -> None:
        """Do something at a time."""
        heapq.heappush(self._events, (time, next(self._ticks), what))

    def after(self, seconds: float, what: Callable[[], object]) -> None:
        """Do something some seconds from now."""
        self.at(self.now + seconds, what)

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        until = self.now + seconds
        while self._events and self._events[0][0] <= until:
            self.now, _, what = heapq.heappop(self._events)
            what()
        self.now = until
