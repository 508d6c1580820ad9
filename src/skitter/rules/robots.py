"""robots.txt: parsing and matching, complete to RFC 9309.

Matching is linear in the length of rule and path: the literal pieces of a rule are found one after
the other (THREATS section 6); no regular expression, no backtracking.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from urllib.parse import unquote

import msgspec

__all__ = [
    "MAX_BYTES",
    "MAX_REDIRECTS",
    "TTL",
    "Robots",
    "Rule",
    "Ruling",
    "allow_all",
    "parse",
    "product_token",
]

# RFC 9309, 2.5: parsers must take at least 500 KiB; we stop reading at twice that.
MAX_BYTES = 1024 * 1024
# RFC 9309, 2.3.1.2: at least five consecutive redirects should be followed.
MAX_REDIRECTS = 5
# RFC 9309, 2.4: a copy should not be used for more than 24 hours.
TTL = 24 * 3600.0
# Google's parser cuts a line there; so do we, so that one line cannot be the whole file (X7).
_MAX_LINE = 16_664

_TOKEN = re.compile(r"[A-Za-z_-]+")
_AGENT_KEYS = frozenset({"user-agent", "useragent", "user agent"})
# Misspellings that Google's parser takes too; refusing them would only let more be fetched.
_DISALLOW_KEYS = frozenset({"disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"})


class Rule(msgspec.Struct, frozen=True):
    """One Allow or Disallow line; ``pieces`` are the literals between its wildcards."""

    allow: bool
    pattern: str
    line: int
    pieces: tuple[str, ...]
    anchored: bool  # the pattern ends in "$"

    def matches(self, target: str) -> bool:
        """Does the rule apply to this path and query (as octets)?"""
        first, *others = self.pieces
        if not target.startswith(first):
            return False
        position = len(first)
        if not others:
            return not self.anchored or position == len(target)
        last = others.pop() if self.anchored else ""
        for piece in others:
            found = target.find(piece, position)
            if found < 0:
                return False
            position = found + len(piece)
        return not self.anchored or (len(target) - len(last) >= position and target.endswith(last))


class Ruling(msgspec.Struct, frozen=True):
    """Whether a URL may be fetched, and the rule that decided (None: no rule applies)."""

    allowed: bool
    rule: Rule | None = None


class Robots(msgspec.Struct, frozen=True):
    """What one robots.txt says to one crawler."""

    rules: tuple[Rule, ...] = ()  # longest pattern first; at the same length Allow first
    crawl_delay: float = 0.0  # seconds
    agent: str = "*"  # the group that applies
    sitemaps: tuple[str, ...] = ()

    def judge(self, target: str) -> Ruling:
        """Rule on a path and query: the longest match decides, Allow wins a tie (2.2.2)."""
        if target == "/robots.txt":  # always allowed (2.2.2)
            return Ruling(allowed=True)
        octets = _octets(target)
        for rule in self.rules:
            if rule.matches(octets):
                return Ruling(rule.allow, rule)
        return Ruling(allowed=True)


def allow_all() -> Robots:
    """What an unavailable (4xx) robots.txt means (2.3.1.3)."""
    return Robots()


def product_token(user_agent: str) -> str:
    """The name that groups are looked up by: ``skitter/1.0 (+https://...)`` -> ``skitter``."""
    match = _TOKEN.match(user_agent)
    return match[0] if match else "*"


def parse(body: bytes, token: str) -> Robots:
    """Read a file for the crawler named ``token``. Nothing in it is an error."""
    groups: dict[str, _Group] = {}
    sitemaps: list[str] = []
    current: list[_Group] = []
    open_for_agents = False
    for number, key, value in _lines(body):
        if key in _AGENT_KEYS:
            if not open_for_agents:
                current = []
            open_for_agents = True
            current.append(groups.setdefault(_agent(value), _Group()))
        elif key in ("sitemap", "site-map"):
            sitemaps.append(value)
        elif key == "allow" or key in _DISALLOW_KEYS:
            open_for_agents = False
            for group in current:
                group.add(key == "allow", value, number)
        elif key == "crawl-delay":
            for group in current:
                group.delay(value)
    return _robots(groups, token.lower(), tuple(sitemaps))


def _robots(groups: dict[str, _Group], token: str, sitemaps: tuple[str, ...]) -> Robots:
    agent = token if token in groups else "*"
    group = groups.get(agent)
    if group is None:
        return Robots(sitemaps=sitemaps)
    rules = sorted(group.rules, key=lambda rule: (-_weight(rule.pattern), not rule.allow))
    return Robots(tuple(rules), group.crawl_delay, agent, sitemaps)


class _Group:
    """The rules of all groups of one agent, put together (2.2.1)."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.crawl_delay = 0.0

    def add(self, allow: bool, value: str, line: int) -> None:
        if not value:  # an empty pattern matches nothing
            return
        self.rules.append(_rule(allow, value, line))
        folder, slash, name = value.rpartition("/")
        if allow and slash and name.startswith("index.htm"):
            # Who allows the index page means the folder's own address too (Google's parser).
            self.rules.append(_rule(allow, f"{folder}/$", line))

    def delay(self, value: str) -> None:
        """Not in the RFC, but meant: it can only make us slower (PRECEDENTS section 2)."""
        try:
            seconds = float(value.replace(",", "."))
        except ValueError:
            return
        if math.isfinite(seconds):
            self.crawl_delay = max(self.crawl_delay, seconds)


def _agent(value: str) -> str:
    """The product token of a User-agent line, lower-case; ``*`` may be followed by anything."""
    if value.startswith("*") and (len(value) == 1 or value[1].isspace()):
        return "*"
    match = _TOKEN.match(value)
    return match[0].lower() if match else ""


def _rule(allow: bool, pattern: str, line: int) -> Rule:
    anchored = pattern.endswith("$")
    body = pattern[:-1] if anchored else pattern
    return Rule(allow, pattern, line, tuple(map(_octets, body.split("*"))), anchored)


def _weight(pattern: str) -> int:
    """Octets of the pattern with everything outside ASCII percent-encoded: "the most octets" (2.2.2)."""
    return sum(1 if char.isascii() else 3 * len(char.encode("utf-8", "surrogateescape")) for char in pattern)


def _octets(text: str) -> str:
    """Bring text into one form, so that octets can be compared: every escape decoded (2.2.2).

    The RFC would keep the escapes of reserved characters apart, and in its own table does not;
    Google's parser decodes them all, and so do we (docs/decisions.md). One character an octet.
    """
    octets = text.encode("utf-8", "surrogateescape").decode("latin-1")
    return unquote(octets, "latin-1") if "%" in octets else octets


def _lines(body: bytes) -> Iterator[tuple[int, str, str]]:
    """Number, lower-case key and value of each line that has both."""
    text = body[:MAX_BYTES].removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    for number, line in enumerate(re.split("\r\n|\r|\n", text), 1):
        content = line[:_MAX_LINE].partition("#")[0].strip(" \t\0")
        key, colon, value = content.partition(":")
        if not colon:  # the colon is forgotten often enough: "Disallow /private"
            key, _, value = content.partition(" ")
            if len(value.split()) != 1:
                continue
        yield number, key.strip().lower(), value.strip()
