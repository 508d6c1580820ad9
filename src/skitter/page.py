"""A page as the library hands it out: the record, the answer, and the document on demand."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any
from uuid import uuid4

import turbohtml

from skitter.content import extract
from skitter.content.charset import decode
from skitter.content.element import Element
from skitter.content.html import base_of, parse_html
from skitter.content.mime import is_html, media_type
from skitter.model import Failure, Follow, Headers, Reading, Reason, Record, Response
from skitter.rules.ask import Data, ask_for
from skitter.rules.url import canonical, without_userinfo

__all__ = ["Page"]

# What is taken for a URL rather than for a CSS selector: absolute ones, and relative ones that say so.
_LOOKS_LIKE_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|/|\./|\.\./|\?")
_NOTHING_READ = Reading()


class Page:
    """One URL that has ended. ``ok`` is False for every failure, and ``reason`` says which.

    ``record`` is what an output gets of it; its fields are attributes of the page, too. Everything that is
    read in the document is read when it is first asked for, and once: on a page that is no HTML, or none at
    all, ``css`` and ``tables`` find nothing, ``text`` and ``markdown`` are empty.

    ``answer`` is the last answer, None if nothing was asked. ``history`` holds those before, first to
    last: redirects that were followed and tries that were refused or failed. Only tasks
    (:meth:`skitter.Crawler.submit`) keep it: in a crawl a redirect has a record of its own. ``meta`` is what
    the request for it was given (:meth:`follow`).
    """

    def __init__(
        self,
        record: Record,
        answer: Response | Failure | None = None,
        reading: Reading = _NOTHING_READ,
        history: tuple[Response | Failure, ...] = (),
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        self.record = record
        self.answer = answer
        self.reading = reading
        self.history = history
        self.meta: Mapping[str, Any] = meta or {}

    def __repr__(self) -> str:
        return f"<Page {self.reason} {self.status} {self.url}>"

    # -- what became of it -------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The canonical URL that was fetched; after redirects of a task, the last one."""
        return self.record.url

    @property
    def ok(self) -> bool:
        """Was it fetched?"""
        return self.record.reason is Reason.FETCHED

    @property
    def reason(self) -> Reason:
        """How it ended, in one word."""
        return self.record.reason

    @property
    def status(self) -> int | None:
        """HTTP status of the last answer, or None if there was none."""
        return self.record.status

    @property
    def error(self) -> str | None:
        """What went wrong, in one line."""
        return self.record.error

    @property
    def depth(self) -> int:
        """Links from the nearest seed."""
        return self.record.depth

    @property
    def referrer(self) -> str | None:
        """The page on which it was first found."""
        return self.record.referrer

    @property
    def redirected_from(self) -> tuple[str, ...]:
        """The redirects that led here, first to last."""
        return self.record.redirected_from

    @property
    def ttfb(self) -> float:
        """Seconds from the request to the first byte of the answer."""
        return self.record.ttfb

    @property
    def elapsed(self) -> float:
        """Seconds from connecting to the last byte."""
        return self.record.elapsed

    # -- the answer --------------------------------------------------------------------------

    @property
    def response(self) -> Response | None:
        """The last answer, if one came."""
        return self.answer if isinstance(self.answer, Response) else None

    @property
    def headers(self) -> Headers:
        """The answer's headers; names in any case."""
        return self.response.headers if self.response else Headers()

    @property
    def content(self) -> bytes:
        """The body, its Content-Encoding undone."""
        return self.response.body if self.response else b""

    @property
    def content_type(self) -> str | None:
        """The media type in lower case, without parameters, as in ``text/html``."""
        return self.record.content_type

    @property
    def html(self) -> str:
        """The body as text, whatever its media type; bytes that are wrong become U+FFFD."""
        charset = self.record.charset or media_type(self.headers.get("content-type"))[1]
        return decode(self.content, charset or "utf-8")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError if it is none."""
        try:
            return json.loads(self.content)
        except RecursionError:
            raise ValueError("JSON that is nested too deeply") from None

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the body into a file, whole or not at all; its path. Raises OSError, and ValueError for what
        names no file."""
        target = Path(path)
        if not target.name or target.is_dir():
            raise ValueError(f"save: {str(target)!r} names no file")
        part = target.with_name(f".skitter-{uuid4().hex}")
        try:
            part.write_bytes(self.content)
            return part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    # -- the document ------------------------------------------------------------------------

    @property
    def title(self) -> str | None:
        """The document's title, white space folded."""
        return self.record.title

    @property
    def description(self) -> str | None:
        """What the document's meta element says about it."""
        return self.record.description

    @property
    def lang(self) -> str | None:
        """The language that the document says it is in, as in ``en-GB``."""
        return self.record.lang

    @property
    def canonical(self) -> str | None:
        """The URL that the document calls its own."""
        return self.record.canonical

    @property
    def links(self) -> tuple[str, ...]:
        """Canonical http(s) URLs that the document links to, each once, in scope or not."""
        return tuple(link.url for link in self.reading.links)

    @cached_property
    def text(self) -> str:
        """The visible text of an HTML document, laid out in lines; of other text, all of it."""
        if self._is_html:
            return self._document.to_text()
        kind = media_type(self.headers.get("content-type"))[0] or ""
        is_text = kind.startswith("text/") or kind.endswith(("json", "xml"))
        return self.html if is_text else ""

    @cached_property
    def markdown(self) -> str:
        """The main content as Markdown, its links absolute; the whole document if none is prominent."""
        return extract.markdown(self._parse(), self._base) if self._is_html else ""

    @cached_property
    def article(self) -> extract.Article:
        """The main content as plain text, with title, author and date as far as the page says them."""
        return extract.article(self._document, self._base) if self._is_html else extract.Article("")

    @cached_property
    def metadata(self) -> extract.Metadata:
        """What the page says for machines: meta elements, OpenGraph, JSON-LD, microdata."""
        return extract.metadata(self._document, self._base) if self._is_html else extract.Metadata()

    @cached_property
    def feeds(self) -> tuple[str, ...]:
        """The feeds that the page names: canonical URLs."""
        return extract.feeds(self._document, self._base) if self._is_html else ()

    @cached_property
    def feed(self) -> extract.Feed | None:
        """The page itself as a feed (RSS, Atom, RDF), or None."""
        return None if self._is_html or not self.content else extract.feed(self.html)

    @cached_property
    def tables(self) -> list[list[list[str]]]:
        """Every table as rows of cells, white space folded."""
        return extract.tables(self._document) if self._is_html else []

    def css(self, selector: str) -> list[Element]:
        """All elements that match, in document order; none of what is no HTML.

        Raises ValueError for something that is no CSS selector.
        """
        return self._root.css(selector) if self._is_html else []

    def css_first(self, selector: str) -> Element | None:
        """The first element that matches, or None. Raises ValueError for no CSS selector."""
        return self._root.css_first(selector) if self._is_html else None

    def xpath(self, expression: str) -> list[Any]:
        """What an XPath 1.0 expression finds, in document order: elements, and strings for attributes and
        text; the one value of ``count()`` and its like. Raises ValueError for no XPath expression."""
        return self._root.xpath(expression) if self._is_html else []

    # -- where to go on ----------------------------------------------------------------------

    def follow(
        self,
        target: str | Element,
        *,
        method: str | None = None,
        headers: Mapping[str, str] | None = None,
        data: Data | None = None,
        json: Any = None,
        meta: Mapping[str, Any] | None = None,
    ) -> Follow:
        """What a handler yields to have further pages visited.

        ``target`` is a CSS selector (the ``href`` or ``src`` of every element that matches), an
        element, or a URL: absolute, or relative to the page and beginning with ``/ ./ ../`` or ``?``.
        ``data`` is a body: a form's fields, or what is to be sent as it is; ``json`` a value to be sent as
        JSON; with either, ``method`` is POST unless it says something else. ``headers`` go to that URL alone,
        not to where it redirects to on another host. ``meta`` comes back as ``page.meta``, also after a
        crash: it must be what JSON can hold. A URL is visited once for each method and body.

        Raises ValueError for something that is none of these.
        """
        is_url = isinstance(target, str) and _LOOKS_LIKE_URL.match(target.strip()) is not None
        if isinstance(target, str) and is_url:
            raw = [target.strip()]
        else:
            elements = [target] if isinstance(target, Element) else self.css(target)
            every = [element.attrs for element in elements]
            raw = [attrs["href"] if "href" in attrs else attrs.get("src", "") for attrs in every]
        urls = [canonical(text.strip(), self._base) for text in raw if text.strip()]
        if is_url and urls == [None]:
            raise ValueError(f"{target!r} is neither an http(s) URL nor a CSS selector")
        found = dict.fromkeys(without_userinfo(url) for url in urls if url is not None)
        return Follow(tuple(found), ask_for(method, headers, data, json, meta))

    @property
    def _is_html(self) -> bool:
        return is_html(media_type(self.headers.get("content-type"))[0], self.content)

    def _parse(self) -> turbohtml.Document:
        return parse_html(self.content, media_type(self.headers.get("content-type"))[1])

    @cached_property
    def _document(self) -> turbohtml.Document:
        return self._parse()

    @cached_property
    def _root(self) -> Element:
        return Element(self._document)

    @cached_property
    def _base(self) -> str:
        return base_of((element.attrs.get("href") for element in self.css("base")), self.url)
