"""From the map of a web to its answers: what every URL says, and how a crawl has to end for it."""

from __future__ import annotations

import html
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from skitter.testing.web import DELAY, WORDS, Kind, Place, Stumble, Web

__all__ = ["Answer", "Expected", "draw", "expect"]

_HTML = "text/html; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
_SENTENCES = 200
# How many sentences a page has: one to eight kilobytes.
_FEWEST, _MOST = 15, 100


@dataclass(frozen=True, slots=True)
class Expected:
    """How a crawl has to end for a URL.

    ``reason`` is ``fetched``, ``redirected``, ``http_error`` or ``robots_denied``; ``sha256`` that of the
    body in hexadecimal digits; ``location`` the canonical URL that a redirect leads to.
    """

    reason: str
    status: int | None = None
    sha256: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a URL is answered after ``latency`` seconds; ``first`` instead if it is the first time."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] | None = None
    latency: float = 0.0
    first: Answer | None = None


def expect(place: Place, answer: Answer) -> Expected:
    """How a crawl that is answered ``answer`` has to end for ``place``."""
    if place.kind is Kind.PRIVATE:
        return Expected("robots_denied")
    if place.kind is Kind.REDIRECT:
        return Expected("redirected", answer.status, location=(answer.headers or {})["Location"])
    digest = sha256(answer.body).hexdigest()
    return Expected("fetched" if answer.status == 200 else "http_error", answer.status, digest)


def draw(web: Web, origins: Sequence[str], *, seed: int, latency: float) -> dict[str, Answer]:
    """Every answer of the web by its URL: those of its places in order, then each host's robots.txt, and the
    first host's sitemap. ``latency`` is the mean, in seconds."""
    writer = _Writer(web, origins, random.Random(seed))
    answers: dict[str, Answer] = {}
    for number, place in enumerate(web.places):
        answers[writer.urls[number]] = writer.answer(number, place.pace * latency)
    for host, origin in enumerate(origins):
        answers[f"{origin}/robots.txt"] = _robots(web, host, origin, latency)
    answers[f"{origins[0]}/sitemap.xml"] = _sitemap(web, writer.urls, latency)
    return answers


class _Writer:
    """Writes the pages of a web whose hosts have been given their origins."""

    def __init__(self, web: Web, origins: Sequence[str], chance: random.Random) -> None:
        self.urls = [origins[place.host] + place.path for place in web.places]
        self._places = web.places
        self._chance = chance
        self._sentences = [_sentence(chance) for _ in range(_SENTENCES)]
        self._copied = {place.target for place in web.places if place.kind is Kind.TWIN}
        self._pages: dict[int, bytes] = {}

    def answer(self, number: int, latency: float) -> Answer:
        """The answer of a place; ``latency`` in seconds."""
        place = self._places[number]
        first = _failure(place.first, latency) if place.first else None
        if place.kind is Kind.REDIRECT:
            assert place.target is not None
            return Answer(place.status, b"", {"Location": self.urls[place.target]}, latency)
        if place.kind is Kind.DOCUMENT:
            body, content_type = self._document(place)
            return Answer(place.status, body, {"Content-Type": content_type}, latency)
        wanted = place.target if place.kind is Kind.TWIN and place.target is not None else number
        return Answer(place.status, self._page(wanted), {"Content-Type": _HTML}, latency, first)

    def _document(self, place: Place) -> tuple[bytes, str]:
        if place.path.endswith(".pdf"):
            # Bytes that no text decoder takes, between what such a file begins and ends with.
            return b"%PDF-1.4\n" + self._chance.randbytes(2000) + b"\n%%EOF\n", "application/pdf"
        return "\n".join(self._text()).encode(), _TEXT

    def _page(self, number: int) -> bytes:
        """The HTML of a place, made once: its twin has the same."""
        if number not in self._pages:
            place = self._places[number]
            title = "Not found" if place.kind is Kind.DEAD else f"{_title(self._chance)} ({number})"
            relation = f'<link rel="canonical" href="{html.escape(self.urls[number])}">\n'
            self._pages[number] = _document(
                title, relation if number in self._copied else "", self._text(), self._anchors(number)
            )
        return self._pages[number]

    def _text(self) -> list[str]:
        return self._chance.choices(self._sentences, k=self._chance.randint(_FEWEST, _MOST))

    def _anchors(self, number: int) -> list[str]:
        # What is copied means the same wherever it stands only if its links are absolute.
        base = None if number in self._copied else self._places[number]
        return [
            f'<a href="{html.escape(self._spelling(target, base))}">{_title(self._chance)}</a>'
            for target in self._places[number].links
        ]

    def _spelling(self, number: int, base: Place | None) -> str:
        """One of the spellings of a link that all mean the same URL."""
        place = self._places[number]
        target = _target_spelling(place.path, self._chance)
        if base is not None and base.host == place.host and self._chance.random() < 0.9:
            if self._chance.random() < 0.8:
                return target
            return "../" * (base.path.partition("?")[0].count("/") - 1) + "./" + target[1:]
        origin = self.urls[number].removesuffix(place.path)
        if self._chance.random() < 0.1:
            origin = origin.replace("http:", "HTTP:" if base is None or self._chance.random() < 0.5 else "")
        return origin + ("" if target == "/" else target)


