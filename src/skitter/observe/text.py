"""Figures and strangers' text, fit for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from skitter.escape import printable
from skitter.model import FinishReason, Reason, Summary

__all__ = ["counts", "printable", "seconds", "size", "summary_line"]

_HOW = {
    FinishReason.DONE: "done",
    FinishReason.LIMIT: "limit reached",
    FinishReason.TIME_LIMIT: "time limit reached",
    FinishReason.WAITING: "waiting",
    FinishReason.DISK_LOW: "stopped (the disk is nearly full)",
    FinishReason.STOPPED: "stopped",
}


def size(number: float) -> str:
    """``48.1 MiB``"""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            break
        number /= 1024
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"


def seconds(number: float) -> str:
    """``850 ms``, ``12.3 s``, ``4 m 05 s``, ``2 h 13 m``"""
    if number < 1:
        return f"{number * 1000:.0f} ms"
    if number < 120:
        return f"{number:.1f} s"
    minutes, rest = divmod(round(number), 60)
    if minutes < 120:
        return f"{minutes} m {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} m"


def counts(by_reason: Mapping[Reason, int]) -> str:
    """``527 fetched, 1 http_error``; the largest first."""
    ordered = sorted(by_reason.items(), key=lambda item: (item[0] is not Reason.FETCHED, -item[1]))
    return ", ".join(f"{number:,} {reason}" for reason, number in ordered) or "nothing"


def summary_line(summary: Summary, outputs: tuple[str, ...], came_back: str | None) -> str:
    """The last line of a run: how it ended, counts, bytes, seconds, rate, outputs."""
    how = _HOW[summary.finish_reason]
    if summary.pending:
        how += f" with {summary.pending:,} pending"
    if came_back:
        how += f" (come back at {came_back})"
    if summary.blocked:
        how += f"; the event loop was blocked {summary.blocked} time{'s' * (summary.blocked != 1)}"
    where = ", ".join("stdout" if output == "-" else output for output in outputs)
    return (
        f"{how}: {counts(summary.by_reason)}; {size(summary.size)} in {seconds(summary.seconds)}, "
        f"{summary.rate:,.1f} pages/s" + (f" -> {where}" if where else "")
    )
