"""Parquet: its index is at its end, so that a file cannot grow by a commit. Rows are gathered as compressed
JSON lines, exactly once as in every output; the end of a run makes the file of them."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO, Protocol
from zlib import crc32

from skitter.disk import sync_folder
from skitter.errors import JobError, StorageError
from skitter.failpoint import reached
from skitter.model import Held, Mark, Row
from skitter.sinks.appended_sink import AppendedSink, unpacked
from skitter.sinks.arrow import Shape, batches
from skitter.sinks.jsonl import JsonLines

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["PARQUET_ROWS", "ParquetSink", "is_of_kind", "part_of"]

PARQUET_ROWS = ".rows.jsonl.zst"
# The gathered rows begin with a frame that every reader of zstd skips (RFC 8878, 3.1.2). It holds a number by
# which a Parquet file is known as made of them.
_SKIPPED = (0x184D2A50).to_bytes(4, "little")
_NUMBER = 16
_MAGIC, _TAIL, _LONGEST_FOOTER = b"PAR1", 64 * 1024, 64 * 1024 * 1024
_STAMP = b"skitter"


class _Shapes(Protocol):
    """Says what columns a file of these lines has."""

    def of(self, lines: Iterator[bytes]) -> Shape: ...


def part_of(path: str) -> str:
    """What a Parquet file is called while it is being written."""
    return f"{os.path.realpath(path)}.part"


def is_of_kind(path: Path, kind: str) -> bool:
    """Is this a Parquet file that a sink made of records, or of items? Raises OSError."""
    return b"skitter %s " % kind.encode() in _footer(path)


def _footer(path: Path) -> bytes:
    """The index at the end of a Parquet file; nothing of another file."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 8))
        end = file.read()
        length = int.from_bytes(end[:4], "little")
        if end[4:] != _MAGIC or length > min(size - 8, _LONGEST_FOOTER):
            return b""
        file.seek(size - 8 - length)
        return file.read(length)


