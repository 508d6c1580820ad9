"""What is in a document, ready to be used: Markdown, an article, metadata, feeds, tables.

The work is turbohtml's (docs/decisions.md); here is what of it counts, and that a link means the same as it
does to the crawler.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import turbohtml
from turbohtml import extract

from skitter.rules.url import canonical, without_userinfo

__all__ = [
    "Article",
    "Feed",
    "FeedEntry",
    "Metadata",
    "article",
    "feed",
    "feeds",
    "markdown",
    "metadata",
    "tables",
]

_FEED_TYPES = frozenset({"application/rss+xml", "application/atom+xml", "application/feed+json"})
# What documentation puts beside a heading, as a link to itself.
_PERMALINKS = frozenset({"", "#", "¶", "§", "🔗", "\uf0c1"})
_MOST_CELLS = 1_000_000
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


class Article(msgspec.Struct, frozen=True):
    """The dominant content of a page, and what the page says about it. What is not said is None."""

    text: str  # plain text with its paragraphs; "" if nothing reads as content
    title: str | None = None
    author: str | None = None
    date: str | None = None  # as written there
    description: str | None = None
    site_name: str | None = None
    image: str | None = None  # a canonical URL
    tags: tuple[str, ...] = ()


class Metadata(msgspec.Struct, frozen=True):
    """What a page says for machines. Names of ``meta`` are lower-case, and the last of several counts; URLs
    in ``opengraph`` and ``microdata`` are absolute."""

    meta: Mapping[str, str] = {}
    opengraph: Mapping[str, str] = {}  # names with their prefix: "og:title", "twitter:card"
    json_ld: tuple[Any, ...] = ()
    microdata: tuple[Mapping[str, Any], ...] = ()  # {"type": ..., "id": ..., "properties": {name: [value]}}


class FeedEntry(msgspec.Struct, frozen=True):
    """An entry of a feed; times as they are written there."""

    title: str | None = None
    link: str | None = None
    id: str | None = None
    published: str | None = None
    updated: str | None = None
    author: str | None = None
    summary: str | None = None
    content: str | None = None


class Feed(msgspec.Struct, frozen=True):
    """An RSS, Atom or RDF document; ``type`` is "rss", "atom" or "rdf"."""

    type: str
    title: str | None = None
    link: str | None = None
    description: str | None = None
    updated: str | None = None
    entries: tuple[FeedEntry, ...] = ()


def markdown(document: turbohtml.Document, base: str) -> str:
    """The main content, or the whole body if nothing reads as that, as GitHub-flavoured Markdown. Links are
    absolute; what a heading links to itself by, and ``javascript:``, is left out. Changes the document."""
    content = document.main_content() or document.find("body") or document
    for tag in _HEADINGS:
        for heading in content.find_all(tag):
            for link in heading.find_all("a"):
                if (link.attr("href") or "").startswith("#") and link.text.strip() in _PERMALINKS:
                    link.decompose()
    for link in content.find_all("a"):
        if (link.attr("href") or "").strip().lower().startswith("javascript:"):
            link.unwrap()
    content.rewrite_links(lambda href: _absolute(href, base))
    return content.to_markdown().strip() + "\n"


def article(document: turbohtml.Document, base: str) -> Article:
    """The main content as text, with title, author and date."""
    found = document.article()
    return Article(
        text=found.text,
        title=_said(found.title),
        author=_said(found.byline),
        date=_said(found.date),
        description=_said(found.description),
        site_name=_said(found.site_name),
        image=_absolute(found.image, base) if found.image else None,
        tags=tuple(found.tags),
    )


def metadata(document: turbohtml.Document, base: str) -> Metadata:
    """``meta`` elements, OpenGraph, JSON-LD and microdata. JSON-LD that is no JSON is left out; so is
    microdata that nests without end."""
    meta = {}
    for element in document.find_all("meta"):
        name, content = element.attr("name"), element.attr("content")
        if name and content is not None:
            meta[name.strip().lower()] = content
    graph = {}
    for element in document.find_all("meta"):
        name, content = element.attr("property") or element.attr("name") or "", element.attr("content")
        if name.strip().lower().startswith(("og:", "article:", "twitter:")) and content is not None:
            name = name.strip().lower()
            graph[name] = _absolute(content, base) if _is_address(name) else content
    return Metadata(meta, graph, _json_ld(document), _microdata(document, base))


def _is_address(name: str) -> bool:
    return name.endswith((":url", ":secure_url", ":image", ":image:src", ":video", ":audio"))


def _json_ld(document: turbohtml.Document) -> tuple[Any, ...]:
    try:
        return tuple(document.json_ld())
    except (ValueError, RecursionError):  # numbers of thousands of digits, nesting
        return ()


def _microdata(document: turbohtml.Document, base: str) -> tuple[Mapping[str, Any], ...]:
    try:
        return tuple(_plain(item) for item in document.microdata(base))
    except (ValueError, RecursionError):
        return ()


def _plain(item: Any) -> dict[str, Any]:
    properties = {
        name: [_plain(value) if isinstance(value, turbohtml.MicrodataItem) else value for value in values]
        for name, values in item.properties.items()
    }
    return {"type": item.type, "id": item.id, "properties": properties}


def feeds(document: turbohtml.Document, base: str) -> tuple[str, ...]:
    """The feeds that a page names in its head: canonical URLs, each once."""
    found: dict[str, None] = {}
    for element in document.find_all("link"):
        href = (element.attr("href") or "").strip()
        kinds = (element.attr("rel") or "").lower().split()
        kind = (element.attr("type") or "").partition(";")[0].strip().lower()
        if "alternate" in kinds and kind in _FEED_TYPES and href:
            url = canonical(href, base)
            if url is not None:
                found[without_userinfo(url)] = None
    return tuple(found)


def feed(body: str) -> Feed | None:
    """A feed's entries; None for what is no feed."""
    try:
        found = extract.feed(body)
    except (turbohtml.HTMLParseError, ValueError):
        return None
    if found is None:
        return None
    entries = tuple(
        FeedEntry(
            title=entry.title,
            link=entry.link,
            id=entry.id,
            published=entry.published,
            updated=entry.updated,
            author=entry.author,
            summary=entry.summary,
            content=entry.content if isinstance(entry.content, str) else None,
        )
        for entry in found.entries
    )
    return Feed(found.type, found.title, found.link, found.description, found.updated, entries)


