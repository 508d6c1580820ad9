"""robots.txt: parsing and matching, complete to RFC 9309.

Matching is linear in the length of rule and path: the literal pieces of a rule are found one after
the other (THREATS section 6); no regular expression, no backtracking. How the rule that decides is found
among many: :mod:`skitter.rules.robots_rules`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from skitter.rules.robots_rules import Rule, Rules, octets_of

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
# Misspellings of Disallow that Google's parser takes too; refusing them would only let more be fetched.
_KINDS = {
    **dict.fromkeys(("user-agent", "useragent", "user agent"), "agent"),
    **dict.fromkeys(("sitemap", "site-map"), "sitemap"),
    **dict.fromkeys(("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"), "disallow"),
    "allow": "allow",
    "crawl-delay": "delay",
}
# Far beyond any that we know: longer ones need not be remembered.
_LONGEST_KEY = 100
_BLANK = " \t\0"


class Ruling(msgspec.Struct, frozen=True):
    """Whether a URL may be fetched, and the rule that decided (None: no rule applies)."""

    allowed: bool
    rule: Rule | None = None


class Robots(msgspec.Struct, frozen=True):
    """What one robots.txt says to one crawler."""

    rules: Rules = msgspec.field(default_factory=Rules)
    crawl_delay: float = 0.0  # seconds
    agent: str = "*"  # the group that applies
    sitemaps: tuple[str, ...] = ()

    def judge(self, target: str) -> Ruling:
        """Rule on a path and query: the longest match decides, Allow wins a tie (2.2.2)."""
        if target == "/robots.txt":  # always allowed (2.2.2)
            return Ruling(allowed=True)
        rule = self.rules.deciding(octets_of(target))
        return Ruling(allowed=True) if rule is None else Ruling(rule.allow, rule)


def allow_all() -> Robots:
    """What an unavailable (4xx) robots.txt means (2.3.1.3)."""
    return Robots()


def product_token(user_agent: str) -> str:
    """The name that groups are looked up by: ``skitter/1.0 (+https://...)`` -> ``skitter``."""
    match = _TOKEN.match(user_agent)
    return match[0] if match else "*"


def parse(body: bytes, token: str) -> Robots:
    """Read a file for the crawler named ``token``. Nothing in it is an error."""
    ours, everybodys = _Group(), _Group()
    by_agent = {"*": everybodys, token.lower(): ours}
    sitemaps: list[str] = []
    current: list[_Group] = []  # those that what follows is for: at most the two that matter to us
    open_for_agents = False
    for number, kind, value in _lines(body):
        if kind == "agent":
            if not open_for_agents:
                current = []
            open_for_agents = True
            group = by_agent.get(_agent(value))
            if group is not None and group not in current:
                group.is_there = True
                current.append(group)
        elif kind == "sitemap":
            sitemaps.append(value)
        elif kind == "delay":
            for group in current:
                group.delay(value)
        else:
            open_for_agents = False
            for group in current:
                group.add(kind == "allow", value, number)
    group, agent = (ours, token.lower()) if ours.is_there else (everybodys, "*")
    return Robots(group.rules, group.crawl_delay, agent, tuple(sitemaps))


class _Group:
    """The rules of all groups of one agent, put together (2.2.1)."""

    __slots__ = ("crawl_delay", "is_there", "rules")

    def __init__(self) -> None:
        self.rules = Rules()
        self.crawl_delay = 0.0
        self.is_there = False

    def add(self, allow: bool, value: str, line: int) -> None:
        if not value:  # an empty pattern matches nothing
            return
        self.rules.add(allow, value, line)
        if allow and "/index.htm" in value:
            folder, _, name = value.rpartition("/")
            if name.startswith("index.htm"):
                # Who allows the index page means the folder's own address too (Google's parser).
                self.rules.add(allow, f"{folder}/$", line)

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


@lru_cache(maxsize=256)  # files write the same few keys over and over
def _kind(key: str) -> str:
    """What a key says, however it is spelled; "" for nothing that we know."""
    return _KINDS.get(key.lstrip(_BLANK).strip().lower(), "")


def _lines(body: bytes) -> Iterator[tuple[int, str, str]]:
    """Number, kind and value of each line that says something."""
    if len(body) >= MAX_BYTES:  # cut: half a line may say something else ("Disallow: /")
        body = body[:MAX_BYTES]
        body = body[: max(body.rfind(b"\n"), body.rfind(b"\r")) + 1]
    text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        if not line:
            continue
        if "#" in line or len(line) > _MAX_LINE:
            line = line[:_MAX_LINE].partition("#")[0]
        key, colon, value = line.partition(":")
        if not colon:  # the colon is forgotten often enough: "Disallow /private"
            key, _, value = line.strip(_BLANK).partition(" ")
            if len(value.split()) != 1:
                continue
        if len(key) > _LONGEST_KEY:  # blanks, or nothing that means something
            key = key.lstrip(_BLANK).strip()[:_LONGEST_KEY]
        if kind := _kind(key):
            yield number, kind, value.rstrip(_BLANK).strip()
