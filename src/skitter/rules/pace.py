"""The rate that a host accepts, learnt from its refusals.

A rate limiter answers at once until its tokens are used up, so no window finds it: latency never rises.
But each refusal says that nothing was left at that moment. Between two refusals it let pass exactly what
it had refilled, and that over the time is its rate. Pure arithmetic over time; seconds.
"""

from __future__ import annotations

__all__ = ["Pace"]

# A refusal while paced takes the rate down by this much; and what is asked for at first stays as much
# below the rate that was accepted.
_BELOW = 1.05
# Without a refusal the interval shrinks a little with each request: to 1/e in 330 of them (a bucket of
# ten tokens then refuses one in a hundred), or in a minute if that is sooner, by 2 % at most. And twice
# as much after each so many requests in a row, or so many seconds: a guess that was much too low is soon
# forgotten.
_RECOVERY, _RECOVERY_TIME, _MOST_RECOVERY = 1 / 330, 60.0, 0.02
_STREAK, _STREAK_TIME, _FASTEST = 50, 6.0, 0.1
# Shorter than this it is no pace.
_LEAST = 0.002


class Pace:
    """The least time between two requests, as far as refusals have told."""

    __slots__ = ("_accepted", "_refused_at", "interval")

    def __init__(self) -> None:
        self.interval = 0.0
        self._accepted = 0  # since the last refusal
        self._refused_at = 0.0

    def accepted(self, now: float) -> None:
        """A request was answered."""
        self._accepted += 1
        if self.interval:
            step = max(_RECOVERY, min(_MOST_RECOVERY, self.interval / _RECOVERY_TIME))
            clean = max(self._accepted / _STREAK, (now - self._refused_at) / _STREAK_TIME)
            streak = min(int(clean), 8)
            self.interval *= 1 - min(_FASTEST, step * 2**streak)
            if self.interval < _LEAST:
                self.interval = 0.0

    def refused(self, now: float) -> None:
        """A request was refused. To be told once for all that were in flight together."""
        # Nothing accepted since the last one: that is an outage, and its length no rate.
        if self._refused_at and self._accepted:
            accepted = (now - self._refused_at) / self._accepted
            # While the gate is closed a small bucket runs over: what was accepted in all that time can
            # be far below its rate, but not above it.
            least = self.interval or accepted
            self.interval = min(max(accepted, least), 2 * least) * _BELOW
        self._accepted = 0
        self._refused_at = now
