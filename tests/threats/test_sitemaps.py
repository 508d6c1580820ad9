"""Sitemaps that would hurt, in a whole crawl (THREATS section 6: X1 to X3)."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import skitter
from skitter.events import Event, SitemapRead
from skitter.model import Reason, Summary
from skitter.testing import Site

MIB = 1024 * 1024
XML = {"Content-Type": "application/xml"}


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        running.page("/", "front")
        yield running


def urlset(*urls: str) -> str:
    return "<urlset>" + "".join(f"<url><loc>{url}</loc></url>" for url in urls) + "</urlset>"


def index(*urls: str) -> str:
    return (
        "<sitemapindex>" + "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls) + "</sitemapindex>"
    )


def crawl(site: Site, **options: Any) -> tuple[Summary, list[SitemapRead], set[str]]:
    """The summary, what was said of sitemaps, and the URLs that have a record."""
    said: list[SitemapRead] = []
    urls: set[str] = set()

    def observe(event: Event) -> None:
        if isinstance(event, SitemapRead):
            said.append(event)

    async def deliver(page: skitter.Page) -> None:
        urls.add(page.url)

    crawler = skitter.Crawler(sitemaps=True, observe=observe, **options)
    return asyncio.run(crawler.run([site.url("/")], deliver=deliver)), said, urls


HOSTILE = {
    "entities": '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>',
    "cycle": '<!DOCTYPE x [<!ENTITY a "&b;"><!ENTITY b "&a;">]>',
    "file": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    "outer": '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">',
    "parameter": '<!DOCTYPE x [<!ENTITY % a SYSTEM "http://127.0.0.1:1/x"> %a;]>',
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_X1_a_declaration_ends_a_sitemap_and_not_the_crawl(site: Site, name: str, encoding: str) -> None:
    text = f"{HOSTILE[name]}<urlset><url><loc>{site.url('/&a;')}</loc></url></urlset>"
    site.page("/sitemap.xml", text.encode(encoding), headers=XML)
    summary, said, urls = crawl(site, scope="any")
    assert summary.by_reason == {Reason.FETCHED: 1}
    assert urls == {site.url("/")}
    assert [event.error for event in said] == ["DOCTYPE is not allowed"]


def test_X2_an_index_that_leads_back_is_read_once(site: Site) -> None:
    site.page("/sitemap.xml", index(site.url("/b.xml"), site.url("/sitemap.xml")), headers=XML)
    site.page("/b.xml", index(site.url("/c.xml")), headers=XML)
    site.page("/c.xml", index(site.url("/sitemap.xml"), site.url("/b.xml"), site.url("/d.xml")), headers=XML)
    site.page("/d.xml", urlset(site.url("/page")), headers=XML)
    site.page("/page", "page")
    summary, _, _ = crawl(site)
    assert summary.by_reason == {Reason.FETCHED: 2}
    assert [site.count(f"/{name}.xml") for name in ("sitemap", "b", "c", "d")] == [1, 1, 1, 1]


def test_X2_a_deep_index_ends(site: Site) -> None:
    for n in range(50):
        site.page(f"/{n}.xml", index(site.url(f"/{n + 1}.xml")), headers=XML)
    site.redirect("/sitemap.xml", "/0.xml")
    summary, _, _ = crawl(site)
    assert summary.by_reason == {Reason.FETCHED: 1}
    assert len(site.targets()) <= 8


def test_X2_a_bomb_ends_at_the_cap(site: Site) -> None:
    bomb = gzip.compress(b"<urlset>" + b" " * (64 * MIB) + b"</urlset>", mtime=0)
    site.page("/sitemap.xml", bomb, headers={"Content-Type": "application/gzip"})
    held = 0.0

    async def main() -> None:
        nonlocal held

        async def feel() -> None:
            nonlocal held
            while True:
                began = time.perf_counter()
                await asyncio.sleep(0.005)
                held = max(held, time.perf_counter() - began - 0.005)

        feeler = asyncio.create_task(feel())
        await skitter.Crawler(sitemaps=True).run([site.url("/")])
        feeler.cancel()

    asyncio.run(main())
    assert held < 10 * 0.1
    _, said, _ = crawl(site)
    assert said[0].error is not None
    assert "52,428,800" in said[0].error or "damaged" in said[0].error or "tag" in said[0].error


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read in /proc")
def test_X2_a_file_as_long_as_may_be_costs_little_memory(site: Site, tmp_path: Path) -> None:
    """The plan: 50 MB of 50,000 URLs under 64 MiB more; the crawl that is compared with reads none."""
    filler = "x" * 950
    site.page("/sitemap.xml", urlset(*(site.url(f"/{n}/{filler}") for n in range(50_000))), headers=XML)
    code = (
        "import sys; from skitter.cli.main import main; code = main(sys.argv[1:]);"
        "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    )
    grown: list[int] = []
    for more in ([], ["--sitemaps"]):
        words = ["crawl", site.url("/"), "-q", "-n", "1", "--job", str(tmp_path / f"job{len(grown)}"), *more]
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=100, check=True
        )
        grown.append(int(done.stdout.split()[-1]))
    status = subprocess.run(
        [sys.executable, "-m", "skitter", "status", str(tmp_path / "job1"), "--json"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert json.loads(status.stdout)["pending"] == 50_000
    assert (grown[1] - grown[0]) * 1024 < 64 * MIB


def test_X3_neither_other_schemes_nor_other_sites_are_led_to(site: Site) -> None:
    with Site() as other:
        other.page("/*", "other")
        bad = [
            "file:///etc/passwd",
            "gopher://127.0.0.1:70/_x",
            "data:text/xml,<urlset/>",
            "ftp://h/x",
            "//",
            "",
        ]
        robots = [f"Sitemap: {url}" for url in [*bad, other.url("/map.xml"), site.url("/map.xml")]]
        site.robots("\n".join(robots))
        entries = [*bad, other.url("/listed"), site.url("/own")]
        site.page("/map.xml", urlset(*entries), headers=XML)
        site.page("/own", "own")
        summary, _, urls = crawl(site)
        assert other.requests == []
    assert urls == {site.url("/"), site.url("/own")}
    assert summary.by_reason == {Reason.FETCHED: 2}


def test_X3_an_index_leads_to_no_other_site_either(site: Site) -> None:
    with Site() as other:
        other.page("/*", urlset(site.url("/x")), headers=XML)
        site.page("/sitemap.xml", index(other.url("/map.xml"), "file:///etc/hosts"), headers=XML)
        site.redirect("/r.xml", other.url("/r.xml"))
        site.robots(f"Sitemap: {site.url('/sitemap.xml')}\nSitemap: {site.url('/r.xml')}\n")
        crawl(site)
        assert other.requests == []
