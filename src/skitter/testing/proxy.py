"""A proxy on the loopback address that does to connections what bad networks and bad days do to them."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from skitter.testing.server import listen

__all__ = ["FaultProxy", "Faults"]

T = TypeVar("T")

# As much as the kernel hands over at once on the loopback interface, and no more than a pipe holds.
_CHUNK = 64 * 1024
# With a bandwidth, pieces are sent so often a second: often enough to look like a slow line.
_PIECES_A_SECOND = 50
_UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

_OF_CONNECTIONS = ("refused", "slow_close")
_OF_EXCHANGES = ("reset", "cut", "black_hole", "unavailable", "slow", "sliced")
# Lingering for no time turns a close into a reset; else it would be an orderly end.
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong: shares from 0 (never) to 1 (always), seconds and bytes. By default nothing does.

    An exchange is what a client sends and what comes back for it: it begins with the first byte that the
    client sends after an answer. That is a request of HTTP, or of any protocol in which one side asks and
    the other answers; requests that do not wait for the answer before (pipelining) are one exchange.
    """

    # Nobody listens: connections are refused, and those that there are are reset.
    down: bool = False

    # Shares of connections, decided when one is made.
    refused: float = 0.0  # reset at once, before a byte has passed
    slow_close: float = 0.0  # the server's end of it is passed on after `close_delay`

    # Shares of exchanges. An exchange meets one of them at most, so their sum is at most 1.
    reset: float = 0.0  # the connection is reset when `after` bytes of the answer have passed
    cut: float = 0.0  # the same, but it is closed in order: what came looks complete
    black_hole: float = 0.0  # nothing is passed on, and nothing ever comes back on this connection
    unavailable: float = 0.0  # answered with an HTTP status 503, which the server never hears of
    slow: float = 0.0  # the answer begins `slow_delay` later
    sliced: float = 0.0  # the answer comes in pieces of `slice_size`, with a `slice_pause` after each

    # How they are: seconds and bytes.
    close_delay: float = 1.0
    after: int = 0  # an answer that is not longer than this passes whole, and does not count
    slow_delay: float = 1.0
    slice_size: int = 1
    slice_pause: float = 0.001

    # Of every exchange.
    latency: float = 0.0  # seconds before the first byte of an answer is passed on
    jitter: float = 0.0  # up to so much more, at random
    bandwidth: float = 0.0  # bytes a second of the answers on one connection at most; 0: no limit

    def __post_init__(self) -> None:
        """Raises ValueError for what cannot be."""
        for field in fields(self):
            if getattr(self, field.name) < 0:
                raise ValueError(f"{field.name} is negative")
        if max(self.refused, self.slow_close) > 1 or self.slice_size < 1:
            raise ValueError("a share is 1 at most, and a slice at least a byte")
        if sum(getattr(self, name) for name in _OF_EXCHANGES) > 1 + 1e-9:
            raise ValueError(f"more than one of {', '.join(_OF_EXCHANGES)}: their shares exceed 1 together")


