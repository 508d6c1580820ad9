"""The job's database: all SQL that writes. Synchronous; used by one thread at a time."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from skitter.errors import JobError, StorageError
from skitter.frontier.pending import ENTRY_COLUMNS, INSERT_PENDING, entry_of, hops_of, values_of
from skitter.frontier.schema import FORMAT, PRAGMAS, SCHEMA
from skitter.model import (
    Batch,
    Change,
    Entry,
    HostState,
    Lease,
    Opening,
    Reason,
    Record,
    RobotsCopy,
    Row,
    Settlement,
)

__all__ = ["Store"]

_STATE = msgspec.json.Decoder(HostState)
_ANY_DEPTH = 2**31
_RECORD = msgspec.json.Decoder(Record)
# Hosts that have pending URLs, without reading the URLs: one step down the tree a host.
_HOSTS_WITH_WORK = """
    WITH RECURSIVE busy(id) AS (
        SELECT min(host) FROM pending
        UNION ALL
        SELECT (SELECT min(host) FROM pending WHERE host > busy.id) FROM busy WHERE busy.id IS NOT NULL
    )
    SELECT host.id, origin, (SELECT due FROM pending WHERE host = busy.id ORDER BY due LIMIT 1)
    FROM busy JOIN host ON host.id = busy.id
