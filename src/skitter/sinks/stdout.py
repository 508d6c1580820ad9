"""JSON Lines on standard output: at least once, since what a pipe has taken cannot be taken back."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Sequence

from skitter.errors import StorageError
from skitter.escape import escape_json
from skitter.model import Held, Mark, Row
from skitter.sinks.line import line_of

__all__ = ["StdoutSink"]

_STDOUT = 1


class StdoutSink:
    """Writes to file descriptor 1. On a terminal, what strangers wrote must not be obeyed (F3): there all
    that is not printable is escaped, which leaves it the same JSON."""

    def __init__(self, lines: Callable[[Row], bytes] = line_of, name: str | None = None) -> None:
        """``lines`` makes what is written of a row."""
        self.name = name or "-"
        self._lines = lines
        self._is_terminal = os.isatty(_STDOUT)

    def held(self, mark: Mark, head: bytes) -> Held:
        """Whatever was written is gone down the pipe."""
        return Held.WHOLE

    def open(self, offset: int | None, began: Callable[[bytes], None] | None = None) -> None:
        """Nothing to open; nothing can be cut back."""

    def write(self, rows: Sequence[Row]) -> None:
        """Raises BrokenPipeError when the reader went away, StorageError for anything else."""
        content = b"".join([self._lines(row) for row in rows])
        data = memoryview(_escaped(content) if self._is_terminal else content)
        while data:
            try:
                data = data[os.write(_STDOUT, data) :]
            except BrokenPipeError:
                raise
            except BlockingIOError:  # somebody made it non-blocking: wait for room
                select.select([], [_STDOUT], [])
            except OSError as error:
                raise StorageError(f"standard output: {error.strerror}") from error

    def sync(self) -> None:
        """A pipe has no disk."""

    def finish(self) -> None:
        """Each line was whole."""

    def close(self) -> None:
        """Standard output stays open."""


def _escaped(lines: bytes) -> bytes:
    return b"".join([escape_json(line.decode()).encode() + b"\n" for line in lines.split(b"\n")[:-1]])
