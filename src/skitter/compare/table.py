"""The figures of the experiment as a table that fits a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from skitter.compare.phases import blocks
from skitter.compare.report import Outcome, Report
from skitter.compare.wording import asked, clipped, duration, least, loop_blocked, speedup, spread, statuses
from skitter.observe.text import printable

__all__ = ["Column", "columns", "table"]

_STATUS = 12  # columns: enough to guess an exception's name
_NARROW = 80  # columns: a terminal that nobody made wider


class Column(NamedTuple):
    """One figure of all strategies; ``short`` is its heading where there is little room."""

    name: str
    short: str
    cells: tuple[str, ...]


class _Statuses:
    """A line a status. Where there is little room a name loses its end, but never its number."""

    def __init__(self, outcome: Outcome) -> None:
        self._lines = statuses(outcome.middle)
        self._failed = tuple(
            {f"{printable(life.status)} x " for life in outcome.middle.requests if not life.ok}
        )

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        widest = max(map(len, self._lines), default=0)
        return Measurement(min(_STATUS, widest), widest)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self._lines:
            name, times, number = line.rpartition(" x ")
            room = options.max_width - len(times + number)
            style = "red" if line.startswith(self._failed) else ""
            yield Text(clipped(name, room) + times + number, style)


def columns(report: Report) -> list[Column]:
    """The figures in words: a column each, a cell a strategy, lines within a cell apart by a newline."""
    several = any(len(outcome.rounds) > 1 for outcome in report.outcomes)
    kinds: list[tuple[str, str, Callable[[Outcome], str]]] = [
        ("strategy", "strategy", lambda one: one.name),
        ("total (min-max)", "total\nmin-max", lambda one: f"{duration(one.total)}\n{spread(one)}")
        if several
        else ("total", "total", lambda one: duration(one.total)),
        ("speed-up", "speed\nup", speedup),
        ("most in flight", "most\nat\nonce", lambda one: f"{one.middle.max_in_flight:,}"),
        ("loop blocked", "loop\nblocked", lambda one: loop_blocked(one.middle)),
        ("CPU", "CPU", lambda one: duration(one.middle.cpu)),
        ("connections", "conns", _connections),
    ]
    if any(outcome.middle.attempts > report.requests for outcome in report.outcomes):
        kinds.append(("requests sent", "sent", lambda one: f"{one.middle.attempts:,}"))
    kinds.append(("statuses", "statuses", lambda one: "\n".join(statuses(one.middle))))
    return [
        Column(name, short, tuple(words(outcome) for outcome in report.outcomes))
        for name, short, words in kinds
    ]


def table(report: Report) -> Table:
    """One row a strategy: its middle round, and as the total the median of all rounds."""
    shown = columns(report)
    requests, server = asked(report)
    title = Text.assemble((requests, "bold"), "\n", server, "\n" if server else "")
    drawn = Table(
        box=None,
        padding=(0, _gap(shown), 0, 0),
        pad_edge=False,
        title=title,
        title_justify="left",
        title_style="",
        caption=Text(least(report)),
        caption_justify="left",
        caption_style="dim",
    )
    for column in shown:
        # Only the statuses, where an exception's name can be long, make room for the rest.
        text = column.name in ("strategy", "statuses")
        drawn.add_column(
            Text(column.short, style="bold"),
            justify="left" if text else "right",
            vertical="top",
            no_wrap=column.name != "statuses",
        )
    for outcome, *cells in zip(report.outcomes, *(column.cells for column in shown), strict=True):
        drawn.add_row(*(_cell(outcome, *pair) for pair in zip(shown, cells, strict=True)))
    return drawn


def _cell(outcome: Outcome, column: Column, words: str) -> Text | _Statuses:
    """In colour what deserves a look; nothing is said by colour alone."""
    first, *others = words.split("\n")
    match column.name:
        case "strategy":
            return Text(words, style="bold" if outcome.name == "skitter" else "")
        case "loop blocked":
            return Text(words, style="magenta" if blocks(outcome.middle) else "")
        case "statuses":
            return _Statuses(outcome)
        case "total" | "total (min-max)":
            return Text("\n").join((Text(first, style="bold"), *(Text(line, style="dim") for line in others)))
    return Text(words)


def _connections(outcome: Outcome) -> str:
    opened = outcome.middle.connections
    return "-" if opened is None else f"{opened:,}"


def _gap(shown: list[Column]) -> int:
    """Two blanks between columns, but one if 80 columns would not do otherwise."""
    lines = (
        [line for text in (column.short, *column.cells) for line in text.split("\n")] for column in shown
    )
    needed = sum(max(map(cell_len, column)) for column in lines)
    return 2 if needed + 2 * (len(shown) - 1) <= _NARROW else 1
