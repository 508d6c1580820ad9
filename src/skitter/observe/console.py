"""The terminal on stderr."""

from __future__ import annotations

from rich.console import Console

__all__ = ["StderrConsole"]


class StderrConsole(Console):
    """rich's console, which would end the program and close stdout when its reader goes away.

    Nobody watching is no reason to stop a crawl: it goes on, silently.
    """

    def __init__(self, *, no_color: bool) -> None:
        super().__init__(stderr=True, no_color=no_color or None)

    def on_broken_pipe(self) -> None:
        """Say nothing more."""
        self.quiet = True

    def say(self, text: str) -> None:
        """One line as it is: no markup, no highlighting, no wrapping."""
        self.print(text, markup=False, highlight=False, soft_wrap=True)
