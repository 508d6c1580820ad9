"""Reports of crawls of a small site with known faults, and how to read one."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser, LexborNode

import skitter
from skitter.cli.main import main
from skitter.testing import Site

SHUT = "http://127.0.0.1:9/nobody"  # discard: no server answers there
EVIL = '</title><script>alert("1")</script> \u202egnp.exe\x1b[31m'
VOID = {"meta", "br"}
SITEMAP = """<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<url><loc>{0}/a</loc></url><url><loc>{0}/alone</loc><lastmod>2026-01-02</lastmod></url>
<url><loc>{0}/alone-and-gone</loc></url><url><loc>{0}/named-late</loc></url></urlset>"""


class Document(HTMLParser):
    """A strict reader: what is opened is closed, in order; names are unique; inner links lead somewhere."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.names: list[str] = []
        self.attributes: set[str] = set()
        self.hrefs: list[dict[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open
        assert len(set(self.names)) == len(self.names)
        inner = {str(link["href"])[1:] for link in self.hrefs if str(link["href"]).startswith("#")}
        assert inner <= set(self.names)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert len(dict(attrs)) == len(attrs)
        self.attributes |= {name for name, _ in attrs}
        self.names += [str(value) for name, value in attrs if name == "id"]
        if tag == "a":
            assert "a" not in self.open
            self.hrefs.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def one(html: str, selector: str) -> LexborNode:
    """The first element that is so."""
    found = LexborHTMLParser(html).css_first(selector)
    assert found is not None
    return found


def furnish(site: Site) -> None:
    """Dead links with several referrers, redirects, duplicates, and what else a report tells of."""
    site.robots("User-agent: *\nDisallow: /private")
    site.page("/", title="Home", links=[
        "/a", "/b", "/dead", "/loop", "/old", "/private/1", "/private/2", "/flaky", "/reset", SHUT, "/big",
        "/hop1", "/same1", "/same2", "/evil",
    ])  # fmt: skip
    site.page(
        "/a",
        title="Alpha",
        links=["/dead", "dead#again", "/dead2?x=1", "/to-dead", "/b", SHUT, "/named-late"],
    )
    site.page(
        "/b",
        title="Beta",
        links=["/dead", "/to-dead2", "/broken", "/old", "/a", "https://elsewhere.example/"],
    )
    site.redirect("/old", "/a", 301)
    site.redirect("/to-dead", "/dead")
    site.redirect("/to-dead2", "/to-dead")
    site.redirect("/loop", "/loop2")
    site.redirect("/loop2", "/loop")
    site.redirect("/hop1", "/hop2", 301)
    site.redirect("/hop2", "/hop3", 308)
    site.redirect("/hop3", "/b")
    site.page("/broken", status=500)
    site.reset("/reset")
    site.errors("/flaky", 503, times=1, then="<title>Flaky</title>", headers={"Retry-After": "0"})
    for path in ("/same1", "/same2"):
        site.page(path, "<title>The same</title>twice")
    site.page(
        "/evil", f"<title>{EVIL.replace('</title>', '&lt;/title>')}</title><meta name=robots content=noindex>"
    )
    site.page("/big", b"x" * 50_000, content_type="application/pdf")
    site.page("/alone", "<title>Nobody links here</title>")
    site.page("/named-late", "<title>Late</title>")
    site.page("/sitemap.xml", SITEMAP.format(site.origin), content_type="application/xml")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as site:
        furnish(site)
        yield site


@pytest.fixture(scope="module")
def job(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site, crawled."""
    folder = tmp_path_factory.mktemp("crawl") / "job"
    crawler = skitter.Crawler(
        job=str(folder), scope="any", exclude=["*//elsewhere.example/*"], sitemaps=True, retries=1
    )
    crawler.run_sync([site.url("/")])
    return folder


@pytest.fixture(scope="module")
def html(job: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its report."""
    file = tmp_path_factory.mktemp("report") / "r.html"
    assert main(["report", str(job), "-o", str(file)]) == 0
    return file.read_text(encoding="utf-8")
