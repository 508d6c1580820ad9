"""Names to addresses, in threads, and remembered for a minute: who shares a server is asked before the
connection is made."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

__all__ = ["Resolver"]

# getaddrinfo does not tell how long an answer is good for. Browsers keep one for a minute (Chromium's host
# cache), and a site that moves is not lost by it.
_KEPT = 60.0
_MOST = 10_000
# A resolver that does not answer holds a thread for half a minute (resolv.conf: two servers, 5 s, two tries).
_AT_ONCE = 16
# From the look at a name to the connection.
_FAILED = 1.0


class Resolver(AbstractResolver):
    """The system's resolver with a memory. To be made on a running loop."""

    def __init__(self, judge: Callable[[str, Sequence[str]], None] = lambda host, addresses: None) -> None:
        """``judge`` is told a name and its addresses whenever a connection is to be made there; it may raise
        OSError."""
        self._judge = judge
        self._names = _Names()
        self._resolver = ThreadedResolver(self._names)  # type: ignore[arg-type]  # all that it uses of a loop
        self._failed: dict[tuple[str, int], tuple[float, OSError]] = {}
        self._known: OrderedDict[tuple[str, int], tuple[float, list[ResolveResult]]] = OrderedDict()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Addresses of ``host``, to connect to. Raises OSError."""
        found = await self._find(host, port, family)
        self._judge(host, [result["host"] for result in found])
        return [ResolveResult(**{**result, "port": port}) for result in found]

    async def _find(self, host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        key = host, int(family)
        until, found = self._known.get(key, (0.0, []))
        if until < time.monotonic():
            found = await self._ask(key, host, port, family)
            self._known[key] = time.monotonic() + _KEPT, found
            self._known.move_to_end(key)
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        return found

    async def _ask(
        self, key: tuple[str, int], host: str, port: int, family: socket.AddressFamily
    ) -> list[ResolveResult]:
        """Whoever connects sees what whoever has judged the name has seen, a failure too."""
        failed = self._failed.pop(key, None)
        if failed is not None and failed[0] >= time.monotonic():
            raise failed[1]
        try:
            return await self._resolver.resolve(host, port, family)
        except OSError as error:
            if len(self._failed) >= _MOST:
                self._failed.clear()
            self._failed[key] = time.monotonic() + _FAILED, error
            raise

    async def addresses(self, host: str) -> list[str]:
        """Addresses as texts; none if the name cannot be resolved."""
        try:
            return [result["host"] for result in await self._find(host, 0, socket.AF_UNSPEC)]
        except OSError:
            return []

    async def close(self) -> None:
        """Let the threads go."""
        self._names.close()


class _Names:
    """The look-ups of an event loop, in threads of our own: those of the loop's pool would outlive the crawl,
    and wait behind whatever else the user's program does there."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="skitter-names")

    async def getaddrinfo(self, host: str, port: int, **how: int) -> list[Any]:
        found: list[Any] = await self._call(socket.getaddrinfo, host, port, **how)
        return found

    async def getnameinfo(self, address: Any, flags: int) -> Any:
        return await self._call(socket.getnameinfo, address, flags)

    async def _call(self, function: Callable[..., Any], *args: Any, **how: int) -> Any:
        return await asyncio.wrap_future(self._pool.submit(function, *args, **how))

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