def tables(document: turbohtml.Document) -> list[list[list[str]]]:
    """Every table as rows of cells, white space folded; none if spans would make over a million cells."""
    if _cells(document) > _MOST_CELLS:
        return []
    return [[[" ".join(cell.split()) for cell in row] for row in table] for table in document.tables()]


def _cells(document: turbohtml.Document) -> int:
    """How many cells all tables have, at most: each reaches down to the last row (HTML Standard, 4.9.12)."""
    rows = len(document.find_all("tr"))
    cells = [*document.find_all("td"), *document.find_all("th")]
    return sum(_span(cell, "colspan", 1000) * _span(cell, "rowspan", max(1, rows)) for cell in cells)


def _span(cell: turbohtml.Element, name: str, most: int) -> int:
    said = (cell.attr(name) or "1").strip()
    number = int(said) if said.isdecimal() and len(said) < 9 else most if said.isdecimal() else 1
    return min(number or most, most)  # rowspan="0" reaches to the end


def _absolute(href: str, base: str) -> str:
    """Where a link leads, its fragment kept; what is no http(s) link stays as it is."""
    place, mark, fragment = href.strip().partition("#")
    url = canonical(place, base) if place else base
    return without_userinfo(url) + mark + fragment if url is not None else href


def _said(text: str | None) -> str | None:
    return text.strip().removesuffix("¶").rstrip() or None if text else None
