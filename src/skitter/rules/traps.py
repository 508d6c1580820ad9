"""Traps: places where a site makes up URLs without end. What is refused has a named reason, and a figure.

A rule either looks at one URL (*shape*: a path that turns in circles), or counts URLs that are the same but
for one part (*pattern*: a calendar that goes on for ever). Beyond the figure a URL ends as ``trap``,
unfetched. What a site has in thousands by good right (items by number, articles by date and name) is no
pattern here: the caps are for what changes while the rest of the address stays the same.

The ideas are those of Heritrix (PathologicalPath and TooManyPathSegments rules), Nutch's URL filter and the
"spider trap" chapter of Olston and Najork, *Web Crawling* (2010), section 4.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from skitter.rules.tally import Tally

__all__ = ["MOST_OF_ONE_CONTENT", "Pattern", "Traps", "content_key", "patterns_of", "shape_of"]

# A cycle of segments may stand three times in a row; no segment more often than that in one path.
_REPEATS = 3
# Heritrix stops at 20 segments; source trees and documentation go to 15.
_MOST_SEGMENTS = 40
# Search forms have a dozen; a query of more was not made by hand.
_MOST_PARAMETERS = 32
# No site needs so many clicks: what is so deep is a chain of "next".
_MOST_DEPTH = 1_000
# A leap year of days.
_MOST_DATES = 366
# Pages of one list: the 1,000th page of ten is item 10,000.
_MOST_PAGES = 1_000
# The same address under different sessions, or with its parameters in another order.
_MOST_SPELLINGS = 3
# URLs of one host with the same bytes: a mirrored tree may have some copies, a trap has them without end.
MOST_OF_ONE_CONTENT = 32

_RULES = (
    ("{date}", "calendar", _MOST_DATES),
    ("{id}", "visitor", _MOST_DATES),
    ("{n}", "pagination", _MOST_PAGES),
)

# Of a host; one index may name so many (sitemaps.org).
_MOST_SITEMAPS = 50_000

# Counts in memory, 20 bytes each: these, at most twice as many.
_REMEMBERED = 2**16

# All are tried at one place of a URL, one character after the other: nothing here can backtrack far.
_DATE = re.compile(
    r"(?<!\d)(?:1[89]|20|21)\d\d([-_/.])(?:0?[1-9]|1[0-2])(?:\1(?:0?[1-9]|[12]\d|3[01]))?(?!\d)"
)
# As 20261122; where nothing else speaks of dates, it may be an item's number.
_COMPACT = re.compile(r"(?<!\d)(?:1[89]|20|21)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)")
_OF_DATES = re.compile(r"cal|event|date|day|archive|diary|schedule|agenda|log", re.IGNORECASE)
# Parameters that say a date by a number; letters only beside one of these (phpBB's topics are "t=17"); and
# seconds since the epoch.
_CALENDAR_NAMES = frozenset({"date", "day", "month", "year", "week", "yr", "mon", "cal"})
_PARTS = frozenset({"d", "m", "y", "w"})
_TIMES = frozenset({"from", "to", "since", "until", "start", "end", "after", "before", "time", "when"})
_PAGE_NAMES = frozenset({"page", "pg", "paged", "pagenum", "page_no", "pageno", "offset", "start", "skip"})
_PAGE_SEGMENT = re.compile(r"(?<=/)(page|p|pg|offset|seite|next)([/=_-])\d{1,9}(?=[/.;?]|$)", re.IGNORECASE)
_SESSION = re.compile(
    r"(?:.{0,12}(?:sess|session|visitor|nonce|csrf|clid|cachebust)(?:ion)?(?:_?id|_?key|_?token)?"
    r"|rand|random|rnd|sid|cfid|cftoken|oscsid|zenid|_|ts|cb|x?id_session)",
    re.IGNORECASE,
)
_PATH_SESSION = re.compile(
    r";[A-Za-z_]{0,12}(?:sess|session|sid)[A-Za-z_]{0,8}=[^/?;]{1,200}|/\([A-Z]\([A-Za-z0-9]{8,64}\)\)(?=/|$)",
    re.IGNORECASE,
)
# What a machine drew: long, of letters and digits. Words with hyphens between are somebody's title.
_TOKEN = re.compile(
    r"(?=[A-Za-z]{0,128}\d)(?=\d{0,128}[A-Za-z])[A-Za-z0-9]{16,128}"
    r"|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
)
_DRAWN = re.compile(r"(?=[^\d]{0,200}\d)(?:[A-Za-z0-9]{8,200}|[0-9A-Fa-f-]{36})")


# Without any of these there is no pattern: a query, a session in the path, a year, a page's number, a token.
_SUSPECT = re.compile(r"[?;(]|\d{4}|[a-z][/=_-]\d|[A-Za-z0-9_-]{16}/", re.IGNORECASE)


class Pattern(msgspec.Struct, frozen=True):
    """What a URL has in common with others: the rule's name, the address with a hole in it, and how many
    URLs may fill that."""

    rule: str
    shape: str
    most: int

    @property
    def key(self) -> int:
        """A 64-bit fingerprint, signed."""
        return _key(f"{self.rule} {self.shape}")

    def __str__(self) -> str:
        return f"{self.rule}: more than {self.most:,} URLs like {self.shape}"


def content_key(origin: str, sha256: str) -> int:
    """A 64-bit fingerprint, signed, of a host's content."""
    return _key(f"content {origin} {sha256}")


