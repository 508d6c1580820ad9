"""What the experiment measured: the values behind table, picture, explanation and JSON.

All times are seconds from the start of the round in which they were taken; ``cpu`` is CPU seconds of
the client, the server's not among them.
"""

from __future__ import annotations

import math
from collections import Counter
from statistics import median

import msgspec

__all__ = ["Attempt", "Blocked", "Life", "Outcome", "Report", "Round"]


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it went over the wire, and its answer.

    ``status`` is the HTTP status as text ("200"), or the name of the exception that came instead.
    """

    start: float
    first_byte: float | None = None  # None: no answer came
    end: float
    status: str

    @property
    def ok(self) -> bool:
        """Did an answer come that is no error?"""
        return self.status.isdecimal() and int(self.status) < 400


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """One of the N requests from being submitted to its final answer. ``start`` is that of the first
    attempt; ``first_byte``, ``end`` and ``status`` are those of the last. Without attempts nothing was
    sent, and ``status`` says why."""

    submitted: float
    start: float
    first_byte: float | None = None
    end: float
    status: str
    attempts: tuple[Attempt, ...]

    @property
    def ok(self) -> bool:
        """Is the final answer no error?"""
        return bool(self.attempts) and self.attempts[-1].ok


class Blocked(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which the event loop stood still, and where: ``call`` was called at ``file:line``."""

    start: float
    end: float
    call: str
    file: str
    line: int


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy, once. ``loop`` is False for strategies that have no event loop."""

    total: float
    max_in_flight: int  # as the server saw it; of a server that is not ours, as the client did
    connections: int | None  # opened; None if the server is not ours
    loop: bool
    blocked: tuple[Blocked, ...]
    cpu: float
    requests: tuple[Life, ...]  # in the order of the list of URLs
    news: tuple[str, ...] = ()  # what the strategy decided on its way, in words
    workers: int | None = None  # threads or processes, besides the main one

    @property
    def statuses(self) -> dict[str, int]:
        """How many of the N ended with which status."""
        return dict(Counter(life.status for life in self.requests).most_common())

    @property
    def attempts(self) -> int:
        """Requests that went out."""
        return sum(len(life.attempts) for life in self.requests)

    @property
    def longest_block(self) -> Blocked | None:
        """The longest time in which the event loop stood still, if it ever did."""
        return max(self.blocked, key=lambda block: block.end - block.start, default=None)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """All rounds of a strategy; ``speedup`` is over serial, None if serial did not take part."""

    name: str
    rounds: tuple[Round, ...]
    speedup: float | None

    @property
    def middle(self) -> Round:
        """The round with the median total: the one that is drawn and explained."""
        ordered = sorted(self.rounds, key=lambda one: one.total)
        return ordered[(len(ordered) - 1) // 2]

    @property
    def total(self) -> float:
        """Median over the rounds."""
        return median(one.total for one in self.rounds)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole experiment. ``delay`` is None if the server is not ours."""

    url: str
    requests: int
    delay: float | None
    capacity: int | None
    gateway_timeout: float | None
    concurrency: int | None
    outcomes: tuple[Outcome, ...]

    @property
    def limit(self) -> float | None:
        """The least time that any client can need, in seconds: what the server's capacity allows, and the
        concurrency if that was bounded."""
        if self.delay is None:
            return None
        at_once = min(self.requests, self.capacity or self.requests, self.concurrency or self.requests)
        return math.ceil(self.requests / at_once) * self.delay

    @property
    def longest(self) -> float:
        """The longest round that is drawn: the end of the common time axis."""
        return max((outcome.middle.total for outcome in self.outcomes), default=0.0)
