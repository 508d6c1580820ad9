"""Rows for sinks: whole records, or only the fields that were asked for, in that order."""

from __future__ import annotations

import gzip
import io
import sqlite3
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any

import msgspec

from skitter.errors import ConfigError, JobError
from skitter.model import Record, Row
from skitter.outputs import ITEMS
from skitter.values import nearest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["FIELDS", "LARGE", "check_fields", "rows_of"]

FIELDS = Record.__struct_fields__
# What the database does not keep: it is in the outputs alone.
LARGE = ("html", "text", "markdown", "headers", "outlinks")

_RECORD = msgspec.json.Decoder(Record)
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_DAMAGED = (msgspec.DecodeError, OSError, EOFError, zstd.ZstdError)
_READERS: Mapping[str, Callable[[IO[bytes]], Any]] = {  # files to read lines from
    ".jsonl": lambda file: file,
    ".jsonl.gz": lambda file: gzip.GzipFile(fileobj=file),
    ".jsonl.zst": lambda file: zstd.ZstdFile(file),
}


def check_fields(fields: Sequence[str]) -> None:
    """Raises ConfigError for a name that no record has."""
    for name in fields:
        if name not in FIELDS + LARGE:
            raise ConfigError(
                f"--field: {name!r} is no field{nearest(name, FIELDS + LARGE)}; "
                f"there are {', '.join(FIELDS + LARGE)}"
            )


def rows_of(
    db: sqlite3.Connection, folder: Path, selected: Iterator[tuple[int, bytes]], fields: Sequence[str]
) -> Generator[Row, None, None]:
    """A row for each of the selected records; with ``fields``, its one item has these. Raises ConfigError if
    a large field is nowhere, JobError if the file that had it is another one by now."""
    if not fields:
        for _, line in selected:
            yield Row(_RECORD.decode(line))
        return
    large = [name for name in fields if name in LARGE]
    # Before the first is selected: from then on, the connection reads nothing but records.
    with _Outputs(db, folder, large) if large else nullcontext() as outputs:
        for number, line in selected:
            record = _RECORD.decode(line)
            values = msgspec.to_builtins(record)
            extra = outputs.at(number, record.url) if outputs is not None else {}
            values |= extra
            item = {name: values.get(name) for name in fields}
            yield Row(record, {name: extra.get(name) for name in large}, (item,))


class _Outputs(AbstractContextManager["_Outputs"]):
    """The job's own JSONL, read in step with the records: its line i is record i."""

    def __init__(self, db: sqlite3.Connection, folder: Path, large: Sequence[str]) -> None:
        self._path, length, ending = _where(db, folder, large)
        self._line = 0
        try:
            self._bytes = self._path.open("rb")
        except OSError as error:
            raise JobError(f"{self._path}: {(error.strerror or '').lower()}") from None
        part = io.BufferedReader(_Part(self._bytes, length), 256 * 1024)
        self._file = _READERS[ending](part)

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._bytes.close()

    def at(self, number: int, url: str) -> dict[str, Any]:
        """What the output says of record ``number``; each is asked for in turn."""
        line = b""
        try:
            while self._line < number:
                line = self._file.readline()
                self._line += 1
            values = _OBJECT.decode(line)
        except _DAMAGED:
            values = {}
        if values.get("url") != url:
            raise JobError(f"{self._path} is not the file that this job wrote: there is no --field to be had")
        return values


class _Part(io.RawIOBase):
    """The first ``length`` bytes of a file: what is behind them is not committed yet."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self._file, self._left = file, length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)


def _where(db: sqlite3.Connection, folder: Path, large: Sequence[str]) -> tuple[Path, int, str]:
    """The output that has the large fields of all records, its committed length and its ending."""
    (said,) = db.execute("SELECT value FROM main.meta WHERE name = 'settings'").fetchone()
    kept = msgspec.json.decode(said)["field"]
    for name in large:
        if name not in kept:
            raise ConfigError(f"--field {name}: this job did not keep it; a crawl with --field {name} does")
    (ended,) = db.execute("SELECT coalesce(max(id), 0) FROM main.record").fetchone()
    outputs = db.execute(
        "SELECT path, max(upto), length FROM main.output JOIN main.mark ON id = output"
        " GROUP BY output ORDER BY output"
    )
    for path, upto, length in outputs.fetchall():
        ending = "".join(
            Path(path).suffixes[-2:] if path.endswith((".gz", ".zst")) else Path(path).suffixes[-1:]
        )
        if ending in _READERS and not path.startswith(ITEMS) and upto == ended and (folder / path).is_file():
            return folder / path, length, ending
    raise ConfigError(
        f"--field {large[0]}: it is in the job's outputs alone, and none that is there is a whole .jsonl"
    )
