"""Figures of the experiment in words: the same ones in table, terminal picture, chart and page."""

from __future__ import annotations

from skitter.compare.report import Outcome, Report, Round
from skitter.observe.text import printable

__all__ = ["asked", "clipped", "duration", "least", "loop_blocked", "speedup", "spread", "statuses"]


def _scale(number: float) -> tuple[float, int, str]:
    """Factor, decimals and unit; milliseconds only where two decimals of a second would say too little."""
    if number < 0.1:
        return 1000, 0, "ms"
    return 1, 2 if number < 100 else 1, "s"


def duration(number: float) -> str:
    """``52 ms``, ``0.98 s``, ``10.05 s``, ``300.1 s``: never wider than 8 characters below 10,000 s."""
    factor, decimals, unit = _scale(number)
    return f"{number * factor:.{decimals}f} {unit}"


def spread(outcome: Outcome) -> str:
    """``9.98-10.20``: the shortest and the longest round, in the unit of the total."""
    factor, decimals, _ = _scale(outcome.total)
    ends = (pick(one.total for one in outcome.rounds) * factor for pick in (min, max))
    return "-".join(f"{end:.{decimals}f}" for end in ends)


def speedup(outcome: Outcome) -> str:
    """``9.9x``; ``-`` if there is nothing to compare with."""
    if outcome.speedup is None:
        return "-"
    return f"{outcome.speedup:.1f}x" if outcome.speedup < 100 else f"{outcome.speedup:.0f}x"


def statuses(one: Round) -> list[str]:
    """``200 x 9`` and ``504 x 1``, the most frequent first."""
    return [f"{printable(status)} x {number}" for status, number in one.statuses.items()]


def loop_blocked(one: Round) -> str:
    """How long the event loop stood still at most; ``-`` if there is none."""
    if not one.loop:
        return "-"
    longest = one.longest_block
    return duration(longest.end - longest.start) if longest else "0 ms"


def asked(report: Report) -> tuple[str, str]:
    """What was asked of whom, in one line, and how that server is, in another."""
    requests = f"{report.requests:,} request{'s' * (report.requests != 1)} to {printable(report.url)}"
    known = (
        (report.delay, "it answers after {:g} s"),
        (report.capacity, "at most {} at a time"),
        (report.gateway_timeout, "or with 504 after {:g} s"),
        (report.concurrency, "asked at most {} at a time"),
    )
    return requests, ", ".join(words.format(number) for number, words in known if number is not None)


def least(report: Report) -> str:
    """What no client can be faster than; empty if that is not known."""
    return f"nobody can do it in less than {report.limit:g} s" if report.limit is not None else ""


def clipped(text: str, length: int) -> str:
    """At most ``length`` characters, an ellipsis for those that are left out."""
    return text if len(text) <= length else text[: length - 1] + "…"
