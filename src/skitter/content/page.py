"""A page as the library hands it out: the record, the answer, and the document on demand."""

from __future__ import annotations

import re

from skitter.content.element import Element
from skitter.content.html import base_of, parse_html
from skitter.content.mime import is_html, media_type
from skitter.model import Failure, Follow, Headers, Reading, Reason, Record, Response
from skitter.rules.url import canonical, without_userinfo

__all__ = ["Page"]

# What is taken for a URL rather than for a CSS selector: absolute ones, and relative ones that say so.
_LOOKS_LIKE_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|/|\./|\.\./|\?")
_NOTHING_READ = Reading()


class Page:
    """One URL that has ended. ``ok`` is False for every failure, and ``reason`` says which.

    ``answer`` is the last answer, None if nothing was asked. ``history`` holds those before, first to
    last: redirects that were followed and tries that were refused or failed. Only tasks
    (:meth:`skitter.Crawler.submit`) keep it: in a crawl a redirect has a record of its own.
    """

    __slots__ = ("_document", "answer", "history", "reading", "record")

    def __init__(
        self,
        record: Record,
        answer: Response | Failure | None = None,
        reading: Reading = _NOTHING_READ,
        history: tuple[Response | Failure, ...] = (),
    ) -> None:
        self.record = record
        self.answer = answer
        self.reading = reading
        self.history = history
        self._document: Element | None = None

    def __repr__(self) -> str:
        return f"<Page {self.reason} {self.status} {self.url}>"

    @property
    def response(self) -> Response | None:
        """The last answer, if one came."""
        return self.answer if isinstance(self.answer, Response) else None

    @property
    def url(self) -> str:
        """The canonical URL that was fetched; after redirects of a task, the last one."""
        return self.record.url

    @property
    def status(self) -> int | None:
        """HTTP status of the last answer, or None if there was none."""
        return self.record.status

    @property
    def reason(self) -> Reason:
        """How it ended, in one word."""
        return self.record.reason

    @property
    def error(self) -> str | None:
        """What went wrong, in one line."""
        return self.record.error

    @property
    def ok(self) -> bool:
        """Was it fetched?"""
        return self.record.reason is Reason.FETCHED

    @property
    def title(self) -> str | None:
        """The document's title, white space folded."""
        return self.record.title

    @property
    def content(self) -> bytes:
        """The decoded body."""
        return self.response.body if self.response else b""

    @property
    def headers(self) -> Headers:
        """The answer's headers; names in any case."""
        return self.response.headers if self.response else Headers()

    @property
    def links(self) -> tuple[str, ...]:
        """Canonical http(s) URLs that the document links to, each once, in scope or not."""
        return tuple(link.url for link in self.reading.links)

    def css(self, selector: str) -> list[Element]:
        """All elements that match, in document order; none of what is no HTML.

        Raises ValueError for something that is no CSS selector.
        """
        return self._parsed().css(selector) if self._is_html() else []

    def css_first(self, selector: str) -> Element | None:
        """The first element that matches, or None. Raises ValueError for no CSS selector."""
        return self._parsed().css_first(selector) if self._is_html() else None

    def follow(self, target: str | Element) -> Follow:
        """What a handler yields to have further pages visited.

        ``target`` is a CSS selector (the ``href`` or ``src`` of every element that matches), an
        element, or a URL: absolute, or relative to the page and beginning with ``/ ./ ../`` or ``?``.
        Raises ValueError for something that is none of these.
        """
        is_url = isinstance(target, str) and _LOOKS_LIKE_URL.match(target.strip()) is not None
        if isinstance(target, str) and is_url:
            raw = [target.strip()]
        else:
            elements = [target] if isinstance(target, Element) else self.css(target)
            every = [element.attrs for element in elements]
            raw = [attrs["href"] if "href" in attrs else attrs.get("src", "") for attrs in every]
        base = self._base()
        urls = [canonical(text.strip(), base) for text in raw if text.strip()]
        if is_url and urls == [None]:
            raise ValueError(f"{target!r} is neither an http(s) URL nor a CSS selector")
        return Follow(tuple(dict.fromkeys(without_userinfo(url) for url in urls if url is not None)))

    def _is_html(self) -> bool:
        return is_html(media_type(self.headers.get("content-type"))[0], self.content)

    def _parsed(self) -> Element:
        if self._document is None:
            charset = media_type(self.headers.get("content-type"))[1]
            self._document = Element(parse_html(self.content, charset))
        return self._document

    def _base(self) -> str:
        return base_of((element.attrs.get("href") for element in self.css("base")), self.url)
