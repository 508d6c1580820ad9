"""One frozen value for each thing that happens; observers (statistics, progress, logs) read them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from skitter.model import HostState, Opening, Reason, Record, Summary

__all__ = [
    "Answered",
    "Blocked",
    "Ended",
    "Event",
    "Finished",
    "HostClosed",
    "HostNarrowed",
    "HostWaits",
    "HostsLearnt",
    "Noted",
    "Observer",
    "Progressed",
    "Requested",
    "Retrying",
    "RobotsRead",
    "SitemapRead",
    "Started",
]


class Started(msgspec.Struct, frozen=True):
    """A run begins, with what the job holds already."""

    opening: Opening
    concurrency: int


class Requested(msgspec.Struct, frozen=True):
    """A request has gone out."""

    url: str


class Answered(msgspec.Struct, frozen=True):
    """A request is over; ``status`` is None if no answer came."""

    url: str
    status: int | None
    elapsed: float


class Ended(msgspec.Struct, frozen=True):
    """A URL ended; its record is not committed yet."""

    record: Record


class Retrying(msgspec.Struct, frozen=True):
    """A URL goes back to the frontier until ``at``."""

    url: str
    at: float
    wait: float
    reason: Reason
    error: str


class RobotsRead(msgspec.Struct, frozen=True):
    """A host's robots.txt is known."""

    origin: str
    status: int
    delay: float
    rules: int


class SitemapRead(msgspec.Struct, frozen=True):
    """A sitemap was read, or could not be: its ``kind``, how many URLs it brought that were not known, and
    what of it was not used, and why."""

    url: str
    kind: str | None
    admitted: int
    error: str | None


class HostWaits(msgspec.Struct, frozen=True):
    """A host must not be contacted for a while."""

    origin: str
    until: float
    wait: float
    why: str


class HostNarrowed(msgspec.Struct, frozen=True):
    """A host is asked less at once than before: ``window`` requests."""

    origin: str
    window: int
    why: str


class HostClosed(msgspec.Struct, frozen=True):
    """A host is not contacted any more in this run."""

    origin: str
    reason: Reason
    why: str


class HostsLearnt(msgspec.Struct, frozen=True):
    """What is known now of hosts that were contacted since the last commit."""

    states: tuple[HostState, ...]


class Progressed(msgspec.Struct, frozen=True):
    """A commit is on disk."""

    pending: int
    in_flight: int
    hosts: int


class Noted(msgspec.Struct, frozen=True):
    """One line that the operator should see."""

    text: str


class Blocked(msgspec.Struct, frozen=True):
    """A callback holds, or has held (``over``), the event loop: ``name``, now or then at ``file:line``.

    ``call`` is what it calls there; ``users`` is False if only skitter's own code was at work. The
    first of a place comes with ``first``: once is enough for a person.
    """

    name: str
    file: str
    line: int
    call: str | None
    url: str | None
    seconds: float
    users: bool
    first: bool
    over: bool


class Finished(msgspec.Struct, frozen=True):
    """The run is over and everything is committed."""

    summary: Summary


Event = (
    Started | Requested | Answered | Ended | Retrying | RobotsRead | SitemapRead | HostWaits | HostNarrowed
    | HostClosed | HostsLearnt | Blocked | Progressed | Noted | Finished
)  # fmt: skip
Observer = Callable[[Event], None]
