"""What the operator sees of a crawl on stderr."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from skitter.config import Terminal
from skitter.events import Event
from skitter.observe.console import StderrConsole
from skitter.observe.log import JsonLog, TextLog
from skitter.observe.progress import LiveProgress, PlainProgress
from skitter.observe.stats import Stats
from skitter.observe.text import printable

__all__ = ["Display"]


class Display:
    """What the operator sees: log, progress, summary, as the options say."""

    def __init__(self, terminal: Terminal) -> None:
        self._console = StderrConsole(no_color=terminal.no_color)
        self._quiet = terminal.quiet
        self._json = terminal.log_format == "json"
        self._stats = Stats()
        kind = JsonLog if self._json else TextLog
        self._log = kind(self._console, verbose=terminal.verbose)

    def observe(self, event: Event) -> None:
        self._stats(event)
        if not self._quiet:
            self._log(event)

    def progress(self) -> AbstractContextManager[None]:
        if self._quiet or self._json:
            return nullcontext()
        kind = LiveProgress if self._console.is_terminal else PlainProgress
        return kind(self._console, self._stats)

    def finish(self, line: str) -> None:
        """How it ended: always the last line."""
        if not self._quiet and not self._json:
            self._console.say(printable(line))
