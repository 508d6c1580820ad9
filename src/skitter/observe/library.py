"""What a program that uses the library should know, told by the logger ``skitter``.

Warnings appear on stderr even where nobody has set up logging; more is there at the level INFO, and a
line for every URL at DEBUG.
"""

from __future__ import annotations

import logging

from skitter.events import Blocked, Event, HostClosed, HostWaits, Noted
from skitter.observe.log import LONG_WAIT, said
from skitter.observe.text import printable

__all__ = ["tell"]

_LOGGER = logging.getLogger("skitter")


def tell(event: Event) -> None:
    """An observer."""
    level = _level(event)
    if _LOGGER.isEnabledFor(level):
        line = said(event)
        if line is not None:
            _LOGGER.log(level, "%s", printable(line))


def _level(event: Event) -> int:
    match event:
        case Blocked(users=True, first=True) | HostClosed() | Noted():
            return logging.WARNING
        case HostWaits() if event.wait >= LONG_WAIT:
            return logging.WARNING
        case HostWaits():
            return logging.INFO
    return logging.DEBUG
