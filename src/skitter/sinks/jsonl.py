"""JSON Lines in a file, plain or compressed: of records, or of the items that handlers make."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence

from skitter.model import Held, Mark, Row
from skitter.sinks.appended import AppendedFile
from skitter.sinks.line import line_of

__all__ = ["JsonlSink"]


# zlib's own default: a fifth of the plain size for records, at some 20 us a record.
_LEVEL = 6


class JsonlSink:
    """One file. The lines of a page are committed with that page; where the name ends in ``.gz``, each
    commit ends a member of the gzip file, so that the file can be cut there."""

    def __init__(
        self,
        path: str,
        name: str | None = None,
        lines: Callable[[Row], bytes] = line_of,
        *,
        private: bool = False,
    ) -> None:
        """``name`` is what the job knows the output by, if not by its path; ``lines`` makes what is written
        of a row; ``private`` is for files of the job's own folder (:class:`AppendedFile`)."""
        self.name = name or path
        self._lines = lines
        self._compressed = path.endswith(".gz")
        self._file = AppendedFile(path, private=private)

    def held(self, mark: Mark, head: bytes) -> Held:
        """Is what ``mark`` stands for there? Raises StorageError."""
        return self._file.held(mark, head)

    def open(self, offset: int | None, began: Callable[[bytes], None] | None = None) -> None:
        """Make the file (``offset`` None), or cut it to ``offset`` bytes and go on. ``began`` is told how the
        file begins, before its first byte is written.

        Raises JobError if another process writes it, StorageError.
        """
        self._file.open(offset, began)

    def write(self, rows: Sequence[Row]) -> Mark:
        """Append; what the file holds now. Raises StorageError."""
        data = b"".join([self._lines(row) for row in rows])
        if self._compressed and data:
            data = gzip.compress(data, _LEVEL, mtime=0)
        return self._file.append(data)

    def sync(self) -> None:
        """Wait until the disk has it all. Raises StorageError."""
        self._file.sync()

    def finish(self) -> None:
        """Every line is whole already."""

    def close(self) -> None:
        """Release the file."""
        self._file.close()
