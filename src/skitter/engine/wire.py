"""What owner and workers say to each other, and how it goes over a socket.

Messages are packed as they are (msgspec); what is said in one turn of the loop goes in one piece.
Both ends are one program of one version: the form is nobody else's, and never on a disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec

from skitter.events import Blocked
from skitter.model import (
    Failure,
    Headers,
    Reading,
    Request,
    Response,
    RetryAt,
    Settlement,
)

__all__ = [
    "SLOT",
    "Answered",
    "Assign",
    "Broke",
    "Cancel",
    "Channel",
    "Leave",
    "Message",
    "Order",
    "Pulse",
    "Sent",
    "Settled",
    "Told",
]


class Assign(msgspec.Struct, tag=1, array_like=True):
    """To a worker: make this request; if it is a visit, do with the answer what is to be done."""

    number: int
    request: Request
    roots: tuple[str, ...] = ()  # of the scope, new since the last time
    committed: tuple[int, ...] = ()  # visits that are on disk: what they found is known


class Cancel(msgspec.Struct, tag=2, array_like=True):
    """To a worker: nobody waits for it any more."""

    number: int


class Sent(msgspec.Struct, tag=3, array_like=True):
    """From a worker: the request has gone out."""

    number: int


class Answered(msgspec.Struct, tag=4, array_like=True):
    """From a worker: what came back; of a visit without the body."""

    number: int
    response: Response | None
    failure: Failure | None


class Settled(msgspec.Struct, tag=5, array_like=True):
    """From a worker: what became of the visit; ``response`` (or ``failure``) and ``reading`` for whoever
    wants the page."""

    number: int
    settlement: Settlement
    roots: tuple[str, ...]
    again: RetryAt | None
    response: Response | None = None
    failure: Failure | None = None
    reading: Reading | None = None
    items: bytes = b""  # a handler's, as JSON: they may hold what a message cannot, such as huge numbers


class Broke(msgspec.Struct, tag=6, array_like=True):
    """From a worker: it cannot go on with this. ``storage`` if it is the operator who can mend it."""

    number: int
    text: str
    storage: bool


class Told(msgspec.Struct, tag=7, array_like=True):
    """From a worker: something that the owner's observers should see."""

    event: Blocked


class Pulse(msgspec.Struct, tag=8, array_like=True):
    """From a worker: how it is doing (engine.governor)."""

    limit: int
    is_busy: bool


class Order(msgspec.Struct, tag=9, array_like=True):
    """From a worker: the user's code wants the crawl to ``stop``, ``abort``, ``pause`` or ``resume``."""

    word: str


class Leave(msgspec.Struct, tag=10, array_like=True):
    """To a worker: there is nothing more to do. It says what it has to say, and ends."""


Message = Assign | Cancel | Sent | Answered | Settled | Broke | Told | Pulse | Order | Leave

_LENGTH = 4
# Bytes of one slot in the memory that outlives a worker: the number of a visit that is being read.
SLOT = 8


def _plain(value: Any) -> Any:
    if isinstance(value, Headers):
        return value.pairs
    raise NotImplementedError(type(value))  # how a hook tells msgspec that it cannot help either


def _restored(kind: type, value: Any) -> Any:
    if kind is Headers:
        return Headers(tuple([(name, text) for name, text in value]))
    raise NotImplementedError(kind)


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_plain)
_DECODER = msgspec.msgpack.Decoder(Message, dec_hook=_restored)


class Channel(asyncio.Protocol):
    """One end of the line. Made by :meth:`on`; to be used on the loop."""

    def __init__(self, receive: Callable[[Message], None], lost: Callable[[], None]) -> None:
        self._receive = receive
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._out: list[bytes] = []
        self._is_due = False
        self._in = bytearray()
        self._transport: asyncio.Transport | None = None

    def put(self, message: Message) -> None:
        """Say something; it goes out at the end of this turn of the loop. Raises what cannot be packed."""
        self.put_by(message)
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self.flush)

    def put_by(self, message: Message) -> None:
        """Say something that can wait until there is more to say, or for :meth:`flush`: each trip costs both
        sides a turn."""
        data = _ENCODER.encode(message)
        self._out += (len(data).to_bytes(_LENGTH), data)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self.flush()
            self._transport.close()

    def flush(self) -> None:
        """Let go what there is."""
        self._is_due = False
        out, self._out = self._out, []
        if out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(out))

    # -- for the loop ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it

    def data_received(self, data: bytes) -> None:
        self._in += data
        start = 0
        while len(self._in) >= start + _LENGTH:
            end = start + _LENGTH + int.from_bytes(self._in[start : start + _LENGTH])
            if len(self._in) < end:
                break
            self._receive(_DECODER.decode(memoryview(self._in)[start + _LENGTH : end]))
            start = end
        del self._in[:start]

    def connection_lost(self, error: Exception | None) -> None:
        self._lost()
