"""Outputs read back, whatever their format: with readers that are not skitter's."""

from __future__ import annotations

import csv
import gzip
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet
from warcio.archiveiterator import ArchiveIterator

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["ITEMS", "RECORDS", "faults", "read"]

# One file of each format, for records and for items.
RECORDS = ("pages.jsonl", "pages.jsonl.gz", "pages.jsonl.zst", "pages.csv", "pages.csv.gz", "pages.csv.zst",
           "pages.sqlite", "pages.parquet", "pages.warc", "pages.warc.gz")  # fmt: skip
ITEMS = tuple(name.replace("pages", "items") for name in RECORDS if ".warc" not in name)


def _bytes(path: Path) -> bytes:
    data = path.read_bytes() if path.exists() else b""
    return {".gz": gzip.decompress, ".zst": zstd.decompress}.get(path.suffix, bytes)(data) if data else b""


def read(path: Path) -> list[dict[str, Any]]:
    """All records, or items, of a file; lists and objects as JSON has them, where the format has none."""
    if path.suffix == ".sqlite":
        return list(_sqlite(path))
    if path.suffix == ".parquet":
        return list(pyarrow.parquet.read_table(path).to_pylist()) if path.exists() else []
    if ".warc" in path.suffixes:
        return list(_warc(path))
    text = _bytes(path).decode()
    if ".csv" in path.suffixes:
        return [_typed(row) for row in csv.DictReader(text.splitlines(keepends=True))]
    return [json.loads(line) for line in text.split("\n")[:-1]]


def _sqlite(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with closing(sqlite3.connect(path)) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            found = db.execute(f"SELECT * FROM {table} ORDER BY 1")
            names = [column[0] for column in found.description]
            for values in found:
                yield dict(zip(names[1:], values[1:], strict=True))


def _warc(path: Path) -> Iterator[dict[str, Any]]:
    """What an archive says of each URL, at its metadata record: every record of the job has one. Raises for a
    digest that is wrong, too."""
    if not path.exists() or not path.stat().st_size:
        return
    status: int | None = None
    with path.open("rb") as file:
        for record in ArchiveIterator(file, check_digests="raise"):
            body = record.content_stream().read()
            if record.rec_type in ("response", "revisit"):
                status = int(record.http_headers.get_statuscode())
            elif record.rec_type == "metadata":
                fields = dict(line.split(": ", 1) for line in body.decode().split("\r\n") if ": " in line)
                url = record.rec_headers.get_header("WARC-Target-URI")
                yield {"url": url, "status": status, "reason": fields["reason"], "error": fields.get("error")}
                status = None


def _typed(row: dict[str, str]) -> dict[str, Any]:
    """CSV has nothing but text: what is a number here looks like one, and nothing else does."""
    return {
        name: int(value) if value.isdecimal() and name not in ("sha256", "title") else value or None
        for name, value in row.items()
        if value or not name.startswith("_")
    }


def faults(path: Path) -> list[str]:
    """What is torn in a file, or is no such file at all; nothing is good news."""
    try:
        if path.suffix == ".sqlite":
            with closing(sqlite3.connect(path)) as db:
                found = [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
            return [f"{path.name}: {what}" for what in found]
        text = b"" if path.suffix == ".parquet" else _bytes(path)
        read(path)
    except Exception as error:
        return [f"{path.name} cannot be read: {type(error).__name__}: {error}"]
    return [f"{path.name} ends within a line"] if text and not text.endswith(b"\n") else []
