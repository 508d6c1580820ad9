"""The way of a settlement to disk: records first, then one transaction for everything else.

Settlements wait here for company: a commit comes when half as many as the concurrency have gathered,
after 100 ms, or at once when the crawl has nothing else to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from skitter.config import Config
from skitter.failpoint import reached
from skitter.model import Batch, Change, HostState, Mark, Row, Settlement
from skitter.ports import Clock, Frontier, Sink
from skitter.threads import in_thread

__all__ = ["Committer"]

_LINGER = 0.1


class Committer:
    """Gathers settlements and commits them. Never holds more uncommitted ones than three times the
    concurrency; whoever begins visits keeps them below twice, without handlers."""

    def __init__(
        self,
        config: Config,
        frontier: Frontier,
        sinks: Sequence[Sink],
        clock: Clock,
        states: Callable[[], tuple[HostState, ...]],
        changed: Callable[[Change, Sequence[Settlement]], None],
        disk_low: Callable[[], str | None] | None,
        run_low: Callable[[str], None],
    ) -> None:
        """``states`` gives what has changed of hosts; ``changed`` is told what a commit brought, and of
        what; ``disk_low`` says in one line that there is too little room, and then ``run_low`` is told."""
        self._durable = config.output.durable
        self._frontier = frontier
        self._sinks = sinks
        self._clock = clock
        self._states = states
        self._changed = changed
        self._disk_low = disk_low
        self._run_low = run_low
        self._low: str | None = None
        # Those who begin visits count what is uncommitted, and keep both together below this: a visit that
        # has begun finds room.
        self._capacity = 3 * config.limits.concurrency
        # While one part is on its way to the disk, the next one gathers.
        self._enough = max(1, config.limits.concurrency // 2)
        self._room = asyncio.Event()
        self._room.set()
        self._waiting: list[Settlement] = []
        self._roots: list[str] = []
        self.uncommitted = 0  # settlements that were put here and are not on the disk
        self._dirty = asyncio.Event()
        self._now = asyncio.Event()
        self._closed = False
        self._failed = False  # a commit was begun and did not come to its end

    @property
    def idle(self) -> bool:
        """Is everything that was put here committed?"""
        return self.uncommitted == 0

    async def put(self, settlement: Settlement, roots: Sequence[str] = ()) -> None:
        """Take a settlement; waits while too many are uncommitted."""
        while self.uncommitted >= self._capacity:
            self._room.clear()
            await self._room.wait()
        self._waiting.append(settlement)
        self._roots.extend(roots)
        self.uncommitted += 1
        self._dirty.set()
        if len(self._waiting) >= self._enough:
            self._now.set()

    def touch(self) -> None:
        """Something is known of a host that has to outlive us, with or without company."""
        self._dirty.set()

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
            await self._finish(asyncio.create_task(self._flush_last(), name="last commit"))

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
        batch = Batch(tuple(settlements), states, tuple(roots), stamp=self._clock.stamp())
        write = partial(self._write, rows) if rows and self._sinks else None
        change = await self._frontier.settle(batch, write)
        reached("after-commit-before-ack")
        self._failed = False
        self.uncommitted -= len(settlements)
        self._room.set()
        self._changed(change, settlements)
        self._tell_low()

    async def _flush_last(self) -> None:
        """The last commit; a run that ended well is on the disk, whatever happens to the machine."""
        await self._flush()
        if not self._failed and self._sinks:
            await in_thread(self._end)

    async def look_at_disk(self) -> None:
        """Is there room to begin with?"""
        if self._disk_low is not None:
            self._low = await in_thread(self._disk_low)
            self._tell_low()

    def _tell_low(self) -> None:
        if self._low is not None:
            self._run_low(self._low)

    def _write(self, rows: Sequence[Row]) -> dict[str, Mark]:
        marks = {sink.name: mark for sink in self._sinks if (mark := sink.write(rows)) is not None}
        if self._durable:
            self._sync()
        if self._disk_low is not None:
            self._low = self._disk_low()
        reached("after-append-before-commit")
        return marks

    def _end(self) -> None:
        self._sync()
        if self._low is None:  # else the room that is left is not to be filled; the next run does it
            for sink in self._sinks:
                reached("mid-finish")
                sink.finish()

    def _sync(self) -> None:
        for sink in self._sinks:
            sink.sync()
