"""A sink that appends: rows made into bytes, plain or compressed, at the end of one file."""

from __future__ import annotations

import csv
import gzip
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from skitter.errors import JobError
from skitter.model import Held, Mark, Row
from skitter.sinks.appended import AppendedFile

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["AppendedSink", "Encoder", "unpacked"]

# zlib's own default: a fifth of the plain size for records, at some 20 us a record.
_GZIP_LEVEL = 6
# zstd's own default, and a checksum, which a member of gzip always has.
_ZSTD = {
    int(zstd.CompressionParameter.compression_level): 3,
    int(zstd.CompressionParameter.checksum_flag): 1,
}


class Encoder(Protocol):
    """Makes the bytes of a format that can be appended to."""

    def begin(self, former: BinaryIO | None) -> None:
        """Begin a new file, or go on with one whose content is ``former``."""

    def encode(self, rows: Sequence[Row]) -> bytes:
        """What is appended for these rows; nothing if nothing of them is written."""


# What reading the beginning of a damaged file raises.
_DAMAGED = (EOFError, UnicodeError, csv.Error, gzip.BadGzipFile, zlib.error, zstd.ZstdError)


class AppendedSink:
    """One file. What is written of a page is committed with that page; where the name ends in ``.gz`` or
    ``.zst``, each commit ends a member of the gzip file, or a frame, so that the file can be cut there."""

    def __init__(
        self, path: str, name: str | None, encoder: Encoder, *, private: bool = False, prefix: bytes = b""
    ) -> None:
        """``name`` is what the job knows the output by, if not by its path; ``private`` is for files of the
        job's own folder (:class:`AppendedFile`); ``prefix`` is how the file begins."""
        self.name = name or path
        self.length = 0
        self._path = path
        self._encoder = encoder
        self._pack = _packer(path)
        self._prefix = prefix
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
        self.length = offset or 0
        if offset:
            try:
                with unpacked(self._path) as former:
                    self._encoder.begin(former)
            except (EOFError, UnicodeError, csv.Error, gzip.BadGzipFile, zlib.error, zstd.ZstdError) as error:
                self._file.close()
                raise JobError(
                    f"{self._path}: its beginning is damaged ({error}); put it back, or --fresh"
                ) from None
        else:
            self._encoder.begin(None)

    def write(self, rows: Sequence[Row]) -> Mark:
        """Append; what the file holds now. Raises StorageError."""
        data = self._encoder.encode(rows)
        if data:
            data = self._pack(data)
            if not self.length:
                data = self._prefix + data
        mark = self._file.append(data)
        self.length = mark.length
        return mark

    def sync(self) -> None:
        """Wait until the disk has it all. Raises StorageError."""
        self._file.sync()

    def finish(self) -> None:
        """It is whole after each commit."""

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def _packer(path: str) -> Callable[[bytes], bytes]:
    if path.endswith(".gz"):
        return lambda data: gzip.compress(data, _GZIP_LEVEL, mtime=0)
    if path.endswith(".zst"):
        return lambda data: zstd.compress(data, options=_ZSTD)
    return lambda data: data


def unpacked(path: str) -> BinaryIO:
    """The content of such a file, from its beginning. Raises OSError."""
    if path.endswith(".gz"):
        return cast("BinaryIO", gzip.open(path))
    if path.endswith(".zst"):
        return cast("BinaryIO", zstd.open(path))
    return Path(path).open("rb")