def _target_spelling(target: str, chance: random.Random) -> str:
    """A path with its query; one in four is not spelt canonically."""
    turn = chance.random()
    if turn < 0.10:
        return f"{target}#{chance.choice(WORDS)}"
    if turn < 0.15:
        return f"/{chance.choice(WORDS)}/..{target}"
    if turn < 0.18:
        return f"/.{target}"
    if turn < 0.25:
        return target.replace("-", "%2d")
    return target.replace("~", "%7e") if turn < 0.6 else target


def _document(title: str, head: str, sentences: Sequence[str], anchors: Sequence[str]) -> bytes:
    """HTML: the sentences in paragraphs of five, then the links in a list."""
    paragraphs = (" ".join(sentences[start : start + 5]) for start in range(0, len(sentences), 5))
    text = "\n<p>".join(paragraphs)
    links = "\n<li>".join(["<ul>", *anchors]) + "\n</ul>" if anchors else ""
    return (
        f"<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n<title>{title}</title>\n{head}"
        f"</head>\n<body>\n<h1>{title}</h1>\n<p>{text}\n{links}\n</body>\n</html>\n"
    ).encode()


def _sentence(chance: random.Random) -> str:
    return " ".join(chance.choices(WORDS, k=chance.randint(5, 15))).capitalize() + "."


def _title(chance: random.Random) -> str:
    return f"{chance.choice(WORDS)} and {chance.choice(WORDS)}".capitalize()


def _failure(stumble: Stumble, latency: float) -> Answer:
    headers = {"Content-Type": _TEXT}
    if stumble.retry_after is not None:
        headers["Retry-After"] = str(stumble.retry_after)
    return Answer(stumble.status, b"Not now, please try again.\n", headers, latency)


def _robots(web: Web, host: int, origin: str, latency: float) -> Answer:
    headers = {"Content-Type": _TEXT}
    if host == web.lawless_host:
        return Answer(404, b"There is no such file.\n", headers, latency)
    lines = ["User-agent: *", "Disallow: /private/" if host in web.private_hosts else "Disallow:"]
    if host in web.delayed_hosts:
        lines.append(f"Crawl-delay: {DELAY}")
    if host == 0:
        lines.append(f"Sitemap: {origin}/sitemap.xml")
    return Answer(200, "\n".join([*lines, ""]).encode(), headers, latency)


def _sitemap(web: Web, urls: Sequence[str], latency: float) -> Answer:
    """Each third page of the first host; all of them are linked as well."""
    pages = [n for n, place in enumerate(web.places) if place.host == 0 and place.kind is Kind.PAGE]
    entries = "".join(f"<url><loc>{html.escape(urls[n])}</loc></url>\n" for n in pages[::3])
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{entries}</urlset>\n'
    )
    return Answer(200, text.encode(), {"Content-Type": "application/xml"}, latency)
