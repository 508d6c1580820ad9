"""What is known of a URL (:class:`History`), and what follows from it (:class:`Explanation`). All frozen.

Times of a history are seconds since the epoch, those of an explanation RFC 3339 in UTC; durations are
seconds.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from skitter.config import Scope
from skitter.model import Attempt, HostState, Reason, Record

__all__ = [
    "Explanation",
    "History",
    "HostAccount",
    "Linker",
    "Linkers",
    "Next",
    "Outlook",
    "RobotsAccount",
    "Ruling",
    "Settings",
    "Step",
    "Try",
    "Waiting",
]


# -- what the job's rows say -----------------------------------------------------------------


class Settings(msgspec.Struct, frozen=True):
    """What decides about URLs: of the job, and of its last run."""

    scope: Scope
    agent: str  # the name looked up in robots.txt
    no_robots: bool = False
    allow_private: bool = False
    limit: int | None = None


class Linker(msgspec.Struct, frozen=True):
    """A page that links to the URL, or redirects to it."""

    url: str
    depth: int
    reason: Reason
    nofollow: bool = False  # by meta robots or X-Robots-Tag


class Linkers(msgspec.Struct, frozen=True):
    """Pages that are alike for the rules: how many, and the first of them."""

    number: int
    first: Linker


class Step(msgspec.Struct, frozen=True):
    """A URL on the way from a seed, and how it was found: ``seed link redirect sitemap robots``."""

    url: str
    depth: int | None
    how: str
    hops: tuple[str, ...] = ()  # of redirects, first to last


class Waiting(msgspec.Struct, frozen=True):
    """The URL's row among those that are still to be visited."""

    due: float  # 0: as soon as it is its turn
    depth: int
    referrer: str | None
    hops: tuple[str, ...]
    attempts: int
    status: int | None
    seed: bool
    before: int  # URLs of the host whose turn comes first


class History(msgspec.Struct, frozen=True):
    """What the job knows of one URL, at one moment."""

    job: str
    owner: int | None  # the process that works on the job
    now: float
    typed: str
    url: str
    settings: Settings
    roots: tuple[str, ...]
    ended: int  # URLs of the job
    pending: int
    fetched: int
    record: Record | None = None
    namesake: str | None = None  # another URL with the same key: the job takes them for one
    waiting: Waiting | None = None
    sitemap: str | None = None  # the URL as a sitemap: "read" or "pending"
    attempts: tuple[Attempt, ...] = ()
    found: tuple[Step, ...] = ()  # the URL itself first, the seed last
    linked: int = 0
    pages: tuple[Linker, ...] = ()  # some of those that link here
    linkers: tuple[Linkers, ...] = ()  # all of them, by kind
    redirected: int = 0
    redirects: tuple[Linker, ...] = ()  # some of those that redirect here
    host: HostState | None = None  # with its robots.txt; None: never met
    host_pending: int = 0
    kinds: frozenset[str] = frozenset()  # of addresses that hosts of the job show themselves
    patterns: Mapping[int, int] = {}  # URLs that have ended by pattern (rules.traps)
    has_items: bool = False  # handlers have made items, and may have chosen links


# -- what follows ----------------------------------------------------------------------------


class Ruling(msgspec.Struct, frozen=True):
    """What one rule says. ``allows`` is None where that cannot be known yet, or where the rule has no say."""

    rule: str
    allows: bool | None
    words: str


class Outlook(msgspec.Struct, frozen=True):
    """What would happen now. ``rule`` is the one that would refuse the URL, or end it unfetched."""

    admitted: bool
    rule: str | None
    words: str


class Try(msgspec.Struct, frozen=True):
    """One request for the URL; ``seconds`` from connect to the last byte."""

    at: str
    reason: str
    status: int | None
    seconds: float
    error: str | None


class RobotsAccount(msgspec.Struct, frozen=True):
    """The stored copy of a host's robots.txt."""

    url: str
    status: int
    fetched_at: str
    size: int


class HostAccount(msgspec.Struct, frozen=True):
    """What the controller has made of the host."""

    origin: str
    words: str  # the strictest of its limits
    window: int
    limit: int  # of the window
    delay: float
    pace: float
    gate: str | None  # not before
    why: str  # what closed the gate
    latency: float  # time to first byte, lately
    failures: int
    refusals: int
    pending: int
    robots: RobotsAccount | None


class Next(msgspec.Struct, frozen=True):
    """What happens next, when at the earliest, and what the user can do."""

    at: str | None
    words: str
    advice: str | None = None


class Explanation(msgspec.Struct, frozen=True):
    """The whole answer. ``state`` is ``ended pending refused sitemap unseen``; ``rule`` is ``admitted``,
    or what refused the URL or ended it unfetched; of one never seen what would, else ``not_linked``."""

    job: str
    running: int | None
    typed: str
    url: str
    state: str
    admitted: bool
    rule: str
    answer: str
    rules: tuple[Ruling, ...]
    found: tuple[Step, ...]
    redirected: int
    redirects: tuple[Linker, ...]
    attempts: tuple[Try, ...]
    requests: int  # made in all; of more than twenty that failed, only the first are remembered
    record: Record | None
    linked: int
    pages: tuple[Linker, ...]
    host: HostAccount | None
    next: Next
    if_linked: Outlook | None
    if_seed: Outlook | None
