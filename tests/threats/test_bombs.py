"""Bombs and what never ends (THREATS section 5), against a whole crawler."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import brotli
import pytest
from aiohttp import web

import skitter
from skitter.clock import SystemClock
from skitter.config import Http, Limits
from skitter.model import Failure, FinishReason, Reason, Request, Response, Summary
from skitter.net import AiohttpFetcher
from skitter.testing import Site

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1024 * 1024
CAP = 10 * MIB  # --max-body
HTML = {"Content-Type": "text/html"}


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


def crawl(*seeds: str, **options: Any) -> tuple[Summary, dict[str, skitter.Page]]:
    pages: dict[str, skitter.Page] = {}

    async def deliver(page: skitter.Page) -> None:
        pages[page.url] = page

    return asyncio.run(skitter.Crawler(**options).run(seeds, deliver=deliver)), pages


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read in /proc")


def probe(*urls: str) -> list[tuple[str, float, int]]:
    """Reason, seconds and KiB more of each, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.threats.bomb_probe", *urls],
        capture_output=True, text=True, timeout=100, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    return [(reason, took, grown) for reason, took, grown in map(json.loads, done.stdout.splitlines())]


def put(site: Site, path: str, coding: str, body: bytes) -> str:
    site.page(path, body, headers={**HTML, "Content-Encoding": coding})
    return site.url(path)


@needs_proc
def test_B1_bombs_cost_the_cap_and_no_more(site: Site) -> None:
    """The plan: too_large in under 1 s, under 32 MiB more than the cap. One has 10 GiB, one 34 bytes."""
    site.page("/", "x")
    zeros = bytes(16 * MIB)
    packed, tiny = gzip.compress(zeros, mtime=0), brotli.compress(bytes(32 * MIB), lgwin=24)
    assert len(tiny) <= 34
    bombs = [
        put(site, "/gzip", "gzip", packed * 640),
        put(site, "/deflate", "deflate", zlib.compress(bytes(256 * MIB))),
        put(site, "/br", "br", bytes(tiny)),
        put(site, "/zstd", "zstd", zstd.compress(zeros) * 640),
        put(site, "/twice", "gzip, gzip", gzip.compress(packed * 64, mtime=0)),
        put(site, "/brgz", "gzip, br", bytes(brotli.compress(packed * 64, quality=1))),
    ]
    for reason, took, grown in probe(site.url("/"), *bombs):
        assert reason == "too_large"
        assert took < 10
        assert grown * 1024 < CAP + 32 * MIB


def test_B2_the_body_of_a_redirect_is_never_decoded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("nobody may look at it")

    bomb = gzip.compress(bytes(16 * MIB), mtime=0)
    for status in (301, 302, 303, 307, 308):
        head = (
            f"HTTP/1.1 {status} x\r\nLocation: /end\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}"
        )
        site.raw(f"/{status}", head.encode() + b"\r\n\r\n" + bomb)
    site.page("/end", "")

    async def main() -> None:
        fetcher = AiohttpFetcher(Http(), Limits(), SystemClock())
        monkeypatch.setattr("skitter.net.fetcher.BodyDecoder", never)
        for status in (301, 302, 303, 307, 308):
            request = Request(site.url(f"/{status}"), CAP, reach="loopback")
            answer = await fetcher.fetch(request, lambda: None)
            assert isinstance(answer, Response)
            assert (answer.status, answer.body) == (status, b"")
        await fetcher.close()

    asyncio.run(main())


def test_B2_an_error_page_is_held_to_the_cap_too(site: Site) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        body = gzip.compress(bytes(16 * MIB), mtime=0) * 20
        return web.Response(status=404, body=body, headers={"Content-Encoding": "gzip"})

    site.handler("/", answer)
    _, pages = crawl(site.url("/"))
    assert pages[site.url("/")].reason is Reason.TOO_LARGE


@pytest.mark.parametrize("members", range(1, 6))
def test_B4_all_members_come_byte_by_byte_as_they_were(site: Site, members: int) -> None:
    parts = [bytes([number]) * 70_000 for number in range(members)]
    put(site, "/", "gzip", b"".join(map(gzip.compress, parts)))
    _, pages = crawl(site.url("/"))
    assert pages[site.url("/")].content == b"".join(parts)
    assert not pages[site.url("/")].record.truncated


def test_B4_a_cut_anywhere_is_marked(site: Site) -> None:
    text = b" ".join(b"%d" % number for number in range(5000))
    whole = gzip.compress(text[:9000], mtime=0) + gzip.compress(text[9000:], mtime=0)
    cuts = [1 + number * (len(whole) - 2) // 50 for number in range(50)]
    for cut in cuts:
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: {cut}"
        )
        site.raw(f"/{cut}", head.encode() + b"\r\n\r\n" + whole[:cut])
    site.page("/", links=[f"/{cut}" for cut in cuts])
    first_member = len(gzip.compress(text[:9000], mtime=0))
    _, pages = crawl(site.url("/"), per_host=4)
    for cut in set(cuts) - {first_member}:
        page = pages[site.url(f"/{cut}")]
        assert page.record.truncated, cut
        assert text.startswith(page.content)


# B5


@contextlib.asynccontextmanager
async def dripping(pause: float) -> AsyncIterator[str]:
    """Answers with a head, and then a byte at a time."""

    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000000\r\n\r\n")
            for _ in range(10_000):
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(pause)
        writer.close()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        await ended.wait()


