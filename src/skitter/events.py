"""One frozen value for each thing that happens; observers (statistics, progress, logs) read them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from skitter.model import Opening, Reason, Record, Summary

__all__ = [
    "Ended",
    "Event",
    "Finished",
    "HostClosed",
    "HostWaits",
    "Noted",
    "Observer",
    "Progressed",
    "Retrying",
    "RobotsRead",
    "Started",
]


class Started(msgspec.Struct, frozen=True):
    """A run begins, with what the job holds already."""

    opening: Opening
    concurrency: int


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


class HostWaits(msgspec.Struct, frozen=True):
    """A host must not be contacted for a while."""

    origin: str
    until: float
    wait: float
    why: str


class HostClosed(msgspec.Struct, frozen=True):
    """A host is not contacted any more in this run."""

    origin: str
    reason: Reason
    why: str


class Progressed(msgspec.Struct, frozen=True):
    """A commit is on disk."""

    pending: int
    in_flight: int
    hosts: int


class Noted(msgspec.Struct, frozen=True):
    """One line that the operator should see."""

    text: str


class Finished(msgspec.Struct, frozen=True):
    """The run is over and everything is committed."""

    summary: Summary


Event = Started | Ended | Retrying | RobotsRead | HostWaits | HostClosed | Progressed | Noted | Finished
Observer = Callable[[Event], None]
