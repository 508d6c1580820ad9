"""What an HTML document says: links, title, description, language, canonical URL.

The library is turbohtml (docs/decisions.md has the figures). To find elements by one name costs it
next to nothing, by several names a walk through the document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from operator import methodcaller
from typing import Any

import turbohtml

from skitter.content.charset import decode
from skitter.content.extract import markdown
from skitter.content.hrefs import Hrefs
from skitter.content.robots_meta import directives
from skitter.model import Reading
from skitter.rules.url import MAX_URL, canonical, without_userinfo

__all__ = ["MAX_LINKS", "base_of", "parse_html", "read_html"]

# Elements that lead to documents, and the attribute that says where.
_SOURCES = (("a", "href"), ("area", "href"), ("iframe", "src"), ("frame", "src"))
_VALUE_OF = {name: methodcaller("attr", name) for name in ("href", "src")}
_RELATIONS = frozenset({"next", "prev", "canonical", "alternate"})
# Titles and descriptions are cut there: a record is a line, not a document.
_MAX_TEXT = 2000
# Links of a page that are looked at: as many as one sitemap may name (sitemaps.org). Heritrix takes 6,000,
# Nutch 100.
MAX_LINKS = 50_000
# What the URLs of a page may take together, as far as its base makes them long: 1,024 of the longest base.
_MAX_LINKS_SIZE = 8 * 1024 * 1024
# Long on purpose, and never links.
_NO_LINKS = ("data:", "javascript:")


def read_html(
    body: bytes,
    url: str,
    charset: str | None,
    token: str,
    fields: frozenset[str] = frozenset(),
    hrefs: Hrefs | None = None,
) -> Reading:
    """Parse and read. ``url`` is the document's, ``charset`` the label of the Content-Type field.

    The encoding is found as the Standard says: byte-order mark, header, meta element, and then by
    looking at the bytes. ``token`` is our product token, for meta elements that name a crawler;
    ``fields`` may ask for ``text``, ``html`` and ``markdown``; ``hrefs`` knows what earlier pages said.
    """
    document = parse_html(body, charset)
    head = document.find("head")
    metas = head.find_all("meta") if head else []
    relations = head.find_all("link") if head else []
    base = base_of((element.attr("href") for element in document.find_all("base")), url)
    noindex, nofollow = directives(_meta_robots(metas, token), token)
    said = {**dict.fromkeys(_refresh(document, base), True), **_links(document, relations)}
    said, note = _capped(_without_fragments(said), base)
    links = (hrefs or Hrefs()).resolve(said, base)
    if len(links) < len(said):  # some lead nowhere, or to the same place
        note = _joined(note, _too_long(said))
    return Reading(
        charset=document.encoding,
        lang=_lang(document),
        title=_text_of(head.find("title") if head else None),
        description=_description(metas),
        canonical=_canonical(relations, base),
        links=links,
        noindex=noindex,
        nofollow=nofollow,
        text=document.to_text() if "text" in fields else None,
        html=decode(body, document.encoding) if "html" in fields else None,
        markdown=markdown(document, base) if "markdown" in fields else None,  # last: it changes it
        note=note,
    )


def parse_html(body: bytes, charset: str | None) -> turbohtml.Document:
    """The document; ``charset`` is the label of the Content-Type field."""
    # Shadow roots stay templates, which are searched like everything else: their links are content.
    if charset:
        try:
            return turbohtml.parse(
                body, encoding=charset, positions=False, allow_declarative_shadow_roots=False
            )
        except LookupError:  # a label that the Encoding Standard does not know (B14)
            pass
    return turbohtml.parse(body, detect_encoding=True, positions=False, allow_declarative_shadow_roots=False)


def base_of(hrefs: Iterable[str | None], url: str) -> str:
    """What links are relative to: the first base element with an href decides, wherever it is (HTML
    Standard, 4.2.3). ``hrefs`` are those of the base elements, ``url`` is the document's."""
    for href in hrefs:
        if href is not None:
            return canonical(href.strip(), url) or url
    return url


