"""The job's database: tables, and the settings of a connection."""

from __future__ import annotations

__all__ = ["FORMAT", "PRAGMAS", "SCHEMA"]

# Raised whenever a table changes its meaning; an older skitter refuses a newer job.
FORMAT = "1"

# PRECEDENTS section 9, THREATS section 9: WAL and NORMAL survive SIGKILL; one connection writes and
# checkpoints; no memory map, which would turn an I/O error into a crash.
PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA mmap_size=0",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-16000",
)

SCHEMA = """
-- facts about the job: format, settings that must not change, counters
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- every host ever met, with its politeness state (JSON) and its robots.txt
CREATE TABLE host (
    id INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE, state BLOB,
    robots_status INTEGER, robots_body BLOB, robots_at REAL
);

-- every URL ever admitted, by key; record is NULL while it is pending
CREATE TABLE seen (key INTEGER PRIMARY KEY, record INTEGER);

-- what is still to be visited: a log per host; due is 0 for a URL that was never tried. A lease
-- leaves its rows in place, so that a crash has nothing to put back.
CREATE TABLE pending (
    host INTEGER NOT NULL, due REAL NOT NULL, depth INTEGER NOT NULL, seq INTEGER NOT NULL,
    key INTEGER NOT NULL, url TEXT NOT NULL, referrer TEXT, hops TEXT,
    attempts INTEGER NOT NULL, spent INTEGER NOT NULL, status INTEGER,
    seed INTEGER NOT NULL, given INTEGER NOT NULL,
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

-- committed length of each output. upto is NULL while it gets every record as it comes; else it is
-- the last record that it holds: the others are appended when it is next asked for
CREATE TABLE output (path TEXT PRIMARY KEY, length INTEGER NOT NULL, upto INTEGER) WITHOUT ROWID;
"""
