"""What owner and workers say comes over as it was, in whatever pieces the socket hands it on."""

from __future__ import annotations

import asyncio
import socket

import pytest

from skitter.engine.wire import (
    Answered,
    Assign,
    Broke,
    Cancel,
    Channel,
    Leave,
    Message,
    Order,
    Pulse,
    Sent,
    Settled,
    Told,
)
from skitter.events import Blocked
from skitter.model import (
    Entry,
    Failure,
    Headers,
    Link,
    Reading,
    Reason,
    Record,
    Request,
    Response,
    RetryAt,
    Row,
    Settlement,
)

ENTRY = Entry("http://h/é?q", -(2**63), "http://h", 3, None, ("http://h/0",), 2, 1, 503, due=1.1, seq=7)
RECORD = Record(url="http://h/", reason=Reason.FETCHED, depth=0, fetched_at="2026-01-01T00:00:00Z", size=5)
HEADERS = Headers(
    (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X", "\udc80".encode("utf-8", "replace").decode()))
)
MESSAGES: list[Message] = [
    Assign(1, Request("http://h/", 10, credentials=True, visit=ENTRY), ("h", "g"), (1, 2**40)),
    Assign(2, Request("http://h/robots.txt", 10, cut=True)),
    Cancel(3),
    Sent(4),
    Answered(5, Response("http://h/", 200, HEADERS, bytes(range(256)) * 1000, ttfb=0.1), None),
    Answered(6, None, Failure(Reason.TIMED_OUT, "late", transient=True, headers=HEADERS)),
    Settled(7, Settlement(ENTRY, retry=ENTRY), (), RetryAt(2.2, Reason.HTTP_ERROR, "503", free=True)),
    Settled(
        8,
        Settlement(ENTRY, Row(RECORD, {"text": "é"}, ({"a": [1, None]},)), found=(ENTRY,), links=b"12345678"),
        ("root",),
        None,
        Response("http://h/", 200, HEADERS, b"body"),
        None,
        Reading(title="t", links=(Link("http://h/x", 1, "http://h", follow=False),)),
    ),
    Broke(9, "what", storage=True),
    Told(Blocked("f", "file.py", 3, None, "http://h/", 0.5, users=True, first=True, over=False)),
    Pulse(16, is_busy=True),
    Order("stop"),
    Leave(),
]  # fmt: skip


@pytest.mark.parametrize("piece", [1, 7, 1_000, 10**7])
def test_all_comes_over_in_order_however_it_is_cut(piece: int) -> None:
    async def main() -> list[Message]:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        got: list[Message] = []
        sender = Channel(lambda message: None, lambda: None)
        receiver = Channel(got.append, lambda: None)
        await loop.create_connection(lambda: sender, sock=ours)
        for message in MESSAGES:
            sender.put(message)
        sender.close()
        theirs.setblocking(False)
        while data := await loop.sock_recv(theirs, 10**6):
            for start in range(0, len(data), piece):
                receiver.data_received(data[start : start + piece])
        theirs.close()
        return got

    got = asyncio.run(main())
    assert [_plain(message) for message in got] == [_plain(message) for message in MESSAGES]


def _plain(message: Message) -> str:
    return repr(message)


def test_what_can_wait_goes_with_the_next_word_or_when_it_is_let_go() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        got: list[Message] = []
        sender = Channel(lambda message: None, lambda: None)
        receiver = Channel(got.append, lambda: None)
        await loop.create_connection(lambda: sender, sock=ours)
        await loop.create_connection(lambda: receiver, sock=theirs)
        sender.put_by(Sent(1))
        await asyncio.sleep(0.05)
        assert got == []
        sender.put(Sent(2))
        await asyncio.sleep(0.05)
        assert got == [Sent(1), Sent(2)]
        sender.put_by(Sent(3))
        sender.flush()
        await asyncio.sleep(0.05)
        assert got[2:] == [Sent(3)]
        sender.close()
        receiver.close()
        await asyncio.sleep(0.01)

    asyncio.run(main())
