"""The frontier's tables: URLs, hosts, records, counters. Synchronous; used by one thread at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from skitter.frontier.database import Database
from skitter.frontier.pending import due_retries, fresh, hops_of
from skitter.frontier.work import Work, admitted, prepare
from skitter.model import (
    Batch,
    Change,
    Entry,
    HostState,
    Lease,
    Mark,
    Opening,
    Reason,
    RobotsCopy,
    Settlement,
)
from skitter.rules.known import Known

__all__ = ["Store"]

_STATE = msgspec.json.Decoder(HostState)
_ANY_DEPTH = 2**31
_FIRST = -1, 0
# Numbers of hosts that are kept at hand: about 10 MB.
_IDS_KEPT = 50_000
# Keys of the last URLs met (8 to 16 MB) spare nine of ten looks into the table, which were a third of the
# time of a commit.
_KNOWN = 100_000
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
        self._known = Known(_KNOWN)  # keys of admitted URLs
        self._leased: dict[int, _Lent] = {}
        self._lent = 0  # the last host that was lent
        self._told: set[int] = set()  # hosts of a former run of which all is said
        with database.storage():
            if by_level:  # to find a URL again that a shorter way leads to
                self._db.execute("CREATE INDEX IF NOT EXISTS pending_key ON pending (host, key)")
            prepare(self._db)
            # Hosts up to here were met by a former run.
            (self._former,) = self._db.execute("SELECT coalesce(max(id), 0) FROM host").fetchone()
            (self._ended,) = self._db.execute("SELECT coalesce(max(id), 0) FROM record").fetchone()
            self._more_hosts = self._has_more_hosts()
        facts = database.facts()
        self._seq = int(facts.get("seq", "0"))
        self._pending = int(facts.get("pending", "0"))

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
                pending=self._pending,
                more_hosts=self._more_hosts,
                size=sum(size for _, size in tally.values()),
                roots=tuple(root for (root,) in self._db.execute("SELECT root FROM root")),
                seed_fetched="seed_fetched" in facts,
            )

    def _has_more_hosts(self) -> bool:
        """Is there work of hosts that were not lent yet?"""
        return self._db.execute(_NEXT_HOST, (self._lent,)).fetchone() is not None

    def _state(self, host: int, origin: str) -> HostState:
        state, status, body, at = self._db.execute(
            "SELECT state, robots_status, robots_body, robots_at FROM host WHERE id = ?", (host,)
        ).fetchone()
        if state is None:
            return HostState(origin)
        robots = None if status is None else RobotsCopy(status, body, at)
        return replace(_STATE.decode(state), robots=robots)

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
            if hosts:
                self._more_hosts = self._has_more_hosts()
            return leases

    def _lease_first(self, host: int, number: int, now: float) -> Lease:
        self._lent = host
        (origin,) = self._db.execute("SELECT origin FROM host WHERE id = ?", (host,)).fetchone()
        return self._lease(host, origin, number, now)

    def _lease(self, host: int, origin: str, number: int, now: float) -> Lease:
        lent = self._leased.setdefault(host, _Lent())
        deepest = self._level(host) if self._by_level else _ANY_DEPTH
        retries = due_retries(self._db, host, origin, now, deepest, number + 1 + len(lent.places))
        entries = [entry for entry in retries if entry.seq not in lent.places]
        place = lent.upto
        while (wanted := number + 1 - len(entries)) > 0:
            found = fresh(self._db, host, origin, place, deepest, wanted)
            if not found:
                break
            place = found[-1].depth, found[-1].seq
            entries += [entry for entry in found if entry.seq not in lent.places]
        more = 0.0 if len(entries) > number else self._next_retry(host, now)
        del entries[number:]
        for entry in entries:
            lent.places.add(entry.seq)
            if not entry.due:
                lent.upto = entry.depth, entry.seq
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
        work = Work(roots=list(batch.roots))
        due: dict[str, float] = {}
        found = seeds or [entry for ended in batch.settlements for entry in ended.found]
        unknown: dict[int, Entry] = {}
        for entry in found:
            if entry.key not in self._known:
                unknown.setdefault(entry.key, entry)
        with self._database.transaction():
            self._end(batch.settlements, work, due)
            self._admit(unknown, work, due)
            self._keep_hosts(batch.hosts, work)
            self._keep_marks(batch.marks, work)
            self._count(batch.settlements, work, batch.stamp)
            work.apply(self._db)
            self._finish(batch, found, due)
        self._known.update(unknown)
        return Change(due, self._more_hosts, len(work.keys), self._pending)

    def _end(self, settlements: Iterable[Settlement], work: Work, due: dict[str, float]) -> None:
        """What was lent leaves the queue: with a record, or for another try later."""
        for settlement in settlements:
            entry = settlement.entry
            host = self._id(entry.origin)
            work.settle(host, entry)
            if settlement.retry is not None:
                self._push(host, settlement.retry, entry.seq, work, due)
            elif settlement.row is not None:
                work.record(host, entry.key, settlement.row.record, settlement.links)
        self._ended += len(work.records)

    def knows(self, key: int) -> bool:
        """Is it certain that this key was admitted? Asked from other threads, too. With levels every mention
        counts: it may be a shorter way."""
        return not self._by_level and key in self._known

    def _admit(self, entries: Mapping[int, Entry], work: Work, due: dict[str, float]) -> None:
        """Queue the URLs that were never met."""
        if not entries:
            return
        old = admitted(self._db, entries)
        for key, entry in entries.items():
            if key not in old:
                self._seq += 1
                self._push(self._id(entry.origin), entry, self._seq, work, due)
                work.keys.append(key)

    def _finish(self, batch: Batch, found: Iterable[Entry], due: dict[str, float]) -> None:
        """What is left to do when the rows are there."""
        for path, mark in batch.marks.items():
            if not mark.size:  # nothing was written: the end is known by what was written before
                self._db.execute(_AS_BEFORE, (self._outputs[path], self._ended))
        for state in batch.hosts:
            if state.robots is not None:
                self._db.execute(
                    "UPDATE host SET robots_status = ?, robots_body = ?, robots_at = ? WHERE origin = ?",
                    (state.robots.status, state.robots.body, state.robots.fetched_at, state.origin),
                )
        if self._by_level:
            for entry in found:
                self._shorten(entry)
            self._next_level(batch, due)

    def _shorten(self, entry: Entry) -> None:
        """A known URL was found by a shorter way: it moves up, if it still waits and is not lent."""
        host = self._id(entry.origin)
        row = self._db.execute(
            "SELECT due, depth, seq FROM pending WHERE host = ? AND key = ? AND depth > ?",
            (host, entry.key, entry.depth),
        ).fetchone()
        lent = self._leased.get(host)
        if row and not (lent and row[2] in lent.places):
            if lent:
                lent.upto = _FIRST
            self._db.execute(
                "UPDATE pending SET depth = ?, referrer = ?, hops = ?"
                " WHERE host = ? AND due = ? AND depth = ? AND seq = ?",
                (entry.depth, entry.referrer, hops_of(entry), host, *row),
            )

    def _push(self, host: int, entry: Entry, seq: int, work: Work, due: dict[str, float]) -> None:
        work.push(host, seq, entry)
        lent = self._leased.get(host)
        if lent and (entry.depth, seq) < lent.upto:
            lent.upto = _FIRST
        if host <= self._lent:
            due[entry.origin] = min(entry.due, due.get(entry.origin, entry.due))
        else:
            self._more_hosts = True  # until it is lent, its URLs stay

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

    def _keep_hosts(self, states: Iterable[HostState], work: Work) -> None:
        work.hosts.extend((state.origin, replace(state, robots=None)) for state in states)

    def _keep_marks(self, marks: Mapping[str, Mark], work: Work) -> None:
        """Note what the outputs hold, now that these records are among what is committed."""
        for path, mark in marks.items():
            number = self._outputs.get(path)
            if number is None:
                (number,) = self._db.execute("SELECT id FROM output WHERE path = ?", (path,)).fetchone()
                self._outputs[path] = number
            work.mark(number, self._ended, mark)

    def _count(self, settlements: Iterable[Settlement], work: Work, stamp: str) -> None:
        """Bring the counters up to date; they live and die with the rows that they count."""
        self._pending += len(work.keys) - len(work.records)
        work.facts |= {"pending": str(self._pending), "seq": str(self._seq)}
        if stamp:
            work.facts["stamp"] = stamp
        if any(_is_fetched_seed(settlement) for settlement in settlements):
            work.facts["seed_fetched"] = "1"
        for host, seq in work.settled:
            if lent := self._leased.get(host):
                lent.places.discard(seq)
                if not lent.places:
                    del self._leased[host]

    def _next_level(self, batch: Batch, due: dict[str, float]) -> None:
        """What has ended may have been the last of its level: the next one can be asked for."""
        for origin in {settlement.entry.origin for settlement in batch.settlements}:
            host = self._id(origin)
            if host > self._lent:
                continue
            if self._db.execute("SELECT 1 FROM pending WHERE host = ? LIMIT 1", (host,)).fetchone():
                due.setdefault(origin, 0.0)


class _Lent(msgspec.Struct):
    """What of a host is lent: URLs by their ``seq``, and none of those that were never tried is left before
    ``upto``, in the order of (depth, seq)."""

    places: set[int] = set()
    upto: tuple[int, int] = _FIRST


def _is_fetched_seed(settlement: Settlement) -> bool:
    row = settlement.row
    return row is not None and settlement.entry.seed and row.record.reason is Reason.FETCHED
