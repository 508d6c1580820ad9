"""What a program that uses the library should know, told by the logger ``skitter``.

Warnings appear on stderr even where nobody has set up logging; more is there at the level INFO, and a
line for every URL at DEBUG.
"""

from __future__ import annotations

import logging

from skitter.events import Blocked, Ended, Event, HostClosed, HostWaits, Noted, Observer
from skitter.model import Reason
from skitter.observe.log import LONG_WAIT, said
from skitter.observe.text import printable

__all__ = ["LibraryLog", "guarded"]

_LOGGER = logging.getLogger("skitter")


def guarded(observe: Observer) -> Observer:
    """An observer that cannot harm the crawl: what it raises is logged, once a kind of event."""
    told: set[str] = set()

    def call(event: Event) -> None:
        try:
            observe(event)
        except Exception:
            kind = type(event).__name__
            if kind not in told:
                _LOGGER.exception("an observer failed at %s; others of its kind are not told", kind)
            told.add(kind)

    return call


class LibraryLog:
    """An observer. What a handler does wrong in one place is a warning once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def __call__(self, event: Event) -> None:
        level = self._level(event)
        if _LOGGER.isEnabledFor(level):
            line = said(event)
            if line is not None:
                _LOGGER.log(level, "%s", printable(line))

    def _level(self, event: Event) -> int:
        match event:
            case Blocked(users=True, first=True) | HostClosed() | Noted():
                return logging.WARNING
            case HostWaits() if event.wait >= LONG_WAIT:
                return logging.WARNING
            case HostWaits():
                return logging.INFO
            case Ended(record) if record.reason is Reason.HANDLER_ERROR:
                return logging.WARNING if self._is_new(record.error or "") else logging.DEBUG
        return logging.DEBUG

    def _is_new(self, error: str) -> bool:
        """Is it the first time at this place? The error begins with handler, file and line."""
        place = error.partition(": ")[0]
        is_new = place not in self._told
        self._told.add(place)
        return is_new
