"""What the samples of a soak come to, and whether it is what was asked for."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, get_type_hints

__all__ = [
    "WARM_UP",
    "Row",
    "Sample",
    "floor",
    "lags",
    "line",
    "load",
    "own_lags",
    "percentile",
    "steady",
    "table",
]

# The first third is warm-up: caches fill, hosts find their windows, the allocator finds its size.
WARM_UP = 1 / 3
# A slope of less time than this is noise: it is shown, and not judged.
_LEAST_SECONDS = 600.0
_TEN_MINUTES = 600.0

# The bounds.
_RSS = 1.0  # MiB in ten minutes
# Of the mean, in ten minutes. Idle connections come and go by a fifth; a leak of one in a thousand requests
# would be several hundred.
_FLAT = 0.1
_WAL = 8.0  # MiB: it is folded back from 4 MiB on, after the commit that made it so
_LAG = 50.0  # milliseconds


class Sample(NamedTuple):
    """A row of samples.csv. ``time`` in seconds, sizes in MiB, ``cpu`` in seconds so far; ``lags`` are how
    many milliseconds the loop was late, fifty times in that second, and ``waits`` for how many of them and of
    the 20 before the machine had no core for it."""

    time: float
    fetched: int
    done: int
    pending: int
    in_flight: int
    rss: float
    pss: float
    descriptors: int
    threads: int
    tasks: int
    wal: float
    database: float
    output: float
    cpu: float
    load: float
    lags: str
    waits: str


@dataclass(frozen=True)
class Row:
    """A line of the table; ``is_broken`` is None where there was not time enough to say."""

    name: str
    asked: str
    measured: str
    is_broken: bool | None

    @property
    def word(self) -> str:
        return {None: "too short to judge", False: "kept", True: "BROKEN"}[self.is_broken]


def load(file: Path) -> list[Sample]:
    """Read samples.csv."""
    with file.open(newline="") as rows:
        found = csv.reader(rows)
        next(found)
        kinds = get_type_hints(Sample).values()
        return [Sample(*(kind(text) for kind, text in zip(kinds, row, strict=True))) for row in found]


def steady(samples: Sequence[Sample]) -> Sequence[Sample]:
    """The samples after the warm-up."""
    end = samples[-1].time
    return [sample for sample in samples if sample.time >= end * WARM_UP]


def line(samples: Sequence[Sample], field: str) -> tuple[float, float]:
    """The line of least squares through a field after the warm-up: its value at time 0, its rise a second."""
    return _through([(sample.time, float(getattr(sample, field))) for sample in steady(samples)])


def _through(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    time, value = (sum(column) / len(points) for column in zip(*points, strict=True))
    spread = sum((at - time) ** 2 for at, _ in points)
    rise = sum((at - time) * (here - value) for at, here in points) / spread if spread else 0.0
    return value - rise * time, rise


def floor(samples: Sequence[Sample]) -> tuple[float, float]:
    """The line through the least RSS of each minute after the warm-up.

    Of all samples it would be a line through a saw where caches grow and are dropped, which says nothing of
    what stays.
    """
    least: dict[int, Sample] = {}
    for sample in steady(samples):
        minute = int(sample.time // 60)
        least[minute] = min(least.get(minute, sample), sample, key=lambda each: each.rss)
    return _through([(sample.time, sample.rss) for sample in least.values()])


def lags(samples: Sequence[Sample]) -> list[float]:
    """All lags in milliseconds."""
    return [float(lag) for sample in samples for lag in sample.lags.split()]


def own_lags(samples: Sequence[Sample]) -> list[float]:
    """The lags without what other processes made of them."""
    waits = [float(wait) for sample in samples for wait in sample.waits.split()]
    return [max(0.0, lag - wait) for lag, wait in zip(lags(samples), waits, strict=True)]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so large a share does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def table(samples: Sequence[Sample]) -> list[Row]:
    """Asked and measured."""
    after = steady(samples)
    is_long = after[-1].time - after[0].time >= _LEAST_SECONDS
    rss = floor(samples)[1] * _TEN_MINUTES
    wal = max(sample.wal for sample in samples)
    late, own = lags(after), own_lags(after)
    p99 = percentile(own, 0.99)
    waited = f"with waiting for a core {percentile(late, 0.99):.1f}, most {max(late):.0f}"
    words = f"{p99:.1f} ms, most {max(own):.0f}; {waited}"
    return [
        Row(
            "RSS",
            f"less than {_RSS:g} MiB more in 10 minutes",
            _rss(samples, rss),
            rss >= _RSS if is_long else None,
        ),
        *(_flat(samples, field, is_long) for field in ("descriptors", "tasks", "threads")),
        Row("write-ahead log", f"never above {_WAL:g} MiB", f"{wal:.1f} MiB at most", wal > _WAL),
        Row("loop lag, p99", f"less than {_LAG:g} ms", words, p99 >= _LAG),
    ]


def _rss(samples: Sequence[Sample], rise: float) -> str:
    every = line(samples, "rss")[1] * _TEN_MINUTES
    sizes = [sample.rss for sample in steady(samples)]
    size = f"{min(sizes):.0f} to {max(sizes):.0f} MiB"
    return f"{rise:+.2f} MiB in 10 minutes ({every:+.2f} of all samples); {size}"


def _flat(samples: Sequence[Sample], field: str, is_long: bool) -> Row:
    """A number that goes up and down, but not up."""
    after = [getattr(sample, field) for sample in steady(samples)]
    mean = sum(after) / len(after)
    rise = line(samples, field)[1] * _TEN_MINUTES
    measured = f"{rise:+.1f} in 10 minutes; mean {mean:.0f}, {min(after)} to {max(after)}"
    return Row(
        field,
        f"flat: less than {_FLAT:.0%} more in 10 minutes",
        measured,
        rise > _FLAT * mean if is_long else None,
    )
