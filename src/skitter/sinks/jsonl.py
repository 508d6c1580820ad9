"""JSON Lines in a file: appended, and cut back to what is committed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from skitter.errors import JobError, StorageError
from skitter.lock import hold
from skitter.model import Row
from skitter.sinks.line import line_of

__all__ = ["JsonlSink"]


_STEP = 64 * 1024


class _Start(msgspec.Struct):
    """All that is read of a line to know it again."""

    url: str


_URL = msgspec.json.Decoder(_Start)


class JsonlSink:
    """One file. Written with plain system calls: what ``write`` returned is in the kernel's hands."""

    def __init__(self, path: str, name: str | None = None) -> None:
        """``name`` is what the job knows the output by, if not by its path."""
        self.name = name or path
        self._path = path
        self._file: int | None = None
        self._length = 0

    def recover(self, held: int, length: int, url_of: Callable[[int], str | None]) -> tuple[int, int]:
        """What is there of ``held`` records in ``length`` bytes; see :class:`skitter.ports.Sink`.

        A file that became shorter (a power cut) still counts as far as its lines are whole.
        """
        try:
            with Path(self._path).open("rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return held, length
                if os.fstat(file.fileno()).st_size < length:
                    held, length = _whole_lines(file, held)
                last = _last_line(file, length)
                file.seek(0)
                start = file.read(len(_beginning(url_of(1))))
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}") from error
        ours = _url_in(last) == url_of(held) if held else start == _beginning(url_of(1))[: len(start)]
        if not ours:
            raise JobError(f"{self._path} is not the file that this job wrote; choose another -o")
        return held, length

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

    def write(self, rows: Sequence[Row]) -> int:
        """Append; the new length in bytes. Raises StorageError."""
        assert self._file is not None
        data = memoryview(b"".join([line_of(row) for row in rows]))
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


def _beginning(url: str | None) -> bytes:
    """What a file of ours begins with."""
    return b'{"url":"' + (url or "").encode()


def _whole_lines(file: BinaryIO, most: int) -> tuple[int, int]:
    """How many lines are whole, up to ``most``, and where the last of them ends."""
    number = end = 0
    for line in file:
        if number == most or not line.endswith(b"\n"):
            break
        number += 1
        end += len(line)
    return number, end


def _last_line(file: BinaryIO, end: int) -> bytes:
    """The line that ends at ``end``, found from behind."""
    line = b""
    while end > 0 and b"\n" not in line[:-1]:
        start = max(0, end - _STEP)
        file.seek(start)
        line = file.read(end - start) + line
        end = start
    return line[line.rfind(b"\n", 0, -1) + 1 :]


def _url_in(line: bytes) -> str | None:
    try:
        return _URL.decode(line).url if line.endswith(b"\n") else None
    except msgspec.DecodeError:
        return None
