"""The picture as a file: an SVG, a PNG, or a page around the SVG.

matplotlib is imported where it is used: it takes half a second, and only this picture needs it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from skitter.compare.page import page
from skitter.compare.phases import Phase, blocks, drawn, order, spans, ticks
from skitter.compare.report import Life, Outcome, Report, Round
from skitter.compare.wording import asked, clipped, duration, speedup, statuses
from skitter.observe.text import printable

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch

__all__ = ["figure", "write_chart"]

# Inches.
_WIDTH, _LEFT, _RIGHT = 7.5, 0.5, 0.25
_HEAD, _LEGEND_LINE, _FOOT = 0.62, 0.24, 0.3
_TITLE, _GAP = 0.28, 0.26
_ROW, _LOWEST, _TALLEST = 0.11, 0.22, 1.7
_LANE = 0.15

_ROWS = 250  # a strategy: more of them are thinner than a pixel
_FEW = 40  # rows that have room for a gap between them
_VISIBLE = 0.003  # of the width: what is shorter is drawn as long as that
_TICKS = 10
_LEGEND_COLUMNS = 3

# Okabe and Ito's palette, which colour-blind readers can tell apart; grey for what is no work at all.
_SKY, _GREEN, _VERMILION, _PURPLE = "#56b4e9", "#009e73", "#d55e00", "#cc79a7"
_INK, _DIM, _GREY, _FAINT = "#222222", "#666666", "#bcbcbc", "#e4e4e4"


class _Look(NamedTuple):
    color: str
    hatch: str = ""
    height: float = 0.76  # of the row, if there are few
    level: float = 1  # what is drawn over what

    def paint(self) -> dict[str, Any]:
        """For a patch; the lines of a hatch have the colour of the edge, which itself is not drawn."""
        return {"facecolor": self.color, "edgecolor": "white", "linewidth": 0, "hatch": self.hatch or None}


_LOOKS = {
    Phase.QUEUED: _Look(_GREY, height=0.2),
    Phase.SERVER: _Look(_SKY, level=2),
    Phase.RECEIVING: _Look(_GREEN, level=3),
    Phase.FAILED: _Look(_VERMILION, "//////", level=2),
}
_BLOCKED = _Look(_PURPLE, "xxxxxx")
_LIMIT: dict[str, Any] = {"color": _INK, "linewidth": 0.8, "linestyle": (0, (4, 3)), "zorder": 4}

_Box = tuple[float, float, float, float]  # left, right, top, bottom

# Over matplotlib's own defaults and the user's: text stays text, and the same report gives the same bytes.
_SETTINGS: dict[Any, Any] = {
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 9.0,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "skitter",
    "text.color": _INK,
    "text.parse_math": False,
    "text.usetex": False,
}


def write_chart(report: Report, sentences: Mapping[str, str], path: Path) -> None:
    """Draw the report into ``path``, as its ending says: ``.svg``, ``.png`` or ``.html``.

    ``sentences`` explain the strategies in plain text, by name; the one without a name is about all of
    them. Only a page has room for them. Raises ValueError on another ending, OSError if it cannot write.
    """
    match path.suffix.lower():
        case ".svg":
            content = _rendered(report, "svg")
        case ".png":
            content = _rendered(report, "png")
        case ".html":
            svg = _rendered(report, "svg").decode()
            content = page(report, sentences, svg[svg.index("<svg") :], datetime.now(UTC)).encode()
        case other:
            raise ValueError(f"cannot draw a picture into a file that ends in {other!r}")
    path.write_bytes(content)


def _rendered(report: Report, kind: str) -> bytes:
    # What would tell when and with what it was made is left out: see _SETTINGS.
    left_out = ("Creator", "Date", "Format", "Type") if kind == "svg" else ("Software",)
    buffer = BytesIO()
    with _style():
        figure(report).savefig(buffer, format=kind, dpi=160, metadata=dict.fromkeys(left_out))
    return buffer.getvalue()


def _style() -> AbstractContextManager[None]:
    import matplotlib

    return matplotlib.rc_context(_SETTINGS)


def figure(report: Report) -> Figure:
    """One panel a strategy below another, one time axis for all of them, one legend above."""
    from matplotlib.figure import Figure

    with _style():
        looks = _legend(report)
        head = _HEAD + _LEGEND_LINE * math.ceil(len(looks) / _LEGEND_COLUMNS)
        heights = [_height(outcome) for outcome in report.outcomes]
        tall = head + sum(heights) + len(heights) * (_TITLE + _GAP) + _FOOT
        whole = Figure(figsize=(_WIDTH, tall))
        _header(whole, report, looks, tall)
        top = tall - head
        for outcome, height in zip(report.outcomes, heights, strict=True):
            top -= _TITLE + height
            place = (_LEFT / _WIDTH, top / tall, 1 - (_LEFT + _RIGHT) / _WIDTH, height / tall)
            _panel(whole.add_axes(place), outcome, report, height)
            top -= _GAP
        if whole.axes:
            whole.axes[-1].set_xlabel(order(report, _ROWS), loc="left", color=_DIM)
    return whole


def _height(outcome: Outcome) -> float:
    """Of a panel, in inches."""
    rows = min(_TALLEST, max(_LOWEST, _ROW * len(outcome.middle.requests)))
    return rows + _LANE * bool(blocks(outcome.middle))


def _header(whole: Figure, report: Report, looks: Sequence[Artist], tall: float) -> None:
    """What was asked of whom, and the legend."""
    left = _LEFT / _WIDTH
    requests, server = asked(report)
    whole.text(left, 1 - 0.14 / tall, _fitting(requests, 58), va="top", weight="bold", size=11)
    whole.text(left, 1 - 0.36 / tall, _fitting(server, 88), va="top", color=_DIM)
    whole.legend(
        handles=looks, ncols=_LEGEND_COLUMNS, loc="upper left", bbox_to_anchor=(left, 1 - _HEAD / tall),
        borderaxespad=0, borderpad=0, frameon=False, handlelength=2.4, columnspacing=2,
    )  # fmt: skip


def _legend(report: Report) -> list[Artist]:
    """An entry for each thing that occurs."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    lives = [life for outcome in report.outcomes for life in outcome.middle.requests]
    found = {span.phase for life in lives for span in spans(life, 0)}
    looks = [(str(phase), look) for phase, look in _LOOKS.items() if phase in found]
    if any(blocks(outcome.middle) for outcome in report.outcomes):
        looks.append(("event loop blocked", _BLOCKED))
    entries: list[Artist] = [Patch(label=words, **look.paint()) for words, look in looks]
    if (limit := _limit(report)) is not None:
        entries.append(Line2D([], [], label=f"least the server needs: {limit:g} s", **_LIMIT))
    return entries


