"""A live display on a terminal; otherwise a plain line every ten seconds."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from skitter.observe.console import StderrConsole
from skitter.observe.hosts import held_back, host_line, slowest
from skitter.observe.stats import Stats
from skitter.observe.text import printable, seconds, size

__all__ = ["LiveProgress", "PlainProgress"]

_PLAIN_EVERY = 10.0
# Below the bar: hosts that wait, and those that take at least so many seconds to begin an answer.
_HOSTS_SHOWN, _SLOW = 3, 0.5


class LiveProgress:
    """One line that follows the crawl, below whatever is logged."""

    def __init__(self, console: Console, stats: Stats) -> None:
        self._stats = stats
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=8, transient=True)

    def __enter__(self) -> None:
        self._live.start(refresh=False)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def _render(self) -> RenderableType:
        stats = self._stats
        row = Table.grid(padding=(0, 1))
        errors = Text(f"{stats.failed:,} errors", style="red" if stats.failed else "dim")
        row.add_row(
            self._spinner,
            ProgressBar(total=max(1, stats.done + stats.pending), completed=stats.done, width=20),
            Text(f"{stats.rate():,.0f} pages/s", style="bold cyan"),
            Text(f"{stats.done:,} done", style="green"),
            Text(f"{stats.pending:,} pending"),
            errors,
            Text(f"{stats.hosts:,} host{'s' * (stats.hosts != 1)}", style="dim"),
            Text(f"{size(stats.size)}, {seconds(time.monotonic() - stats.began)}", style="dim"),
        )
        return Group(row, *self._hosts())

    def _hosts(self) -> list[RenderableType]:
        """What holds the crawl back: hosts that wait, then the slowest."""
        now, states = time.time(), self._stats.states
        chosen = held_back(states, now, _HOSTS_SHOWN)
        slow = [state for state in slowest(states, _HOSTS_SHOWN) if state.latency >= _SLOW]
        chosen += [state for state in slow if state not in chosen]
        return [
            Text(f"    {printable(line)}", style="dim", no_wrap=True, overflow="ellipsis")
            for line in (host_line(state, now) for state in chosen[:_HOSTS_SHOWN])
        ]


class PlainProgress:
    """A line every ten seconds, for logs and screen readers."""

    def __init__(self, console: StderrConsole, stats: Stats) -> None:
        self._console = console
        self._stats = stats
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="skitter-progress", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(_PLAIN_EVERY):
            stats = self._stats
            self._console.say(
                f"{seconds(time.monotonic() - stats.began)}: {stats.rate():,.1f} pages/s,"
                f" {stats.done:,} done, {stats.pending:,} pending, {stats.failed:,} errors,"
                f" {stats.hosts:,} hosts"
            )
