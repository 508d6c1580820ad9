"""The job's database: tables, and the settings of a connection."""

from __future__ import annotations

import msgspec

__all__ = ["FORMAT", "MIGRATIONS", "PRAGMAS", "SCHEMA"]

# Raised whenever a table changes its meaning; an older skitter refuses a newer job.
FORMAT = "5"

# PRECEDENTS section 9, THREATS section 9: WAL and NORMAL survive SIGKILL; one connection writes and
# checkpoints; no memory map, which would turn an I/O error into a crash.
PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA wal_autocheckpoint=0",  # Database does it
    "PRAGMA journal_size_limit=0",  # a log that begins anew is short: its size says how much is in it
    "PRAGMA mmap_size=0",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-16000",
)

_TABLES = """
-- facts about the job: format, settings that must not change, counters
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- every host ever met, with its politeness state (JSON) and its robots.txt
CREATE TABLE host (
    id INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE, state BLOB,
    robots_status INTEGER, robots_body BLOB, robots_at REAL
);

-- the key of every URL ever admitted, pending or ended
CREATE TABLE seen (key INTEGER PRIMARY KEY);

-- what is still to be visited: a log per host; due is 0 for a URL that was never tried. A lease
-- leaves its rows in place, so that a crash has nothing to put back.
CREATE TABLE pending (
    host INTEGER NOT NULL, due REAL NOT NULL, depth INTEGER NOT NULL, seq INTEGER NOT NULL,
    key INTEGER NOT NULL, url TEXT NOT NULL, referrer TEXT, hops TEXT,
    attempts INTEGER NOT NULL, spent INTEGER NOT NULL, status INTEGER,
    seed INTEGER NOT NULL, given INTEGER NOT NULL,
    reach TEXT NOT NULL DEFAULT '', lastmod TEXT, sitemap INTEGER NOT NULL DEFAULT 0, ask TEXT,
    PRIMARY KEY (host, due, depth, seq)
) WITHOUT ROWID;

-- one row a URL that has ended: line is its record as JSON, links the keys of its distinct links
-- (8 bytes each, big-endian)
CREATE TABLE record (
    id INTEGER PRIMARY KEY, key INTEGER NOT NULL, host INTEGER NOT NULL,
    reason TEXT NOT NULL, line BLOB NOT NULL, links BLOB
);

-- records and decoded bytes by reason, kept in the same transactions as the records
CREATE TABLE tally (reason TEXT PRIMARY KEY, n INTEGER NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID;

-- what the scope is drawn around
CREATE TABLE root (root TEXT PRIMARY KEY) WITHOUT ROWID;
"""

_OUTPUTS = (
    # every output that the job ever wrote; head is how the file begins, up to 64 bytes
    "CREATE TABLE output (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, head BLOB NOT NULL DEFAULT x'')",
    # what an output held after each of its commits: the records up to number upto, in length bytes, of
    # which the last size have the CRC-32 crc. The newest mark is what is committed; the older ones are
    # for a file that lost its end.
    """CREATE TABLE mark (
        output INTEGER NOT NULL, upto INTEGER NOT NULL, length INTEGER NOT NULL,
        size INTEGER NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (output, upto)
    ) WITHOUT ROWID""",
)

_PATTERNS = (
    # how many URLs that have ended are alike (rules.traps), by the fingerprint of what they share
    "CREATE TABLE pattern (key INTEGER PRIMARY KEY, n INTEGER NOT NULL)",
)

_ATTEMPTS = (
    # tries that were not the last: when (on the job's clock), what came of them, how long they took
    """CREATE TABLE attempt (
        key INTEGER NOT NULL, at REAL NOT NULL, reason TEXT NOT NULL, status INTEGER,
        seconds REAL NOT NULL, error TEXT NOT NULL
    )""",
    "CREATE INDEX attempt_key ON attempt (key)",
)

SCHEMA = "; ".join((_TABLES, *_OUTPUTS, *_PATTERNS, *_ATTEMPTS, ""))


class Migration(msgspec.Struct, frozen=True):
    """How a database of one format becomes one of the next."""

    to: str
    statements: tuple[str, ...]


MIGRATIONS = {
    # Format 1 kept one length for each output, and nothing to know its bytes by.
    "1": Migration(
        "2",
        (
            "ALTER TABLE output RENAME TO output_1",
            *_OUTPUTS,
            "INSERT INTO output (path) SELECT path FROM output_1",
            """INSERT INTO mark SELECT id, coalesce(upto, (SELECT coalesce(max(id), 0) FROM record)), length,
               0, 0 FROM output_1 JOIN output USING (path)""",
            "DROP TABLE output_1",
        ),
    ),
    # Format 2 noted at each key the number of its record, at the price of a page of the table a URL.
    "2": Migration(
        "3",
        (
            "ALTER TABLE seen RENAME TO seen_2",
            "CREATE TABLE seen (key INTEGER PRIMARY KEY)",
            "INSERT INTO seen SELECT key FROM seen_2",
            "DROP TABLE seen_2",
        ),
    ),
    # Format 3 knew neither sitemaps nor traps, nor what kind of address had led to a URL.
    "3": Migration(
        "4",
        (
            "ALTER TABLE pending ADD COLUMN reach TEXT NOT NULL DEFAULT 'any'",  # it would have been visited
            "ALTER TABLE pending ADD COLUMN lastmod TEXT",
            "ALTER TABLE pending ADD COLUMN sitemap INTEGER NOT NULL DEFAULT 0",
            *_PATTERNS,
        ),
    ),
    # Format 4 forgot tries that were not the last, and knew only plain GETs.
    "4": Migration("5", ("ALTER TABLE pending ADD COLUMN ask TEXT", *_ATTEMPTS)),
}
