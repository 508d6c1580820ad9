"""Pictures of what results.jsonl has: `python pictures.py FOLDER` draws a bench-WORKLOAD.png for each."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator
from tables import Result, Row, load, rows
from workloads import WORKLOADS, Workload

__all__ = ["draw"]

_SKITTER, _BARE, _OTHER = "#d1495b", "#6b7280", "#a9c0d6"
_INK, _FAINT = "#222222", "#777777"
_WIDE = 12.0  # from here on, largest to smallest, a scale is logarithmic
_ROOM = 1.28  # beyond the longest bar, for its number; as a factor of the axis


def draw(out: Path) -> None:
    """One picture a workload."""
    mpl.use("Agg")  # no display is needed
    results = load(out)
    for key, about in WORKLOADS.items():
        found = [row for row in rows(key, results) if row.pages]
        if found:
            _picture(
                out / f"bench-{key}.png", about, found, [each for each in results if each.workload == key]
            )


def _picture(path: Path, about: Workload, found: Sequence[Row], results: Sequence[Result]) -> None:
    """Panels side by side, a bar a program in each, the rows of two cores below those of one."""
    unit, one = about.unit, f"{'an' if about.unit[0] in 'aeiou' else 'a'} {about.unit[:-1]}"
    height = 1.2 + 0.34 * (len(found) + 1)
    figure, panels = plt.subplots(1, 3, figsize=(13, height), sharey=True, facecolor="white")
    places = _places(found)
    title = f"{unit} a second ({'dashed: the most there can be' if about.floor else 'more is better'})"
    _bars(panels[0], places, found, [row.rate for row in found], title, "{:,.0f}")
    _bars(panels[1], places, found, [row.cost for row in found], f"CPU ms {one} (less is better)", "{:.2f}")
    _bars(
        panels[2], places, found, [row.rss for row in found], "peak memory, MiB (less is better)", "{:,.0f}"
    )
    panels[0].set_yticks(places, [_label(row) for row in found], fontsize=9, color=_INK)
    for mark, row in zip(panels[0].get_yticklabels(), found, strict=True):
        mark.set_fontweight("bold" if row.contender.startswith(_OURS) else "normal")
    panels[0].invert_yaxis()
    if about.floor:
        _limit(panels[0], max(row.pages for row in found) / about.floor)
    figure.text(0.01, 1 - 0.3 / height, about.title, fontsize=13, fontweight="bold", color=_INK)
    figure.text(0.01, 1 - 0.53 / height, _words(results), fontsize=9, color=_FAINT)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.6 / height))
    figure.savefig(path, dpi=110)
    plt.close(figure)


_OURS = ("skitter", "fetch", "hosts")


def _places(found: Sequence[Row]) -> list[float]:
    """Where the bars are: with a gap between the rows of one core and those of two."""
    return [place + (0.6 if row.cores != found[0].cores else 0.0) for place, row in enumerate(found)]


def _bars(
    panel: Axes, places: Sequence[float], found: Sequence[Row], values: Sequence[float], title: str, form: str
) -> None:
    colors = [_color(row) for row in found]
    bars = panel.barh(places, values, height=0.72, color=colors, edgecolor="white")
    for bar, row in zip(bars, found, strict=True):
        if row.wrong:
            bar.set_hatch("////")
    wide = max(values) / min(values) > _WIDE
    if wide:
        panel.set_xscale("log")
        low = 10 ** (len(f"{int(min(values))}") - 1) if min(values) >= 1 else min(values) / 2
        panel.set_xlim(low / 2, max(values) * (max(values) / low) ** (_ROOM - 1))
    else:
        panel.set_xlim(0, max(values) * _ROOM)
        panel.xaxis.set_major_locator(MaxNLocator(5))
    for place, value, row in zip(places, values, found, strict=True):
        text = form.format(value) + (" incomplete" if row.wrong else "")
        panel.annotate(text, (value, place), (4, 0), textcoords="offset points", va="center", fontsize=8.5)
    panel.set_title(title + (", log scale" if wide else ""), loc="left", fontsize=9.5, color=_INK)
    _plain(panel)


def _plain(panel: Axes) -> None:
    """Nothing but what helps to read it."""
    panel.set_facecolor("white")
    panel.grid(axis="x", color="#e6e6e6", linewidth=0.7)
    panel.set_axisbelow(True)
    panel.minorticks_off()
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    panel.tick_params(axis="both", length=0, labelsize=8.5, labelcolor=_FAINT)
    for side in ("top", "right", "bottom"):
        panel.spines[side].set_visible(False)
    panel.spines["left"].set_color("#bbbbbb")


def _limit(panel: Axes, rate: float) -> None:
    """What nobody can exceed, because the server takes its time."""
    panel.axvline(rate, color=_INK, linestyle="--", linewidth=0.9)
    panel.set_xlim(0, rate * 1.05)


def _color(row: Row) -> str:
    if row.contender.startswith(_OURS):
        return _SKITTER
    return _BARE if row.contender.startswith(("bare", "client")) else _OTHER


def _label(row: Row) -> str:
    """Short: the library's version is in the table."""
    name = re.sub(r" \(aiohttp [^)]*\)", "", row.name)
    return f"{name}  [{row.cores} core{'s' if row.cores > 1 else ''}]"


def _words(results: Sequence[Result]) -> str:
    runs = max(sum(each[:2] == (row.contender, row.cores) for each in _keys(results)) for row in results)
    return f"{results[-1].site}; medians of {runs} run{'s' if runs > 1 else ''}, {results[-1].at[:10]}"


def _keys(results: Sequence[Result]) -> list[tuple[str, int]]:
    return [(each.contender, each.cores) for each in results]


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