def _key(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), signed=True)


# -- one URL ---------------------------------------------------------------------------------


def shape_of(url: str, depth: int) -> str | None:
    """Why nobody should follow this URL further, whatever others there are; None if nothing is strange.
    ``url`` is canonical, ``depth`` counts links from a seed."""
    if depth > _MOST_DEPTH:
        return f"depth: more than {_MOST_DEPTH:,} links from a seed"
    path, _, query = url[url.index("/", 8) :].partition("?")
    segments = path.split("/")[1:]
    if len(segments) > _MOST_SEGMENTS:
        return f"path: more than {_MOST_SEGMENTS} segments"
    if len(segments) > _REPEATS and len(set(segments)) <= len(segments) - _REPEATS:
        cycle = _cycle(segments)
        if cycle is not None:
            return f"cycle: /{cycle[:200]}/ comes more than {_REPEATS} times"
    return _strange_query(query) if query else None


def _cycle(segments: list[str]) -> str | None:
    """The block of segments that repeats too often."""
    for period in range(1, len(segments) // (_REPEATS + 1) + 1):
        run = 0  # neighbours at this distance that are equal
        for place in range(period, len(segments)):
            run = run + 1 if segments[place] == segments[place - period] else 0
            if run >= period * _REPEATS:
                block = segments[place - period + 1 : place + 1]
                if not _are_buckets(block):
                    return "/".join(block)
    number, name = max((segments.count(segment), segment) for segment in set(segments))
    return name if number > _REPEATS and len(name) > 1 and not name.isdigit() else None


def _are_buckets(block: list[str]) -> bool:
    """Is it a file's number, spread over folders (/1/1/1/1/11111.jpg)? Or slashes in a row?"""
    return all(not segment or (len(segment) <= 2 and segment.isdigit()) for segment in block)


def _strange_query(query: str) -> str | None:
    pairs = [pair for pair in query.split("&") if pair and not pair.endswith("=")]
    if len(pairs) > _MOST_PARAMETERS:
        return f"query: more than {_MOST_PARAMETERS} parameters"
    if len(pairs) > _REPEATS:
        pair, number = Counter(pairs).most_common(1)[0]
        if number > _REPEATS:
            return f"query: {pair[:200]!r} comes more than {_REPEATS} times"
    return None


# -- many URLs -------------------------------------------------------------------------------


def patterns_of(url: str) -> tuple[Pattern, ...]:
    """What a canonical URL is counted under; nothing for ordinary ones."""
    start = url.index("/", 8)
    if not _SUSPECT.search(url, start):  # nearly all
        return ()
    origin, (path, mark, query) = url[:start], url[start:].partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")] if mark else []
    found = []
    bare = _PATH_SESSION.sub("", path) if ";" in path or "(" in path else path
    kept = [pair for pair in pairs if not (_SESSION.fullmatch(pair[0]) and _DRAWN.fullmatch(pair[2]))]
    if bare != path or len(kept) != len(pairs):
        found.append(Pattern("session", _joined(origin, bare, kept), _MOST_SPELLINGS))
    ordered = sorted(kept)
    if ordered != kept:  # of each set of parameters, the alphabetical order is free
        found.append(Pattern("order of parameters", _joined(origin, bare, ordered), _MOST_SPELLINGS))
    holes = _holes(origin, bare, ordered)
    return (*found, holes) if holes is not None else tuple(found)


_Pairs = list[tuple[str, str, str]]


def _holes(origin: str, path: str, pairs: _Pairs) -> Pattern | None:
    """The address with dates, pages and visitors left out, if it has any: the first kind gives the cap."""
    place = _PAGE_SEGMENT.sub(r"\1\2{n}", _DATE.sub("{date}", path))
    if _OF_DATES.search(path):
        place = _COMPACT.sub("{date}", place)
    *folders, last = place.split("/")
    if not last and folders:  # what ends in a slash has its own name before it
        last = f"{folders.pop()}/"
    place = "/".join(["{id}" if _TOKEN.fullmatch(folder) else folder for folder in folders] + [last])
    dated = any(name in _CALENDAR_NAMES for name, _, _ in pairs)
    shape = _joined(origin, place, [(name, is_, _hole(name, value, dated)) for name, is_, value in pairs])
    for mark, rule, most in _RULES:
        if mark in shape:
            return Pattern(rule, shape, most)
    return None


def _hole(name: str, value: str, dated: bool) -> str:
    """What a parameter's value is, if it is a date or the number of a page."""
    if value.isdigit():
        if name in _CALENDAR_NAMES or (dated and name in _PARTS) or (name in _TIMES and len(value) >= 8):
            return "{date}"
        if name in _PAGE_NAMES:
            return "{n}"
    return _DATE.sub("{date}", value)


def _joined(origin: str, path: str, pairs: _Pairs) -> str:
    query = "&".join(map("".join, pairs))
    return f"{origin}{path}?{query}" if query else origin + path


# -- the counts ------------------------------------------------------------------------------


class Traps:
    """How often each pattern and each content was met. Bounded: what is met rarely may be forgotten."""

    def __init__(self) -> None:
        self._met = Tally(_REMEMBERED)

    def restore(self, counts: Mapping[int, int]) -> None:
        """Go on with what former runs counted."""
        for key, number in counts.items():
            self._met.add(key, number)

    def judge(self, url: str, depth: int) -> str | None:
        """Why a URL is not to be fetched, in words; None if it may be, and then it counts."""
        strange = shape_of(url, depth)
        if strange is not None:
            return strange
        patterns = patterns_of(url)
        for pattern in patterns:
            if self._met.count(pattern.key) >= pattern.most:
                return str(pattern)
        for pattern in patterns:
            self._met.add(pattern.key)
        return None

    def counts_file(self, origin: str) -> str | None:
        """One more sitemap of a host is to be read: why not, in words, or None."""
        pattern = Pattern("sitemaps", origin, _MOST_SITEMAPS)
        return str(pattern) if self._met.add(pattern.key) > pattern.most else None

    def repeats(self, origin: str, sha256: str) -> tuple[int, str | None]:
        """A host has served this content once more: how often by now, and why that is a trap, in words, or
        None."""
        number = self._met.add(content_key(origin, sha256))
        if number <= MOST_OF_ONE_CONTENT:
            return number, None
        return number, f"content: more than {MOST_OF_ONE_CONTENT} URLs of {origin} have it"
