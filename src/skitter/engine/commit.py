"""The way of a settlement to disk: records first, then one transaction for everything else.

Settlements wait here for company: a commit comes when as many as the concurrency have gathered,
after 100 ms, or at once when the crawl has nothing else to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from skitter.model import Batch, Change, HostState, Row, Settlement
from skitter.ports import Frontier, Sink

__all__ = ["Committer"]

_LINGER = 0.1


class Committer:
    """Gathers settlements and commits them. Never holds more than ``capacity`` uncommitted ones."""

    def __init__(
        self,
        frontier: Frontier,
        sinks: Sequence[Sink],
        capacity: int,
        states: Callable[[], tuple[HostState, ...]],
        changed: Callable[[Change], None],
    ) -> None:
        self._frontier = frontier
        self._sinks = sinks
        self._states = states
        self._changed = changed
        self._room = asyncio.Semaphore(capacity)
        self._capacity = capacity
        self._waiting: list[Settlement] = []
        self._roots: list[str] = []
        self._uncommitted = 0
        self._dirty = asyncio.Event()
        self._now = asyncio.Event()
        self._closed = False
        self._failed = False  # a commit was begun and did not come to its end

    @property
    def idle(self) -> bool:
        """Is everything that was put here committed?"""
        return self._uncommitted == 0

    async def put(self, settlement: Settlement, roots: Sequence[str] = ()) -> None:
        """Take a settlement; waits while too many are uncommitted."""
        await self._room.acquire()
        self._waiting.append(settlement)
        self._roots.extend(roots)
        self._uncommitted += 1
        self._dirty.set()
        if len(self._waiting) >= self._capacity:
            self._now.set()

    def hurry(self) -> None:
        """Commit at once what there is: the crawl waits for it."""
        if self._waiting:
            self._now.set()

    def close(self) -> None:
        """Commit what there is, and let :meth:`run` return. Nothing may be put afterwards."""
        self._closed = True
        self._dirty.set()
        self._now.set()

    async def run(self) -> None:
        """Commit until closed, and then all that is left; also when the run is cancelled."""
        try:
            while not self._closed or self._waiting:
                await self._dirty.wait()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LINGER):
                        await self._now.wait()
                await self._finish(asyncio.create_task(self._flush(), name="commit"))
        finally:
            await self._finish(asyncio.create_task(self._flush(), name="last commit"))

    async def _finish(self, commit: asyncio.Task[None]) -> None:
        """A commit that has begun is finished, also when the run is cancelled meanwhile: its thread
        cannot be called back, and the files must not be closed under it."""
        try:
            await asyncio.shield(commit)
        except asyncio.CancelledError:
            await asyncio.wait((commit,))
            raise

    async def _flush(self) -> None:
        """Commit what there is. Raises StorageError; then nothing of it is committed, and nothing may be
        after it: the outputs hold lines that only the next start can cut off."""
        if self._failed:
            return
        self._failed = True
        self._dirty.clear()
        self._now.clear()
        settlements, self._waiting = self._waiting, []
        roots, self._roots = self._roots, []
        states = self._states()
        if not settlements and not states:
            self._failed = False
            return
        rows = [settlement.row for settlement in settlements if settlement.row is not None]
        offsets = await asyncio.to_thread(self._write, rows) if rows and self._sinks else {}
        change = await self._frontier.settle(Batch(tuple(settlements), states, tuple(roots), offsets))
        self._failed = False
        self._uncommitted -= len(settlements)
        for _ in settlements:
            self._room.release()
        self._changed(change)

    def _write(self, rows: Sequence[Row]) -> dict[str, int]:
        return {sink.name: sink.write(rows) for sink in self._sinks}
