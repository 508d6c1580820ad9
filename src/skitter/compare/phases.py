"""What both pictures draw: the phases of a request's life, the rows, the ticks of the time axis."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from skitter.compare.report import Blocked, Life, Report, Round

__all__ = ["Phase", "Span", "blocks", "drawn", "order", "spans", "ticks"]

_WORTH_DRAWING = 0.1  # seconds; asyncio's own debug mode calls a callback slow from here on


class Phase(StrEnum):
    """What a request is waiting for; the value is what the legend says."""

    QUEUED = "waiting to be sent"
    SERVER = "waiting for the server"
    RECEIVING = "receiving"
    FAILED = "attempt that failed"


class Span(NamedTuple):
    """A phase from ``start`` to ``end``, in seconds from the start of the round."""

    phase: Phase
    start: float
    end: float


def spans(life: Life, at_least: float) -> Iterator[Span]:
    """A life as phases in order; an attempt is drawn ``at_least`` seconds long, or it would be invisible.

    Between two attempts the request waits to be sent again.
    """
    free = life.submitted
    for attempt in life.attempts:
        if attempt.start > free:
            yield Span(Phase.QUEUED, free, attempt.start)
        answered = attempt.end if attempt.first_byte is None or not attempt.ok else attempt.first_byte
        phase = Phase.SERVER if attempt.ok else Phase.FAILED
        yield Span(phase, attempt.start, max(answered, attempt.start + at_least))
        if attempt.end > answered:
            yield Span(Phase.RECEIVING, answered, attempt.end)
        free = attempt.end


def drawn(lives: Sequence[Life], rows: int) -> Sequence[Life]:
    """At most ``rows`` of them, in the order in which they ended: every k-th, if there are more."""
    ordered = sorted(lives, key=lambda life: (life.end, life.submitted))
    return ordered[:: max(1, math.ceil(len(ordered) / rows))]


def order(report: Report, rows: int) -> str:
    """What a row is, for the legend."""
    step = math.ceil(report.requests / rows)
    if step <= 1:
        return "one row a request, in the order in which they ended"
    ending = {1: "st", 2: "nd", 3: "rd"}.get(step % 10 if step % 100 not in (11, 12, 13) else 0, "th")
    return f"every {step}{ending} of {report.requests:,} requests, in the order in which they ended"


def blocks(one: Round) -> list[Blocked]:
    """The times in which the event loop stood still for longer than 100 ms."""
    return [block for block in one.blocked if one.loop and block.end - block.start > _WORTH_DRAWING]


def ticks(longest: float, at_most: int) -> list[tuple[float, str]]:
    """Seconds and labels from 0 to ``longest``, 1, 2 or 5 times a power of ten apart."""
    if longest <= 0:
        return [(0.0, "0 s")]
    rough = longest / max(1, at_most)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    count = int(longest / step + 1e-9)
    return [(number * step, f"{number * step:.10g} s") for number in range(count + 1)]
