"""Sitemaps in a crawl: found, fetched at their host's pace, taken for links, and never a record."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import skitter
from skitter.model import Reason, Summary
from skitter.testing import Site

XML = {"Content-Type": "application/xml"}


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        running.page("/", "front")
        yield running


def urlset(*urls: str, lastmod: str | None = None) -> str:
    date = f"<lastmod>{lastmod}</lastmod>" if lastmod else ""
    entries = "".join(f"<url><loc>{url}</loc>{date}</url>" for url in urls)
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'


def index(*urls: str) -> str:
    entries = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</sitemapindex>'


def put(site: Site, path: str, text: str | bytes) -> None:
    site.page(path, text, headers=XML)


def crawl(
    site: Site, folder: Path | None = None, **options: Any
) -> tuple[Summary, dict[str, dict[str, Any]]]:
    """The summary, and the records by path."""
    output = None if folder is None else str(folder / "pages.jsonl")
    pages: list[skitter.Page] = []

    async def deliver(page: skitter.Page) -> None:
        pages.append(page)

    crawler = skitter.Crawler(**{"records": output or (), "sitemaps": True, **options})
    summary = asyncio.run(crawler.run([site.url("/")], deliver=deliver))
    return summary, {page.url.removeprefix(site.origin): msgspec.to_builtins(page.record) for page in pages}


def test_what_a_sitemap_lists_is_visited_with_its_date_and_the_sitemap_has_no_record(site: Site) -> None:
    for path in ("/a", "/b"):
        site.page(path, path)
    put(site, "/sitemap.xml", urlset(site.url("/a"), site.url("/b"), lastmod="2026-05-01"))
    summary, records = crawl(site)
    assert summary.by_reason == {Reason.FETCHED: 3}
    assert records["/a"]["lastmod"] == "2026-05-01"
    assert records["/a"]["depth"] == 1
    assert records["/a"]["referrer"] == site.url("/sitemap.xml")
    assert records["/"]["lastmod"] is None
    assert "/sitemap.xml" not in records


def test_without_the_option_nobody_asks_for_a_sitemap(site: Site) -> None:
    put(site, "/sitemap.xml", urlset(site.url("/a")))
    summary, _ = crawl(site, sitemaps=False)
    assert summary.total == 1
    assert site.count("/sitemap.xml") == 0


def test_pages_that_are_linked_too_get_their_date(site: Site) -> None:
    """Sitemaps come before pages, so that it does not depend on who is first."""
    site.page("/", links=[f"/{n}" for n in range(30)])
    for n in range(30):
        site.page(f"/{n}", str(n))
    put(site, "/sitemap.xml", index(site.url("/one.xml"), site.url("/two.xml")))
    put(site, "/one.xml", urlset(*(site.url(f"/{n}") for n in range(15)), lastmod="2026-01-01"))
    put(site, "/two.xml", urlset(*(site.url(f"/{n}") for n in range(15, 30)), lastmod="2026-01-02"))
    summary, records = crawl(site, per_host=8)
    assert summary.by_reason == {Reason.FETCHED: 31}
    assert [records[f"/{n}"]["lastmod"] for n in (0, 14, 15, 29)] == ["2026-01-01"] * 2 + ["2026-01-02"] * 2
    assert site.targets()[0] == "/sitemap.xml"
    assert set(site.targets()[1:3]) == {"/one.xml", "/two.xml"}


def test_robots_names_them_and_then_the_usual_place_is_not_asked(site: Site) -> None:
    site.robots(f"User-agent: *\nDisallow: /secret\nSitemap: {site.url('/mine.txt')}\nSitemap: /rel.xml\n")
    site.page(
        "/mine.txt", f"{site.url('/a')}\n{site.url('/secret')}\n", headers={"Content-Type": "text/plain"}
    )
    put(site, "/rel.xml", urlset(site.url("/b")))
    site.page("/a", "a")
    site.page("/b", "b")
    summary, records = crawl(site)
    assert summary.by_reason == {Reason.FETCHED: 3, Reason.ROBOTS_DENIED: 1}
    assert site.count("/sitemap.xml") == 0
    assert set(records) == {"/", "/a", "/b", "/secret"}


def test_a_sitemap_that_is_linked_as_a_page_has_a_record_as_that(site: Site) -> None:
    site.page("/", links=["/sitemap.xml"])
    put(site, "/sitemap.xml", urlset(site.url("/a")))
    site.page("/a", "a")
    _, records = crawl(site)
    assert set(records) == {"/", "/a", "/sitemap.xml"}
    assert site.count("/sitemap.xml") == 2


def test_no_sitemap_is_no_failure(site: Site) -> None:
    summary, _ = crawl(site)
    assert summary.by_reason == {Reason.FETCHED: 1}
    assert site.count("/sitemap.xml") == 1


def test_a_redirected_and_a_gzipped_one(site: Site) -> None:
    site.redirect("/sitemap.xml", "/sitemap.xml.gz", 301)
    site.page(
        "/sitemap.xml.gz", gzip.compress(urlset(site.url("/a")).encode()),
        headers={"Content-Type": "application/gzip"},
    )  # fmt: skip
    site.page("/a", "a")
    summary, _ = crawl(site)
    assert summary.by_reason == {Reason.FETCHED: 2}


def test_one_that_fails_for_a_moment_is_tried_again(site: Site) -> None:
    site.errors("/sitemap.xml", 500, times=1, then=urlset(site.url("/a")))
    site.page("/a", "a")
    summary, _ = crawl(site)
    assert summary.by_reason == {Reason.FETCHED: 2}
    assert site.count("/sitemap.xml") == 2


def test_depth_and_patterns_hold_for_what_is_listed(site: Site) -> None:
    put(site, "/sitemap.xml", urlset(site.url("/a"), site.url("/b/c")))
    summary, _ = crawl(site, depth=0)
    assert summary.total == 1
    _, records = crawl(site, exclude=["*/b/*"])
    assert set(records) == {"/", "/a"}


def test_one_that_robots_txt_denies_holds_nobody_up(site: Site) -> None:
    site.robots(f"User-agent: *\nDisallow: /denied.xml\nSitemap: {site.url('/denied.xml')}\n")
    site.page("/", links=["/a"])
    site.page("/a", "a")
    put(site, "/denied.xml", urlset(site.url("/b")))
    summary, _ = crawl(site)
    assert summary.by_reason == {Reason.FETCHED: 2}
    assert site.count("/denied.xml") == 0


def test_one_that_fails_for_good_holds_nobody_up(site: Site) -> None:
    site.page("/", links=["/a"])
    site.page("/a", "a")
    site.reset("/sitemap.xml")
    summary, _ = crawl(site, retries=1)
    assert summary.by_reason == {Reason.FETCHED: 2}


def test_an_index_that_is_read_last_is_not_forgotten(site: Site) -> None:
    """The lane has more pages in hand than its window when a new file turns up."""
    site.robots(f"User-agent: *\nSitemap: {site.url('/a.xml')}\nSitemap: {site.url('/index.xml')}\n")
    put(site, "/a.xml", urlset(*(site.url(f"/{n}") for n in range(60))))
    site.page("/index.xml", index(site.url("/b.xml")), headers=XML, delay=0.1)
    put(site, "/b.xml", urlset(site.url("/z")))
    for path in ("/z", *(f"/{n}" for n in range(60))):
        site.page(path, path)
    summary, _ = crawl(site)
    assert summary.by_reason == {Reason.FETCHED: 62}


def test_where_the_usual_place_redirects_pages_get_their_date(site: Site) -> None:
    """As WordPress does it."""
    site.page("/", links=[f"/{n}" for n in range(10)])
    for n in range(10):
        site.page(f"/{n}", str(n))
    site.redirect("/sitemap.xml", "/wp-sitemap.xml", 301)
    put(site, "/wp-sitemap.xml", urlset(*(site.url(f"/{n}") for n in range(10)), lastmod="2026-01-01"))
    _, records = crawl(site)
    assert [records[f"/{n}"]["lastmod"] for n in range(10)] == ["2026-01-01"] * 10


def test_a_host_whose_front_page_is_denied_is_asked_for_its_sitemaps(site: Site) -> None:
    site.robots(
        f"User-agent: *\nDisallow: /\nAllow: /pub/\nAllow: /map.xml\nSitemap: {site.url('/map.xml')}\n"
    )
    put(site, "/map.xml", urlset(site.url("/pub/1")))
    site.page("/pub/1", "1")
    summary, _ = crawl(site)
    assert summary.by_reason == {Reason.ROBOTS_DENIED: 1, Reason.FETCHED: 1}


def test_without_depth_none_is_read(site: Site) -> None:
    put(site, "/sitemap.xml", urlset(site.url("/a")))
    crawl(site, depth=0)
    assert site.count("/sitemap.xml") == 0


def test_what_a_site_lists_is_no_trap(site: Site, tmp_path: Path) -> None:
    """A file a day looks like a calendar; but a list has an end."""
    days = [f"/data/{2000 + n // 336}-{n % 336 // 28 + 1:02}-{n % 28 + 1:02}.csv" for n in range(500)]
    site.page("/data/*", "1,2,3", headers={"Content-Type": "text/csv"})
    put(site, "/sitemap.xml", urlset(*map(site.url, days)))
    summary, _ = crawl(site, job=str(tmp_path / "job"), records=str(tmp_path / "r.jsonl"), per_host=8)
    assert summary.by_reason == {Reason.FETCHED: 501}
    site.page("/", links=days)
    summary, _ = crawl(site, sitemaps=False, per_host=8)
    assert summary.by_reason == {Reason.FETCHED: 367, Reason.TRAP: 134}


def test_fetch_takes_nothing_from_sitemaps(site: Site) -> None:
    put(site, "/sitemap.xml", urlset(site.url("/a")))
    summary, _ = crawl(site, scope="page")
    assert summary.total == 1
    assert site.count("/sitemap.xml") == 0


def test_a_kill_loses_none(site: Site, tmp_path: Path) -> None:
    """The sitemap is in the database before any page is asked for."""
    for n in range(20):
        site.page(f"/{n}", str(n))
    put(site, "/sitemap.xml", urlset(*(site.url(f"/{n}") for n in range(20))))
    job = str(tmp_path / "job")
    first, _ = crawl(site, tmp_path, job=job, limit=3)
    assert first.pending
    second, _ = crawl(site, tmp_path, job=job)
    assert second.by_reason == {Reason.FETCHED: 21}
    lines = (tmp_path / "pages.jsonl").read_text().splitlines()
    assert len({json.loads(line)["url"] for line in lines}) == len(lines) == 21


@pytest.mark.parametrize("processes", [1, 2])
def test_with_worker_processes_too(site: Site, processes: int) -> None:
    put(site, "/sitemap.xml", urlset(*(site.url(f"/{n}") for n in range(20)), lastmod="2026-05-01"))
    for n in range(20):
        site.page(f"/{n}", str(n))
    summary, records = crawl(site, processes=processes)
    assert summary.by_reason == {Reason.FETCHED: 21}
    assert records["/7"]["lastmod"] == "2026-05-01"


def test_a_long_one_costs_little_memory(tmp_path: Path) -> None:
    """The plan: 50 MB of 50,000 URLs under 64 MiB more; here a tenth of it, in a job."""
    with Site() as site:
        site.page("/", "front")
        filler = "x" * 900
        put(site, "/sitemap.xml", urlset(*(site.url(f"/{n}/{filler}") for n in range(5_000))))
        tracemalloc.start()
        summary, _ = crawl(site, job=str(tmp_path / "job"), limit=1, records=str(tmp_path / "r.jsonl"))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert summary.pending == 5_000
    assert peak < 64 * 2**20
