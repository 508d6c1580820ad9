"""The libraries that are compared, each behind the same three functions.

Every library gets bytes and finds the encoding itself, as a crawler needs it. A library is imported
when it is asked for, so that a subprocess measures one of them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

__all__ = ["NAMES", "Peer", "Record", "load"]

Getter = Callable[[str], str | None]
Elements = Iterable[tuple[str, Getter]]

_RELATIONS = frozenset({"next", "prev", "canonical", "alternate"})
_SOURCES = {"a": "href", "area": "href", "iframe": "src", "frame": "src"}
_LINKING = list(_SOURCES)
_HEAD = ["meta", "link", "base"]


@dataclass(frozen=True, slots=True)
class Record:
    """What a crawler writes down about a document."""

    title: str
    description: str | None
    lang: str | None
    canonical: str | None
    base: str | None
    robots: tuple[str, ...]
    links: dict[str, bool]


@dataclass(frozen=True, slots=True)
class Peer:
    """One library: parse only, task (a), task (b). ``parser`` makes a ``parse`` for one thread."""

    name: str
    version: str
    parser: Callable[[], Callable[[bytes], Any]]
    hrefs: Callable[[bytes], set[str]]
    record: Callable[[bytes], Record]


def _assemble(lang: str | None, title: str | None, head: Elements, body: Elements) -> Record:
    """Task (b) from (tag, getter of attributes) pairs: the same work for every library."""
    metas: dict[str, str] = {}
    robots: list[str] = []
    canonical = base = None
    links: dict[str, bool] = {}
    for tag, get in body:
        raw = get(_SOURCES[tag])
        if raw:
            links[raw] = links.get(raw, False) or "nofollow" not in (get("rel") or "").lower().split()
    for tag, get in head:
        if tag == "meta":
            name = (get("name") or "").lower()
            metas.setdefault(name, get("content") or "")
            if name == "robots":
                robots.append(get("content") or "")
            continue
        raw = get("href")
        if tag == "base":
            base = raw if base is None else base
            continue
        kinds = (get("rel") or "").lower().split()
        if raw and not _RELATIONS.isdisjoint(kinds):
            links[raw] = links.get(raw, False) or "nofollow" not in kinds
        if raw and canonical is None and "canonical" in kinds:
            canonical = raw
    folded = " ".join((title or "").split())
    return Record(folded, metas.get("description"), lang, canonical, base, tuple(robots), links)


def _turbohtml() -> Peer:
    import turbohtml

    parse: Callable[..., Any] = partial(turbohtml.parse, positions=False)

    def hrefs(page: bytes) -> set[str]:
        return {element.attr("href") for element in parse(page).select("a[href]")}

    def record(page: bytes) -> Record:
        document = parse(page)
        root, head = document.root, document.find("head")
        title = head.find("title") if head else None
        return _assemble(
            root.attr("lang") if root else None,
            title.text if title else None,
            ((e.tag, e.attr) for e in (head.find_all(_HEAD) if head else ())),
            ((e.tag, e.attr) for e in document.find_all(_LINKING)),
        )

    return Peer("turbohtml", version("turbohtml"), lambda: parse, hrefs, record)


def _selectolax() -> Peer:
    from selectolax.lexbor import LexborHTMLParser

    parse: Callable[..., Any] = partial(LexborHTMLParser, encoding=True)
    in_head, in_body = ",".join(_HEAD), ",".join(_LINKING)

    def hrefs(page: bytes) -> set[str]:
        return {node.attrs.get("href") or "" for node in parse(page).css("a[href]")}

    def record(page: bytes) -> Record:
        tree = parse(page)
        root, head = tree.root, tree.head
        title = head.css_first("title") if head else None
        return _assemble(
            root.attributes.get("lang") if root else None,
            title.text() if title else None,
            ((n.tag, n.attributes.get) for n in (head.css(in_head) if head else ())),
            ((n.tag, n.attributes.get) for n in tree.css(in_body)),
        )

    return Peer("selectolax (lexbor)", version("selectolax"), lambda: parse, hrefs, record)


def _lxml() -> Peer:
    import lxml.html

    parse: Callable[..., Any] = lxml.html.document_fromstring

    def parser() -> Callable[[bytes], Any]:  # the module's own parser has a lock
        return partial(parse, parser=lxml.html.HTMLParser())

    def hrefs(page: bytes) -> set[str]:
        return {href for e in parse(page).iter("a") if (href := e.get("href")) is not None}

    def record(page: bytes) -> Record:
        root = parse(page)
        head = root.find("head")
        title = head.find("title") if head is not None else None
        return _assemble(
            root.get("lang"),
            title.text if title is not None else None,
            ((e.tag, e.get) for e in (head.iter(*_HEAD) if head is not None else ())),
            ((e.tag, e.get) for e in root.iter(*_LINKING)),
        )

    return Peer("lxml.html", version("lxml"), parser, hrefs, record)


def _beautifulsoup() -> Peer:
    from bs4 import BeautifulSoup

    parse: Callable[..., Any] = partial(BeautifulSoup, features="lxml")

    def getter(element: Any) -> Getter:
        def get(name: str) -> str | None:
            value = element.get(name)
            return " ".join(value) if isinstance(value, list) else value

        return get

    def hrefs(page: bytes) -> set[str]:
        return {element["href"] for element in parse(page).find_all("a", href=True)}

    def record(page: bytes) -> Record:
        soup = parse(page)
        root, head = soup.html, soup.head
        return _assemble(
            root.get("lang") if root else None,
            head.title.text if head and head.title else None,
            ((e.name, getter(e)) for e in (head.find_all(_HEAD) if head else ())),
            ((e.name, getter(e)) for e in soup.find_all(_LINKING)),
        )

    return Peer("BeautifulSoup + lxml", version("beautifulsoup4"), lambda: parse, hrefs, record)


_LOADERS: dict[str, Callable[[], Peer]] = {
    "turbohtml": _turbohtml,
    "selectolax": _selectolax,
    "lxml": _lxml,
    "beautifulsoup": _beautifulsoup,
}
NAMES = tuple(_LOADERS)


def load(name: str) -> Peer:
    """Import the library ``name``."""
    return _LOADERS[name]()
