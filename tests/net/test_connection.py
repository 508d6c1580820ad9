"""Connections on which something came that nobody asked for, or on which an answer broke off."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from skitter.clock import SystemClock
from skitter.config import Http, Limits
from skitter.model import Failure, Request, Response
from skitter.net import AiohttpFetcher, run_loop

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Length: 5\r\n\r\nhello"
SMUGGLED = OK + b"Content-Length: 8\r\n\r\nsmuggled"


class Thread:
    """A server in a thread: it writes while the loop stands still. It may reset connections soon after it has
    answered."""

    def __init__(self, first: bytes, *, resets: bool = False) -> None:
        self._first = first
        self._resets = resets
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.connections = 0

    @contextmanager
    def running(self) -> Iterator[Thread]:
        accepting = threading.Thread(target=self._accept)
        accepting.start()
        try:
            yield self
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            self._listener.close()
            self.every(lambda connection: connection.shutdown(socket.SHUT_RDWR))
            for thread in self._threads:
                thread.join()
            self.every(socket.socket.close)

    def every(self, act: Callable[[socket.socket], None]) -> None:
        for connection in self._open:
            with suppress(OSError):
                act(connection)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection, self.connections)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with suppress(OSError):
            while connection.recv(10_000):
                connection.sendall(self._first if number == 1 else b"%sContent-Length: 3\r\n\r\nown" % OK)
                if self._resets:
                    time.sleep(0.1)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.close()


def in_loop(server: Thread, between: Callable[[], None], *, uvloop: bool = False) -> list[bytes | str]:
    """Two fetches; ``between`` runs on the loop, which sees nothing of what comes meanwhile."""

    async def main() -> list[bytes | str]:
        fetcher = AiohttpFetcher(Http(), Limits(timeout=10.0), SystemClock())
        first = await fetcher.fetch(Request(server.url, 1000, reach="loopback"), lambda: None)
        between()
        second = await fetcher.fetch(Request(server.url, 1000, reach="loopback"), lambda: None)
        await fetcher.close()
        return [told(first), told(second)]

    return run_loop(main()) if uvloop else asyncio.run(main())


def told(answer: Response | Failure) -> bytes | str:
    if isinstance(answer, Failure):
        return answer.reason
    return answer.body + b" cut" * answer.truncated


@pytest.mark.parametrize("uvloop", [False, True])
@pytest.mark.parametrize("more", [SMUGGLED, SMUGGLED[:10], b"\r\n", b"x"])
def test_what_came_while_the_loop_was_busy_closes_the_connection(more: bytes, uvloop: bool) -> None:
    """It is still in the kernel when the next request would go out: no parser has seen it."""
    with Thread(HELLO).running() as server:

        def between() -> None:
            server.every(lambda connection: connection.sendall(more))
            time.sleep(0.05)

        assert in_loop(server, between, uvloop=uvloop) == [b"hello", b"own"]
        assert server.connections == 2


@pytest.mark.parametrize("uvloop", [False, True])
def test_a_connection_that_was_closed_meanwhile_is_not_tried(uvloop: bool) -> None:
    with Thread(HELLO).running() as server:

        def between() -> None:
            server.every(lambda connection: connection.shutdown(socket.SHUT_RDWR))
            time.sleep(0.05)

        assert in_loop(server, between, uvloop=uvloop) == [b"hello", b"own"]


@pytest.mark.parametrize("uvloop", [False, True])
def test_a_quiet_connection_is_used_again(uvloop: bool) -> None:
    with Thread(HELLO).running() as server:
        assert in_loop(server, lambda: None, uvloop=uvloop) == [b"hello", b"hello"]
        assert server.connections == 1


@pytest.mark.parametrize("uvloop", [False, True])
@pytest.mark.parametrize("end", [b"zz\r\n", b"5 hello", b""], ids=["no size", "no line's end", "reset"])
def test_a_body_that_breaks_off_ends_at_once(end: bytes, uvloop: bool) -> None:
    """aiohttp's C parser would let the reader wait for the time-out: damage in a later read than the head."""
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    with Thread(head + b"5\r\nhello\r\n", resets=not end).running() as server:

        async def main() -> list[bytes | str]:
            fetcher = AiohttpFetcher(Http(), Limits(timeout=10.0), SystemClock())
            loop = asyncio.get_running_loop()

            loop.call_later(0.1, lambda: server.every(lambda connection: connection.sendall(end)))
            start = loop.time()
            answer = await fetcher.fetch(Request(server.url, 1000, reach="loopback"), lambda: None)
            await fetcher.close()
            assert loop.time() - start < 5
            return [told(answer)]

        assert (run_loop(main()) if uvloop else asyncio.run(main())) == [b"hello cut"]


@pytest.mark.parametrize("uvloop", [False, True])
def test_a_reset_is_no_regular_end_of_a_body_without_a_length(uvloop: bool) -> None:
    """RFC 9112, 8: aiohttp would take it for one."""
    with Thread(OK + b"\r\nhello", resets=True).running() as server:

        async def main() -> bytes | str:
            fetcher = AiohttpFetcher(Http(), Limits(timeout=10.0), SystemClock())
            answer = await fetcher.fetch(Request(server.url, 1000, reach="loopback"), lambda: None)
            await fetcher.close()
            return told(answer)

        assert (run_loop(main()) if uvloop else asyncio.run(main())) == b"hello cut"
