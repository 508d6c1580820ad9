"""The picture of a soak: `python pictures.py FOLDER` draws soak.png from its samples.csv once more."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
from figures import WARM_UP, Sample, floor, lags, line, load, own_lags, percentile, steady
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

__all__ = ["draw"]

_MAIN, _SECOND, _BOUND = "#d1495b", "#3d6fa5", "#222222"
_OTHER = "#b9c2cc"
_LEGEND = {"loc": "upper right", "frameon": False, "fontsize": 8.5, "labelcolor": "#777777"}
_INK, _FAINT = "#222222", "#777777"
_BINS = 180  # points of a smoothed line


def draw(path: Path, samples: Sequence[Sample]) -> None:
    """Six panels over time, with the warm-up in grey."""
    mpl.use("Agg")  # no display is needed
    figure, panels = plt.subplots(3, 2, figsize=(13, 9), sharex=True, facecolor="white")
    for panel, paint in zip(panels.T.flat, _PANELS, strict=True):
        paint(panel, samples)
        _plain(panel, samples)
    for panel in panels[-1]:
        panel.set_xlabel("minutes", fontsize=9, color=_FAINT)
    last = samples[-1]
    figure.text(
        0.01,
        0.972,
        "A long crawl of bad servers: does anything grow?",
        fontsize=14,
        fontweight="bold",
        color=_INK,
    )
    figure.text(
        0.01,
        0.948,
        f"{last.time / 60:.0f} minutes, {last.fetched:,} pages; 1 % each of all requests are reset, never"
        " answered, answered with a 503, slow. Grey: warm-up. Dashed: trend after it.",
        fontsize=9.5,
        color=_FAINT,
    )
    figure.tight_layout(rect=(0, 0, 1, 0.94), h_pad=2.0, w_pad=2.5)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _rate(panel: Axes, samples: Sequence[Sample]) -> None:
    rates = [(b.fetched - a.fetched) / (b.time - a.time) for a, b in pairwise(samples)]
    _faint(panel, samples[1:], rates)
    _smooth(panel, samples[1:], rates, _mean)
    panel.set_ylim(0, percentile(rates, 0.99) * 1.2 + 1)
    _title(panel, "pages a second", f"{samples[-1].fetched / samples[-1].time:,.0f} on average")


def _memory(panel: Axes, samples: Sequence[Sample]) -> None:
    values = [sample.rss for sample in samples]
    panel.plot(_minutes(samples), values, color=_MAIN, linewidth=1.3)
    _trend(panel, samples, floor(samples))
    panel.set_ylim(0, max(values) * 1.25)
    words = f"{floor(samples)[1] * 600:+.2f} MiB in 10 minutes (least of each minute)"
    _title(panel, "resident memory, MiB", words)


def _descriptors(panel: Axes, samples: Sequence[Sample]) -> None:
    values = [sample.descriptors for sample in samples]
    _faint(panel, samples, values)
    _smooth(panel, samples, values, _mean)
    _trend(panel, samples, line(samples, "descriptors"))
    panel.set_ylim(0, max(values) * 1.25)
    after = [sample.descriptors for sample in steady(samples)]
    _title(panel, "open descriptors", f"{min(after)} to {max(after)}")


def _tasks(panel: Axes, samples: Sequence[Sample]) -> None:
    values = [sample.tasks for sample in samples]
    _faint(panel, samples, values)
    _smooth(panel, samples, values, _mean)
    _trend(panel, samples, line(samples, "tasks"))
    threads = [sample.threads for sample in samples]
    panel.plot(_minutes(samples), threads, color=_SECOND, linewidth=1.3)
    panel.annotate(
        "threads",
        (_minutes(samples)[-1], threads[-1]),
        (0, 4),
        textcoords="offset points",
        ha="right",
        fontsize=8.5,
        color=_SECOND,
    )
    panel.set_ylim(0, max(values) * 1.25)
    _title(
        panel,
        "asyncio tasks, and threads",
        f"tasks {line(samples, 'tasks')[1] * 600:+.1f} in 10 minutes, threads {threads[-1]}",
    )


def _lag(panel: Axes, samples: Sequence[Sample]) -> None:
    times, groups = _minutes(samples), _groups(samples)
    most = [max(own_lags([sample])) for sample in samples]
    panel.scatter(times, most, s=5, color=_MAIN, alpha=0.3, linewidths=0)
    middles = [_mean(times[group]) for group in groups]
    for of, color, name in ((lags, _OTHER, "with waiting for a core"), (own_lags, _MAIN, "")):
        late = [percentile(of(samples[group]), 0.99) for group in groups]
        panel.plot(middles, late, color=color, linewidth=1.3, label=name)
    panel.axhline(50, color=_BOUND, linestyle=":", linewidth=1)
    panel.set_ylim(0, 80)  # what is beyond is in the table
    panel.legend(*([each[:1] for each in panel.get_legend_handles_labels()]), **_LEGEND)
    after = own_lags(steady(samples))
    _title(panel, "loop lag, ms: p99 and most", f"p99 {percentile(after, 0.99):.1f} ms, bound 50 ms")


def _wal(panel: Axes, samples: Sequence[Sample]) -> None:
    values = [sample.wal for sample in samples]
    _faint(panel, samples, values)
    _smooth(panel, samples, values, max)
    panel.axhline(8, color=_BOUND, linestyle=":", linewidth=1)
    panel.set_ylim(0, max(9.0, max(values) * 1.2))
    _title(
        panel,
        "write-ahead log, MiB",
        f"at most {max(values):.1f} MiB, bound 8; the database has {samples[-1].database:,.0f} MiB",
    )


_PANELS: tuple[Callable[[Axes, Sequence[Sample]], None], ...] = (
    _rate,
    _memory,
    _wal,
    _descriptors,
    _tasks,
    _lag,
)


def _minutes(samples: Sequence[Sample]) -> list[float]:
    return [sample.time / 60 for sample in samples]


def _groups(samples: Sequence[object]) -> list[slice]:
    """Seconds together, so that a line has as many points as can be seen; a short rest is left out."""
    size = max(5, -(-len(samples) // _BINS))
    return [slice(start, start + size) for start in range(0, len(samples) - size // 2, size)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _faint(panel: Axes, samples: Sequence[Sample], values: Sequence[float]) -> None:
    panel.plot(_minutes(samples), values, color=_MAIN, linewidth=0.7, alpha=0.25)


def _smooth(
    panel: Axes, samples: Sequence[Sample], values: Sequence[float], of: Callable[[Sequence[float]], float]
) -> None:
    times, groups = _minutes(samples), _groups(samples)
    ways = [_mean(times[group]) for group in groups], [of(values[group]) for group in groups]
    panel.plot(*ways, color=_MAIN, linewidth=1.4)


def _trend(panel: Axes, samples: Sequence[Sample], through: tuple[float, float]) -> None:
    value, rise = through
    ends = [steady(samples)[0].time, samples[-1].time]
    heights = [value + rise * at for at in ends]
    panel.plot([at / 60 for at in ends], heights, color=_BOUND, linestyle="--", linewidth=1)


def _title(panel: Axes, name: str, words: str) -> None:
    panel.set_title(name, loc="left", fontsize=10.5, color=_INK, fontweight="bold")
    panel.set_title(words, loc="right", fontsize=9, color=_FAINT)


def _plain(panel: Axes, samples: Sequence[Sample]) -> None:
    """Nothing but what helps to read it."""
    panel.set_facecolor("white")
    panel.axvspan(0, samples[-1].time * WARM_UP / 60, color="#f1f1ee", linewidth=0, zorder=0)
    panel.set_xlim(0, samples[-1].time / 60)
    panel.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    panel.set_axisbelow(True)
    panel.yaxis.set_major_locator(MaxNLocator(5))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    panel.tick_params(axis="both", length=0, labelsize=8.5, labelcolor=_FAINT)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
    panel.spines["bottom"].set_color("#bbbbbb")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    draw(folder / "soak.png", load(folder / "samples.csv"))