class FaultProxy:
    """A TCP proxy in a thread of its own that passes bytes on between clients and one server, with faults.

    Use it with `with`, or call `start` and `stop`. What goes wrong is drawn from ``seed``: the n-th
    exchange of the m-th connection meets the same with the same seed and shares. ``faults`` may be set at
    any time: what there is of an exchange already goes on as it began, but for ``Faults.down``.

    ``count`` says how often each fault has happened.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        faults: Faults = Faults(),
        seed: int | None = None,
        listen_port: int = 0,
    ) -> None:
        """Make a proxy before the server at ``host`` and ``port``; it listens on 127.0.0.1 at
        ``listen_port`` (0: any free one, kept from the first start on). Without a ``seed`` one is made up,
        which the attribute of that name has."""
        self.seed = random.randrange(2**32) if seed is None else seed
        self._server = (host, port)
        self._port = listen_port
        self._faults = faults
        self._count: Counter[str] = Counter()
        self._thread: _Thread | None = None
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # of connections

    def start(self) -> None:
        """Start to listen; when this returns, the proxy can be reached.

        Raises OSError when the port is taken, and RuntimeError when it runs already.
        """
        if self._thread is not None:
            raise RuntimeError("the proxy runs already")
        # Bound even if it is to be down, so that its port is known, and is its own.
        listener = listen("127.0.0.1", self._port)
        self._port = listener.getsockname()[1]
        self._thread = _Thread()
        self._thread.do(self._open(listener))
        self.faults = self._faults

    def stop(self) -> None:
        """Stop; connections that there are are reset. Does nothing when it does not run."""
        if self._thread is not None:
            self._thread.do(self._close())
            self._thread.stop()
            self._thread = None

    def __enter__(self) -> FaultProxy:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        where = self.origin if self._thread else "stopped"
        return f"<FaultProxy {where}, seed {self.seed}, {dict(self._count)}>"

    @property
    def port(self) -> int:
        """The port that it listens on; RuntimeError before it is known."""
        if self._port:
            return self._port
        raise RuntimeError("the proxy has no port before it is started")

    @property
    def origin(self) -> str:
        """Scheme, host and port, as if the server was one of HTTP: "http://127.0.0.1:8000"."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def count(self) -> Counter[str]:
        """How often each fault has happened, by its name in :class:`Faults`, and how many "connections" and
        "exchanges" there were: a copy. A fault is counted before anybody can see it."""
        return self._count.copy()

    @property
    def faults(self) -> Faults:
        """What goes wrong from now on. To set it raises OSError if the proxy was down and somebody else has
        taken its port meanwhile."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        if self._thread is None:
            return
        if faults.down:
            self._thread.do(self._close())
        elif self._listener is None:
            self._thread.do(self._open(listen("127.0.0.1", self._port)))

    # -- in the thread -------------------------------------------------------------------------

    async def _open(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        self._listener = listener
        # Not asyncio's server: what that has accepted when it is closed, it may lose without closing it.
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    async def _close(self) -> None:
        if self._listener is None:
            return
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        self._listener = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _ in range(2):  # turns of the loop: a socket is closed after its transport
            await asyncio.sleep(0)

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except OSError:  # it has left already
            return
        self._count["connections"] += 1
        # A generator each, so that nothing depends on how connections take turns.
        chance = random.Random(f"{self.seed} {self._count['connections']}")
        connection = _Connection(self, chance, client)
        task = asyncio.get_running_loop().create_task(connection.run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Not at the end of run(): a task that is cancelled before its first step never gets there.
        task.add_done_callback(connection.close)

    def _note(self, name: str) -> None:
        self._count[name] += 1


class _Thread:
    """A thread with an event loop, for coroutines from elsewhere."""

    def __init__(self) -> None:
        self._loop = asyncio.SelectorEventLoop()  # add_reader is not everywhere
        # A daemon, so that a test that dies without stop() does not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="skitter-proxy", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it there, and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


@dataclass(slots=True)
class _Exchange:
    faults: Faults
    fault: str | None  # which of _OF_EXCHANGES
    wait: float  # seconds before the answer
    is_answered: bool = False  # a byte of the answer has come
    passed: int = 0  # bytes of it that were passed on


class _Connection:
    """A client's connection and the one that is made for it: a loop for each direction.

    Whatever ends the connection closes both sides. Then both loops find the end of what they read, or an
    error when they write, and end too.
    """

    def __init__(self, proxy: FaultProxy, chance: random.Random, client: socket.socket) -> None:
        self._proxy = proxy
        self._chance = chance
        self._socket = client
        self._sides: list[asyncio.StreamWriter] = []
        faults = proxy.faults
        self._fated = {name for name in _OF_CONNECTIONS if chance.random() < getattr(faults, name)}
        self._close_delay = faults.close_delay
        # What a server says before it was asked anything is passed on as it is.
        self._exchange = _Exchange(Faults(), None, 0.0, is_answered=True)

    async def run(self) -> None:
        if "refused" in self._fated:
            self._proxy._note("refused")
            self._reset()
            return
        self._requests, self._client = await asyncio.open_connection(sock=self._socket)
        self._sides.append(self._client)
        try:
            self._answers, self._server = await asyncio.open_connection(*self._proxy._server)
        except OSError:  # the server is not there, and that is what the client is to see
            self._reset()
            return
        self._sides.append(self._server)
        await asyncio.gather(self._ask(), self._answer())

    def close(self, task: asyncio.Task[None] | None = None) -> None:
        """Close both sides; ``task`` is that of `run`, if it is over."""
        if task is not None and task.cancelled():
            self._reset()
        for side in self._sides:
            side.close()
        if not self._sides:
            self._socket.close()

    def _reset(self) -> None:
        with suppress(OSError):  # it is closed already
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        for side in self._sides:
            side.transport.abort()

    # -- from the client to the server -----------------------------------------------------------

    async def _ask(self) -> None:
        with suppress(OSError):
            while data := await self._requests.read(_CHUNK):
                if self._exchange.is_answered:
                    self._exchange = self._begin()
                if self._exchange.fault == "black_hole":
                    continue
                if self._exchange.fault == "unavailable":
                    await self._refuse()
                    return
                self._server.write(data)
                await self._server.drain()
            if self._exchange.fault == "black_hole":
                self.close()
            else:  # the client may still listen
                self._server.write_eof()

    def _begin(self) -> _Exchange:
        """A new exchange. It always draws as many numbers, so that no fault changes those that follow."""
        faults = self._proxy.faults
        which, late = self._chance.random(), self._chance.random()
        fault = _choose(faults, which)
        self._proxy._note("exchanges")
        if fault in ("black_hole", "unavailable"):
            self._proxy._note(fault)
        return _Exchange(faults, fault, faults.latency + faults.jitter * late)

    async def _refuse(self) -> None:
        await asyncio.sleep(self._exchange.wait)
        self._client.write(_UNAVAILABLE)
        self.close()

    # -- from the server to the client -----------------------------------------------------------

    async def _answer(self) -> None:
        with suppress(OSError):
            while data := await self._answers.read(_CHUNK):
                # Nothing came of a black hole's request; this is the rest of an answer before it.
                if self._exchange.fault != "black_hole":
                    await self._pass_on(self._exchange, data)
            if self._exchange.fault == "black_hole":
                return  # the server has lost patience; nobody hears of it
            if "slow_close" in self._fated and not self._client.is_closing():
                self._proxy._note("slow_close")
                await asyncio.sleep(self._close_delay)
        self._client.close()

    async def _pass_on(self, exchange: _Exchange, data: bytes) -> None:
        if not exchange.is_answered:
            exchange.is_answered = True
            await self._hold_back(exchange)
        ends = exchange.fault in ("reset", "cut")
        room = exchange.faults.after - exchange.passed if ends else len(data)
        for piece, pause in _pieces(exchange, data[:room]):
            self._client.write(piece)
            await self._client.drain()
            if pause:
                await asyncio.sleep(pause)
        exchange.passed += len(data)
        if ends and len(data) > room:
            self._end(exchange)

    async def _hold_back(self, exchange: _Exchange) -> None:
        wait = exchange.wait
        if exchange.fault == "slow":
            wait += exchange.faults.slow_delay
        if exchange.fault in ("slow", "sliced"):
            self._proxy._note(exchange.fault)
        if wait:
            await asyncio.sleep(wait)

    def _end(self, exchange: _Exchange) -> None:
        assert exchange.fault is not None
        self._proxy._note(exchange.fault)
        if exchange.fault == "reset":
            self._reset()
        self.close()


def _choose(faults: Faults, chance: float) -> str | None:
    """The fault of an exchange, if it meets one; ``chance`` is uniform in [0, 1)."""
    for name in _OF_EXCHANGES:
        chance -= getattr(faults, name)
        if chance < 0:
            return name
    return None


def _pieces(exchange: _Exchange, data: bytes) -> Iterator[tuple[bytes, float]]:
    """The pieces in which data is sent, and how many seconds pass after each."""
    faults = exchange.faults
    size, pause = len(data), 0.0
    if faults.bandwidth:
        size = min(size, max(1, int(faults.bandwidth / _PIECES_A_SECOND)))
    if exchange.fault == "sliced":
        size, pause = min(size, faults.slice_size), faults.slice_pause
    for start in range(0, len(data), max(1, size)):
        piece = data[start : start + size]
        yield piece, max(pause, len(piece) / faults.bandwidth if faults.bandwidth else 0.0)