"""


class Store:
    """One read-write connection: the only one that the job has."""

    def __init__(self, path: Path, *, by_level: bool = False) -> None:
        """Open or make the database. Raises JobError if it is none of ours, StorageError.

        ``by_level`` lends no URL of a host while a shallower one of it has not ended.
        """
        self.path = path
        self._by_level = by_level
        self._ids: dict[str, int] = {}  # hosts that this run knows
        self._leased: dict[int, set[int]] = {}
        with self._storage():
            # Made by us first, so that nobody else can read it whatever the umask (F7).
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise
            if by_level:  # to find a URL again that a shorter way leads to
                self._db.execute("CREATE INDEX IF NOT EXISTS pending_key ON pending (host, key)")
        self._seq = int(self.facts().get("seq", "0"))

    def _prepare(self) -> None:
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables:
            self._check_format()
        for pragma in PRAGMAS:
            self._db.execute(pragma)
        if not tables:
            self._db.executescript(f"BEGIN; {SCHEMA} INSERT INTO meta VALUES ('format', '{FORMAT}'); COMMIT;")

    def _check_format(self) -> None:
        try:
            row = self._db.execute("SELECT value FROM meta WHERE name = 'format'").fetchone()
        except sqlite3.OperationalError:
            row = None
        found = row[0] if row else None
        if found is None:
            raise JobError(f"{self.path} is not a job of skitter's; choose another --job")
        if found != FORMAT:
            raise JobError(f"{self.path} is of format {found}, this skitter knows {FORMAT}; use a newer one")

    @contextmanager
    def _storage(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if "not a database" in str(error):
                raise JobError(f"{self.path} is not a job of skitter's; choose another --job") from None
            raise StorageError(f"{self.path}: {error}; {_advice(error)}") from error
        except OSError as error:
            raise StorageError(f"{self.path}: {error.strerror}; then run the same command again") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._storage():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close; SQLite folds the log back into the database."""
        with self._storage():
            self._db.close()

    # -- facts and outputs -------------------------------------------------------------------

    def facts(self) -> dict[str, str]:
        """What is remembered of the job itself."""
        with self._storage():
            return dict(self._db.execute("SELECT name, value FROM meta"))

    def remember(self, facts: Mapping[str, str]) -> None:
        """Add or change facts."""
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", facts.items())

    def outputs(self) -> dict[str, tuple[int, int]]:
        """How many records each output holds, and its committed length in bytes."""
        with self._storage():
            rows = self._db.execute(
                "SELECT path, coalesce(upto, (SELECT coalesce(max(id), 0) FROM record)), length FROM output"
            )
            return {path: (upto, length) for path, upto, length in rows}

    def ended(self) -> int:
        """How many records there are."""
        with self._storage():
            return int(self._db.execute("SELECT coalesce(max(id), 0) FROM record").fetchone()[0])

    def keep_output(self, path: str, length: int, upto: int | None) -> None:
        """Note what an output holds: the first ``upto`` records, or (None) every one as it comes."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO output VALUES (?, ?, ?)", (path, length, upto))

    def leave_output(self, path: str) -> None:
        """Records to come will not be written there."""
        with self._transaction():
            self._db.execute(
                "UPDATE output SET upto = (SELECT coalesce(max(id), 0) FROM record)"
                " WHERE path = ? AND upto IS NULL",
                (path,),
            )

    def rows(self, after: int = 0) -> Iterator[Row]:
        """Committed records in order of completion, without the first ``after``."""
        with self._storage():
            for (line,) in self._db.execute("SELECT line FROM record WHERE id > ? ORDER BY id", (after,)):
                yield Row(_RECORD.decode(line))

    def url_of(self, number: int) -> str | None:
        """The URL of the ``number``-th record, counted from 1: ids have no gaps."""
        with self._storage():
            row = self._db.execute("SELECT line FROM record WHERE id = ?", (number,)).fetchone()
        return _RECORD.decode(row[0]).url if row else None

    # -- the frontier ------------------------------------------------------------------------

    def opening(self) -> Opening:
        """What is there at the start of a run."""
        with self._storage():
            due, states = {}, {}
            for host, origin, at in self._db.execute(_HOSTS_WITH_WORK).fetchall():
                self._ids[origin] = host
                due[origin] = at
                if (state := self._state(host)) is not None:
                    states[origin] = state
            tally = {Reason(reason): (n, size) for reason, n, size in self._db.execute("SELECT * FROM tally")}
            facts = self.facts()
            return Opening(
                due=due,
                states=states,
                tally={reason: n for reason, (n, _) in tally.items()},
                pending=int(facts.get("pending", "0")),
                size=sum(size for _, size in tally.values()),
                roots=tuple(root for (root,) in self._db.execute("SELECT root FROM root")),
                seed_fetched="seed_fetched" in facts,
            )

    def _state(self, host: int) -> HostState | None:
        state, status, body, at = self._db.execute(
            "SELECT state, robots_status, robots_body, robots_at FROM host WHERE id = ?", (host,)
        ).fetchone()
        if state is None:
            return None
        robots = None if status is None else RobotsCopy(status, body, at)
        return msgspec.structs.replace(_STATE.decode(state), robots=robots)

    def lease(self, wants: Mapping[str, int], now: float) -> list[Lease]:
        """Lend due URLs: retries first, then fresh ones, shallow before deep."""
        with self._storage():
            return [self._lease(origin, number, now) for origin, number in wants.items()]

    def _lease(self, origin: str, number: int, now: float) -> Lease:
        host = self._ids.get(origin)
        if host is None:
            return Lease(origin, (), None)
        leased = self._leased.setdefault(host, set())
        deepest = self._level(host) if self._by_level else _ANY_DEPTH
        entries: list[Entry] = []
        for bounds in ((0.0, now), (-1.0, 0.0)):  # retries that are due, then fresh ones
            wanted = number + 1 - len(entries)
            rows = self._db.execute(
                f"SELECT {ENTRY_COLUMNS} FROM pending WHERE host = ? AND due > ? AND due <= ?"
                " AND depth <= ? ORDER BY due, depth, seq LIMIT ?",
                (host, *bounds, deepest, wanted + len(leased)),
            )
            entries += [entry_of(origin, row) for row in rows if row[-1] not in leased][:wanted]
        more = 0.0 if len(entries) > number else self._next_retry(host, now)
        del entries[number:]
        leased.update(entry.seq for entry in entries)
        return Lease(origin, tuple(entries), more)

    def _level(self, host: int) -> int:
        """The least depth of any URL of the host that has not ended, lent or not."""
        (retry,) = self._db.execute(
            "SELECT min(depth) FROM pending WHERE host = ? AND due > 0", (host,)
        ).fetchone()
        fresh = self._db.execute(
            "SELECT depth FROM pending WHERE host = ? AND due = 0 ORDER BY depth LIMIT 1", (host,)
        ).fetchone()
        depths = [depth for depth in (retry, fresh[0] if fresh else None) if depth is not None]
        return min(depths, default=_ANY_DEPTH)

    def _next_retry(self, host: int, now: float) -> float | None:
        row = self._db.execute(
            "SELECT due FROM pending WHERE host = ? AND due > ? ORDER BY due LIMIT 1", (host, now)
        ).fetchone()
        return row[0] if row else None

    def admit(self, entries: Sequence[Entry], roots: Sequence[str]) -> Change:
        """Take seeds."""
        return self.settle(Batch(settlements=(), roots=tuple(roots)), seeds=entries)

    def settle(self, batch: Batch, seeds: Sequence[Entry] = ()) -> Change:
        """One transaction: records, links, retries, hosts, counters, output lengths."""
        work = _Work(due={}, states={})
        with self._transaction():
            self._admit(seeds, work)
            for settlement in batch.settlements:
                self._settle(settlement, work)
            self._keep_hosts(batch.hosts)
            self._db.executemany("INSERT OR IGNORE INTO root VALUES (?)", ((root,) for root in batch.roots))
            self._db.executemany(
                "UPDATE output SET length = ? WHERE path = ?",
                ((length, path) for path, length in batch.offsets.items()),
            )
            pending = self._count(work)
            if self._by_level:
                self._next_level(batch, work)
        return Change(work.due, work.states, work.admitted, pending)

    def _settle(self, settlement: Settlement, work: _Work) -> None:
        entry = settlement.entry
        host = self._id(entry.origin, work)
        self._db.execute(
            "DELETE FROM pending WHERE host = ? AND due = ? AND depth = ? AND seq = ?",
            (host, entry.due, entry.depth, entry.seq),
        )
        work.settled.append((host, entry.seq))
        if settlement.retry is not None:
            self._push(host, settlement.retry, entry.seq, work)
        elif settlement.row is not None:
            self._record(host, entry, settlement.row.record, settlement.links, work)
        self._admit(settlement.found, work)

    def _record(self, host: int, entry: Entry, record: Record, links: bytes, work: _Work) -> None:
        row = self._db.execute(
            "INSERT INTO record (key, host, reason, line, links) VALUES (?, ?, ?, ?, ?)",
            (entry.key, host, record.reason, msgspec.json.encode(record), links or None),
        ).lastrowid
        self._db.execute("UPDATE seen SET record = ? WHERE key = ?", (row, entry.key))
        work.ended += 1
        work.tally.append((record.reason, record.size))
        work.seed_fetched |= entry.seed and record.reason is Reason.FETCHED

    def _admit(self, entries: Iterable[Entry], work: _Work) -> None:
        for entry in entries:
            added = self._db.execute("INSERT OR IGNORE INTO seen (key) VALUES (?)", (entry.key,))
            if added.rowcount:
                self._seq += 1
                work.admitted += 1
                self._push(self._id(entry.origin, work), entry, self._seq, work)
            elif self._by_level:
                self._shorten(entry, work)

    def _shorten(self, entry: Entry, work: _Work) -> None:
        """A known URL was found by a shorter way: it moves up, if it still waits and is not lent."""
        host = self._id(entry.origin, work)
        row = self._db.execute(
            "SELECT due, depth, seq FROM pending WHERE host = ? AND key = ? AND depth > ?",
            (host, entry.key, entry.depth),
        ).fetchone()
        if row and row[2] not in self._leased.get(host, ()):
            self._db.execute(
                "UPDATE pending SET depth = ?, referrer = ?, hops = ?"
                " WHERE host = ? AND due = ? AND depth = ? AND seq = ?",
                (entry.depth, entry.referrer, hops_of(entry), host, *row),
            )

    def _push(self, host: int, entry: Entry, seq: int, work: _Work) -> None:
        self._db.execute(INSERT_PENDING, values_of(host, seq, entry))
        work.due[entry.origin] = min(entry.due, work.due.get(entry.origin, entry.due))

    def _id(self, origin: str, work: _Work) -> int:
        """The host's number; what a former run knew of it comes along with the first mention."""
        host = self._ids.get(origin)
        if host is None:
            found = self._db.execute("SELECT id FROM host WHERE origin = ?", (origin,)).fetchone()
            if found:
                host = found[0]
                if (state := self._state(host)) is not None:
                    work.states[origin] = state
            else:
                host = self._db.execute("INSERT INTO host (origin) VALUES (?)", (origin,)).lastrowid
            assert host is not None
            self._ids[origin] = host
        return host

    def _keep_hosts(self, states: Iterable[HostState]) -> None:
        for state in states:
            self._db.execute(
                "INSERT INTO host (origin, state) VALUES (?, ?)"
                " ON CONFLICT (origin) DO UPDATE SET state = excluded.state",
                (state.origin, msgspec.json.encode(msgspec.structs.replace(state, robots=None))),
            )
            if state.robots is not None:
                self._db.execute(
                    "UPDATE host SET robots_status = ?, robots_body = ?, robots_at = ? WHERE origin = ?",
                    (state.robots.status, state.robots.body, state.robots.fetched_at, state.origin),
                )

    def _count(self, work: _Work) -> int:
        """Bring the counters up to date; they live and die with the rows that they count."""
        self._db.executemany(
            "INSERT INTO tally VALUES (?, 1, ?)"
            " ON CONFLICT (reason) DO UPDATE SET n = n + 1, size = size + excluded.size",
            work.tally,
        )
        pending = int(self.facts().get("pending", "0")) + work.admitted - work.ended
        facts = {"pending": str(pending), "seq": str(self._seq)}
        if work.seed_fetched:
            facts["seed_fetched"] = "1"
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", facts.items())
        for host, seq in work.settled:
            self._leased.get(host, set()).discard(seq)
        return pending

    def _next_level(self, batch: Batch, work: _Work) -> None:
        """What has ended may have been the last of its level: the next one can be asked for."""
        for origin in {settlement.entry.origin for settlement in batch.settlements}:
            host = self._ids[origin]
            if self._db.execute("SELECT 1 FROM pending WHERE host = ? LIMIT 1", (host,)).fetchone():
                work.due.setdefault(origin, 0.0)


def _advice(error: sqlite3.DatabaseError) -> str:
    if "malformed" in str(error):
        return "the job's database is damaged: --fresh starts over"
    return "free some space or mend the disk, then run the same command"


class _Work(msgspec.Struct):
    """What one transaction has done so far."""

    due: dict[str, float]
    states: dict[str, HostState]
    admitted: int = 0
    ended: int = 0
    seed_fetched: bool = False
    tally: list[tuple[str, int]] = []
    settled: list[tuple[int, int]] = []
