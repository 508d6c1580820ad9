"""The real time of a run."""

from __future__ import annotations

import time
from pathlib import Path

__all__ = ["SystemClock", "skew"]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_UNKNOWN = "-"


class SystemClock:
    """Seconds since the epoch as they were at the start, carried on by the monotonic clock (G6)."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()
        self._boot = _boot()

    def now(self) -> float:
        """Seconds since the epoch; setting the system's date has no effect on a run."""
        return self._offset + time.monotonic()

    def stamp(self) -> str:
        """Now, which boot of the machine this is, and the seconds since it."""
        return f"{self.now():.3f} {self._boot} {_since_boot():.3f}"


def skew(then: str, now: str) -> float:
    """By how many seconds the date was set forward (or back: negative) between two stamps.

    Within one boot of the machine its own clock tells. Across boots only a date that lies before the
    former one can be told from time that has passed; no time at all is taken to have passed then.
    """
    then_at, then_boot, then_up = _parts(then)
    now_at, now_boot, now_up = _parts(now)
    if then_boot == now_boot != _UNKNOWN:
        return (now_at - then_at) - (now_up - then_up)
    return min(0.0, now_at - then_at)


def _parts(stamp: str) -> tuple[float, str, float]:
    at, boot, up = stamp.split(" ")
    return float(at), boot, float(up)


def _boot() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:  # not Linux
        return _UNKNOWN


def _since_boot() -> float:
    """Time in sleep counts as well, where the system can tell."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
