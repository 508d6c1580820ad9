"""A file that is appended to, known again by what was written last, and cut back to what is committed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from skitter.disk import sync_folder
from skitter.errors import StorageError
from skitter.failpoint import ARMED, reached
from skitter.lock import hold
from skitter.model import Held, Mark

__all__ = ["AppendedFile"]

# Of what an append wrote, so much at its end is known again by its checksum; and so much of the beginning
# of the file as it is.
_TAIL, _HEAD = 64 * 1024, 64


class AppendedFile:
    """Written with plain system calls: what :meth:`append` returned for is in the kernel's hands."""

    def __init__(self, path: str, *, private: bool = False) -> None:
        """``private``: nobody else may read the file, and its name is no link to another (F1, F7). Otherwise
        it is made as the user makes files."""
        self._path = path
        self._private = private
        self._file: int | None = None
        self._length = 0
        self._began: Callable[[bytes], None] | None = None
        self._is_named = False  # its name in the folder is on the disk

    def held(self, mark: Mark, head: bytes) -> Held:
        """Is what ``mark`` stands for there? ``head`` is how the file begins; of a job of the first format it
        is not known. Raises StorageError."""
        path = Path(self._path)
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # a pipe would wait for its writer
                return Held.WHOLE
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if not _may_begin(file.read(len(head) or 1), head) and (head or not mark.length):
                    return Held.OTHER
                if size < mark.length:
                    return Held.SHORT
                file.seek(mark.length - mark.size)
                tail = file.read(mark.size)
        except FileNotFoundError:
            return Held.GONE
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}") from error
        if crc32(tail) == mark.crc:
            return Held.WHOLE
        # Some file systems keep a length over a power cut, but not the bytes.
        return Held.SHORT if tail.endswith(b"\0") else Held.OTHER

    def open(self, offset: int | None, began: Callable[[bytes], None] | None = None) -> None:
        """Make the file (``offset`` None), or cut it to ``offset`` bytes and go on. ``began`` is told how the
        file begins, before its first byte is written.

        Raises JobError if another process writes it, StorageError.
        """
        self._began = began
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        if self._private:
            flags |= getattr(os, "O_NOFOLLOW", 0)
        try:
            self._file = os.open(self._path, flags, 0o600 if self._private else 0o666)
            if stat.S_ISREG(os.fstat(self._file).st_mode):
                hold(self._file, self._path)
                os.ftruncate(self._file, offset or 0)
                self._length = os.lseek(self._file, offset or 0, os.SEEK_SET)
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}") from error

    def append(self, content: bytes) -> Mark:
        """What the file holds now. Raises StorageError; then only the next start can tell what is in it."""
        assert self._file is not None
        if content and not self._length and self._began is not None:
            self._began(content[:_HEAD])
        data = memoryview(content)
        try:
            if ARMED:
                data = data[os.write(self._file, data[: len(data) // 2]) :]
                reached("mid-record")
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            with suppress(OSError):  # no torn line for whoever looks at the file meanwhile
                os.ftruncate(self._file, self._length)
            raise StorageError(f"{self._path}: {error.strerror}") from error
        self._length += len(content)
        tail = content[-_TAIL:]
        return Mark(0, self._length, len(tail), crc32(tail))

    def sync(self) -> None:
        """Wait until the disk has it all. Raises StorageError."""
        assert self._file is not None
        try:
            if stat.S_ISREG(os.fstat(self._file).st_mode):
                os.fsync(self._file)
                if not self._is_named:
                    sync_folder(Path(self._path).absolute().parent)
                    self._is_named = True
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}") from error

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _may_begin(start: bytes, head: bytes) -> bool:
    """Is this how the file begins, as far as it goes? Zeros are what a power cut leaves."""
    return head.startswith((start, start.rstrip(b"\0")))
