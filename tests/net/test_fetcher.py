"""One hop against real servers on loopback: whatever they do, the result is a value, and in time."""

import asyncio
import contextlib
import gc
import gzip
import json
import socket
import ssl
import struct
import sys
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import brotli
import pytest

from skitter.clock import SystemClock
from skitter.config import Http, Limits
from skitter.errors import ConfigError
from skitter.model import Failure, Reason, Request, Response
from skitter.net import AiohttpFetcher
from skitter.rules.url import canonical, target_of
from skitter.testing import Site, endpoints

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DATA = Path(__file__).parent.parent / "data"
MIB = 1024 * 1024
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


class Wire:
    """A server that answers with whatever a coroutine writes, and keeps the bytes of each request."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()
        self.heads: list[bytes] = []
        self.connections = 0
        self.open = 0
        self.origin = ""

    @contextlib.asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["Wire"]:
        self._tasks = set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        self.origin = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                while True:
                    self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                    await self._answer(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            self.open -= 1
            writer.close()

    def targets(self) -> list[str]:
        return [head.split(b" ")[1].decode("ascii") for head in self.heads]

    def fields(self, number: int = -1) -> list[tuple[str, str]]:
        """Names (lower-case) and values of a request's head, as they came."""
        lines = self.heads[number].decode("latin-1").split("\r\n")[1:-2]
        return [(line.partition(":")[0].lower(), line.partition(":")[2].strip()) for line in lines]