def test_B5_a_body_that_drips_is_given_up_long_before_the_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skitter.net.speed._PERIOD", 0.5)

    async def main() -> None:
        async with dripping(0.02) as url:
            fetcher = AiohttpFetcher(Http(), Limits(timeout=60.0), SystemClock())
            start = time.perf_counter()
            answer = await fetcher.fetch(Request(url, CAP, reach="loopback"), lambda: None)
            assert time.perf_counter() - start < 10
            await fetcher.close()
            assert isinstance(answer, Failure)
            assert (answer.reason, answer.transient, answer.status) == (Reason.TOO_SLOW, True, 200)

    asyncio.run(main())


def test_B5_who_never_answers_does_not_hold_up_the_others(site: Site) -> None:
    """Slots of hosts that hang are freed in time, and the others do not feel it."""
    site.page("/", links=[f"/{n}" for n in range(200)])
    for n in range(200):
        site.page(f"/{n}", str(n))
    with Site() as hanging, Site() as partly:
        hanging.hang("/*")
        partly.raw("/*", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx")
        seeds = [hanging.url("/x"), partly.url("/x")]
        start = time.perf_counter()
        _, pages = crawl(site.url("/"), *seeds, timeout=2.0, retries=0, no_robots=True, concurrency=4)
        assert time.perf_counter() - start < 20
    assert pages[seeds[0]].reason is Reason.TIMED_OUT
    assert sum(page.ok for url, page in pages.items() if url.startswith(site.origin)) == 201
    times = [seen.time for seen in site.requests]
    assert max(times) - min(times) < 20


# B8


def test_B8_a_handshake_behind_a_proxy_that_never_ends(site: Site) -> None:
    async def main() -> Response | Failure:
        ended = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with contextlib.suppress(OSError):
                await reader.read()  # the hello is never answered
            writer.close()
            ended.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            proxy = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            fetcher = AiohttpFetcher(Http(proxy=proxy), Limits(timeout=0.5), SystemClock())
            answer = await fetcher.fetch(Request("https://elsewhere.test/", CAP), lambda: None)
            await fetcher.close()
            await ended.wait()
            return answer

    start = time.perf_counter()
    answer = asyncio.run(main())
    assert time.perf_counter() - start < 10
    assert isinstance(answer, Failure)
    assert answer.reason is Reason.TIMED_OUT


# B9


def test_B9_redirects_end(site: Site) -> None:
    """Loops of one, two and five, a chain without end, no place, an empty one, and one of 8 KiB."""
    site.redirect("/self", "/self")
    site.redirect("/two/0", "/two/1")
    site.redirect("/two/1", "/two/0")
    for n in range(5):
        site.redirect(f"/five/{n}", f"/five/{(n + 1) % 5}", 307)
    for n in range(60):
        site.redirect(f"/chain/{n}", f"/chain/{n + 1}")
    site.raw("/none", b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")
    site.redirect("/empty", "")
    site.redirect("/long", "/" + "x" * 8000)
    site.redirect("/longer", "/" + "x" * 9000)
    starts = ["/self", "/two/0", "/five/0", "/chain/0", "/none", "/empty", "/long", "/longer"]
    site.page("/", links=starts)
    _, pages = crawl(site.url("/"))
    loops = {url.removeprefix(site.origin) for url, page in pages.items() if page.reason == "redirect_loop"}
    assert loops == {"/self", "/two/1", "/five/4", "/chain/20"}
    assert sum(target.startswith("/chain/") for target in site.targets()) == 21
    assert pages[site.url("/none")].reason is Reason.HTTP_ERROR
    assert pages[site.url("/empty")].reason is Reason.HTTP_ERROR
    assert pages[site.url("/longer")].reason is Reason.MALFORMED


# B11


@needs_proc
def test_B11_a_gibibyte_costs_the_cap(site: Site) -> None:
    """Beyond --max-body nothing is read, whatever was announced; below, bodies are held in memory."""
    site.page("/", "x")

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        response.content_length = 1024 * MIB
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(1024):
                await response.write(bytes(MIB))
        return response

    site.handler("/large", answer)
    ((reason, _, grown),) = probe(site.url("/"), site.url("/large"))
    assert reason == "too_large"
    assert grown * 1024 < 64 * MIB


# B13


@pytest.mark.parametrize("hint", ["1e9", "31536000", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_B13_who_asks_for_years_is_parked_with_its_date(site: Site, tmp_path: Path, hint: str) -> None:
    with Site() as other:
        other.page("/", links=[f"/{n}" for n in range(20)])
        for n in range(20):
            other.page(f"/{n}", str(n))

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(status=503, headers={"Retry-After": hint})

        site.handler("/", answer)
        if hint == "1e9":  # no number of seconds: that is what Crawl-delay may say
            site.page("/", links=["/never"])
            site.robots("User-agent: *\nCrawl-delay: 1e9\n")
        summary, _ = crawl(site.url("/"), other.url("/"), job=str(tmp_path / "job"), concurrency=2)
    assert summary.finish_reason is FinishReason.WAITING
    assert summary.come_back_at is not None
    assert summary.come_back_at > time.time() + 300 * 86400
    assert summary.by_reason[Reason.FETCHED] >= 21
    assert summary.pending == 1


@pytest.mark.parametrize("hint", ["-5", "soon", "", "0", "1.5.5", "٣", "Thu, 99 Foo 2026 00:00:00 GMT"])
def test_B13_garbage_is_no_hint(site: Site, hint: str) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if site.count("/") > 1:
            return web.Response(text="well")
        return web.Response(status=503, headers={"Retry-After": hint})

    site.handler("/", answer)
    summary, _ = crawl(site.url("/"))
    assert summary.by_reason == {Reason.FETCHED: 1}
