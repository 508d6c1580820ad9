"""Names to addresses, in threads, and remembered for a minute: who shares a server is asked before the
connection is made."""

from __future__ import annotations

import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

__all__ = ["Resolver"]

# getaddrinfo does not tell how long an answer is good for. Browsers keep one for a minute (Chromium's host
# cache), and a site that moves is not lost by it.
_KEPT = 60.0
_MOST = 10_000
# From the look at a name to the connection.
_FAILED = 1.0


class Resolver(AbstractResolver):
    """The system's resolver with a memory. To be made on a running loop."""

    def __init__(self, judge: Callable[[str, Sequence[str]], None] = lambda host, addresses: None) -> None:
        """``judge`` is told a name and its addresses whenever a connection is to be made there; it may raise
        OSError."""
        self._judge = judge
        self._resolver = ThreadedResolver()
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
        """Nothing to close: the threads are the loop's."""