def says(*parts: bytes, then: str = "close", pause: float = 0.0) -> Wire:
    """Write ``parts`` and then: "close", "reset", "hang", or "keep" the connection for more."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        if then == "hang":
            await asyncio.sleep(60)
        if then == "reset":
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if then != "keep":
            writer.close()

    return Wire(answer)


def endless(head: bytes, part: bytes) -> Wire:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(part)
            await writer.drain()

    return Wire(answer)


OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"


@contextlib.asynccontextmanager
async def opened(timeout: float = 10.0, **http: object) -> AsyncIterator[AiohttpFetcher]:
    fetcher = AiohttpFetcher(Http(**http), Limits(timeout=timeout), SystemClock())  # type: ignore[arg-type]
    try:
        yield fetcher
    finally:
        await fetcher.close()


async def once(
    url: str,
    *,
    max_body: int = MIB,
    cut: bool = False,
    credentials: bool = False,
    timeout: float = 10.0,
    sent: Callable[[], None] = lambda: None,
    **http: object,
) -> Response | Failure:
    async with opened(timeout, **http) as fetcher:
        return await fetcher.fetch(Request(url, max_body, cut, credentials, reach="loopback"), sent)


def fetch(url: str, **settings: object) -> Response | Failure:
    return asyncio.run(once(url, **settings))  # type: ignore[arg-type]


def fetch_from(wire: Wire, path: str = "/", **settings: object) -> Response | Failure:
    async def main() -> Response | Failure:
        async with wire.running():
            return await once(wire.origin + path, **settings)  # type: ignore[arg-type]

    return asyncio.run(main())


def good(answer: Response | Failure) -> Response:
    assert isinstance(answer, Response), answer
    return answer


def bad(answer: Response | Failure) -> Failure:
    assert isinstance(answer, Failure), answer
    return answer


# What came


def test_an_answer_has_all_that_a_record_needs(site: Site) -> None:
    site.page("/a", "grüße", status=201, headers={"X-Colour": "red"}, delay=0.1)
    before = time.time()
    answer = good(fetch(site.url("/a")))
    assert (answer.url, answer.status, answer.body.decode()) == (site.url("/a"), 201, "grüße")
    assert answer.headers["x-colour"] == "red"
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert not answer.truncated
    assert answer.note is None
    assert before - 0.05 <= answer.sent_at <= time.time()
    assert 0.1 <= answer.ttfb <= answer.elapsed < 5


@pytest.mark.parametrize("coding", ["gzip", "deflate", "brotli", "zstd"])
def test_every_coding_that_we_ask_for_is_undone(site: Site, coding: str) -> None:
    endpoints.install(site)
    answer = good(fetch(site.url(f"/{coding}")))
    assert b"<p>Line 99 of a page that came compressed.</p>" in answer.body
    assert answer.headers["content-encoding"] in ("gzip", "deflate", "br", "zstd")
    assert not answer.truncated
    (seen,) = site.requests
    assert answer.headers["content-encoding"] in str(seen.header("Accept-Encoding"))


def test_every_field_is_kept_with_its_repetitions() -> None:
    head = OK + b"X-A: 1\r\nx-a: 2\r\nX-Utf: gr\xc3\xbc\xc3\x9fe\r\nX-Odd: \xff\r\nContent-Length: 0\r\n\r\n"
    headers = good(fetch_from(says(head))).headers
    assert headers.pairs[:2] == (("X-A", "1"), ("x-a", "2"))
    assert headers["X-A"] == "1, 2"
    assert headers["x-utf"] == "grüße"
    assert headers["x-odd"] == "\ufffd"


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body(status: int) -> None:
    head = f"HTTP/1.1 {status} x\r\nETag: a\r\nContent-Encoding: gzip\r\n\r\n".encode()
    answer = good(fetch_from(says(head, then="hang")))
    assert (answer.status, answer.body, answer.truncated) == (status, b"", False)


@pytest.mark.parametrize("status", [200, 404, 500, 999])
def test_every_status_has_its_body(status: int) -> None:
    head = f"HTTP/1.1 {status} x\r\nContent-Length: 5\r\n\r\n".encode()
    answer = good(fetch_from(says(head + b"hello")))
    assert (answer.status, answer.body) == (status, b"hello")


def test_hints_before_the_answer_are_not_the_answer() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    answer = good(fetch_from(says(b"HTTP/1.1 100 Continue\r\n\r\n", hints, HELLO)))
    assert (answer.status, answer.body) == (200, b"hello")


def test_an_unknown_coding_is_noted(site: Site) -> None:
    site.page("/", "plain", headers={"Content-Encoding": "utf-8"})
    answer = good(fetch(site.url("/")))
    assert answer.body == b"plain"
    assert answer.note == "unknown Content-Encoding 'utf-8' ignored"


# Too large


@pytest.mark.parametrize("size", [1000, 100_000])
def test_the_cap_is_exact(site: Site, size: int) -> None:
    site.page("/", b"x" * size)
    assert len(good(fetch(site.url("/"), max_body=size)).body) == size
    failure = bad(fetch(site.url("/"), max_body=size - 1))
    assert (failure.reason, failure.size, failure.transient) == (Reason.TOO_LARGE, size - 1, False)
    assert not failure.host_fault


def test_a_body_that_is_too_large_still_had_a_head(site: Site) -> None:
    """The record says what came: its status and its type are known."""
    site.page("/", b"x" * 1000, content_type="application/pdf")
    failure = bad(fetch(site.url("/"), max_body=10))
    assert failure.status == 200
    assert failure.headers["content-type"] == "application/pdf"
    assert failure.sent_at > 0
    assert failure.elapsed > 0


def test_a_body_may_be_cut_instead(site: Site) -> None:
    """robots.txt: what fits under the cap is used."""
    site.page("/", b"ab" * 500)
    answer = good(fetch(site.url("/"), max_body=101, cut=True))
    assert (answer.body, answer.truncated) == (b"ab" * 50 + b"a", True)
    assert not good(fetch(site.url("/"), max_body=1000, cut=True)).truncated


def test_B1_the_cap_counts_decoded_bytes(site: Site) -> None:
    """B1: 10 kB on the wire, 16 MiB in memory."""
    site.page("/", gzip.compress(bytes(16 * MIB)), headers={"Content-Encoding": "gzip"})
    start = time.perf_counter()
    assert bad(fetch(site.url("/"), max_body=MIB)).reason is Reason.TOO_LARGE
    assert time.perf_counter() - start < 1


def test_B5_an_endless_body_ends_at_the_cap() -> None:
    wire = endless(OK + b"\r\n", b"x" * 10_000)
    start = time.perf_counter()
    assert bad(fetch_from(wire)).reason is Reason.TOO_LARGE
    assert time.perf_counter() - start < 2


# Too short


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize(
    "data",
    [
        OK + b"Content-Length: 100\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\nhello",
    ],
    ids=["length", "no last chunk", "no end", "in a chunk"],
)
def test_B4_a_body_shorter_than_announced_is_kept_and_marked(data: bytes, then: str) -> None:
    answer = good(fetch_from(says(data, then=then, pause=0.05)))
    assert (answer.status, answer.body, answer.truncated) == (200, b"hello", True)


def test_without_a_length_the_end_of_the_connection_is_the_end() -> None:
    answer = good(fetch_from(says(OK + b"\r\nhello")))
    assert (answer.body, answer.truncated) == (b"hello", False)


PACKED = gzip.compress(b"a page of some length, " * 20, mtime=0)


@pytest.mark.parametrize("length", range(1, len(PACKED), 3))
def test_B4_a_coded_body_that_is_cut_is_marked_even_if_its_length_is_right(length: int) -> None:
    """B4: some cache kept half an answer, and serves it as a whole one. Also if nothing came out yet."""
    head = OK + f"Content-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n".encode()
    answer = good(fetch_from(says(head + PACKED[:length])))
    assert answer.truncated
    assert (b"a page of some length, " * 20).startswith(answer.body)


def test_an_empty_body_that_claims_a_coding_is_whole() -> None:
    """Many servers add Content-Encoding to answers that have no body."""
    answer = good(fetch_from(says(OK + b"Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n")))
    assert (answer.body, answer.truncated) == (b"", False)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_long_page_in_one_small_packet_comes_whole(coding: str) -> None:
    """Well compressed, half a megabyte fits one read; all of it has to come out at the end."""
    body = b"<li><a href=/some/page>Some page</a></li>\n" * 12_000
    packed = pack(coding, body)
    head = OK + f"Content-Encoding: {coding}\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    answer = good(fetch_from(says(head + packed)))
    assert (len(answer.body), answer.truncated) == (len(body), False)


def pack(coding: str, body: bytes) -> bytes:
    encoders: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "br": brotli.compress,
        "zstd": zstd.compress,
    }
    return encoders[coding](body)


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_not_followed(site: Site, status: int) -> None:
    site.redirect("/a", "/b", status)
    answer = good(fetch(site.url("/a")))
    assert (answer.status, answer.headers["location"], answer.body) == (status, "/b", b"")
    assert site.targets() == ["/a"]


@pytest.mark.parametrize("coding", [b"", b"Content-Encoding: gzip\r\n", b"Content-Encoding: a,b,c,d,e,f\r\n"])
def test_B2_the_body_of_a_redirect_is_not_read(coding: bytes) -> None:
    """B2: it may be endless or a bomb, and nobody looks at it."""
    wire = endless(b"HTTP/1.1 302 Found\r\nLocation: /b\r\n" + coding + b"\r\n", b"x" * 10_000)

    async def main() -> Response | Failure:
        async with wire.running(), opened() as fetcher:
            answer = await fetcher.fetch(Request(wire.origin + "/", MIB, reach="loopback"), lambda: None)
            await until(lambda: wire.open == 0)  # the connection is closed, not drained
            return answer

    start = time.perf_counter()
    answer = good(asyncio.run(main()))
    assert (answer.status, answer.body, answer.truncated) == (302, b"", False)
    assert time.perf_counter() - start < 2


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in the kernel
            await asyncio.sleep(0.01)


# No connection


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Sent:
    """Counts how often a request is said to have gone out."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def test_a_refused_connection_is_the_hosts_fault() -> None:
    sent = Sent()
    failure = bad(fetch(f"http://127.0.0.1:{free_port()}/", sent=sent))
    assert (failure.reason, failure.transient, failure.host_fault) == (Reason.UNREACHABLE, True, True)
    assert failure.message == "cannot connect: connection refused"
    assert sent.count == 0
    assert failure.status is None


