"""The frontier of a crawl that leaves nothing behind."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count, islice

from msgspec.structs import replace

from skitter.model import Batch, Change, Entry, HostState, Lease, Mark, Opening, Reason, Row
from skitter.threads import in_thread

__all__ = ["MemoryFrontier"]

# Seeds are taken in while fewer URLs than this are pending, so that an endless list does not fill
# the memory (pitfall 6); about 50 MiB.
_PENDING_AHEAD = 100_000
# Links that are admitted in one turn of the loop: 3 ms.
_AT_ONCE = 1_000


class _Queue:
    """The pending URLs of one host: fresh ones by depth and age, retries by time."""

    __slots__ = ("depths", "fresh", "open_depths", "retries")

    def __init__(self) -> None:
        self.open_depths: Counter[int] = Counter()  # of URLs that have not ended, lent or not
        self.depths: dict[int, int] = {}  # of fresh URLs that wait here, by key
        self.fresh: list[tuple[int, int, Entry]] = []
        self.retries: list[tuple[float, int, Entry]] = []

    def push(self, entry: Entry) -> None:
        if entry.due:
            self.retries.append((entry.due, entry.seq, entry))
        else:
            heapq.heappush(self.fresh, (entry.depth, entry.seq, entry))
            self.depths[entry.key] = entry.depth

    def pop(self, now: float, deepest: float) -> Entry | None:
        """Retries that are due first: they are older than anything fresh."""
        due = [item for item in self.retries if item[0] <= now and item[2].depth <= deepest]
        if due:
            first = min(due)
            self.retries.remove(first)
            return first[2]
        if self.fresh and self.fresh[0][0] <= deepest:
            entry = heapq.heappop(self.fresh)[2]
            del self.depths[entry.key]
            return entry
        return None

    def level(self) -> int:
        """The least depth of any URL that has not ended."""
        return min(self.open_depths)

    def ended(self, depth: int) -> None:
        self.open_depths[depth] -= 1
        if not self.open_depths[depth]:
            del self.open_depths[depth]

    def shorten(self, entry: Entry) -> None:
        """A known URL was found by a shorter way: it moves up, if it still waits here."""
        if self.depths.get(entry.key, 0) <= entry.depth:
            return
        for item in self.fresh:
            former = item[2]
            if former.key == entry.key and former.depth > entry.depth:
                self.fresh.remove(item)
                heapq.heapify(self.fresh)
                moved = replace(former, depth=entry.depth, referrer=entry.referrer, hops=entry.hops)
                self.push(moved)
                self.ended(former.depth)
                self.open_depths[moved.depth] += 1
                return

    def more(self, deepest: float) -> float | None:
        if self.fresh and self.fresh[0][0] <= deepest:
            return 0.0
        return min((due for due, _, entry in self.retries if entry.depth <= deepest), default=None)


class MemoryFrontier:
    """Keys of all URLs and the pending ones, in dictionaries. Records are counted, not kept."""

    def __init__(self, *, by_level: bool = False) -> None:
        """``by_level`` lends no URL of a host while a shallower one of it has not ended."""
        self._by_level = by_level
        self._seen: set[int] = set()
        self._queues: dict[str, _Queue] = {}
        self._seqs = count(1)
        self._pending = 0
        self._settled = asyncio.Event()
        self._tally: Counter[Reason] = Counter()
        self._size = 0
        self._roots: set[str] = set()
        self._states: dict[str, HostState] = {}
        self._former: dict[str, HostState] = {}  # of these, what was known when it was opened
        self._unmet: dict[str, None] = {}  # hosts with work that were not lent yet, in order
        self._counts: Counter[int] = Counter()  # URLs by pattern
        self._seed_fetched = False

    async def open(self) -> Opening:
        self._former = dict(self._states)
        self._unmet = dict.fromkeys(self._queues)
        return Opening(
            dict(self._tally), self._pending, self._more_hosts(), self._size, tuple(self._roots),
            dict(self._counts), self._seed_fetched,
        )  # fmt: skip

    async def admit(self, entries: Sequence[Entry], roots: Sequence[str] = ()) -> Change:
        # What a sitemap names comes from a server that waits for us.
        while self._pending > _PENDING_AHEAD and any(entry.given for entry in entries[:1]):
            self._settled.clear()
            await self._settled.wait()
        due: dict[str, float] = {}
        admitted = self._admit(entries, due)
        self._roots.update(roots)
        return Change(due, self._more_hosts(), admitted, self._pending)

    async def lease(
        self,
        wants: Mapping[str, int],
        now: float,
        hosts: int = 0,
        each: int = 1,
        forgotten: Sequence[str] = (),
    ) -> Sequence[Lease]:
        for origin in forgotten:
            if origin in self._states:
                self._former[origin] = self._states[origin]
        leases = [self._lease(origin, number, now) for origin, number in wants.items()]
        for origin in tuple(islice(self._with_work(), hosts)):
            while (passed := next(iter(self._unmet))) != origin:
                del self._unmet[passed]
            del self._unmet[origin]
            leases.append(self._lease(origin, each, now))
        return leases

    def _with_work(self) -> Iterator[str]:
        """Hosts that were not lent yet and have URLs that have not ended."""
        return (origin for origin in self._unmet if self._queues[origin].open_depths)

    def _more_hosts(self) -> bool:
        return next(self._with_work(), None) is not None

    def _lease(self, origin: str, number: int, now: float) -> Lease:
        queue = self._queues.get(origin) or _Queue()
        deepest = queue.level() if self._by_level and queue.open_depths else math.inf
        entries: list[Entry] = []
        while len(entries) < number and (entry := queue.pop(now, deepest)) is not None:
            entries.append(entry)
        return Lease(origin, tuple(entries), queue.more(deepest), self._former.pop(origin, None))

    def knows(self, key: int) -> bool:
        return not self._by_level and key in self._seen

    async def settle(self, batch: Batch, write: Callable[[], Mapping[str, Mark]] | None = None) -> Change:
        if write is not None:
            await in_thread(write)
        due: dict[str, float] = {}
        admitted = 0
        for settlement in batch.settlements:
            entry = settlement.entry
            if settlement.retry is not None:
                self._push(replace(settlement.retry, seq=entry.seq), due)
            else:
                self._pending -= 1
                if settlement.row is not None:
                    self._count(settlement.row, entry)
                self._counts.update(settlement.counts)
                self._queues[entry.origin].ended(entry.depth)
            for start in range(0, len(settlement.found), _AT_ONCE):
                if start:  # a page may have 50,000 links, and this is the loop
                    await asyncio.sleep(0)
                admitted += self._admit(settlement.found[start : start + _AT_ONCE], due)
            if self._by_level and entry.origin not in self._unmet and self._queues[entry.origin].open_depths:
                # It may have been the last of its level: the next one can be asked for.
                due.setdefault(entry.origin, 0.0)
        for state in batch.hosts:
            former = self._states.get(state.origin)
            robots = state.robots or (former.robots if former else None)
            self._states[state.origin] = replace(state, robots=robots)
        self._roots.update(batch.roots)
        self._settled.set()
        return Change(due, self._more_hosts(), admitted, self._pending)

    async def close(self) -> None:
        pass

    def _count(self, row: Row, entry: Entry) -> None:
        self._tally[row.record.reason] += 1
        self._size += row.record.size
        if entry.seed and row.record.reason is Reason.FETCHED:
            self._seed_fetched = True

    def _admit(self, entries: Iterable[Entry], due: dict[str, float]) -> int:
        before = len(self._seen)
        for entry in entries:
            if entry.key not in self._seen:
                self._seen.add(entry.key)
                self._pending += 1
                self._push(replace(entry, seq=next(self._seqs)), due)
                self._queues[entry.origin].open_depths[entry.depth] += 1
            elif self._by_level:
                self._queues[entry.origin].shorten(entry)
        return len(self._seen) - before

    def _push(self, entry: Entry, due: dict[str, float]) -> None:
        queue = self._queues.get(entry.origin)
        if queue is None:
            queue = self._queues[entry.origin] = _Queue()
            self._unmet[entry.origin] = None
        queue.push(entry)
        if entry.origin not in self._unmet:
            due[entry.origin] = min(entry.due, due.get(entry.origin, entry.due))