def _limit(report: Report) -> float | None:
    """The server's, unless all gave up long before: it would leave them no room."""
    return report.limit if report.limit is not None and report.limit <= report.longest else None


def _panel(axes: Axes, outcome: Outcome, report: Report, height: float) -> None:
    """A strategy: y is inches from the top, x is seconds."""
    end = report.longest or 1.0
    axes.set(xlim=(0, end * 1.01), ylim=(height, 0), yticks=[])
    axes.set_title(outcome.name, loc="left", weight="bold", size=10)
    figures = [duration(outcome.total), speedup(outcome), ", ".join(statuses(outcome.middle))]
    axes.set_title(_fitting(" · ".join(word for word in figures if word != "-"), 60), loc="right", size=9)
    moments, labels = zip(*ticks(end, _TICKS), strict=True)
    axes.set_xticks(moments, labels)
    axes.tick_params(length=0, labelcolor=_DIM, labelsize=8)
    axes.grid(axis="x", color=_FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_GREY)
    lane = _LANE if blocks(outcome.middle) else 0.0
    for patch in _bars(outcome.middle.requests, height - lane, end * _VISIBLE):
        axes.add_patch(patch)
    if lane:
        _add_lane(axes, outcome.middle, height)
    if (limit := _limit(report)) is not None:
        axes.axvline(limit, **_LIMIT)


def _bars(lives: Sequence[Life], height: float, at_least: float) -> Iterator[PathPatch]:
    """The requests from the top down to ``height``: one shape a phase, which keeps the file small."""
    rows = drawn(lives, _ROWS)
    pitch = height / max(1, len(rows))
    boxes: dict[Phase, list[_Box]] = {phase: [] for phase in _LOOKS}
    for row, life in enumerate(rows):
        for phase, start, end in spans(life, at_least):
            thick = pitch * (_LOOKS[phase].height if len(rows) <= _FEW else 1)
            middle = (row + 0.5) * pitch
            boxes[phase].append((start, end, middle - thick / 2, middle + thick / 2))
    for phase, look in _LOOKS.items():
        if boxes[phase]:
            yield _shape(boxes[phase], look)


def _add_lane(axes: Axes, one: Round, height: float) -> None:
    """Below the requests, where the event loop stood still."""
    top, bottom = height - _LANE + 0.03, height - 0.015
    axes.add_patch(_shape([(block.start, block.end, top, bottom) for block in blocks(one)], _BLOCKED))
    axes.set_yticks([(top + bottom) / 2], ["loop"])


def _shape(boxes: Sequence[_Box], look: _Look) -> PathPatch:
    """Rectangles as a single shape."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    corners = ([(a, c), (b, c), (b, d), (a, d), (a, c)] for a, b, c, d in boxes)
    outlines = (Outline(points, closed=True) for points in corners)
    return PathPatch(Outline.make_compound_path(*outlines), zorder=look.level, **look.paint())


def _fitting(text: str, length: int) -> str:
    """Text that the figure's font has letters for, and the figure has room for."""
    return clipped(printable(text).encode("latin-1", "backslashreplace").decode("latin-1"), length)