def test_a_name_that_does_not_exist() -> None:
    """RFC 6761 reserves .invalid. Without a network the resolver may say "try again" instead."""
    failure = bad(fetch("http://nonexistent.invalid/", timeout=30.0))
    assert failure.reason is Reason.DNS_FAILED
    assert failure.host_fault
    assert failure.message == "the name cannot be resolved"


def test_tls_to_a_plain_port_is_a_failed_handshake(site: Site) -> None:
    sent = Sent()
    failure = bad(fetch(f"https://127.0.0.1:{site.port}/", sent=sent))
    assert (failure.reason, failure.transient) == (Reason.TLS_FAILED, False)
    assert sent.count == 0


def test_B8_a_handshake_that_never_ends_frees_its_slot_in_time() -> None:
    """B8: nothing has been asked yet, so that it is the host's fault."""

    async def main() -> Response | Failure:
        async with silent_server() as port:
            return await once(f"https://127.0.0.1:{port}/", timeout=0.3)

    start = time.perf_counter()
    failure = bad(asyncio.run(main()))
    assert time.perf_counter() - start < 1.3
    assert (failure.reason, failure.host_fault) == (Reason.TIMED_OUT, True)
    assert failure.message == "timed out while connecting"


@contextlib.asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """Accepts connections in the kernel and never reads from them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DATA / "loopback.pem")
    return context


@pytest.mark.parametrize(
    ("settings", "trusted"),
    [({}, False), ({"ca_file": str(DATA / "loopback.pem")}, True), ({"insecure": True}, True)],
    ids=["default", "ca_file", "insecure"],
)
def test_certificates_are_verified_unless_told_otherwise(settings: dict[str, object], trusted: bool) -> None:
    wire = says(HELLO)

    async def main() -> Response | Failure:
        async with wire.running(server_tls()):
            return await once(wire.origin + "/", **settings)  # type: ignore[arg-type]

    answer = asyncio.run(main())
    if trusted:
        assert good(answer).body == b"hello"
        return
    failure = bad(answer)
    assert (failure.reason, failure.message) == (Reason.TLS_FAILED, "certificate not trusted")
    assert not failure.transient
    assert wire.heads == []


@pytest.mark.parametrize("path", ["no-such-file.pem", __file__])
def test_an_authority_that_cannot_be_used_is_the_operators_mistake(path: str) -> None:
    with pytest.raises(ConfigError, match="--ca-file"):
        AiohttpFetcher(Http(ca_file=path), Limits(), SystemClock())


# An answer that does not come, or not as one


def test_a_server_that_never_answers_is_given_up_in_time(site: Site) -> None:
    site.hang("/")
    sent = Sent()
    start = time.perf_counter()
    failure = bad(fetch(site.url("/"), timeout=0.3, sent=sent))
    assert 0.25 < time.perf_counter() - start < 1.3
    assert (failure.reason, failure.transient, failure.host_fault) == (Reason.TIMED_OUT, True, False)
    assert sent.count == 1
    assert failure.sent_at > 0
    assert failure.elapsed >= 0.25


@pytest.mark.parametrize(
    "wire",
    [
        says(OK + b"Content-Length: 10\r\n\r\n", then="hang"),
        says(OK + b"Content-Length: 10000\r\n\r\n", *[b"x"] * 1000, pause=0.02),
        says(OK, *[b"X-%d: y\r\n" % number for number in range(1000)], pause=0.02),
    ],
    ids=["nothing after the head", "a byte at a time", "a field at a time"],
)
def test_B5_the_time_limit_is_for_the_whole_answer(wire: Wire) -> None:
    """B5: each byte comes in time, and the page never."""
    start = time.perf_counter()
    failure = bad(fetch_from(wire, timeout=0.3))
    assert time.perf_counter() - start < 1.3
    assert (failure.reason, failure.host_fault) == (Reason.TIMED_OUT, False)


def test_a_failure_after_the_head_keeps_the_head() -> None:
    head = b"HTTP/1.1 503 x\r\nRetry-After: 9\r\nContent-Length: 10\r\n\r\n"
    failure = bad(fetch_from(says(head, then="hang"), timeout=0.3))
    assert (failure.status, failure.headers["retry-after"]) == (503, "9")


def test_a_reset_instead_of_an_answer(site: Site) -> None:
    site.reset("/")
    failure = bad(fetch(site.url("/")))
    assert (failure.reason, failure.transient, failure.host_fault) == (Reason.UNREACHABLE, True, False)


def test_an_end_instead_of_an_answer() -> None:
    failure = bad(fetch_from(says()))
    assert (failure.reason, failure.transient) == (Reason.UNREACHABLE, True)
    assert failure.message == "connection closed without an answer"


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"220 mail.example ESMTP\r\n",
        b"<html>HTTP/0.9</html>",
        b"\0" * 100,
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        OK + b"no colon here\r\n\r\n",
        OK + b"X-Nul: a\0b\r\nContent-Length: 0\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        OK + b"Content-Length: 99999999999999999999999\r\n\r\n",
    ],
    ids=lambda data: data[:30].decode("latin-1").encode("unicode_escape").decode(),
)
def test_B7_what_is_not_http_is_malformed(data: bytes) -> None:
    """B7: reject, never guess."""
    failure = bad(fetch_from(says(data, pause=0.02)))
    assert (failure.reason, failure.transient, failure.host_fault) == (Reason.MALFORMED, False, False)


@pytest.mark.parametrize(
    "data",
    [
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX5\r\nworld\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\nworld\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n-1\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nfffffffffffffffffff\r\n",
    ],
    ids=["no line end", "no number", "negative", "enormous"],
)
def test_B7_broken_chunks_are_never_a_whole_body(data: bytes) -> None:
    answer = fetch_from(says(data, pause=0.02))
    if isinstance(answer, Response):
        assert (answer.body, answer.truncated) == (b"hello", True)
    else:
        assert answer.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    "data",
    [
        OK + b"X-Long: " + b"x" * 9000 + b"\r\n\r\n",
        OK + b"X-" + b"x" * 9000 + b": 1\r\n\r\n",
        b"HTTP/1.1 200 " + b"x" * 9000 + b"\r\n\r\n",
        OK + b"".join(b"X-%d: y\r\n" % number for number in range(10_000)) + b"\r\n",
        OK + b"X: y\r\n" * 129 + b"\r\n",
    ],
    ids=["value", "name", "status line", "10,000 fields", "129 fields"],
)
@pytest.mark.parametrize("dripped", [False, True])
def test_B6_a_head_beyond_the_limits_is_malformed(data: bytes, dripped: bool) -> None:
    """B6: also if it comes over many reads, which aiohttp's limit once overlooked."""
    parts = [data[start : start + 1500] for start in range(0, 15_000, 1500)] if dripped else [data]
    failure = bad(fetch_from(says(*parts, then="hang", pause=0.01), timeout=2.0))
    assert failure.reason is Reason.MALFORMED


