"""The least speed of a body: who drips holds a slot for as long as the time-out allows, and a long one is
asked for to get large files, not to wait."""

from __future__ import annotations

__all__ = ["LEAST_SPEED", "Speed", "TooSlow"]

# Bytes a second, over the last period in seconds. A modem of 1990 brought twice as much (2,400 bit/s).
LEAST_SPEED = 128
_PERIOD = 10.0
# A longer silence between two pieces may be our own (the process was stopped); the time-out ends silence.
_LONGEST_GAP = 5.0


class TooSlow(Exception):
    """A body comes more slowly than LEAST_SPEED."""


class Speed:
    """Measures one body."""

    __slots__ = ("_at", "_came", "_took")

    def __init__(self, now: float) -> None:
        self._at = now
        self._took = 0.0
        self._came = 0

    def came(self, size: int, now: float) -> None:
        """``size`` bytes have come, as they were on the wire. Raises TooSlow."""
        self._took += min(now - self._at, _LONGEST_GAP)
        self._at = now
        self._came += size
        if self._took >= _PERIOD:
            if self._came < LEAST_SPEED * self._took:
                raise TooSlow
            self._took, self._came = 0.0, 0
