"""A file that is appended to, and cut back to what is committed."""

from __future__ import annotations

import os
import stat

from skitter.errors import StorageError
from skitter.lock import hold

__all__ = ["AppendedFile"]


class AppendedFile:
    """Written with plain system calls: what :meth:`append` returned for is in the kernel's hands."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: int | None = None
        self._length = 0

    def open(self, offset: int | None) -> None:
        """Make the file (``offset`` None), or cut it to ``offset`` bytes and go on.

        Raises JobError if another process writes it, StorageError.
        """
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        try:
            # 0600 as for the whole job (F7): records may hold what the user's credentials opened.
            self._file = os.open(self._path, flags, 0o600)
            if stat.S_ISREG(os.fstat(self._file).st_mode):
                hold(self._file, self._path)
                os.ftruncate(self._file, offset or 0)
                self._length = os.lseek(self._file, offset or 0, os.SEEK_SET)
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}") from error

    def append(self, content: bytes) -> int:
        """The new length in bytes. Raises StorageError."""
        assert self._file is not None
        data = memoryview(content)
        try:
            while data:
                written = os.write(self._file, data)
                self._length += written
                data = data[written:]
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}") from error
        return self._length

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
