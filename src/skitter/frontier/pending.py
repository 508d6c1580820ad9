"""Entries as rows of the table of pending URLs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from skitter.model import Ask, Entry

__all__ = ["INSERT_PENDING", "Waiting", "due_retries", "fresh", "hops_of", "unmet", "values_of", "wanted"]

_HOPS = msgspec.json.Decoder(tuple[str, ...])
_ASK = msgspec.json.Decoder(Ask)
_COLUMNS = (
    "url, key, depth, referrer, CAST(hops AS TEXT), attempts, spent, status, seed, given,"
    " reach, lastmod, sitemap, ask, seq"
)

# What the column "sitemap" says: it is one, or is named by one.
_SITEMAP, _LISTED = 1, 2

INSERT_PENDING = "INSERT INTO pending VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class _Pending(msgspec.Struct, array_like=True):
    """A row, as _COLUMNS says."""

    url: str
    key: int
    depth: int
    referrer: str | None
    hops: str | None
    attempts: int
    spent: int
    status: int | None
    seed: int
    given: int
    reach: str
    lastmod: str | None
    sitemap: int
    ask: str | None
    seq: int


_FRESH = msgspec.json.Decoder(list[_Pending])


def values_of(host: int, seq: int, entry: Entry) -> tuple[object, ...]:
    """The row of an entry."""
    return (
        host, entry.due, entry.depth, seq, entry.key, entry.url, entry.referrer, hops_of(entry),
        entry.attempts, entry.spent, entry.status, entry.seed, entry.given,
        entry.reach, entry.lastmod, _SITEMAP * entry.sitemap + _LISTED * entry.listed,
        msgspec.json.encode(entry.ask).decode() if entry.ask is not None else None,
    )  # fmt: skip


def hops_of(entry: Entry) -> str | None:
    """The redirects that led to a URL, as stored."""
    return msgspec.json.encode(entry.hops).decode() if entry.hops else None


def due_retries(
    db: sqlite3.Connection, host: int, origin: str, now: float, deepest: int, most: int
) -> list[Entry]:
    """URLs of the host that are to be tried again by ``now``, no deeper than ``deepest``."""
    rows = db.execute(
        f"SELECT due, {_COLUMNS} FROM pending WHERE host = ? AND due > 0 AND due <= ? AND depth <= ?"
        " ORDER BY due, depth, seq LIMIT ?",
        (host, now, deepest, most),
    )
    return [_entry_of(origin, due, msgspec.convert(row, _Pending)) for due, *row in rows]


def fresh(
    db: sqlite3.Connection, host: int, origin: str, place: tuple[int, int], deepest: int, most: int
) -> list[Entry]:
    """URLs of the host that were never tried, beyond ``place`` in the order of (depth, seq)."""
    # As one value: each row that is fetched by itself is a turn that has to be won from the event loop.
    # Not for retries: JSON of SQLite's keeps 15 digits of a number, and ``due`` is part of the key.
    (rows,) = db.execute(
        f"SELECT json_group_array(json_array({_COLUMNS})) FROM (SELECT * FROM pending"
        " WHERE host = ? AND due = 0 AND (depth, seq) > (?, ?) AND depth <= ? ORDER BY depth, seq LIMIT ?)",
        (host, *place, deepest, most),
    ).fetchone()
    return [_entry_of(origin, 0.0, row) for row in _FRESH.decode(rows)]


class _Host(msgspec.Struct, array_like=True):
    """A row of the query below."""

    host: int
    origin: str
    retries: int
    rows: list[_Pending]


class Waiting(msgspec.Struct):
    """What waits of a host; ``retries`` if there are URLs that have to wait or were tried before."""

    host: int
    origin: str
    retries: bool
    entries: list[Entry]  # the first ones that were never tried


_HOSTS = msgspec.json.Decoder(list[_Host])


def unmet(db: sqlite3.Connection, after: int, hosts: int, most: int) -> list[Waiting]:
    """Hosts with work beyond number ``after``, in order, with ``most`` of their URLs each."""
    (rows,) = db.execute(
        "WITH RECURSIVE met (host) AS (SELECT min(host) FROM pending WHERE host > ? UNION ALL"
        " SELECT (SELECT min(host) FROM pending WHERE host > met.host) FROM met WHERE met.host IS NOT NULL"
        " LIMIT ?) SELECT json_group_array(json_array(met.host, host.origin,"
        " EXISTS (SELECT 1 FROM pending WHERE host = met.host AND due > 0),"
        f" json((SELECT json_group_array(json_array({_COLUMNS})) FROM (SELECT * FROM pending"
        " WHERE host = met.host AND due = 0 ORDER BY depth, seq LIMIT ?)))))"
        " FROM met JOIN host ON host.id = met.host",
        (after, hosts, most),
    ).fetchone()
    return sorted(map(_waiting, _HOSTS.decode(rows)), key=lambda each: each.host)


def wanted(db: sqlite3.Connection, places: Iterable[tuple[int, int, int]], most: int) -> dict[int, Waiting]:
    """Of hosts by number: ``most`` of the URLs beyond a place in the order of (depth, seq)."""
    # A broad crawl leases each host for a page or two: a few statements a host were a tenth of its time.
    (rows,) = db.execute(
        "SELECT json_group_array(json_array(met.host, host.origin,"
        " EXISTS (SELECT 1 FROM pending WHERE host = met.host AND due > 0),"
        f" json((SELECT json_group_array(json_array({_COLUMNS})) FROM (SELECT * FROM pending WHERE"
        " host = met.host AND due = 0 AND (depth, seq) > (met.depth, met.seq) ORDER BY depth, seq"
        " LIMIT ?)))))"
        " FROM (SELECT json_extract(value, '$[0]') AS host, json_extract(value, '$[1]') AS depth,"
        " json_extract(value, '$[2]') AS seq FROM json_each(?)) AS met JOIN host ON host.id = met.host",
        (most, msgspec.json.encode(list(places)).decode()),
    ).fetchone()
    return {row.host: _waiting(row) for row in _HOSTS.decode(rows)}


def _waiting(row: _Host) -> Waiting:
    entries = [_entry_of(row.origin, 0.0, each) for each in row.rows]
    return Waiting(row.host, row.origin, bool(row.retries), entries)


def _entry_of(origin: str, due: float, row: _Pending) -> Entry:
    return Entry(
        row.url, row.key, origin, row.depth, row.referrer, _HOPS.decode(row.hops) if row.hops else (),
        row.attempts, row.spent, row.status, bool(row.seed), bool(row.given), due,
        row.reach, row.lastmod, row.sitemap == _SITEMAP, row.sitemap == _LISTED,
        _ASK.decode(row.ask) if row.ask else None, row.seq,
    )  # fmt: skip
