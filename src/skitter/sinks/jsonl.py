"""JSON Lines in a file: appended, and cut back to what is committed."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from skitter.errors import JobError, StorageError
from skitter.model import Row
from skitter.sinks.line import line_of

__all__ = ["JsonlSink"]


class JsonlSink:
    """One file. Written with plain system calls: what ``write`` returned is in the kernel's hands."""

    def __init__(self, path: str, name: str | None = None) -> None:
        """``name`` is what the job knows the output by, if not by its path."""
        self.name = name or path
        self._path = path
        self._file: int | None = None
        self._length = 0
        self._regular = True

    def open(self, offset: int | None) -> None:
        """Make the file (``offset`` None), or cut it back to ``offset`` bytes and go on there.

        Raises JobError if the file is shorter than that or ends in the middle of a line: then it is
        not the one that was written here, and it is left alone. Raises StorageError.
        """
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        try:
            # 0600 as for the whole job (F7): records may hold what the user's credentials opened.
            self._file = os.open(self._path, flags, 0o600)
            self._regular = stat.S_ISREG(os.fstat(self._file).st_mode)
            if self._regular:
                self._cut(offset or 0)
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}") from error

    def _cut(self, offset: int) -> None:
        assert self._file is not None
        size = os.fstat(self._file).st_size
        if size < offset:
            raise JobError(
                f"{self._path} has {size} bytes and the job wrote {offset}: put the file back, "
                "or remove it to have it made again from the job's records"
            )
        if offset and os.pread(self._file, 1, offset - 1) != b"\n":
            raise JobError(f"{self._path} is not the file that this job wrote; choose another -o")
        os.ftruncate(self._file, offset)
        self._length = os.lseek(self._file, offset, os.SEEK_SET)

    def write(self, rows: Sequence[Row]) -> int:
        """Append; the new length in bytes. Raises StorageError."""
        assert self._file is not None
        data = memoryview(b"".join([line_of(row) for row in rows]))
        self._length += len(data)
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}") from error
        return self._length

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