class ParquetSink:
    """One file, made anew at the end of each run that has something to add to it."""

    def __init__(
        self,
        path: str,
        name: str | None,
        lines: Callable[[Row], bytes],
        shapes: _Shapes,
        *,
        kind: str,
        rows: str | None = None,
        private: bool = False,
    ) -> None:
        """``lines`` makes JSON of a row, ``shapes`` says what columns that has, and ``kind`` is what it is
        called in the file. ``rows`` is where rows are gathered, a file of the job's; without a job that is
        beside the output, and removed in the end. ``private`` is as for other files."""
        self.name = name or path
        self._path = path
        self._kind = kind
        self._shapes = shapes
        self._private = private
        self._keeps_rows = rows is not None
        self._rows_path = rows or path + PARQUET_ROWS
        self._lines = lines
        self._number = secrets.token_bytes(_NUMBER)
        self._rows = self._make_rows()
        self._found: _Look = None

    def _make_rows(self) -> AppendedSink:
        prefix = _SKIPPED + _NUMBER.to_bytes(4, "little") + self._number
        private = self._private or self._keeps_rows
        return AppendedSink(
            self._rows_path, self.name, JsonLines(self._lines), private=private, prefix=prefix
        )

    # -- the gathered rows -------------------------------------------------------------------

    def held(self, mark: Mark, head: bytes) -> Held:
        """Is what ``mark`` stands for there, and is the file itself ours, if it is there? Raises
        StorageError."""
        if head.startswith(_SKIPPED):
            self._number = head[8 : 8 + _NUMBER]
            self._rows = self._make_rows()
        with self._storage():
            path = Path(self._path)
            if path.exists() and not self._is_ours(path, head):
                return Held.OTHER
        return self._rows.held(mark, head)

    def _is_ours(self, path: Path, head: bytes) -> bool:
        if not path.is_file():
            return False
        return not path.stat().st_size or bool(head and self._number.hex().encode() in _footer(path))

    def open(self, offset: int | None, began: Callable[[bytes], None] | None = None) -> None:
        """Begin to gather, or cut what was gathered to ``offset`` bytes and go on.

        Raises JobError if another process writes it or a file is in the way, StorageError.
        """
        with self._storage():
            if self._keeps_rows:
                Path(self._rows_path).parent.mkdir(mode=0o700, exist_ok=True)
            elif not _begins_with(Path(self._rows_path), _SKIPPED):
                raise JobError(f"{self._rows_path}: exists, and skitter did not make it; move it away")
            refuse_part(self._path)
            self._found = _look_of(Path(self._path))
        self._rows.open(offset, began)

    def write(self, rows: Sequence[Row]) -> Mark:
        """Gather; how much there is now. Raises StorageError."""
        return self._rows.write(rows)

    def sync(self) -> None:
        """Wait until the disk has what was gathered. Raises StorageError."""
        self._rows.sync()

    def close(self) -> None:
        """Release the files."""
        self._rows.close()

    # -- the file ----------------------------------------------------------------------------

    def finish(self) -> None:
        """Make the file, unless it holds all rows already. Where there are no items, nothing is known of
        their columns, and there is no file. Raises StorageError."""
        with self._storage():
            if self._rows.length or self._kind == "records":
                stamp = self._stamp()
                if not Path(self._path).is_file() or stamp not in _footer(Path(self._path)):
                    self._publish(stamp)
            if not self._keeps_rows:
                Path(self._rows_path).unlink(missing_ok=True)

    def _stamp(self) -> bytes:
        """Of which rows the file is made."""
        length = self._rows.length
        with Path(self._rows_path).open("rb") as file:
            file.seek(max(0, length - _TAIL))
            crc = crc32(file.read(_TAIL))
        return f"skitter {self._kind} {self._number.hex()} {length} {crc}.".encode()

    def _publish(self, stamp: bytes) -> None:
        target, part = Path(os.path.realpath(self._path)), Path(part_of(self._path))
        if _look_of(target) != self._found:  # nobody holds a name at which there is no file yet
            raise StorageError(
                f"{self._path}: somebody else has written it meanwhile, and it is left alone; the rows are in"
                f" {self._rows_path}: move it away and run the same command again"
            )
        made = self._made(part)
        try:
            with made as file:
                self._make(file, stamp)
                file.flush()
                os.fsync(file.fileno())
            reached("mid-finish")
            part.replace(target)
            self._found = _look_of(target)
        except BaseException:
            with suppress(OSError):  # its room is better used otherwise
                part.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)

    def _made(self, part: Path) -> BinaryIO:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0)
        flags |= getattr(os, "O_NOFOLLOW", 0)
        return os.fdopen(os.open(part, flags, 0o600 if self._private else 0o666), "wb")

    def _make(self, file: BinaryIO, stamp: bytes) -> None:
        """Row group by row group: memory is that of one."""
        from pyarrow import parquet

        with self._gathered() as lines:
            shape = self._shapes.of(iter(lines))
        schema = shape.schema({_STAMP: stamp})
        with (
            parquet.ParquetWriter(file, schema, compression="zstd") as writer,
            self._gathered() as lines,
        ):
            for group in batches(lines):
                writer.write_table(shape.table(schema, group))

    def _gathered(self) -> AbstractContextManager[Iterable[bytes]]:
        return unpacked(self._rows_path) if self._rows.length else nullcontext(())

    @contextmanager
    def _storage(self) -> Iterator[None]:
        try:
            yield
        except (zstd.ZstdError, EOFError) as error:
            raise StorageError(
                f"{self._rows_path}: damaged ({error}), so that {self._path} cannot be made of it; remove it,"
                " and the same command makes it again of the records (items: --fresh)"
            ) from error
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror or error}") from error


_Look = tuple[int, int, int] | None


def _look_of(path: Path) -> _Look:
    """What tells a file from another one in its place."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def refuse_part(path: str) -> None:
    """Raises JobError if what a Parquet file is called while it is made is somebody else's."""
    if not _begins_with(Path(part_of(path)), _MAGIC):
        raise JobError(f"{part_of(path)}: exists, and skitter did not make it; move it away")


def _begins_with(path: Path, start: bytes) -> bool:
    """Is it not there, empty, or does it begin so?"""
    try:
        with path.open("rb") as file:
            return file.read(len(start)) in (b"", start)
    except FileNotFoundError:
        return True
