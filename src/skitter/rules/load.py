"""How much the crawler itself can bear: requests in flight, all hosts together, by lag and memory.

A late event loop takes its own lateness for the servers' latency, and answers time out that have long
come; a machine without memory loses the whole crawl. AIMD, independent of the hosts (PRECEDENTS
section 3). Pure arithmetic over samples.
"""

from __future__ import annotations

__all__ = ["Load"]

# Lateness of the loop's timers, in seconds, at the 95th percentile of a period: above this too much is in
# flight, below that more may be (PRECEDENTS section 3).
_LATE, _PUNCTUAL = 0.1, 0.02
_LESS, _MORE = 0.8, 1.05
# Share of the memory that is in use. Crawlee's own limit is 0.9.
_FULL = 0.9
# Whatever the machine says, this many requests can be waited for.
_LEAST = 4
# Samples of a period.
_PERIOD = 20


class Load:
    """The limit that lag and memory set; never above what the user allows."""

    def __init__(self, most: int) -> None:
        self.limit = self._most = most
        self.why = ""  # what lowered it last
        self._lags: list[float] = []

    def __repr__(self) -> str:
        return f"<load: {self.limit} of {self._most} in flight>"

    def sample(self, lag: float, memory: float) -> bool:
        """The loop was ``lag`` seconds late, and this share of the ``memory`` is in use. Returns True if the
        limit has changed."""
        self._lags.append(lag)
        if len(self._lags) < _PERIOD:
            return False
        late = sorted(self._lags)[int(0.95 * (_PERIOD - 1))]
        self._lags.clear()
        before = self.limit
        if late > _LATE or memory > _FULL:
            self.why = "memory is short" if memory > _FULL else "the event loop is late"
            self.limit = max(min(_LEAST, self._most), int(self.limit * _LESS))
        elif late < _PUNCTUAL:
            self.limit = min(self._most, int(self.limit * _MORE) + 1)
        return self.limit != before