def test_B6_an_endless_head_is_refused_long_before_the_time_limit() -> None:
    wire = endless(OK, b"X-Field: value\r\n" * 100)
    start = time.perf_counter()
    assert bad(fetch_from(wire)).reason is Reason.MALFORMED
    assert time.perf_counter() - start < 2


def test_B6_endless_interim_answers_end_with_the_time_limit() -> None:
    wire = endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 10)
    start = time.perf_counter()
    failure = bad(fetch_from(wire, timeout=0.3))
    assert time.perf_counter() - start < 1.5
    assert failure.reason in (Reason.TIMED_OUT, Reason.MALFORMED)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_that_is_not_what_it_says_is_malformed(site: Site, coding: str) -> None:
    site.page("/", "<!doctype html>" * 100, headers={"Content-Encoding": coding})
    failure = bad(fetch(site.url("/")))
    assert (failure.reason, failure.status, failure.transient) == (Reason.MALFORMED, 200, False)
    assert failure.message == "the body is not what Content-Encoding says"


def test_B3_six_codings_are_refused(site: Site) -> None:
    """B3."""
    site.page("/", "x", headers={"Content-Encoding": ", ".join(["gzip"] * 6)})
    failure = bad(fetch(site.url("/")))
    assert (failure.reason, failure.message) == (Reason.MALFORMED, "too many content codings")


