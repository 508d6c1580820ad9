"""A server as light as one in Python gets, for what nginx does not do; runs until SIGTERM, then says what it
saw.

    python loopback.py delay SECONDS           every page is answered after so long
    python loopback.py hosts FIRST COUNT PORT  so many of the hosts 127.1.x.y, each with / and /two

Prints its port, or 0 if PORT is taken on one of the addresses; at the end one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial

import uvloop

__all__ = ["ADDRESSES", "address"]

ADDRESSES = 250  # of each 127.1.x.0/24


def _answer(body: bytes, kind: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


_ROBOTS = _answer(b"User-agent: *\nAllow: /\n", "text/plain")
_TEXT = "lorem ipsum dolor sit amet " * 30
_FIRST = _answer(f'<!doctype html><title>One</title><a href="/two">two</a><p>{_TEXT}'.encode(), "text/html")
_SECOND = _answer(f"<!doctype html><title>Two</title><p>{_TEXT}".encode(), "text/html")
_MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"
_PAGES = {b"/": _FIRST, b"/two": _SECOND}


def address(number: int) -> str:
    """The address of a host."""
    return f"127.1.{number // ADDRESSES}.{number % ADDRESSES + 1}"


class Seen:
    """What was asked for."""

    def __init__(self) -> None:
        self.pages: dict[tuple[int, bytes], int] = {}  # requests by host and path
        self.robots: set[int] = set()
        self.robots_requests = 0
        self.too_early = 0  # pages of hosts whose robots.txt nobody had asked for yet
        self.in_flight = 0
        self.most = 0

    def figures(self) -> dict[str, int]:
        return {
            "pages": sum(self.pages.values()),
            "distinct": len(self.pages),
            "robots": self.robots_requests,
            "too_early": self.too_early,
            "most_in_flight": self.most,
        }


class Connection(asyncio.Protocol):
    """One connection. Nobody pipelines, so what is unread when an answer is sent is the next request's."""

    def __init__(self, seen: Seen, delay: float, host: int) -> None:
        self._seen = seen
        self._delay = delay
        self._host = host
        self._buffer = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if b"\r\n\r\n" not in self._buffer:
            return
        path = self._buffer.split(b" ", 2)[1]
        self._buffer = b""
        seen = self._seen
        if path == b"/robots.txt":
            seen.robots.add(self._host)
            seen.robots_requests += 1
            self._transport.write(_ROBOTS)
            return
        answer = _SECOND if self._delay else _PAGES.get(path)
        if answer is None:
            self._transport.write(_MISSING)
            return
        seen.pages[self._host, path] = seen.pages.get((self._host, path), 0) + 1
        seen.too_early += self._host not in seen.robots
        if self._delay:
            self._later(answer)
        else:
            self._transport.write(answer)

    def _later(self, answer: bytes) -> None:
        seen = self._seen
        seen.in_flight += 1
        seen.most = max(seen.most, seen.in_flight)
        asyncio.get_running_loop().call_later(self._delay, self._send, answer)

    def _send(self, answer: bytes) -> None:
        self._seen.in_flight -= 1
        self._transport.write(answer)


def _listen(host: str, port: int, backlog: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(backlog)
    except BaseException:
        listener.close()
        raise
    return listener


async def serve(listeners: list[socket.socket], make: Callable[[int], Connection]) -> None:
    """Serve until SIGTERM; the listeners are numbered."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    for number, listener in enumerate(listeners):
        await loop.create_server(partial(make, number), sock=listener, backlog=listener_backlog(listeners))
    print(listeners[0].getsockname()[1], flush=True)
    await stop.wait()


def listener_backlog(listeners: list[socket.socket]) -> int:
    """Room for all connections at once where there is one host; few where there are many."""
    return 16_384 if len(listeners) == 1 else 64


def main(mode: str, *options: str) -> None:
    """Serve in one of the two ways."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    seen = Seen()
    if mode == "delay":
        listeners, first, delay = [_listen("127.0.0.1", 0, 16_384)], 0, float(options[0])
    else:
        first, count, port = (int(option) for option in options)
        delay = 0.0
        try:
            listeners = _hosts(first, count, port)
        except OSError:
            print(0, flush=True)
            return
    uvloop.run(serve(listeners, lambda number: Connection(seen, delay, first + number)))
    print(json.dumps(seen.figures()), flush=True)


def _hosts(first: int, count: int, port: int) -> list[socket.socket]:
    """A listener an address, all on the same port: a free one if it is 0."""
    if not port:
        with closing(_listen(address(first), 0, 1)) as probe:
            port = probe.getsockname()[1]
    return [_listen(address(number), port, 64) for number in range(first, first + count)]


if __name__ == "__main__":
    main(*sys.argv[1:])
