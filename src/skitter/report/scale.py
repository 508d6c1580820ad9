"""Axes: round numbers in even steps, and words for them."""

from __future__ import annotations

import math

__all__ = ["clock_ticks", "figure", "lapse", "ticks"]

_LAPSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
           10800, 21600, 43200, 86400, 172800, 604800)  # fmt: skip
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "m"))


def ticks(most: float, number: int = 4) -> list[float]:
    """Round numbers from 0 on, in about so many steps, the last one at or above ``most``."""
    if most <= 0:
        return [0.0, 1.0]
    rough = most / number
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999999)
    return [step * place for place in range(math.ceil(most / step * 0.999999) + 1)]


def clock_ticks(most: float, number: int = 8) -> list[float]:
    """Moments from 0 to ``most`` seconds, in steps that people count time in."""
    step = next(
        (step for step in _LAPSES if most / step <= number), math.ceil(most / number / 86400) * 86400.0
    )
    return [step * place for place in range(math.floor(most / step * 1.000001) + 1)]


def lapse(seconds: float) -> str:
    """``0``, ``200 ms``, ``15 s``, ``1 m 30 s``, ``2 h``"""
    if seconds < 1:
        return f"{seconds * 1000:g} ms" if seconds else "0"
    words = []
    for length, unit in _UNITS:
        number, seconds = divmod(seconds, length)
        words += [f"{number:.0f} {unit}"] if number else []
    words += [f"{seconds:g} s"] if seconds else []
    return " ".join(words[:2])


def figure(number: float) -> str:
    """``1,250``, ``12.5``, ``0.25``, ``25 k``, ``1.2 M``"""
    if number >= 1_000_000:
        return f"{number / 1_000_000:.3g} M"
    if number >= 10_000:
        return f"{number / 1_000:.3g} k"
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:.3g}"