# The wire


def targets_of_the_standards_cases() -> list[str]:
    cases = json.loads((DATA / "urltestdata.json").read_text())
    urls = [canonical(case.get("href", "")) for case in cases if isinstance(case, dict)]
    return sorted({target_of(url) for url in urls if url is not None})


ODD_TARGETS = [
    "/", "/?", "/a?", "/??", "/?a=b&&c", "//", "//a//b", "/a;b=c", "/a,b", "/a:b", "/@a", "/a@b?c@d",
    "/~a", "/a%2Fb", "/a%2fb", "/%25", "/%", "/%zz", "/%%37e", "/%C3%A9", "/%E9", "/a%20b?c%20d", "/?a+b%2B",
    "/?q='x'", "/[a]", "/?a[]=1", "/a|b?c|d", "/^", "/a\\b", "/?a\\b", "/?a=`b`", "/`", "/{a}", "/?{a}",
    "/a=b&c", "/$a*b", "/!a(b)", "/.a", "/a/..b", "/a/...", "/a.", "/:80", "/?//", "/?http://x/", "/é?é",
    "/" + "x" * 7000,
]  # fmt: skip


def test_the_request_line_is_the_canonical_url_byte_for_byte() -> None:
    """Requoted on the way, a URL would be another page, and robots.txt would have judged the wrong one."""
    wire = says(HELLO, then="keep")

    async def main() -> list[str]:
        asked = []
        async with wire.running(), opened() as fetcher:
            for target in [*ODD_TARGETS, *targets_of_the_standards_cases()]:
                url = canonical(wire.origin + target)
                assert url is not None
                asked.append(target_of(url))
                assert isinstance(
                    await fetcher.fetch(Request(url, MIB, reach="loopback"), lambda: None), Response
                )
        return asked

    asked = asyncio.run(main())
    assert len(asked) == len(wire.heads) > 100
    assert [pair for pair in zip(asked, wire.targets(), strict=True) if pair[0] != pair[1]] == []
    host = wire.origin.removeprefix("http://")
    assert {dict(wire.fields(number))["host"] for number in range(len(asked))} == {host}


