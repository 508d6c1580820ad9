"""The picture in the terminal: every request's life on one time axis, strategy below strategy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from rich.columns import Columns
from rich.console import Group
from rich.constrain import Constrain
from rich.text import Text

from skitter.compare.phases import Phase, blocks, drawn, order, spans, ticks
from skitter.compare.report import Life, Outcome, Report, Round
from skitter.compare.wording import duration, speedup, statuses

__all__ = ["waterfall"]

_ROWS = 12  # a strategy: nine of them are still no more than a few screens
_TICK = 10  # columns from tick to tick: "╵0.05 s" and a blank or two


class _Pen(NamedTuple):
    """How a phase looks: in a whole cell, and in its left and right half."""

    whole: str
    left: str
    right: str
    style: str


# Told apart by form first and by colour second. Where two phases meet in a cell, the later one here wins.
_PENS = {
    Phase.QUEUED: _Pen("·", "·", "·", "dim"),
    Phase.SERVER: _Pen("━", "╸", "╺", "cyan"),
    Phase.RECEIVING: _Pen("█", "▌", "▐", "green"),
    Phase.FAILED: _Pen("x", "x", "x", "bold red"),
}
_RANK = {phase: rank for rank, phase in enumerate(_PENS)}
_BLOCKED, _BLOCKED_STYLE = "▒", "magenta"


class _Axis(NamedTuple):
    """The common time axis: ``cells`` of them are ``longest`` seconds, right of ``gutter`` columns."""

    gutter: int
    cells: int
    longest: float

    def half(self, moment: float) -> int:
        """The half cell that begins nearest to that moment."""
        halves = 2 * self.cells
        return min(halves, int(moment / self.longest * halves + 0.5)) if self.longest > 0 else 0


def waterfall(report: Report, width: int) -> Group:
    """Blocks of at most 12 rows for strategies; no line is wider than ``width`` columns."""
    gutter = max(len("loop"), len(str(report.requests))) + 1
    axis = _Axis(gutter, max(1, width - gutter), report.longest)
    lines = [line for outcome in report.outcomes for line in _strategy(outcome, axis)]
    return Group(*(Constrain(line, width) for line in lines), Constrain(_legend(report), width))


def _strategy(outcome: Outcome, axis: _Axis) -> Iterator[Text]:
    """Heading, a row a request, the loop's row if it was blocked, the axis."""
    figures = [duration(outcome.total), speedup(outcome), ", ".join(statuses(outcome.middle))]
    rest = "  ".join(figure for figure in figures if figure != "-")
    yield Text.assemble((outcome.name, "bold"), "  ", rest, no_wrap=True, overflow="ellipsis")
    numbers = {id(life): number for number, life in enumerate(outcome.middle.requests, 1)}
    for life in drawn(outcome.middle.requests, _ROWS):
        label = f"{numbers[id(life)]:>{axis.gutter - 1}} "
        yield Text.assemble((label, "dim"), _bar(life, axis))
    if blocks(outcome.middle):
        yield Text.assemble((f"{'loop':>{axis.gutter - 1}} ", "dim"), _loop(outcome.middle, axis))
    yield _scale(axis)
    yield Text()


def _bar(life: Life, axis: _Axis) -> Text:
    """A request's life in cells, exact to half a cell."""
    halves: list[Phase | None] = [None] * (2 * axis.cells)
    half_cell = axis.longest / len(halves)
    for phase, start, end in spans(life, half_cell):
        # Or it would be seen in one row and not in the next, as rounding has it.
        if phase in (Phase.QUEUED, Phase.RECEIVING) and end - start < half_cell:
            continue
        first = min(axis.half(start), len(halves) - 1)
        last = axis.half(end)
        halves[first:last] = [phase] * (last - first)
    cells = [_cell(left, right) for left, right in zip(halves[::2], halves[1::2], strict=True)]
    runs = groupby(cells, key=lambda cell: cell[1])
    return Text.assemble(*(("".join(char for char, _ in run), style) for style, run in runs))


def _cell(left: Phase | None, right: Phase | None) -> tuple[str, str]:
    """The character for two half cells, and its style."""
    phase = max(filter(None, (left, right)), key=_RANK.__getitem__, default=None)
    if phase is None:
        return " ", ""
    pen = _PENS[phase]
    return (pen.whole if left is right else pen.left if left is phase else pen.right), pen.style


def _loop(one: Round, axis: _Axis) -> Text:
    """Where the event loop stood still."""
    cells = [" "] * axis.cells
    for block in blocks(one):
        first = min(axis.half(block.start) // 2, axis.cells - 1)
        last = max(first + 1, (axis.half(block.end) + 1) // 2)
        cells[first:last] = _BLOCKED * (last - first)
    return Text("".join(cells), style=_BLOCKED_STYLE)


def _scale(axis: _Axis) -> Text:
    """The axis: a mark at its place, its seconds right of it, at the end left of it, or not at all."""
    line = " " * axis.gutter
    for moment, label in ticks(axis.longest, axis.cells // _TICK):
        column = axis.gutter + min(axis.half(moment) // 2, axis.cells - 1)
        if column + 1 + len(label) <= axis.gutter + axis.cells:
            line = line.ljust(column) + "╵" + label
        elif len(line) < column - len(label):
            line = line.ljust(column - len(label)) + label + "╵"
        else:
            line = line.ljust(column) + "╵"
    return Text(line, style="dim")


def _legend(report: Report) -> Group:
    """What the characters mean."""
    entries = [Text.assemble((pen.whole, pen.style), " ", phase) for phase, pen in _PENS.items()]
    entries.append(Text.assemble((_BLOCKED, _BLOCKED_STYLE), " event loop blocked"))
    return Group(Columns(entries, padding=(0, 2)), Text(order(report, _ROWS), style="dim"))
