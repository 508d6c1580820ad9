"""Named points at which a test may kill the process, as a crash at that very moment would.

``SKITTER_FAILPOINT=NAME:N`` makes the process kill itself the N-th time that it reaches the point
(N counts from 1). ``SKITTER_FAILPOINT_TRACE=FILE`` appends the name of every point reached to a file,
one a line: a clean run tells how often there would be an occasion. Without these variables a point is a
call of an empty function.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from skitter.errors import ConfigError

__all__ = ["ARMED", "FAILPOINT", "NAMES", "TRACE", "check", "during", "reached"]

FAILPOINT, TRACE = "SKITTER_FAILPOINT", "SKITTER_FAILPOINT_TRACE"

NAMES = (
    "after-claim",  # URLs are lent, nothing was requested
    "after-fetch",  # an answer is there, nothing of it is written
    "mid-record",  # half of what is appended to an output is written
    "after-append-before-commit",  # all outputs are written, the transaction has not begun
    "mid-commit",  # the transaction is made, but not committed
    "after-commit-before-ack",  # committed, and the crawl does not know yet
    "mid-checkpoint",  # while the log is folded into the database
    "inside-recovery",  # between any two steps that bring outputs to what is committed
    "mid-finish",  # all is committed, and what is made at the end of a run is not there yet
    "mid-migration",  # between any two steps that bring a job of an older format up to date
)


# Seconds after which a call that goes to the disk is in its middle, roughly.
_MIDDLE = 0.0005


class _Armed:
    """Counts the points reached; kills at the one that was asked for."""

    def __init__(self, point: str, trace: str | None) -> None:
        self._name, _, number = point.partition(":")
        self._number = int(number or 1)
        self._trace = trace
        self._counts: Counter[str] = Counter()

    def reached(self, name: str) -> None:
        self._counts[name] += 1
        if self._trace:
            with Path(self._trace).open("a", encoding="ascii") as file:
                file.write(f"{name}\n")
        if name == self._name and self._counts[name] == self._number:
            os.kill(os.getpid(), signal.SIGKILL)


def _nothing(name: str) -> None:
    """No point is armed."""


def _armed() -> Callable[[str], None]:
    point, trace = os.environ.get(FAILPOINT, ""), os.environ.get(TRACE)
    try:
        return _Armed(point, trace).reached if point or trace else _nothing
    except ValueError:
        return _nothing  # said by check(), where there is somebody to say it to


def check() -> None:
    """Raises ConfigError if the variable names no point."""
    name, _, number = os.environ.get(FAILPOINT, NAMES[0]).partition(":")
    if name not in NAMES or not (number or "1").isdecimal():
        raise ConfigError(f"{FAILPOINT}: give NAME:N, where NAME is one of {', '.join(NAMES)}")


# Called at a point. Decided once, when the program starts.
reached = _armed()
ARMED = reached is not _nothing


@contextmanager
def during(name: str) -> Iterator[None]:
    """The point is somewhere within one call into C that lets other threads run."""
    if not ARMED:
        yield
        return
    timer = threading.Timer(_MIDDLE, reached, (name,))
    timer.start()
    yield
    timer.join()