def test_the_head_says_who_we_are_and_nothing_more() -> None:
    wire = says(HELLO)
    fetch_from(wire, "/a?b", user_agent="skitter/test (+https://example.com/)")
    assert wire.heads[0].startswith(b"GET /a?b HTTP/1.1\r\n")
    fields = wire.fields()
    assert dict(fields)["user-agent"] == "skitter/test (+https://example.com/)"
    assert dict(fields)["accept-encoding"] == "gzip, deflate, br, zstd"
    assert sorted(name for name, _ in fields) == ["accept", "accept-encoding", "host", "user-agent"]


CREDENTIALS: dict[str, Any] = {
    "header": ("X-Api-Key: s3cret",),
    "cookie": ("a=1", "b=2"),
    "auth": "üser:pass",
}


def test_credentials_go_out_only_where_they_may() -> None:
    """A4: one function builds the headers; a request that was not allowed them has none."""
    wire = says(HELLO)
    fetch_from(wire, credentials=False, **CREDENTIALS)
    assert not {"x-api-key", "cookie", "authorization"} & set(dict(wire.fields()))
    assert b"s3cret" not in wire.heads[0]
    fetch_from(wire, credentials=True, **CREDENTIALS)
    fields = dict(wire.fields())
    assert (fields["x-api-key"], fields["cookie"]) == ("s3cret", "a=1; b=2")
    assert fields["authorization"] == "Basic w7xzZXI6cGFzcw=="


@pytest.mark.parametrize(
    "line", ["User-Agent: mine", "user-agent: mine", "ACCEPT: mine", "accept-encoding: mine"]
)
def test_a_header_of_the_users_replaces_ours(line: str) -> None:
    """In whatever case he writes it, as with curl; twice would be wrong."""
    wire = says(HELLO)
    fetch_from(wire, credentials=True, header=(line,))
    name = line.partition(":")[0].lower()
    assert [value for key, value in wire.fields() if key == name] == ["mine"]


