"""Items of handlers as JSON Lines in a file: those of a page are committed with that page."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from skitter.errors import JobError, StorageError
from skitter.model import Row
from skitter.sinks.appended import AppendedFile
from skitter.sinks.line import item_lines

__all__ = ["ItemsSink"]


class ItemsSink:
    """One file. What it lacks cannot be made again: the job keeps records, not items."""

    def __init__(self, path: str, name: str | None = None) -> None:
        """``name`` is what the job knows the output by, if not by its path."""
        self.name = name or path
        self._path = path
        self._file = AppendedFile(path)

    def recover(self, held: int, length: int, url_of: Callable[[int], str | None]) -> tuple[int, int]:
        """Is it as long as committed, with the end of a line there? Raises JobError, StorageError."""
        try:
            with Path(self._path).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(0, length - 1))
                ends_well = length == 0 or file.read(1) == b"\n"
        except FileNotFoundError:
            raise JobError(
                f"{self._path}, the file of items of this job, is gone; put it back, or --fresh"
            ) from None
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}") from error
        if size < length or not ends_well:
            raise JobError(
                f"{self._path} is not the file of items that this job wrote; put it back, or --fresh"
            )
        return held, length

    def open(self, offset: int | None) -> None:
        """Make the file (``offset`` None), or cut it to ``offset`` bytes and go on."""
        self._file.open(offset)

    def write(self, rows: Sequence[Row]) -> int:
        """Append; the new length in bytes. Raises StorageError."""
        return self._file.append(b"".join([item_lines(row) for row in rows]))

    def close(self) -> None:
        """Release the file."""
        self._file.close()
