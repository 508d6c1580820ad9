"""What one transaction does to the tables: gathered first, then done by a single statement.

Each statement gives up Python's lock several times and has to win it back from a busy event loop. A commit
of 60 pages in 300 statements spent three quarters of its time in that, and cost the loop as much again;
here one insertion into a view sets off a trigger, and SQLite does all of it while Python goes on
(docs/decisions.md has the figures).
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection

import msgspec
from msgspec.structs import replace

from skitter.frontier.pending import values_of
from skitter.model import Entry, HostState, Mark, Reason, Record

__all__ = ["Work", "admitted", "prepare"]

_ENCODER = msgspec.json.Encoder()
_KEYS = msgspec.json.Decoder(set[int])

# Rows come as arrays of JSON arrays, bytes as pieces of one blob. RETURNING would bring rows one by one.
_BATCH = (
    """CREATE TEMP VIEW IF NOT EXISTS batch AS SELECT NULL AS fresh, NULL AS records,
    NULL AS lines, NULL AS links, NULL AS keys, NULL AS pending, NULL AS roots, NULL AS hosts,
    NULL AS marks, NULL AS tally, NULL AS facts, NULL AS met, NULL AS counts, NULL AS robots""",
    """CREATE TEMP TRIGGER IF NOT EXISTS settle INSTEAD OF INSERT ON batch BEGIN
    INSERT INTO host (id, origin) SELECT value, key FROM json_each(NEW.met);
    DELETE FROM pending WHERE (host, due, depth, seq) IN (
        SELECT json_extract(value, '$[0]'), 0, json_extract(value, '$[1]'), json_extract(value, '$[2]')
        FROM json_each(NEW.fresh));
    INSERT INTO record (key, host, reason, line, links)
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
            substr(NEW.lines, json_extract(value, '$[3]'), json_extract(value, '$[4]')),
            nullif(substr(NEW.links, json_extract(value, '$[5]'), json_extract(value, '$[6]')), x'')
        FROM json_each(NEW.records);
    INSERT INTO seen SELECT value FROM json_each(NEW.keys);
    INSERT INTO pending
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
            json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
            json_extract(value, '$[6]'), json_extract(value, '$[7]'), json_extract(value, '$[8]'),
            json_extract(value, '$[9]'), json_extract(value, '$[10]'), json_extract(value, '$[11]'),
            json_extract(value, '$[12]'), json_extract(value, '$[13]'), json_extract(value, '$[14]'),
            json_extract(value, '$[15]'), json_extract(value, '$[16]')
        FROM json_each(NEW.pending);
    INSERT OR IGNORE INTO root SELECT value FROM json_each(NEW.roots);
    UPDATE host SET state = json_extract(value, '$[1]'),
            robots_status = coalesce(json_extract(value, '$[2]'), robots_status),
            robots_body = CASE WHEN json_extract(value, '$[2]') IS NULL THEN robots_body
                ELSE substr(NEW.robots, json_extract(value, '$[3]'), json_extract(value, '$[4]')) END,
            robots_at = coalesce(json_extract(value, '$[5]'), robots_at)
        FROM json_each(NEW.hosts) WHERE host.id = json_extract(value, '$[0]');
    INSERT INTO mark
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
            json_extract(value, '$[3]'), json_extract(value, '$[4]')
        FROM json_each(NEW.marks);
    INSERT INTO tally
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
        FROM json_each(NEW.tally) WHERE true
        ON CONFLICT (reason) DO UPDATE SET n = n + excluded.n, size = size + excluded.size;
    INSERT INTO pattern
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(NEW.counts) WHERE true
        ON CONFLICT (key) DO UPDATE SET n = n + excluded.n;
    INSERT INTO meta SELECT key, value FROM json_each(NEW.facts) WHERE true
        ON CONFLICT (name) DO UPDATE SET value = excluded.value;
    END""",
)
_APPLY = "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def prepare(db: sqlite3.Connection) -> None:
    """Let this connection know the trigger; nothing of it is in the file."""
    for statement in _BATCH:
        db.execute(statement)


def admitted(db: sqlite3.Connection, keys: Collection[int]) -> set[int]:
    """Those of the keys that are in ``seen``."""
    (found,) = db.execute(
        "SELECT json_group_array(key) FROM seen WHERE key IN (SELECT value FROM json_each(?))",
        (_json(list(keys)),),
    ).fetchone()
    return _KEYS.decode(found)


class Work(msgspec.Struct):
    """Rows to come and to go. :meth:`apply` is to be called within a transaction."""

    settled: list[tuple[int, int]] = []  # host and seq of what was lent
    fresh: list[tuple[int, int, int]] = []  # of these, the ones that were never tried: host, depth, seq
    tried: list[tuple[int, float, int, int]] = []  # and the others: host, due, depth, seq
    records: list[tuple[object, ...]] = []
    lines: bytearray = msgspec.field(default_factory=bytearray)
    links: bytearray = msgspec.field(default_factory=bytearray)
    keys: list[int] = []
    pending: list[tuple[object, ...]] = []
    roots: list[str] = []
    met: dict[str, int] = {}  # hosts that are new, and their numbers
    hosts: list[tuple[object, ...]] = []
    robots: bytearray = msgspec.field(default_factory=bytearray)
    marks: list[tuple[int, int, int, int, int]] = []
    tally: dict[Reason, tuple[int, int]] = {}  # records and their bytes
    attempts: list[tuple[object, ...]] = []  # key, at, reason, status, seconds, error
    facts: dict[str, str] = {}
    unrecorded: int = 0  # what has ended without a record
    counts: Counter[int] = msgspec.field(default_factory=Counter)  # URLs by pattern

    def settle(self, host: int, entry: Entry) -> None:
        """What was lent leaves the queue."""
        self.settled.append((host, entry.seq))
        if entry.due:
            self.tried.append((host, entry.due, entry.depth, entry.seq))
        else:
            self.fresh.append((host, entry.depth, entry.seq))

    def record(self, host: int, key: int, record: Record, links: bytes) -> None:
        """A URL has ended."""
        line = _ENCODER.encode(record)
        places = len(self.lines) + 1, len(line), len(self.links) + 1, len(links)
        self.records.append((key, host, record.reason, *places))
        self.lines += line
        self.links += links
        n, size = self.tally.get(record.reason, (0, 0))
        self.tally[record.reason] = n + 1, size + record.size

    def push(self, host: int, seq: int, entry: Entry) -> None:
        """A URL has to be visited, or visited again."""
        self.pending.append(values_of(host, seq, entry))

    def host(self, host: int, state: HostState) -> None:
        """What is known of a host; its robots.txt, if it is new."""
        copy, bare = state.robots, replace(state, robots=None)
        if copy is None:
            self.hosts.append((host, bare, None, 0, 0, None))
            return
        self.hosts.append((host, bare, copy.status, len(self.robots) + 1, len(copy.body), copy.fetched_at))
        self.robots += copy.body

    def mark(self, output: int, upto: int, mark: Mark) -> None:
        """An output holds so much."""
        self.marks.append((output, upto, mark.length, mark.size, mark.crc))

    def apply(self, db: sqlite3.Connection) -> None:
        """Do it."""
        # SQLite reads a number of JSON to within its last digit only: a time that is part of a key is bound.
        if self.tried:
            db.executemany(
                "DELETE FROM pending WHERE host = ? AND due = ? AND depth = ? AND seq = ?", self.tried
            )
        if self.attempts:
            db.executemany("INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?)", self.attempts)
        tally = [(reason, n, size) for reason, (n, size) in self.tally.items()]
        rows = (self.keys, self.pending, self.roots, self.hosts, self.marks, tally, self.facts, self.met,
                list(self.counts.items()))  # fmt: skip
        first = _json(self.fresh), _json(self.records), bytes(self.lines), bytes(self.links)
        db.execute(_APPLY, (*first, *map(_json, rows), bytes(self.robots)))


def _json(rows: object) -> str | None:
    return _ENCODER.encode(rows).decode() if rows else None
