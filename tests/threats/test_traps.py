"""A site that makes up URLs for ever, next to one that does not (B12)."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

import skitter
from skitter.cli.main import main
from skitter.model import Reason, Summary
from skitter.testing import Site

NORMAL = 60
CHANCE = random.Random(2026)


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        running.page("/", links=[f"/normal/{n}" for n in range(NORMAL)])
        for n in range(NORMAL):
            running.page(f"/normal/{n}", f"page {n}", links=["/", f"/normal/{(n + 1) % NORMAL}"])
        yield running


def serve(site: Site, path: str, page: Callable[[web.BaseRequest], str]) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=page(request), content_type="text/html")

    site.handler(path, answer)


def anchors(*urls: object) -> str:
    return "".join(f'<a href="{url}">x</a>' for url in urls)


def crawl(*seeds: str, **options: Any) -> tuple[Summary, dict[str, skitter.Page]]:
    pages: dict[str, skitter.Page] = {}

    async def deliver(page: skitter.Page) -> None:
        assert page.url not in pages
        pages[page.url] = page

    return asyncio.run(skitter.Crawler(**{"per_host": 8, **options}).run(seeds, deliver=deliver)), pages


def _calendar(request: web.BaseRequest) -> str:
    year, month = (int(part) for part in request.path.split("/")[-2:])
    later, sooner = divmod(year * 12 + month, 12), divmod(year * 12 + month - 2, 12)
    return f"{request.path}" + anchors(f"/cal/{later[0]}/{later[1] + 1}", f"/cal/{sooner[0]}/{sooner[1] + 1}")


def _query(request: web.BaseRequest) -> str:
    last = max(map(int, parse_qs(request.query_string).get("c", ["0"])))
    return f"{request.query_string}" + anchors(f"?{request.query_string}&c={last + 1}")


def _session(request: web.BaseRequest) -> str:
    token = CHANCE.getrandbits(64)
    return str(token) + anchors(*(f"/session/{n};jsessionid={token:016x}" for n in range(5)))


def _visitor(request: web.BaseRequest) -> str:
    token = CHANCE.getrandbits(64)
    return str(token) + anchors(*(f"/visitor/a{token:016x}1/{n}" for n in range(3)))


def _orders(request: web.BaseRequest) -> str:
    names = ["a=1", "b=2", "c=3", "d=4", "e=5"]
    return str(CHANCE.random()) + anchors(*("?" + "&".join(CHANCE.sample(names, 5)) for _ in range(10)))


def _pages(request: web.BaseRequest) -> str:
    number = int(request.query.get("page", 0))
    return f"{number}" + anchors(*(f"?page={number + step}" for step in range(1, 9)))


def _chain(request: web.BaseRequest) -> str:
    number = int(request.path.split("/")[-1])
    return f"{number}" + anchors(number + 1)


# What is served, where it begins, and the rules that may end it.
TRAPS: dict[str, tuple[str, Callable[[web.BaseRequest], str], str]] = {
    "/cal/*": ("/cal/2026/11", _calendar, "calendar"),
    "/self/*": ("/self/", lambda request: request.path + anchors("about/", "news/"), "cycle"),
    "/query*": ("/query?c=0", _query, "query"),
    "/session/*": ("/session/0", _session, "session"),
    "/visitor/*": ("/visitor/", _visitor, "visitor"),
    "/orders*": ("/orders", _orders, "order of parameters"),
    "/pages*": ("/pages?page=1", _pages, "pagination"),
    "/chain/*": ("/chain/0", _chain, "depth"),
    "/mirror/*": ("/mirror/", lambda request: "the same" + anchors(*(f"{n}x/" for n in range(4))), "content"),
}  # fmt: skip


@pytest.mark.parametrize("path", TRAPS)
def test_B12_a_trap_ends_and_the_site_beside_it_is_complete(site: Site, path: str) -> None:
    start, page, rule = TRAPS[path]
    serve(site, path, page)
    site.page("/", links=[start, *(f"/normal/{n}" for n in range(NORMAL))])
    summary, pages = crawl(site.url("/"))
    assert summary.finish_reason == "done"
    assert all(pages[site.url(f"/normal/{n}")].ok for n in range(NORMAL))
    rules = Counter((page.error or "").partition(":")[0] for page in pages.values() if page.reason == "trap")
    assert rule in rules
    assert summary.by_reason[Reason.FETCHED] <= 4 * 366 + NORMAL
    unfetched = {page.url for page in pages.values() if page.reason == "trap" and page.status is None}
    assert not unfetched & {site.url(target) for target in site.targets()}, "a verdict asks nobody"


def test_B12_all_at_once_with_workers(site: Site) -> None:
    starts = []
    for path, (start, page, _) in TRAPS.items():
        if path not in ("/pages*", "/chain/*"):  # the longest ones
            serve(site, path, page)
            starts.append(start)
    site.page("/", links=[*starts, *(f"/normal/{n}" for n in range(NORMAL))])
    summary, pages = crawl(site.url("/"), processes=2)
    assert summary.finish_reason == "done"
    assert all(pages[site.url(f"/normal/{n}")].ok for n in range(NORMAL))
    rules = {(page.error or "").partition(":")[0] for page in pages.values() if page.reason == "trap"}
    assert rules == {"calendar", "cycle", "query", "session", "visitor", "order of parameters", "content"}


def test_B12_the_guard_can_be_switched_off(site: Site) -> None:
    serve(site, "/cal/*", _calendar)
    summary, _ = crawl(site.url("/cal/2026/11"), no_trap_guard=True, limit=450)
    assert summary.by_reason == {Reason.FETCHED: 450}


def test_B12_what_the_user_names_is_no_trap(site: Site) -> None:
    serve(site, "/cal/*", _calendar)
    summary, _ = crawl(site.url("/cal/2026/11"), include=["*/cal/*"], limit=450)
    assert summary.by_reason == {Reason.FETCHED: 450}
    site.page("/a/a/a/a/a/a", "named")
    summary, _ = crawl(site.url("/a/a/a/a/a/a"))
    assert summary.by_reason == {Reason.FETCHED: 1}


def test_B12_missing_pages_and_pictures_are_no_mirrors(site: Site) -> None:
    """Error pages are alike by nature; so are what has no links: placeholders, styles, one-pixel pictures."""
    many = range(50)
    site.page("/", links=[f"/{kind}/{n}" for kind in ("missing", "style", "plain", "soft") for n in many])
    site.page("/style/*", "p{}", headers={"Content-Type": "text/css"})
    site.page("/plain/*", "<p>nothing here</p>")
    summary, _ = crawl(site.url("/"))
    assert summary.by_reason == {Reason.FETCHED: 101, Reason.HTTP_ERROR: 100}


def test_B12_a_tree_that_is_there_ten_times_is_crawled_ten_times(site: Site) -> None:
    site.page("/", links=[f"/copy{c}/0" for c in range(10)])
    for c in range(10):
        for n in range(20):
            site.page(f"/copy{c}/{n}", f"page {n}", links=[f"{(n + 1) % 20}"])
    summary, _ = crawl(site.url("/"))
    assert summary.by_reason == {Reason.FETCHED: 201}


def test_B12_the_figures_hold_over_all_runs_of_a_job(site: Site, tmp_path: Path) -> None:
    serve(site, "/cal/*", _calendar)
    serve(site, "/mirror/*", TRAPS["/mirror/*"][1])
    site.page("/", links=["/cal/2026/11", "/mirror/"])
    options = {"job": str(tmp_path / "job"), "records": str(tmp_path / "r.jsonl")}
    for limit in (50, 100, 200, 250, 300, 380, 10_000):
        summary, _ = crawl(site.url("/"), limit=limit, **options)
    assert summary.finish_reason == "done"
    calendar = sum(target.startswith("/cal/") for target in set(site.targets()))
    # A pattern's first URL is in the database, a content's first is not.
    assert calendar == 366
    mirrors = sum("/mirror/" in target for target in set(site.targets()))
    assert summary.by_reason[Reason.FETCHED] <= 1 + 366 + 33
    assert mirrors >= 32


def test_B12_status_tells_the_traps(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    serve(site, "/cal/*", _calendar)
    job = str(tmp_path / "job")
    crawl(site.url("/cal/2026/11"), job=job, records=str(tmp_path / "r.jsonl"))
    assert main(["status", job]) == 0
    said = capsys.readouterr().out
    assert f"calendar: more than 366 URLs like {site.url('/cal/{date}')}" in said
