"""Logs on stderr, as text for people or as JSON for programs: one event, one line."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from skitter.escape import escape_json
from skitter.events import (
    Answered,
    Blocked,
    Ended,
    Event,
    Finished,
    HostClosed,
    HostNarrowed,
    HostsLearnt,
    HostWaits,
    Noted,
    Progressed,
    Requested,
    Retrying,
    RobotsRead,
    SitemapRead,
    Started,
)
from skitter.model import Reason
from skitter.observe.console import StderrConsole
from skitter.observe.text import printable, seconds

__all__ = ["LONG_WAIT", "JsonLog", "TextLog", "said"]

# Shown without --verbose: what an operator has to know.
_ALWAYS = (HostWaits, HostClosed, Noted)
# A text log without --verbose tells only waits that somebody might wonder about.
LONG_WAIT = 10.0


class TextLog:
    """Lines for people."""

    def __init__(self, console: StderrConsole, *, verbose: bool) -> None:
        self._console = console
        self._verbose = verbose

    def __call__(self, event: Event) -> None:
        if not self._verbose and not _matters(event):
            return
        line = said(event)
        if line is not None:
            time = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
            self._console.say(f"{time} {printable(line)}")


def _matters(event: Event) -> bool:
    """Is it told without --verbose?"""
    if isinstance(event, HostWaits):
        return event.wait >= LONG_WAIT
    if isinstance(event, Blocked):
        return event.users and event.first
    return isinstance(event, _ALWAYS)


def said(event: Event) -> str | None:
    """An event in a line for people; None for what is no news."""
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
        case SitemapRead(url, kind, admitted, error):
            return f"{url}: {kind or 'no sitemap'}, {admitted:,} new URLs" + (f" ({error})" if error else "")
        case HostWaits(origin, _, wait, why):
            return f"{origin} waits {seconds(wait)}: {why}"
        case HostNarrowed(origin, window, why):
            return f"{origin}: {window} request{'s' * (window != 1)} at once from now on: {why}"
        case Blocked():
            return _blocked(event)
        case HostClosed(origin, reason, why):
            return f"{origin} is given up ({reason}): {why}"
        case Noted(text):
            return text
    return None


def _blocked(event: Blocked) -> str:
    """Who holds the loop, where, and what to write instead."""
    call = f" in {event.call}" if event.call else ""
    where = f" ({event.url})" if event.url else ""
    verb = "has held" if event.over else "is holding"
    fact = (
        f"{event.name} {verb} the event loop for {seconds(event.seconds)}{call}"
        f" at {event.file}:{event.line}{where}"
    )
    if not event.users:
        return fact
    thread = f"write `await asyncio.to_thread({event.call}, ...)`, or " if event.call else ""
    return f"{fact}; nothing else can be fetched meanwhile: {thread}make the handler a plain `def`"


class JsonLog:
    """One JSON object a line, in printable characters: ``time``, ``event`` and the event's own fields."""

    def __init__(self, console: StderrConsole, *, verbose: bool) -> None:
        self._console = console
        self._verbose = verbose

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progressed | Started | Requested | Answered | HostsLearnt):
            return
        if not self._verbose and not _told_to_programs(event):
            return
        line = {"time": datetime.now(UTC).isoformat(), "event": type(event).__name__.lower()}
        line |= msgspec.to_builtins(event)
        self._console.say(escape_json(msgspec.json.encode(line).decode()))


def _told_to_programs(event: Event) -> bool:
    return isinstance(event, (*_ALWAYS, Finished)) or (isinstance(event, Blocked) and event.users)
