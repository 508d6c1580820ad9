"""Logs on stderr, as text for people or as JSON for programs: one event, one line."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from skitter.events import (
    Ended,
    Event,
    Finished,
    HostClosed,
    HostWaits,
    Noted,
    Progressed,
    Retrying,
    RobotsRead,
    Started,
)
from skitter.model import Reason
from skitter.observe.console import StderrConsole
from skitter.observe.text import printable, seconds

__all__ = ["JsonLog", "TextLog"]

# Shown without --verbose: what an operator has to know.
_ALWAYS = (HostWaits, HostClosed, Noted)
# A text log without --verbose tells only waits that somebody might wonder about.
_LONG_WAIT = 10.0


class TextLog:
    """Lines for people."""

    def __init__(self, console: StderrConsole, *, verbose: bool) -> None:
        self._console = console
        self._verbose = verbose

    def __call__(self, event: Event) -> None:
        if not self._verbose and not isinstance(event, _ALWAYS):
            return
        if isinstance(event, HostWaits) and not self._verbose and event.wait < _LONG_WAIT:
            return
        line = _said(event)
        if line is not None:
            time = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
            self._console.say(f"{time} {printable(line)}")


def _said(event: Event) -> str | None:
    match event:
        case Ended(record):
            status = record.status or "-"
            how = "" if record.reason is Reason.FETCHED else f" {record.reason}"
            error = f" ({record.error})" if record.error else ""
            return f"{status} {record.url}{how} {seconds(record.elapsed)}{error}"
        case Retrying(url, _, wait, _, error):
            return f"again in {seconds(wait)}: {url}: {error}"
        case RobotsRead(origin, status, delay, rules):
            pace = f", one request in {seconds(delay)}" if delay else ""
            return f"{origin}/robots.txt: HTTP {status}, {rules} rules for us{pace}"
        case HostWaits(origin, _, wait, why):
            return f"{origin} waits {seconds(wait)}: {why}"
        case HostClosed(origin, reason, why):
            return f"{origin} is given up ({reason}): {why}"
        case Noted(text):
            return text
    return None


class JsonLog:
    """One JSON object a line: ``time``, ``event`` and the event's own fields."""

    def __init__(self, console: StderrConsole, *, verbose: bool) -> None:
        self._console = console
        self._verbose = verbose

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progressed | Started):
            return
        if not self._verbose and not isinstance(event, (*_ALWAYS, Finished)):
            return
        line = {"time": datetime.now(UTC).isoformat(), "event": type(event).__name__.lower()}
        line |= msgspec.to_builtins(event)
        self._console.say(msgspec.json.encode(line).decode())
