"""The frontier of a crawl that leaves nothing behind."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count

from msgspec.structs import replace

from skitter.model import Batch, Change, Entry, HostState, Lease, Opening, Reason, Row

__all__ = ["MemoryFrontier"]

# Seeds are taken in while fewer URLs than this are pending, so that an endless list does not fill
# the memory (pitfall 6); about 50 MiB.
_PENDING_AHEAD = 100_000


class _Queue:
    """The pending URLs of one host: fresh ones by depth and age, retries by time."""

    __slots__ = ("fresh", "retries")

    def __init__(self) -> None:
        self.fresh: list[tuple[int, int, Entry]] = []
        self.retries: list[tuple[float, int, Entry]] = []

    def push(self, entry: Entry) -> None:
        if entry.due:
            heapq.heappush(self.retries, (entry.due, entry.seq, entry))
        else:
            heapq.heappush(self.fresh, (entry.depth, entry.seq, entry))

    def pop(self, now: float) -> Entry | None:
        """Retries that are due first: they are older than anything fresh."""
        if self.retries and self.retries[0][0] <= now:
            return heapq.heappop(self.retries)[2]
        return heapq.heappop(self.fresh)[2] if self.fresh else None

    def more(self) -> float | None:
        if self.fresh:
            return 0.0
        return self.retries[0][0] if self.retries else None


class MemoryFrontier:
    """Keys of all URLs and the pending ones, in dictionaries. Records are counted, not kept."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._queues: dict[str, _Queue] = {}
        self._seqs = count(1)
        self._pending = 0
        self._settled = asyncio.Event()
        self._tally: Counter[Reason] = Counter()
        self._size = 0
        self._roots: set[str] = set()
        self._states: dict[str, HostState] = {}
        self._seed_fetched = False

    async def open(self) -> Opening:
        due = {origin: more for origin, queue in self._queues.items() if (more := queue.more()) is not None}
        return Opening(
            due, {origin: self._states[origin] for origin in due if origin in self._states},
            dict(self._tally), self._pending, self._size, tuple(self._roots), self._seed_fetched,
        )  # fmt: skip

    async def admit(self, entries: Sequence[Entry], roots: Sequence[str] = ()) -> Change:
        while self._pending > _PENDING_AHEAD:
            self._settled.clear()
            await self._settled.wait()
        due: dict[str, float] = {}
        admitted = self._admit(entries, due)
        self._roots.update(roots)
        return Change(due, {}, admitted, self._pending)

    async def lease(self, wants: Mapping[str, int], now: float) -> Sequence[Lease]:
        leases = []
        for origin, number in wants.items():
            queue = self._queues.get(origin) or _Queue()
            entries: list[Entry] = []
            while len(entries) < number and (entry := queue.pop(now)) is not None:
                entries.append(entry)
            leases.append(Lease(origin, tuple(entries), queue.more()))
        return leases

    async def settle(self, batch: Batch) -> Change:
        due: dict[str, float] = {}
        admitted = 0
        for settlement in batch.settlements:
            entry = settlement.entry
            if settlement.retry is not None:
                self._push(replace(settlement.retry, seq=entry.seq), due)
            elif settlement.row is not None:
                self._pending -= 1
                self._count(settlement.row, entry)
            admitted += self._admit(settlement.found, due)
        for state in batch.hosts:
            former = self._states.get(state.origin)
            robots = state.robots or (former.robots if former else None)
            self._states[state.origin] = replace(state, robots=robots)
        self._roots.update(batch.roots)
        self._settled.set()
        return Change(due, {}, admitted, self._pending)

    async def rows(self, take: Callable[[Iterable[Row]], None]) -> None:
        take(())

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
        return len(self._seen) - before

    def _push(self, entry: Entry, due: dict[str, float]) -> None:
        self._queues.setdefault(entry.origin, _Queue()).push(entry)
        due[entry.origin] = min(entry.due, due.get(entry.origin, entry.due))
