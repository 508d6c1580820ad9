"""Connections that believe less than aiohttp's own.

Its parts are replaced by derived ones: it has no hooks, neither for what is idle nor for a head just read.
"""

from __future__ import annotations

import asyncio
import select
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader
from aiohttp.tracing import Trace

from skitter.net.strict import begins_well, fault, is_last

__all__ = ["MAX_INTERIM", "Connector"]

# B6: interim answers (1xx) before the answer. Good servers send one or two; Go's client gave up at five for
# years. Some send a 103 for each thing that a page needs, and WebDAV's a 102 every 20 s, hence more.
MAX_INTERIM = 20


class Connector(aiohttp.TCPConnector):
    """aiohttp's, but an answer that nobody asked for is never the answer to what is asked next."""

    def __init__(self, **settings: Any) -> None:
        """As aiohttp's."""
        super().__init__(**settings)
        self._factory = partial(_Connection, loop=self._loop)  # type: ignore[assignment]

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        """An idle connection, if there is one. aiohttp's own would hand out one on which, meanwhile, a whole
        answer has come, and take that for the answer to the request that is sent then (RFC 9112, 9.2)."""
        for protocol, _ in self._conns.get(key, ()):
            assert isinstance(protocol, _Connection)
            if protocol.is_quiet():
                break
            protocol.close()  # aiohttp's own passes over it now
        return await super()._get(key, traces)


class _Connection(ResponseHandler):
    """Reads answers as aiohttp does, and refuses some more of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.peer: tuple[Any, ...] | None = None  # address and port of the other end
        self._opening: bytes | None = None  # what has come of an answer's first line; None after it
        self._interim = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.peer = transport.get_extra_info("peername")  # it cannot be asked for when the server hangs up
        super().connection_made(transport)

    def set_response_params(self, **settings: Any) -> None:
        """A request is about to be sent."""
        self._opening = b""
        self._interim = 0
        super().set_response_params(**settings)

    def data_received(self, data: bytes) -> None:
        """Of an answer's first bytes, the parser gets the head by itself: else damage that comes in the same
        read takes the head with it, and bytes after a whole body (a Content-Length too small) the body."""
        if self._opening is not None and data:
            # The C parser skips empty lines before an answer, the pure one does not.
            data = self._opening = (self._opening + data).lstrip(b"\r\n")
            well = begins_well(data)
            if not well:
                if well is False:
                    self._refuse(BadHttpMessage("no HTTP"))
                return
            self._opening = None
            end = data.find(b"\r\n\r\n") + 4
            if 4 <= end < len(data):
                self._feed(data[:end])
                data = data[end:]
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        if self._opening is not None or self.exception() is not None:
            return
        super().data_received(data)
        if (error := self.exception()) is not None:
            # aiohttp tells only who waits for a head. Soon: after the reader has had what came before.
            self._loop.call_soon(_break, self._payload, error)

    def _refuse(self, error: Exception) -> None:
        if self.transport is not None:
            self.transport.close()
        self.set_exception(error)

    async def read(self) -> tuple[RawResponseMessage, StreamReader]:
        """The next head, and its body to come. Raises BadHttpMessage."""
        message, payload = await super().read()
        wrong = fault(message.version, message.code, message.raw_headers, chunked=message.chunked)
        if 100 <= message.code <= 199:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                wrong = "too many interim answers"
        if wrong is not None:
            self.force_close()
            raise BadHttpMessage(wrong)
        if is_last(message.version, message.code, message.raw_headers):
            self.force_close()
        return message, payload

    def connection_lost(self, exc: BaseException | None) -> None:
        """A body that only the connection's end ends is whole if that end is a regular one (RFC 9112, 8)."""
        if exc is not None:
            _break(self._payload, exc)
        super().connection_lost(exc)

    def is_quiet(self) -> bool:
        """Is an idle connection open, and has nothing come on it since its last answer?"""
        if self.transport is None or not self.is_connected():
            return False
        if self.should_close or _is_halfway(self._parser):
            return False
        # What has come while the loop was busy is still in the kernel.
        return not _can_be_read(self.transport.get_extra_info("socket").fileno())


def _can_be_read(number: int) -> bool:
    """Are there bytes for a socket, or its end?"""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([number], [], [], 0)[0])  # Windows, where numbers may be large


def _break(payload: StreamReader | None, cause: BaseException) -> None:
    """Tell who reads a body that there is no more of it."""
    if payload is not None and not payload.is_eof() and payload.exception() is None:
        payload.set_exception(aiohttp.ClientPayloadError("broken off"), cause)


def _is_halfway(parser: Any) -> bool:
    """Has a parser got a part of a head? The C one tells by what it makes of the end of the connection."""
    try:
        return bool(getattr(parser, "_tail", b"") or getattr(parser, "_lines", ())) or (
            parser.feed_eof() is not None
        )
    except Exception:  # a part that it cannot even begin to read
        return True
