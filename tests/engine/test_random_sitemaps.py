"""Random webs with sitemaps of every sort: each crawl ends, and what is listed has one record."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from aiohttp import web

import skitter
from skitter.model import FinishReason
from skitter.testing import Site


def urlset(urls: list[str]) -> str:
    return "<urlset>" + "".join(f"<url><loc>{url}</loc></url>" for url in urls) + "</urlset>"


def index(urls: list[str]) -> str:
    entries = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f"<sitemapindex>{entries}</sitemapindex>"


class Web:
    """Files that list pages, other files, themselves and each other; some move, fail once, or are slow."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self._site, self._chance = site, chance
        self._failed: set[str] = set()
        count = chance.randint(1, 6)
        self.texts: dict[str, str] = {}
        self.moved = {f"/m{n}": f"/f{chance.randrange(count)}" for n in range(2)}
        files = [site.url(f"/f{n}") for n in range(count)] + [site.url(path) for path in self.moved]
        pages = [site.url(f"/p{n}") for n in range(chance.choice((3, 30, 90)))]
        self.listed: dict[str, list[str]] = {}
        self.children: dict[str, list[str]] = {}
        for n in range(count):
            if chance.random() < 0.5:
                self.children[f"/f{n}"] = chance.sample(files, min(len(files), chance.randint(1, 4)))
                self.texts[f"/f{n}"] = index(self.children[f"/f{n}"])
            else:
                self.listed[f"/f{n}"] = chance.sample(pages, min(len(pages), chance.choice((1, 5, 60))))
                self.texts[f"/f{n}"] = urlset(self.listed[f"/f{n}"])
        self.named = chance.sample(files, chance.randint(1, len(files)))
        site.robots("User-agent: *\nDisallow: /no\n" + "".join(f"Sitemap: {url}\n" for url in self.named))
        site.handler("/*", self._answer)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path, chance = request.path, self._chance
        if path in self.moved:
            return web.Response(status=301, headers={"Location": self.moved[path]})
        if path in self.texts:
            if path not in self._failed and chance.random() < 0.2:
                self._failed.add(path)
                return web.Response(status=500)
            await asyncio.sleep(chance.choice((0, 0, 0.02)))
            return web.Response(text=self.texts[path], content_type="application/xml")
        links = "".join(f'<a href="/p{chance.randrange(90)}">x</a>' for _ in range(2)) if path == "/" else ""
        return web.Response(text=f"{path}{links}", content_type="text/html")

    def expected(self) -> set[str]:
        """Pages that files list which can be reached within five steps."""
        found: set[str] = set()
        level = {(url.removeprefix(self._site.origin)) for url in self.named}
        seen: set[str] = set()
        for _ in range(4):
            after: set[str] = set()
            for path in level - seen:
                seen.add(path)
                found.update(self.listed.get(path, ()))
                after.update(url.removeprefix(self._site.origin) for url in self.children.get(path, ()))
                after.update([self.moved[path]] if path in self.moved else [])
            level = after
        return found


@pytest.mark.parametrize("seed", range(40))
def test_every_listed_page_has_one_record(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    chance = random.Random(seed)
    urls: Counter[str] = Counter()

    async def deliver(page: skitter.Page) -> None:
        urls[page.url] += 1

    options: dict[str, Any] = {
        "per_host": chance.choice((None, 1, 8)),
        "concurrency": chance.choice((1, 4, 64)),
    }
    if chance.random() < 0.5:
        folder = tmp_path_factory.mktemp("job")
        options |= {"job": folder / "j", "records": folder / "r.jsonl"}
    if chance.random() < 0.2:
        options["depth"] = 3
    with Site() as site:
        made = Web(site, chance)
        crawler = skitter.Crawler(sitemaps=True, retries=6, **options)
        summary = asyncio.run(crawler.run([site.url("/")], deliver=deliver))
    assert (summary.finish_reason, summary.pending) == (FinishReason.DONE, 0)
    assert made.expected() <= set(urls)
    assert max(urls.values()) == 1
    assert all("/p" in url or url.endswith("/") for url in urls), "no file has a record"
