"""The frontier's tables: URLs, hosts, records, counters. Synchronous; used by one thread at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from skitter.frontier.database import Database
from skitter.frontier.hosts import Hosts
from skitter.frontier.pending import Waiting, due_retries, fresh, hops_of, unmet, wanted
from skitter.frontier.work import Work, admitted, prepare
from skitter.model import (
    Batch,
    Change,
    Entry,
    Lease,
    Mark,
    Opening,
    Reason,
    Settlement,
)
from skitter.rules.known import Known

__all__ = ["Store"]

_ANY_DEPTH = 2**31
_FIRST = -1, 0
# Keys of the last URLs met (4 MiB) spare nine of ten looks into the table, which were a third of the time of
# a commit.
_KNOWN = 2**19
# As many as are counted in memory.
_PATTERNS = 50_000
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
        self._outputs: dict[str, int] = {}
        self._known = Known(_KNOWN)  # keys of admitted URLs
        self._leased: dict[int, _Lent] = {}
        self._lent = 0  # the last host that was lent
        with database.storage():
            if by_level:  # to find a URL again that a shorter way leads to
                self._db.execute("CREATE INDEX IF NOT EXISTS pending_key ON pending (host, key)")
            prepare(self._db)
            self._hosts = Hosts(self._db)
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
                counts=dict(self._db.execute("SELECT key, n FROM pattern LIMIT ?", (_PATTERNS,))),
                seed_fetched="seed_fetched" in facts,
            )

    def _has_more_hosts(self) -> bool:
        """Is there work of hosts that were not lent yet?"""
        return self._db.execute(_NEXT_HOST, (self._lent,)).fetchone() is not None

    def lease(
        self,
        wants: Mapping[str, int],
        now: float,
        hosts: int = 0,
        each: int = 1,
        forgotten: Sequence[str] = (),
    ) -> list[Lease]:
        """Lend due URLs: retries first, then fresh ones, shallow before deep."""
        with self._database.storage():
            self._hosts.forget(forgotten)
            self._hosts.look_up(wants)
            known = {origin: host for origin in wants if (host := self._hosts.find(origin)) is not None}
            waiting = self._waiting(wants, known)
            leases = []
            for origin, number in wants.items():
                host = known.get(origin)
                leases.append(
                    self._lease_from(waiting.get(host), host, origin, number, now)
                    if host is not None
                    else Lease(origin, (), None)
                )
            if hosts:
                for first in unmet(self._db, self._lent, hosts, each + 1):
                    self._lent = first.host
                    if self._hosts.is_new(first.host):
                        self._hosts.tell(first.host)
                    leases.append(self._lease_from(first, first.host, first.origin, each, now))
                self._more_hosts = self._has_more_hosts()
            return leases

    def _waiting(self, wants: Mapping[str, int], known: Mapping[str, int]) -> Mapping[int, Waiting]:
        """What waits of all hosts that are asked for, in one trip."""
        if self._by_level or not known:
            return {}
        lent = {host: self._leased.get(host) or _Lent() for host in known.values()}
        most = max(wants[origin] + 1 + len(lent[host].places) for origin, host in known.items())
        return wanted(self._db, [(host, *each.upto) for host, each in lent.items()], most)

    def _lease_from(self, waiting: Waiting | None, host: int, origin: str, number: int, now: float) -> Lease:
        """Lend of what waits, if that is all that there is to be looked at."""
        if self._by_level or waiting is None or waiting.retries:
            return self._lease(host, origin, number, now)
        lent = self._leased.get(host)
        entries = waiting.entries
        if lent is not None:
            entries = [entry for entry in entries if entry.seq not in lent.places]
        return self._lend(host, origin, entries, number, None)

    def _lease(self, host: int, origin: str, number: int, now: float) -> Lease:
        lent = self._leased.setdefault(host, _Lent())
        deepest = self._level(host) if self._by_level else _ANY_DEPTH
        retries = due_retries(self._db, host, origin, now, deepest, number + 1 + len(lent.places))
        entries = [entry for entry in retries if entry.seq not in lent.places]
        place = lent.upto
        while (missing := number + 1 - len(entries)) > 0:
            found = fresh(self._db, host, origin, place, deepest, missing)
            if not found:
                break
            place = found[-1].depth, found[-1].seq
            entries += [entry for entry in found if entry.seq not in lent.places]
        more = None if len(entries) > number else self._next_retry(host, now)
        return self._lend(host, origin, entries, number, more)

    def _lend(self, host: int, origin: str, entries: list[Entry], number: int, more: float | None) -> Lease:
        """Lend the first ``number``; there is more at once if there are more of them, else at ``more``."""
        if len(entries) > number:
            more = 0.0
            del entries[number:]
        if entries:
            lent = self._leased.setdefault(host, _Lent())
        for entry in entries:
            lent.places.add(entry.seq)
            if not entry.due:
                lent.upto = entry.depth, entry.seq
        return Lease(origin, tuple(entries), more, self._hosts.untold(host, origin))

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
            origins = [entry.origin for entry in unknown.values()] + [state.origin for state in batch.hosts]
            self._hosts.look_up(origins)
            self._end(batch.settlements, work, due)
            self._admit(unknown, work, due)
            for state in batch.hosts:
                work.host(self._hosts.number(state.origin, work), state)
            self._keep_marks(batch.marks, work)
            self._count(batch.settlements, work, batch.stamp)
            work.apply(self._db)
            self._finish(batch, found, work, due)
        self._known.update(unknown)
        self._hosts.keep(work.met)
        return Change(due, self._more_hosts, len(work.keys), self._pending)

    def _end(self, settlements: Iterable[Settlement], work: Work, due: dict[str, float]) -> None:
        """What was lent leaves the queue: with a record, or for another try later."""
        for settlement in settlements:
            entry = settlement.entry
            host = self._hosts.number(entry.origin, work)
            work.settle(host, entry)
            if settlement.retry is not None:
                self._push(host, settlement.retry, entry.seq, work, due)
                if settlement.attempt is not None:
                    work.attempts.append((entry.key, *msgspec.structs.astuple(settlement.attempt)))
            elif settlement.row is not None:
                work.record(host, entry.key, settlement.row.record, settlement.links)
                work.counts.update(settlement.counts)
            else:
                work.unrecorded += 1
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
                self._push(self._hosts.number(entry.origin, work), entry, self._seq, work, due)
                work.keys.append(key)

    def _finish(self, batch: Batch, found: Iterable[Entry], work: Work, due: dict[str, float]) -> None:
        """What is left to do when the rows are there."""
        for path, mark in batch.marks.items():
            if not mark.size:  # nothing was written: the end is known by what was written before
                self._db.execute(_AS_BEFORE, (self._outputs[path], self._ended))
        if self._by_level:
            for entry in found:
                self._shorten(entry, work)
            self._next_level(batch, work, due)

    def _shorten(self, entry: Entry, work: Work) -> None:
        """A known URL was found by a shorter way: it moves up, if it still waits and is not lent."""
        host = self._hosts.number(entry.origin, work)
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
        self._pending += len(work.keys) - len(work.records) - work.unrecorded
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

    def _next_level(self, batch: Batch, work: Work, due: dict[str, float]) -> None:
        """What has ended may have been the last of its level: the next one can be asked for."""
        for origin in {settlement.entry.origin for settlement in batch.settlements}:
            host = self._hosts.number(origin, work)
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
