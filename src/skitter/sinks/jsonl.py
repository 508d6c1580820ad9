"""JSON Lines: of records, or of the items that handlers make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO

from skitter.model import Row
from skitter.sinks.line import line_of

__all__ = ["JsonLines"]


class JsonLines:
    """One object a line."""

    def __init__(self, lines: Callable[[Row], bytes] = line_of) -> None:
        """``lines`` makes what is written of a row."""
        self._lines = lines

    def begin(self, former: BinaryIO | None) -> None:
        """Nothing to know: a line depends on no other."""

    def encode(self, rows: Sequence[Row]) -> bytes:
        """The lines of these rows."""
        return b"".join([self._lines(row) for row in rows])