def test_cookies_that_a_server_sets_are_not_sent_back(site: Site) -> None:
    """No jar: pages that depend on one are somebody's session."""
    site.page("/", "x", headers={"Set-Cookie": "a=1; Path=/"})

    async def main() -> None:
        async with opened() as fetcher:
            for _ in range(3):
                good(await fetcher.fetch(Request(site.url("/"), MIB, reach="loopback"), lambda: None))

    asyncio.run(main())
    assert [seen.header("Cookie") for seen in site.requests] == [None] * 3


def test_nothing_is_taken_from_the_environment(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A7: a proxy or a password that lies about on the machine is not meant for us."""
    netrc = tmp_path / "netrc"
    netrc.write_text(
        "machine 127.0.0.1 login planted password planted\ndefault login planted password planted\n"
    )
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Site() as decoy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, decoy.origin)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        site.page("/", "x")
        assert good(fetch(site.url("/"))).status == 200
        assert decoy.requests == []
    (seen,) = site.requests
    assert seen.header("Authorization") is None


def test_a_proxy_that_we_were_told_to_use_is_used() -> None:
    wire = says(HELLO)

    async def main() -> Response | Failure:
        async with wire.running():
            return await once("http://nonexistent.invalid/a%2Fb", proxy=wire.origin)

    assert good(asyncio.run(main())).body == b"hello"
    assert wire.targets() == ["http://nonexistent.invalid/a%2Fb"]
    assert dict(wire.fields())["host"] == "nonexistent.invalid"


def test_a_dead_proxy_never_means_a_direct_connection(site: Site) -> None:
    """A9: fail closed. Who set a proxy had a reason."""
    site.page("/", "x")
    failure = bad(fetch(site.url("/"), proxy=f"http://127.0.0.1:{free_port()}"))
    assert (failure.reason, failure.transient) == (Reason.PROXY_ERROR, True)
    assert site.requests == []


# Connections


def test_sent_is_called_once_for_every_request_that_went_out(site: Site) -> None:
    site.page("/", "x")
    site.redirect("/r", "/")
    site.reset("/reset")
    for path in ("/", "/r", "/reset", "/missing"):
        sent = Sent()
        fetch(site.url(path), sent=sent)
        assert sent.count == 1, path


@pytest.mark.parametrize("then", ["close", "reset"])
def test_a_new_connection_that_is_lost_is_not_tried_again(then: str) -> None:
    """aiohttp would send the request a second time, unseen by pace, window and record."""
    wire = says(then=then)

    async def main() -> Failure:
        async with wire.running(), opened() as fetcher:
            answer = await fetcher.fetch(Request(wire.origin + "/", MIB, reach="loopback"), lambda: None)
            assert isinstance(answer, Failure)
            return answer

    assert asyncio.run(main()).reason is Reason.UNREACHABLE
    assert (len(wire.heads), wire.connections) == (1, 1)


def test_sent_is_called_once_even_if_a_pooled_connection_had_died() -> None:
    """aiohttp asks again on a new one; the host's pace is counted from the first."""
    served = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        served += 1
        if served != 2:
            writer.write(HELLO)
        else:
            writer.close()

    wire, sent = Wire(answer), Sent()

    async def main() -> Response | Failure:
        async with wire.running(), opened() as fetcher:
            good(await fetcher.fetch(Request(wire.origin + "/1", MIB, reach="loopback"), lambda: None))
            return await fetcher.fetch(Request(wire.origin + "/2", MIB, reach="loopback"), sent)

    assert good(asyncio.run(main())).body == b"hello"
    assert wire.targets() == ["/1", "/2", "/2"]
    assert sent.count == 1


def test_connections_are_used_again() -> None:
    """Also after a redirect without a body: a handshake is a quarter of the work of a page."""
    redirect = b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HELLO if wire.targets()[-1] == "/" else redirect)

    wire = Wire(answer)

    async def main() -> None:
        async with wire.running(), opened() as fetcher:
            for path in ("/", "/r", "/", "/r", "/"):
                good(await fetcher.fetch(Request(wire.origin + path, MIB, reach="loopback"), lambda: None))

    asyncio.run(main())
    assert (len(wire.heads), wire.connections) == (5, 1)


