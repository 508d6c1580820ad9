"""A private database beside the job's: what a report counts, sorts and joins, in narrow rows.

The job is read once, in short pieces that hold nobody up; SQLite sorts on disk what does not fit into its
cache, so that memory does not follow the number of records.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from skitter.errors import StorageError
from skitter.reason import Reason
from skitter.report.values import DEAD, Kind, Line, kind_of
from skitter.rules.url import key_of

__all__ = ["Scratch", "opened", "pieces"]

_PIECE = 5_000
_PRAGMAS = ("PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", "PRAGMA cache_size=-24000",
            "PRAGMA locking_mode=EXCLUSIVE", "PRAGMA temp_store=FILE")  # fmt: skip
# A title or content is known by 64 bits; rule says why a URL was left out; listed is the key of the referrer
# where that could be a sitemap.
_TABLES = """
    CREATE TABLE page (
        id INTEGER PRIMARY KEY, key INTEGER, host INTEGER, reason TEXT, kind INTEGER, status INTEGER,
        depth INTEGER, at REAL, ttfb REAL, elapsed REAL, size INTEGER, bits INTEGER, type TEXT,
        title INTEGER, content INTEGER, rule TEXT, noindex INTEGER, truncated INTEGER, listed INTEGER
    );
    CREATE TABLE hop (key INTEGER PRIMARY KEY, target INTEGER, location TEXT);
"""
_INDEXES = """
    CREATE INDEX page_key ON page (key);
    CREATE INDEX hop_target ON hop (target);
    CREATE INDEX page_title ON page (title) WHERE title IS NOT NULL;
    CREATE INDEX page_content ON page (content) WHERE content IS NOT NULL;
    CREATE INDEX page_dead ON page (id) WHERE reason IN ({});
""".format(", ".join(f"'{reason}'" for reason in DEAD))
_INSERT_PAGE = f"INSERT INTO page VALUES ({', '.join('?' * 19)})"
_RULED = (Reason.ROBOTS_DENIED, Reason.TRAP)


class _Record(msgspec.Struct, frozen=True):
    """Of a record's line, what is counted."""

    depth: int
    fetched_at: str
    status: int | None = None
    referrer: str | None = None
    location: str | None = None
    redirected_from: tuple[str, ...] = ()
    content_type: str | None = None
    title: str | None = None
    size: int = 0
    truncated: bool = False
    sha256: str | None = None
    noindex: bool = False
    ttfb: float = 0.0
    elapsed: float = 0.0
    error: str | None = None


_DECODE = msgspec.json.Decoder(_Record).decode
_DECODE_LINE = msgspec.json.Decoder(Line).decode
_key_of = lru_cache(maxsize=4096)(key_of)  # pages of a level have their referrers in common


class Scratch:
    """The job's rows beside the narrow ones. Raises sqlite3.DatabaseError."""

    def __init__(self, job: sqlite3.Connection, own: sqlite3.Connection) -> None:
        self.job = job
        self.own = own

    def fill(self) -> None:
        """Read every record."""
        self.own.execute("BEGIN")
        for rows in pieces(self.job, "id, key, host, reason, line"):
            records = [(row, _DECODE(row[4])) for row in rows]
            self.own.executemany(_INSERT_PAGE, [_page(row, record) for row, record in records])
            hops = [
                (row[1], _key_of(record.location), record.location)
                for row, record in records
                if row[3] == Reason.REDIRECTED and record.location
            ]
            self.own.executemany("INSERT OR IGNORE INTO hop VALUES (?, ?, ?)", hops)
        self.own.execute("COMMIT")
        self.own.executescript(_INDEXES)

    def rows(self, sql: str, *values: object) -> list[Any]:
        """The answer to a question that has a short one."""
        return self.own.execute(sql, values).fetchall()

    def number(self, sql: str, *values: object) -> int:
        """The answer to a question that has one figure."""
        return int(self.own.execute(sql, values).fetchone()[0] or 0)

    def line(self, number: int) -> Line:
        """A record, to be shown."""
        (line,) = self.job.execute("SELECT line FROM record WHERE id = ?", (number,)).fetchone()
        return _DECODE_LINE(line)

    def lines(self, sql: str, *values: object) -> tuple[Line, ...]:
        """Records whose numbers a question has for its answer."""
        return tuple(self.line(row[0]) for row in self.rows(sql, *values))

    def urls(self, sql: str, *values: object) -> tuple[str, ...]:
        """Their URLs alone."""
        return tuple(line.url for line in self.lines(sql, *values))


@contextmanager
def opened(job: sqlite3.Connection) -> Iterator[Scratch]:
    """An empty one; nothing is left of it afterwards."""
    own = sqlite3.connect("", isolation_level=None)
    try:
        for pragma in _PRAGMAS:
            own.execute(pragma)
        own.executescript(_TABLES)
        yield Scratch(job, own)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:  # not the job's: that is only read
            raise StorageError(
                "no room for the report's temporary file; SQLITE_TMPDIR=FOLDER moves it"
            ) from None
        raise
    finally:
        own.close()


def pieces(job: sqlite3.Connection, columns: str) -> Iterator[list[Any]]:
    """All records of this moment, a few thousand at a time; ``id`` is the first of the columns. Between two
    pieces a running job may fold its log."""
    (last,) = job.execute("SELECT coalesce(max(id), 0) FROM record").fetchone()
    after = 0
    while rows := job.execute(
        f"SELECT {columns} FROM record WHERE id > ? AND id <= ? ORDER BY id LIMIT ?", (after, last, _PIECE)
    ).fetchall():
        yield rows
        after = rows[-1][0]


def _page(row: tuple[int, int, int, str, bytes], record: _Record) -> tuple[object, ...]:
    number, key, host, reason, _ = row
    kind = kind_of(reason)
    fetched = kind is Kind.FETCHED
    may_be_listed = record.depth == 1 and record.referrer and not record.redirected_from
    return (
        number, key, host, reason, int(kind), record.status, record.depth,
        datetime.fromisoformat(record.fetched_at).timestamp(), record.ttfb, record.elapsed, record.size,
        record.size.bit_length(), record.content_type if fetched else None,
        hash(record.title) if fetched and record.title else None,
        int(record.sha256[:15], 16) if fetched and record.sha256 and record.size else None,
        record.error if reason in _RULED else None, record.noindex, record.truncated,
        _key_of(record.referrer) if may_be_listed and record.referrer else None,
    )  # fmt: skip
