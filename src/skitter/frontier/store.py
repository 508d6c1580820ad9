"""The frontier's tables: URLs, hosts, records, counters. Synchronous; used by one thread at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from skitter.frontier.database import Database
from skitter.frontier.pending import ENTRY_COLUMNS, INSERT_PENDING, entry_of, hops_of, values_of
from skitter.model import (
    Batch,
    Change,
    Entry,
    HostState,
    Lease,
    Mark,
    Opening,
    Reason,
    Record,
    RobotsCopy,
    Settlement,
)

__all__ = ["Store"]

_STATE = msgspec.json.Decoder(HostState)
_ANY_DEPTH = 2**31
# Numbers of hosts that are kept at hand: about 10 MB.
_IDS_KEPT = 50_000
# Most links of a page are on the page before, too: the keys of the last ones met (8 MB) spare nine of ten
# trips into the table, which were a third of the time of a commit.
_LATELY_KEPT = 100_000
_AS_BEFORE = """
    UPDATE mark SET (size, crc) = (SELECT size, crc FROM mark AS former
        WHERE former.output = mark.output AND former.upto < mark.upto ORDER BY former.upto DESC LIMIT 1)
    WHERE output = ? AND upto = ?
"""
_NEXT_HOST = "SELECT host FROM pending WHERE host > ? ORDER BY host LIMIT 1"


class Store:
    """A frontier in a job's database. Raises StorageError.

    Hosts are lent in the order in which they were met: all up to ``_lent`` are known to who asks, and
    the others wait in the database, so that memory does not follow their number.
    """

    def __init__(self, database: Database, *, by_level: bool = False) -> None:
        """``by_level`` lends no URL of a host while a shallower one of it has not ended."""
        self._database = database
        self._db = database.connection
        self._by_level = by_level
        self._ids: dict[str, int] = {}
        self._outputs: dict[str, int] = {}
        self._lately: set[int] = set()  # keys that are known to be admitted
        self._leased: dict[int, set[int]] = {}
        self._lent = 0  # the last host that was lent
        self._told: set[int] = set()  # hosts of a former run of which all is said
        with database.storage():
            if by_level:  # to find a URL again that a shorter way leads to
                self._db.execute("CREATE INDEX IF NOT EXISTS pending_key ON pending (host, key)")
            # Hosts up to here were met by a former run.
            (self._former,) = self._db.execute("SELECT coalesce(max(id), 0) FROM host").fetchone()
        self._seq = int(database.facts().get("seq", "0"))

    def close(self) -> None:
        """Close the database, too."""
        self._database.close()

    # -- the frontier ------------------------------------------------------------------------

    def opening(self) -> Opening:
        """What is there at the start of a run."""
        with self._database.storage():
            tally = {Reason(reason): (n, size) for reason, n, size in self._db.execute("SELECT * FROM tally")}
            facts = self._database.facts()
            return Opening(
                tally={reason: n for reason, (n, _) in tally.items()},
                pending=int(facts.get("pending", "0")),
                more_hosts=self._more_hosts(),
                size=sum(size for _, size in tally.values()),
                roots=tuple(root for (root,) in self._db.execute("SELECT root FROM root")),
                seed_fetched="seed_fetched" in facts,
            )

    def _more_hosts(self) -> bool:
        """Is there work of hosts that were not lent yet?"""
        return self._db.execute(_NEXT_HOST, (self._lent,)).fetchone() is not None

    def _state(self, host: int, origin: str) -> HostState:
        state, status, body, at = self._db.execute(
            "SELECT state, robots_status, robots_body, robots_at FROM host WHERE id = ?", (host,)
        ).fetchone()
        if state is None:
            return HostState(origin)
        robots = None if status is None else RobotsCopy(status, body, at)
        return msgspec.structs.replace(_STATE.decode(state), robots=robots)

    def lease(self, wants: Mapping[str, int], now: float, hosts: int = 0, each: int = 1) -> list[Lease]:
        """Lend due URLs: retries first, then fresh ones, shallow before deep."""
        with self._database.storage():
            leases = []
            for origin, number in wants.items():
                host = self._find(origin)
                leases.append(self._lease(host, origin, number, now) if host else Lease(origin, (), None))
            for _ in range(hosts):
                row = self._db.execute(_NEXT_HOST, (self._lent,)).fetchone()
                if row is None:
                    break
                leases.append(self._lease_first(row[0], each, now))
            return leases

    def _lease_first(self, host: int, number: int, now: float) -> Lease:
        self._lent = host
        (origin,) = self._db.execute("SELECT origin FROM host WHERE id = ?", (host,)).fetchone()
        return self._lease(host, origin, number, now)

    def _lease(self, host: int, origin: str, number: int, now: float) -> Lease:
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
        return Lease(origin, tuple(entries), more, self._untold(host, origin))

    def _untold(self, host: int, origin: str) -> HostState | None:
        """What a former run knew of the host, at its first lease."""
        if host > self._former or host in self._told:
            return None
        self._told.add(host)
        return self._state(host, origin)

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
        work = _Work(due={})
        with self._database.transaction():
            self._admit(seeds, work)
            for settlement in batch.settlements:
                self._settle(settlement, work)
            self._keep_hosts(batch.hosts)
            self._db.executemany("INSERT OR IGNORE INTO root VALUES (?)", ((root,) for root in batch.roots))
            self._keep_marks(batch.marks, work)
            pending = self._count(work, batch.stamp)
            if self._by_level:
                self._next_level(batch, work)
        with self._database.storage():
            return Change(work.due, self._more_hosts(), work.admitted, pending)

    def _settle(self, settlement: Settlement, work: _Work) -> None:
        entry = settlement.entry
        host = self._id(entry.origin)
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
        assert row is not None
        work.ended, work.last = work.ended + 1, row
        work.tally.append((record.reason, record.size))
        work.seed_fetched |= entry.seed and record.reason is Reason.FETCHED

    def _admit(self, entries: Iterable[Entry], work: _Work) -> None:
        for entry in entries:
            if entry.key in self._lately and not self._by_level:
                continue
            self._lately.add(entry.key)
            added = self._db.execute("INSERT OR IGNORE INTO seen (key) VALUES (?)", (entry.key,))
            if added.rowcount:
                self._seq += 1
                work.admitted += 1
                self._push(self._id(entry.origin), entry, self._seq, work)
            elif self._by_level:
                self._shorten(entry, work)

        if len(self._lately) > _LATELY_KEPT:
            self._lately.clear()

    def _shorten(self, entry: Entry, work: _Work) -> None:
        """A known URL was found by a shorter way: it moves up, if it still waits and is not lent."""
        host = self._id(entry.origin)
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
        if host <= self._lent:
            work.due[entry.origin] = min(entry.due, work.due.get(entry.origin, entry.due))

    def _find(self, origin: str) -> int | None:
        host = self._ids.get(origin)
        if host is None:
            row = self._db.execute("SELECT id FROM host WHERE origin = ?", (origin,)).fetchone()
            if row is None:
                return None
            host = self._remember(origin, row[0])
        return host

    def _id(self, origin: str) -> int:
        """The host's number; it gets one at its first mention."""
        host = self._find(origin)
        if host is None:
            added = self._db.execute("INSERT INTO host (origin) VALUES (?)", (origin,)).lastrowid
            assert added is not None
            host = self._remember(origin, added)
        return host

    def _remember(self, origin: str, host: int) -> int:
        if len(self._ids) >= _IDS_KEPT:
            self._ids.clear()
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

    def _keep_marks(self, marks: Mapping[str, Mark], work: _Work) -> None:
        """Note what the outputs hold, now that these records are among what is committed."""
        for path, mark in marks.items():
            number = self._outputs.get(path)
            if number is None:
                (number,) = self._db.execute("SELECT id FROM output WHERE path = ?", (path,)).fetchone()
                self._outputs[path] = number
            self._db.execute(
                "INSERT INTO mark VALUES (?, ?, ?, ?, ?)",
                (number, work.last, mark.length, mark.size, mark.crc),
            )
            if not mark.size:  # nothing was written: the end is known by what was written before
                self._db.execute(_AS_BEFORE, (number, work.last))

    def _count(self, work: _Work, stamp: str) -> int:
        """Bring the counters up to date; they live and die with the rows that they count."""
        self._db.executemany(
            "INSERT INTO tally VALUES (?, 1, ?)"
            " ON CONFLICT (reason) DO UPDATE SET n = n + 1, size = size + excluded.size",
            work.tally,
        )
        pending = int(self._database.facts().get("pending", "0")) + work.admitted - work.ended
        facts = {"pending": str(pending), "seq": str(self._seq)}
        if stamp:
            facts["stamp"] = stamp
        if work.seed_fetched:
            facts["seed_fetched"] = "1"
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", facts.items())
        for host, seq in work.settled:
            lent = self._leased.get(host, set())
            lent.discard(seq)
            if not lent:
                self._leased.pop(host, None)
        return pending

    def _next_level(self, batch: Batch, work: _Work) -> None:
        """What has ended may have been the last of its level: the next one can be asked for."""
        for origin in {settlement.entry.origin for settlement in batch.settlements}:
            host = self._id(origin)
            if host > self._lent:
                continue
            if self._db.execute("SELECT 1 FROM pending WHERE host = ? LIMIT 1", (host,)).fetchone():
                work.due.setdefault(origin, 0.0)


class _Work(msgspec.Struct):
    """What one transaction has done so far."""

    due: dict[str, float]
    admitted: int = 0
    ended: int = 0
    last: int = 0  # number of the last record
    seed_fetched: bool = False
    tally: list[tuple[str, int]] = []
    settled: list[tuple[int, int]] = []
