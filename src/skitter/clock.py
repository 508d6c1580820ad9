"""The real time of a run."""

from __future__ import annotations

import time

__all__ = ["SystemClock"]


class SystemClock:
    """Seconds since the epoch as they were at the start, carried on by the monotonic clock (G6)."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch; setting the system's date has no effect on a run."""
        return self._offset + time.monotonic()
