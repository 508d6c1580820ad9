"""Records as JSON Lines in a file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from skitter.errors import JobError, StorageError
from skitter.model import Row
from skitter.sinks.appended import AppendedFile
from skitter.sinks.line import line_of

__all__ = ["JsonlSink"]


_STEP = 64 * 1024


class _Start(msgspec.Struct):
    """All that is read of a line to know it again."""

    url: str


_URL = msgspec.json.Decoder(_Start)


class JsonlSink:
    """One file of records."""

    def __init__(self, path: str, name: str | None = None) -> None:
        """``name`` is what the job knows the output by, if not by its path."""
        self.name = name or path
        self._path = path
        self._file = AppendedFile(path)

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
        self._file.open(offset)

    def write(self, rows: Sequence[Row]) -> int:
        """Append; the new length in bytes. Raises StorageError."""
        return self._file.append(b"".join([line_of(row) for row in rows]))

    def close(self) -> None:
        """Release the file."""
        self._file.close()


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
