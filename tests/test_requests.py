"""Requests that are more than a plain GET: what the server sees, once, also over a crash and in workers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import skitter
from skitter import Crawler, Page, Request
from skitter.testing import Site


class Shop:
    """A site with a search form, an API and redirects; remembers bodies and headers."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.asked: list[tuple[str, str, bytes, dict[str, str]]] = []
        site.page("/", links=["/about"])
        site.page("/about", "about")
        for path in ("/search", "/api", "/see", "/keep", "/broken", "/away"):
            site.handler(path, self.answer)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        path = request.rel_url.path
        self.asked.append((request.method, path, body, dict(request.headers)))
        if path == "/see":
            raise web.HTTPSeeOther("/about")
        if path == "/keep":
            raise web.HTTPTemporaryRedirect("/api")
        if path == "/broken":
            return web.Response(status=500)
        text = f"<title>{request.method} {body.decode('latin-1')}</title>"
        return web.Response(text=text, content_type="text/html")

    def said(self, path: str) -> list[tuple[str, bytes]]:
        return [(method, body) for method, where, body, _ in self.asked if where == path]


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Site() as site:
        yield Shop(site)


Handler = Callable[[Page], Any]


def crawl(shop: Shop, front: Handler, **options: Any) -> dict[str, Page | Any]:
    """Crawl with a handler for the front page; records by title."""
    crawler = Crawler(per_host=4, **options)
    crawler.on("*/")(front)
    pages: list[Page] = []

    async def deliver(page: Page) -> None:
        pages.append(page)

    asyncio.run(crawler.run([shop.site.url("/")], deliver=deliver))
    return {page.title or page.url: page for page in pages}


def test_a_form_is_sent_and_its_answer_is_a_page(shop: Shop) -> None:
    async def front(page: Page) -> Any:
        yield page.follow("/search", data={"q": "tin can"}, meta={"word": "tin can"})
        yield page.follow("/search", data={"q": "tin can"})  # the same: once
        yield page.follow("/search", data={"q": "glass"})
        yield page.follow("/search")

    pages = crawl(shop, front)
    assert sorted(shop.said("/search")) == [("GET", b""), ("POST", b"q=glass"), ("POST", b"q=tin+can")]
    assert pages["POST q=tin+can"].meta == {"word": "tin can"}
    assert pages["POST q=glass"].meta == {}
    (headers,) = [headers for _, _, body, headers in shop.asked if body == b"q=glass"]
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_a_request_needs_no_page(shop: Shop) -> None:
    url = shop.site.url("/api")

    def front(page: Page) -> Any:
        yield Request(
            url, method="POST", body=b"{}", headers={"Content-Type": "application/json", "X-K": "v"}
        )
        yield Request(url + "#top")

    crawl(shop, front)
    assert sorted(shop.said("/api")) == [("GET", b""), ("POST", b"{}")]
    (headers,) = [headers for method, _, _, headers in shop.asked if method == "POST"]
    assert (headers["X-K"], headers["Content-Type"]) == ("v", "application/json")


def test_a_request_that_cannot_be_made_is_said_in_the_record(shop: Shop) -> None:
    def front(page: Page) -> Any:
        yield Request("/relative")

    (page,) = crawl(shop, front, retries=0).values()
    assert page.reason == "handler_error"
    assert "'/relative' is no absolute http(s) URL" in (page.error or "")


def test_redirects_go_on_as_browsers_do(shop: Shop) -> None:
    async def front(page: Page) -> Any:
        yield page.follow("/see", data="x", headers={"X-K": "v"}, meta={"n": 1})
        yield page.follow("/keep", data="y", headers={"X-K": "v"})

    pages = crawl(shop, front)
    assert shop.said("/see") == [("POST", b"x")]
    assert shop.said("/keep") == shop.said("/api") == [("POST", b"y")]
    about = next(seen for seen in shop.site.requests if seen.target == "/about")
    assert (about.method, about.header("X-K"), about.header("Content-Type")) == ("GET", "v", None)
    assert pages[shop.site.url("/about")].meta == {"n": 1}


