"""What the fetcher keeps of one hop for archives, against the bytes that went over the wire."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest
from tests.threats.wiretap import Proxy, Tap, answer, free_port

from skitter.clock import SystemClock
from skitter.config import Http, Limits
from skitter.exchange import Exchange
from skitter.model import Entry, Failure, Request, Response
from skitter.net import AiohttpFetcher
from skitter.rules.url import key_of, origin_of

HELLO = answer("200 OK", b"hello", "x-Odd: 1", "X-ODD: 2")
SECRET = "tops3cret"


def visit(url: str, **more: Any) -> Request:
    entry = Entry(url, key_of(url), origin_of(url))
    return Request(url, **{"max_body": 1000, "visit": entry, "reach": "loopback", **more})


def hops(
    *requests: Request, archives: bool = True, timeout: float = 5.0, **http: Any
) -> list[Response | Failure]:
    """The answers to requests made one after the other, over one session."""

    async def fetch() -> list[Response | Failure]:
        fetcher = AiohttpFetcher(Http(**http), Limits(timeout=timeout), SystemClock(), archives=archives)
        try:
            return [await fetcher.fetch(request, lambda: None) for request in requests]
        finally:
            await fetcher.close()

    return asyncio.run(fetch())


def hop(request: Request, **settings: Any) -> Exchange:
    (found,) = hops(request, **settings)
    assert found.exchange is not None
    return found.exchange


def test_a_hop_is_kept_as_it_went_over_the_wire() -> None:
    with Tap(lambda target: HELLO) as own:
        kept = hop(visit(f"{own.origin}/a?b=c"))
        assert kept.request == own.heads[0]
        assert kept.head + kept.body == HELLO
        assert (kept.cut, kept.address) == ("", "127.0.0.1")


def test_nothing_is_kept_for_nobody() -> None:
    """Neither where no archive is written, nor of what has no record: robots.txt and sitemaps."""
    with Tap(lambda target: HELLO) as own:
        url = f"{own.origin}/"
        (found,) = hops(visit(url), archives=False)
        assert found.exchange is None
        (found,) = hops(visit(url, visit=None))
        assert found.exchange is None


def test_two_hops_on_one_connection_are_kept_apart() -> None:
    with Tap(lambda target: answer("200 OK", target.encode())) as own:
        found = hops(*(visit(f"{own.origin}/{n}") for n in range(3)))
        assert own.connections == 1
    assert [answer.exchange.body for answer in found if answer.exchange] == [b"/0", b"/1", b"/2"]


def test_what_the_user_gave_is_left_out_under_any_name() -> None:
    with Tap(lambda target: HELLO) as own:
        given = {"header": (f"USER-agent: {SECRET}", f"X-Key: {SECRET}"), "auth": f"a:{SECRET}"}
        request = visit(f"{own.origin}/", credentials=True, headers={"accept": SECRET})
        kept = hop(request, cookie=(f"a={SECRET}",), **given)
        assert own.heads[0].count(SECRET.encode()) >= 3
        names = [line.split(b":")[0] for line in kept.request.split(b"\r\n")[1:-2]]
        assert names == [b"Host", b"Accept-Encoding"]


def test_a_proxys_own_are_left_out() -> None:
    with Proxy() as proxy, Tap(lambda target: HELLO) as own:
        via = proxy.origin.replace("//", f"//carol:{SECRET}@")
        kept = hop(visit(f"{own.origin}/"), proxy=via)
        assert kept.request.startswith(f"GET {own.origin}/ HTTP/1.1\r\nHost: ".encode()), "as it was sent"
        assert b"proxy-authorization" in proxy.heads[0].lower()
        assert b"proxy" not in kept.request.lower()
        assert kept.address == "", "it is the proxy that we talked to"


def test_a_chunked_body_is_kept_without_chunks_and_with_its_coding() -> None:
    body = gzip.compress(b"words " * 50)
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:])) + b"0\r\n\r\n"
    fields = b"A: 1\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
    with Tap(lambda target: b"HTTP/1.1 200 OK\r\n" + fields + chunks) as own:
        kept = hop(visit(f"{own.origin}/"))
    assert kept.body == body
    assert kept.head.split(b"\r\n")[1:4] == [
        b"A: 1",
        b"Content-Length: %d" % len(body),
        b"X-Archive-Orig-Transfer-Encoding: chunked",
    ]


@pytest.mark.parametrize(
    ("reply", "cut", "body"),
    [
        (answer("200 OK", b"x" * 1001), "length", b"x" * 1000),
        (answer("200 OK", gzip.compress(b"x" * 1001), "Content-Encoding: gzip"), "length", None),
        (answer("200 OK", b"broken", "Content-Encoding: gzip"), "unspecified", b"broken"),
        (answer("302 Moved", b"away", "Location: /"), "unspecified", b""),
        (answer("302 Moved", b"", "Location: /"), "", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nslow", "time", b"slow"),
    ],
)
def test_a_body_that_ends_early_says_why(reply: bytes, cut: str, body: bytes | None) -> None:
    with Tap(lambda target: reply) as own:
        kept = hop(visit(f"{own.origin}/"), timeout=0.5)
    assert kept.cut == cut
    assert body is None or kept.body == body


def test_a_raw_body_is_kept_no_longer_than_a_decoded_one_may_be() -> None:
    """Empty members of gzip, which decode to nothing."""
    data = gzip.compress(b"") * 200
    with Tap(lambda target: answer("200 OK", data, "Content-Encoding: gzip")) as own:
        (found,) = hops(visit(f"{own.origin}/"))
    assert isinstance(found, Response)
    assert found.exchange is not None
    assert (found.body, found.exchange.body, found.exchange.cut) == (b"", data[:1000], "length")


def test_where_no_answer_began_there_is_none() -> None:
    with Tap(lambda target: b"") as own:
        found = hops(visit(f"{own.origin}/"), visit(f"http://127.0.0.1:{free_port()}/"))
    assert [(type(answer), answer.exchange) for answer in found] == [(Failure, None)] * 2


def test_only_codings_that_readers_undo_are_asked_for() -> None:
    with Tap(lambda target: HELLO) as own:
        hop(visit(f"{own.origin}/"))
        hops(visit(f"{own.origin}/"), archives=False)
    assert b"Accept-Encoding: gzip, deflate\r\n" in own.heads[0]
    assert b"Accept-Encoding: gzip, deflate, br, zstd\r\n" in own.heads[1]
