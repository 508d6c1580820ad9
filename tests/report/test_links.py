"""What a report says of links, against a plain walk over the same site by other means."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections import defaultdict
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import msgspec
from selectolax.lexbor import LexborHTMLParser

from skitter.frontier import Database
from skitter.model import Reason, Record
from skitter.report.dead_ends import broken as dead_ends_of
from skitter.report.figures import read_figures
from skitter.rules.url import key_of, keys_of
from skitter.testing import Site

Answer = tuple[int | None, str | None, set[str]]  # status, location, links


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def ask(url: str) -> Answer:
    """One request."""
    try:
        with urllib.request.build_opener(_Stay).open(url, timeout=10) as answer:
            status, body = answer.status, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        where = error.headers["Location"]
        return error.code, urljoin(url, where) if where else None, set()
    except OSError:
        return None, None, set()
    hrefs = re.findall(r'<a\b[^>]*\bhref="([^"]*)"', body)
    return status, None, {urldefrag(urljoin(url, href))[0] for href in hrefs}


def walk(*seeds: str) -> dict[str, Answer]:
    """Everything that can be reached without what robots.txt and the crawl leave out."""
    found: dict[str, Answer] = {}
    waiting = list(seeds)
    while waiting:
        url = waiting.pop()
        if url in found or "/private/" in url or "elsewhere" in url:
            continue
        found[url] = ask(url)
        status, location, links = found[url]
        if status == 503:  # once
            found[url] = ask(url)
        waiting += [*links, *([location] if location else [])]
    return found


def dead_ends(found: dict[str, Answer]) -> dict[str, set[str]]:
    """URLs that answer with an error or not at all, or redirect in a circle; who links there, or to a
    redirect that ends there."""
    ends: dict[str, set[str]] = defaultdict(set)
    for url in found:
        at, seen = url, []
        while (location := found[at][1]) and at not in seen:
            seen.append(at)
            at = location
        status = found[at][0]
        if location or status is None or status >= 400:
            ends["loop" if location else at] |= {
                page for page, (_, _, links) in found.items() if url in links
            }
    return dict(ends)


def test_it_lists_exactly_the_dead_links_and_all_who_link_there(site: Site, html: str) -> None:
    expected = dead_ends(walk(site.url("/"), site.url("/alone"), site.url("/alone-and-gone")))
    assert len(expected) == 7
    assert len(expected[site.url("/dead")]) == 3, "several referrers, not only the first"
    shown = {}
    for row in LexborHTMLParser(html).css("#broken tbody tr"):
        end, who = row.css("td")
        url = str(end.css("a")[0].attributes["href"])
        pages = [str(a.attributes["href"]) for a in who.css("li a")]
        shown["loop" if "/loop" in url else url] = set(pages)
    assert shown == expected


def test_a_redirect_that_leads_to_a_dead_end_is_named(site: Site, html: str) -> None:
    rows = [row.css("td") for row in LexborHTMLParser(html).css("#broken tbody tr")]
    (row,) = [row for row in rows if row[0].css("a")[0].attributes["href"] == site.url("/dead")]
    said = " ".join(row[1].text().split())
    assert f"through the redirect {site.url('/to-dead')}" in said
    assert f"through the redirect {site.url('/to-dead2')}" in said
    assert row[0].css(".badge")[0].text() == "http_error 404"


def test_the_way_of_redirects_the_longest_first(site: Site, job: Path) -> None:
    figures = read_figures(job / "job.db")
    chains = {chain.hops: (chain.reason, chain.status) for chain in figures.chains}
    paths = ("/hop1", "/hop2", "/hop3", "/b")
    assert [hops for hops in chains if len(hops) == 4] == [tuple(map(site.url, paths))]
    assert list(map(len, chains)) == sorted(map(len, chains), reverse=True)
    assert chains[tuple(map(site.url, paths))] == ("fetched", 200)
    assert chains[site.url("/to-dead2"), site.url("/to-dead"), site.url("/dead")] == ("http_error", 404)
    assert chains[site.url("/old"), site.url("/a")] == ("fetched", 200)
    assert sum(n for _, n in figures.chain_lengths) == len(chains)


def test_orphans_are_what_a_sitemap_lists_and_no_page_links_to(site: Site, job: Path) -> None:
    found = read_figures(job / "job.db").orphans
    assert {line.url: (line.reason, line.lastmod) for line in found.lines} == {
        site.url("/alone"): ("fetched", "2026-01-02"),
        site.url("/alone-and-gone"): ("http_error", None),
    }
    assert found.n == 2
    assert {line.referrer for line in found.lines} == {site.url("/sitemap.xml")}


def test_long_lists_are_cut_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    """1,100 dead ends, all linked from 600 pages or more: the cuts say how much there is."""
    gone = [f"http://a.example/gone/{n}" for n in range(1_100)]
    pages = [f"http://a.example/{n}" for n in range(600)]
    database = Database(tmp_path / "job.db")
    with database.transaction():
        insert = database.connection.execute
        insert("INSERT INTO host (id, origin) VALUES (1, 'http://a.example')")
        for n, url in enumerate(pages):
            links = keys_of(gone[:2] if n else gone)
            insert(ROW, (key_of(url), Reason.FETCHED, record(url, Reason.FETCHED, 200), links))
        for url in gone:
            insert(ROW, (key_of(url), Reason.HTTP_ERROR, record(url, Reason.HTTP_ERROR, 410), None))
    database.close()
    figures = read_figures(tmp_path / "job.db")
    assert figures.dead == 1_100
    assert len(figures.broken) == 1_000
    ways = [one.ways[0] for one in figures.broken]
    assert [way.url for way in ways] == gone[:1_000], "those with most pages first"
    assert [way.n for way in ways] == [600, 600] + [1] * 998
    assert ways[0].pages == tuple(pages[:500])
    assert ways[2].pages == (pages[0],)
    said = dead_ends_of(figures)
    assert "and 100 more dead ends: <code>skitter export</code> has all." in said
    assert said.count("and 100 more pages: ") == 2


ROW = "INSERT INTO record (key, host, reason, line, links) VALUES (?, 1, ?, ?, ?)"


def record(url: str, reason: Reason, status: int) -> bytes:
    at = "2026-01-01T00:00:00.000Z"
    return msgspec.json.encode(Record(url=url, reason=reason, status=status, depth=0, fetched_at=at))
