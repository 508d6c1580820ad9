"""What a job holds, read beside a running owner: a read-only connection that disturbs nobody."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import msgspec

from skitter.frontier.snapshot import snapshot
from skitter.model import HostState, Reason

__all__ = ["HostWork", "JobStatus", "read_status"]

_HOSTS_SHOWN, _HOSTS_HELD = 10, 5
_TRAPS_SHOWN = 5


class HostWork(msgspec.Struct, frozen=True):
    """One host: what has ended and what is pending there."""

    origin: str
    ended: int
    pending: int
    next_at: float
    gate: float


class JobStatus(msgspec.Struct, frozen=True):
    """Counts of a job; sizes in bytes."""

    job: str
    by_reason: dict[Reason, int]
    pending: int
    size: int
    hosts: int
    busiest: list[HostWork]
    held_back: list[HostState]  # hosts that must not be contacted for a while, the longest wait first
    slowest: list[HostState]  # time to first byte
    first_at: str | None  # when the first and the last record were fetched
    last_at: str | None
    settings: dict[str, object]
    traps: dict[str, int]  # URLs that were refused as traps, by rule and pattern, the most first


def read_status(database: Path) -> JobStatus:
    """Read the counts. Raises JobError if there is no job."""
    with snapshot(database) as db:
        return _read(db, database)


def _read(db: sqlite3.Connection, database: Path) -> JobStatus:
    facts = dict(db.execute("SELECT name, value FROM meta"))
    tally = list(db.execute("SELECT reason, n, size FROM tally ORDER BY n DESC"))
    times = [
        row[0]
        for order in ("ASC", "DESC")
        for row in db.execute(
            f"SELECT json_extract(line, '$.fetched_at') FROM record ORDER BY id {order} LIMIT 1"
        )
    ]
    return JobStatus(
        job=str(database.parent),
        by_reason={Reason(reason): n for reason, n, _ in tally},
        pending=int(facts.get("pending", "0")),
        size=sum(size for _, _, size in tally),
        hosts=db.execute("SELECT count(*) FROM host").fetchone()[0],
        busiest=_busiest(db),
        held_back=_states(db, "gate", time.time()),
        slowest=_states(db, "latency", 0.0),
        first_at=times[0] if times else None,
        last_at=times[-1] if times else None,
        settings=msgspec.json.decode(facts.get("settings", "{}")),
        traps=_traps(db) if any(reason == Reason.TRAP for reason, _, _ in tally) else {},
    )


def _traps(db: sqlite3.Connection) -> dict[str, int]:
    rows = db.execute(
        "SELECT coalesce(json_extract(CAST(line AS TEXT), '$.error'), ''), count(*) AS n FROM record"
        " WHERE reason = ? GROUP BY 1 ORDER BY n DESC LIMIT ?",
        (Reason.TRAP, _TRAPS_SHOWN),
    )
    return dict(rows)


def _states(db: sqlite3.Connection, field: str, above: float) -> list[HostState]:
    """The hosts whose state has most of ``field``, and more than ``above``."""
    rows = db.execute(
        "SELECT CAST(state AS TEXT), json_extract(CAST(state AS TEXT), ?) AS much FROM host"
        " WHERE state IS NOT NULL AND much > ? ORDER BY much DESC LIMIT ?",
        (f"$.{field}", above, _HOSTS_HELD),
    )
    return [msgspec.json.decode(state, type=HostState) for state, _ in rows]


def _busiest(db: sqlite3.Connection) -> list[HostWork]:
    rows = db.execute(
        "SELECT origin, state, coalesce(e.n, 0), coalesce(p.n, 0) FROM host"
        " LEFT JOIN (SELECT host, count(*) AS n FROM record GROUP BY host) AS e ON e.host = host.id"
        " LEFT JOIN (SELECT host, count(*) AS n FROM pending GROUP BY host) AS p ON p.host = host.id"
        " ORDER BY coalesce(p.n, 0) DESC, coalesce(e.n, 0) DESC LIMIT ?",
        (_HOSTS_SHOWN,),
    )
    found = []
    for origin, blob, ended, pending in rows:
        state = msgspec.json.decode(blob, type=HostState) if blob else HostState(origin)
        found.append(HostWork(origin, ended, pending, state.next_at, state.gate))
    return found