def test_headers_do_not_follow_a_redirect_to_another_host(shop: Shop) -> None:
    with Site() as other:
        other.page("/", "there")

        async def away(request: web.BaseRequest) -> web.StreamResponse:
            raise web.HTTPTemporaryRedirect(other.url("/"))

        shop.site.handler("/away", away)

        async def front(page: Page) -> Any:
            yield page.follow("/away", data="y", headers={"X-Secret": "v"})

        crawl(shop, front, scope="any")
        (seen,) = [seen for seen in other.requests if seen.target == "/"]
        assert (seen.method, seen.header("X-Secret")) == ("POST", None)
        assert seen.header("Content-Type") == "text/plain; charset=utf-8"


def test_what_may_have_been_done_is_not_done_twice(shop: Shop) -> None:
    """RFC 9110, 9.2.2: a POST that failed in the middle is not repeated; a GET is."""

    async def front(page: Page) -> Any:
        yield page.follow("/broken", data="x")
        yield page.follow("/broken")

    crawl(shop, front, retries=2)
    assert sorted(shop.said("/broken")) == [("GET", b""), ("GET", b""), ("GET", b""), ("POST", b"x")]


@pytest.mark.parametrize("processes", [1, 2])
def test_requests_outlive_a_kill(shop: Shop, tmp_path: Path, processes: int) -> None:
    program = f"""
import skitter
crawler = skitter.Crawler(job={str(tmp_path / "j")!r}, output={str(tmp_path / "items.jsonl")!r}, per_host=1,
    delay=0.1, processes={processes})

@crawler.on("*/")
def front(page):
    for n in range(5):
        yield page.follow("/api", json={{"n": n}}, meta={{"n": n}})

@crawler.on("*/api")
def api(page):
    return {{"title": page.title, "n": page.meta["n"]}}

crawler.run_sync([{shop.site.url("/")!r}])
"""
    env = {"PYTHONPATH": ":".join(sys.path), "SKITTER_FAILPOINT": "after-commit-before-ack:3"}
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, env=env, timeout=60, capture_output=True).returncode == -9
    env.pop("SKITTER_FAILPOINT")
    assert subprocess.run(command, env=env, timeout=60, capture_output=True).returncode == 0
    items = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    assert sorted(item["n"] for item in items) == [0, 1, 2, 3, 4]
    assert all(item["title"] == f'POST {{"n":{item["n"]}}}' for item in items)


def test_a_task_may_ask_otherwise(shop: Shop) -> None:
    async def main() -> Page:
        async with Crawler() as crawler:
            return await crawler.submit(shop.site.url("/api"), json=[1], meta={"a": "b"})

    page = asyncio.run(main())
    assert (page.title, page.meta) == ("POST [1]", {"a": "b"})
    assert skitter.Request is Request


def test_meta_is_each_pages_own(shop: Shop) -> None:
    seen: list[list[int]] = []
    crawler = Crawler(per_host=1)

    @crawler.on("*/")
    async def front(page: Page) -> Any:
        yield page.follow("a", meta={"seen": []})
        yield page.follow("/search", data="1", meta={"seen": []})
        yield page.follow("/search", data="2", meta={"seen": []})

    @crawler.default
    async def other(page: Page) -> None:
        page.meta["seen"].append(1)
        seen.append(page.meta["seen"])

    asyncio.run(crawler.run([shop.site.url("/")]))
    assert seen == [[1], [1], [1]]


def test_numbers_that_no_worker_can_be_told_are_said(shop: Shop) -> None:
    async def front(page: Page) -> Any:
        yield page.follow("/search", meta={"n": 2**70})

    (page,) = crawl(shop, front).values()
    assert page.reason == "handler_error"
    assert "meta: " in (page.error or "")