def _links(document: turbohtml.Document, relations: list[Any]) -> dict[str, bool]:
    """Raw links in document order, an element after the other, and whether one of their mentions may be
    followed."""
    said: dict[Any, bool] = {}
    for tag, attribute in _SOURCES:
        elements = document.find_all(tag)
        if any(_has(element.attr("rel"), "nofollow") for element in document.find_all(tag, rel=True)):
            for element in elements:
                raw = element.attr(attribute)
                said[raw] = said.get(raw, False) or not _has(element.attr("rel"), "nofollow")
        else:
            said.update(dict.fromkeys(map(_VALUE_OF[attribute], elements), True))
    said.pop(None, None)  # elements that lead nowhere
    said.pop("", None)
    for element in relations:
        raw = element.attr("href")
        kinds = (element.attr("rel") or "").lower().split()
        if raw and not _RELATIONS.isdisjoint(kinds):
            said[raw] = said.get(raw, False) or "nofollow" not in kinds
    return said


def _refresh(document: turbohtml.Document, base: str) -> Iterator[str]:
    """Where a meta element sends its reader, if it is somewhere else."""
    if any(element.attr("http-equiv") for element in document.find_all("meta")):
        refresh = document.meta_refresh(base)
        if refresh and refresh[1] != base:
            yield refresh[1]


def _has(rel: str | None, word: str) -> bool:
    return rel is not None and word in rel.lower().split()


def _without_fragments(said: dict[str, bool]) -> dict[str, bool]:
    """Whatever the base, the first "#" begins the fragment: half the links of a manual differ in no more."""
    if all(said.values()):
        return dict.fromkeys([raw.partition("#")[0] for raw in said], True)
    bare: dict[str, bool] = {}
    for raw, follow in said.items():
        place = raw.partition("#")[0]
        bare[place] = bare.get(place, False) or follow
    return bare


def _capped(said: dict[str, bool], base: str) -> tuple[dict[str, bool], str | None]:
    """As many references as are looked at, and a note if these are not all."""
    most = min(MAX_LINKS, _MAX_LINKS_SIZE // len(base))
    if len(said) <= most:
        return said, None
    return dict(islice(said.items(), most)), f"links beyond the first {most:,} are not followed"


def _too_long(said: dict[str, bool]) -> str | None:
    if max(map(len, said)) <= MAX_URL:
        return None
    for raw in said:
        if len(raw) > MAX_URL and not raw[:32].strip().lower().startswith(_NO_LINKS):
            return f"links longer than {MAX_URL:,} characters are not followed"
    return None


def _joined(*notes: str | None) -> str | None:
    return "; ".join(filter(None, notes)) or None


def _meta_robots(metas: list[Any], token: str) -> Iterator[str]:
    for element in metas:
        if (element.attr("name") or "").lower() in ("robots", token.lower()):
            yield element.attr("content") or ""


def _description(metas: list[Any]) -> str | None:
    for element in metas:
        if (element.attr("name") or "").lower() == "description":
            return _folded(element.attr("content"))
    return None


def _canonical(relations: list[Any], base: str) -> str | None:
    for element in relations:
        if _has(element.attr("rel"), "canonical") and element.attr("href"):
            url = canonical(element.attr("href"), base)
            return without_userinfo(url) if url else None
    return None


def _lang(document: turbohtml.Document) -> str | None:
    root = document.root
    lang = root.attr("lang") if root is not None else None
    return lang.strip()[:64] or None if lang else None


def _text_of(element: Any) -> str | None:
    return _folded(element.text) if element is not None else None


def _folded(text: str | None) -> str | None:
    """White space folded, ends stripped, cut; None if nothing is left."""
    # No more words than can show: a title may be of 10 MB.
    return " ".join(text.split(None, _MAX_TEXT)[:_MAX_TEXT])[:_MAX_TEXT] or None if text else None
