"""The durable frontier: the store, driven by a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from msgspec.structs import replace

from skitter.frontier.store import Store
from skitter.model import Batch, Change, Entry, Lease, Mark, Opening

__all__ = ["SqliteFrontier"]

P = ParamSpec("P")
T = TypeVar("T")


class SqliteFrontier:
    """All calls run in one writer thread, in order; the event loop never touches the disk."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="skitter-frontier")

    async def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.wrap_future(self._thread.submit(function, *args, **kwargs))

    async def open(self) -> Opening:
        return await self._call(self._store.opening)

    async def admit(self, entries: Sequence[Entry], roots: Sequence[str] = ()) -> Change:
        return await self._call(self._store.admit, entries, roots)

    async def lease(
        self,
        wants: Mapping[str, int],
        now: float,
        hosts: int = 0,
        each: int = 1,
        forgotten: Sequence[str] = (),
    ) -> Sequence[Lease]:
        return await self._call(self._store.lease, wants, now, hosts, each, forgotten)

    def knows(self, key: int) -> bool:
        return self._store.knows(key)

    async def settle(self, batch: Batch, write: Callable[[], Mapping[str, Mark]] | None = None) -> Change:
        # One trip for both: each way back to a busy loop takes one of its turns.
        return await self._call(self._settle, batch, write)

    def _settle(self, batch: Batch, write: Callable[[], Mapping[str, Mark]] | None) -> Change:
        return self._store.settle(replace(batch, marks=write()) if write else batch)

    async def close(self) -> None:
        await self._call(self._store.close)
        self._thread.shutdown(wait=False)