def test_many_requests_wait_for_nobody(site: Site) -> None:
    """The engine counts what is in flight; a second limit below would make requests wait in a slot."""
    site.page("/", "x", delay=0.3)

    async def main() -> float:
        async with opened() as fetcher:
            await fetcher.fetch(Request(site.url("/missing"), MIB, reach="loopback"), lambda: None)
            start = time.perf_counter()
            request = Request(site.url("/"), MIB, reach="loopback")
            answers = await asyncio.gather(*(fetcher.fetch(request, lambda: None) for _ in range(150)))
            assert all(isinstance(answer, Response) for answer in answers)
            return time.perf_counter() - start

    assert asyncio.run(main()) < 2.5
    assert site.max_in_flight > 100  # the limit of aiohttp, if nobody lifts it


def test_close_leaves_nothing_open() -> None:
    """Twice, and with an answer half read; a socket left to the collector would be a warning."""
    wire = says(HELLO, then="keep")

    async def main() -> None:
        async with wire.running():
            fetcher = AiohttpFetcher(Http(), Limits(), SystemClock())
            await fetcher.close()
            good(await fetcher.fetch(Request(wire.origin + "/", MIB, reach="loopback"), lambda: None))
            assert wire.open == 1
            await fetcher.close()
            await fetcher.close()
            await until(lambda: wire.open == 0)
            good(await fetcher.fetch(Request(wire.origin + "/", MIB, reach="loopback"), lambda: None))
            await fetcher.close()
            await until(lambda: wire.open == 0)

    asyncio.run(main())
    gc.collect()


def test_a_cancelled_fetch_is_cancelled_and_closes_its_connection() -> None:
    """The second Ctrl-C: cancellation is not a failure of the page."""
    wire = says(OK + b"Content-Length: 10\r\n\r\n", then="hang")

    async def main() -> None:
        async with wire.running(), opened() as fetcher:
            task = asyncio.ensure_future(
                fetcher.fetch(Request(wire.origin + "/", MIB, reach="loopback"), lambda: None)
            )
            await until(lambda: len(wire.heads) == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert task.cancelled()

    asyncio.run(main())
    gc.collect()


# The time to the first byte, and a loop that stood still


def test_the_first_bytes_time_is_less_the_lag() -> None:
    """The bytes were there while the loop stood still; they were only seen later."""
    wire = says(HELLO, then="keep", pause=0.0)

    async def answered_after(lag: float) -> Response:
        async with wire.running():
            fetcher = AiohttpFetcher(Http(), Limits(), SystemClock(), lambda waited: lag)
            task = asyncio.ensure_future(
                fetcher.fetch(Request(wire.origin + "/", MIB, reach="loopback"), lambda: None)
            )
            answer = good(await task)
            await fetcher.close()
            return answer

    plain = asyncio.run(answered_after(0.0))
    assert plain.ttfb > 0
    late = asyncio.run(answered_after(60.0))
    assert late.ttfb == 0.0, "never below nothing"
    assert late.elapsed > 0, "what passed has passed"


def test_the_lag_is_asked_for_when_the_first_byte_is_seen(site: Site) -> None:
    """Once an answer, after it has come: what the loop did before or later is no matter."""
    site.page("/", b"x" * 100_000, delay=0.05)
    asked: list[int] = []
    waits: list[float] = []

    def lag(waited: float) -> float:
        asked.append(len(site.requests))
        waits.append(waited)
        return 0.02

    async def main() -> Response:
        fetcher = AiohttpFetcher(Http(), Limits(), SystemClock(), lag)
        answer = good(await fetcher.fetch(Request(site.url("/"), MIB, reach="loopback"), lambda: None))
        await fetcher.close()
        return answer

    answer = asyncio.run(main())
    assert asked == [1]
    assert answer.ttfb == pytest.approx(waits[0] - 0.02)
    assert 0.02 < answer.ttfb <= answer.elapsed


def test_without_a_word_about_lag_there_is_none(site: Site) -> None:
    site.page("/", "x", delay=0.05)

    async def main() -> Response:
        async with opened() as fetcher:
            return good(await fetcher.fetch(Request(site.url("/"), MIB, reach="loopback"), lambda: None))

    assert asyncio.run(main()).ttfb >= 0.045
