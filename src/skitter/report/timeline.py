"""A job on one axis of time, without the pauses in which nothing ended."""

from __future__ import annotations

import math

from skitter.report.scratch import Scratch
from skitter.report.values import Latency, Moment, Pause, Timeline

__all__ = ["latency_of", "timeline"]

# About as many stretches as the eye tells apart, of a length that people count in.
_STRETCHES = 120
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
          14400, 43200, 86400)  # fmt: skip
# A pause is left out if it is long, in itself and beside the whole; of many, the longest.
_LEAST_PAUSE, _SHARE, _PAUSES = 30.0, 0.05, 11

_GAPS = """
    SELECT former, at FROM (SELECT at, lag(at) OVER (ORDER BY at) AS former FROM page)
    WHERE at - former >= ? ORDER BY at - former DESC LIMIT ?
"""
_COUNTS = """
    SELECT CAST((at - ?) / ? AS INTEGER), kind, count(*) FROM page WHERE at >= ? AND at <= ? GROUP BY 1, 2
"""
# The median and the 90th percentile by nearest rank.
_RANKED = """
    SELECT part, max(n), max(CASE WHEN place = (n + 1) / 2 THEN ttfb END),
        max(CASE WHEN place = (n * 9 + 9) / 10 THEN ttfb END)
    FROM (
        SELECT part, ttfb, row_number() OVER (PARTITION BY part ORDER BY ttfb) AS place,
            count(*) OVER (PARTITION BY part) AS n
        FROM (SELECT CAST((at - ?) / ? AS INTEGER) AS part, ttfb FROM page
              WHERE ttfb > 0 AND at >= ? AND at <= ?)
    ) GROUP BY part
"""


def latency_of(scratch: Scratch) -> Latency:
    """Of all answers."""
    rows = scratch.rows(_RANKED, 0.0, math.inf, -math.inf, math.inf)
    return Latency(*rows[0][1:]) if rows else Latency(0, 0.0, 0.0)


def timeline(scratch: Scratch, began: float | None, ended: float | None) -> Timeline:
    """All records; ``began`` and ``ended`` are the times of the first and the last."""
    if began is None or ended is None:
        return Timeline(1.0, (), ())
    gaps = sorted(scratch.rows(_GAPS, max(_LEAST_PAUSE, _SHARE * (ended - began)), _PAUSES))
    length = ended - began - sum(after - before for before, after in gaps)
    step = next((step for step in _STEPS if length / step <= _STRETCHES), length / _STRETCHES)
    counts: dict[int, list[int]] = {}
    latencies: dict[int, Latency] = {}
    pauses: list[Pause] = []
    zero, since = began, began
    for last, after in (*gaps, (ended, ended)):
        for part, kind, n in scratch.rows(_COUNTS, zero, step, since, last):
            counts.setdefault(part, [0, 0, 0, 0])[kind] += n
        for part, n, median, p90 in scratch.rows(_RANKED, zero, step, since, last):
            latencies[part] = Latency(n, median, p90)
        if after > last:
            pauses.append(Pause(last - zero, after - last))
        zero, since = zero + after - last, after
    moments = tuple(
        _moment(counts.get(part), latencies.get(part)) for part in range(max(counts, default=-1) + 1)
    )
    return Timeline(step, moments, tuple(pauses))


def _moment(counts: list[int] | None, latency: Latency | None) -> Moment:
    fetched, redirected, left_out, failed = counts or (0, 0, 0, 0)
    return Moment((fetched, redirected, left_out, failed), latency)
