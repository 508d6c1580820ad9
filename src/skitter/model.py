"""The values that cross from one stage to the next. All are frozen; none does anything.

Times are seconds since the epoch on the job's clock, which never runs backwards within a run;
durations are seconds; sizes are bytes. A ``key`` is the signed 64-bit fingerprint of a canonical
URL (:func:`skitter.rules.url.key_of`), an ``origin`` is scheme + host + port as in
``https://example.com`` (default port left out): the unit of politeness, called a host elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec

from skitter.exchange import Exchange
from skitter.headers import Headers
from skitter.reason import FinishReason, Reason

__all__ = [
    "Ask",
    "Attempt",
    "Batch",
    "Change",
    "Done",
    "Entry",
    "Exchange",
    "Failure",
    "FinishReason",
    "Follow",
    "Headers",
    "HostState",
    "Lease",
    "Link",
    "Opening",
    "Reading",
    "Reason",
    "Record",
    "Redirect",
    "Request",
    "Response",
    "RetryAt",
    "RobotsCopy",
    "Row",
    "Settlement",
    "Summary",
    "Verdict",
]


class Ask(msgspec.Struct, frozen=True):
    """How a URL is asked for where that is more than a plain GET. ``meta`` is the user's: it comes back with
    the page, and must be what JSON can hold."""

    method: str = "GET"
    headers: Mapping[str, str] = {}
    body: bytes = b""
    meta: Mapping[str, Any] = {}


class Request(msgspec.Struct, frozen=True):
    """One hop to make. A handler gives ``url`` and, if it wants, what is in :class:`Ask`; the rest is the
    engine's. ``cut`` keeps what fits under ``max_body`` instead of failing."""

    url: str
    max_body: int = 0
    cut: bool = False
    credentials: bool = False  # the user's headers, cookies and auth may go there
    # The visit that it is for, and whether its host had answered before: whoever has the body may settle it.
    visit: Entry | None = None
    host_answered: bool = False
    reach: str = ""  # the kind of addresses that it may be sent to, beside public ones (rules.addresses)
    paced: bool = True  # the host's next request waits for the word that this one has gone out
    method: str = "GET"
    headers: Mapping[str, str] = {}
    body: bytes = b""
    meta: Mapping[str, Any] = {}


class Response(msgspec.Struct, frozen=True):
    """What one hop brought: headers and the decoded body."""

    url: str
    status: int
    headers: Headers = Headers()
    body: bytes = b""
    truncated: bool = False  # shorter than announced, or cut
    sent_at: float = 0.0
    ttfb: float = 0.0  # from sent to the first byte of the answer
    elapsed: float = 0.0  # from connect to the last byte
    note: str | None = None
    exchange: Exchange | None = None  # where an archive is written


class Failure(msgspec.Struct, frozen=True):
    """A hop that brought no answer, or none that may be used."""

    reason: Reason
    message: str
    transient: bool  # another try may succeed
    host_fault: bool = False  # no connection came about: it is the host, not the URL
    status: int | None = None
    headers: Headers = Headers()
    size: int = 0
    sent_at: float = 0.0
    ttfb: float = 0.0
    elapsed: float = 0.0
    exchange: Exchange | None = None  # where an archive is written, and an answer had begun


class Done(msgspec.Struct, frozen=True):
    """The URL has ended."""

    reason: Reason
    error: str | None = None


class Redirect(msgspec.Struct, frozen=True):
    """The URL has ended by pointing to ``location`` (canonical)."""

    location: str
    note: str | None = None


class RetryAt(msgspec.Struct, frozen=True):
    """The URL goes back to the frontier until ``at``."""

    at: float
    reason: Reason
    error: str
    free: bool = False  # costs none of the URL's tries (Retry-After was obeyed)


Verdict = Done | Redirect | RetryAt


class Link(msgspec.Struct, frozen=True):
    """A canonical http(s) URL found on a page; ``follow`` is False for rel=nofollow."""

    url: str
    key: int
    origin: str
    follow: bool = True


class Reading(msgspec.Struct, frozen=True):
    """What content says about itself."""

    content_type: str | None = None
    charset: str | None = None
    lang: str | None = None
    title: str | None = None
    description: str | None = None
    canonical: str | None = None
    links: tuple[Link, ...] = ()
    noindex: bool = False
    nofollow: bool = False
    text: str | None = None  # visible text, if asked for
    html: str | None = None  # the decoded document, if asked for
    markdown: str | None = None  # its main content, if asked for
    note: str | None = None


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What is written for a URL: one JSON object a line. The fields are those of the contract."""

    url: str
    reason: Reason
    status: int | None = None
    depth: int
    referrer: str | None = None
    location: str | None = None
    redirected_from: tuple[str, ...] = ()
    content_type: str | None = None
    charset: str | None = None
    lang: str | None = None
    title: str | None = None
    description: str | None = None
    canonical: str | None = None
    size: int = 0
    truncated: bool = False
    sha256: str | None = None
    links: int = 0
    noindex: bool = False
    nofollow: bool = False
    lastmod: str | None = None
    fetched_at: str
    ttfb: float = 0.0
    elapsed: float = 0.0
    attempts: int = 0
    error: str | None = None


class Row(msgspec.Struct, frozen=True):
    """A record with the large fields that the user asked for (``--field``), and a handler's items; where an
    archive is written, what went over the wire, and the page's links."""

    record: Record
    extra: dict[str, Any] | None = None
    items: tuple[dict[str, Any], ...] = ()
    exchange: Exchange | None = None
    outlinks: tuple[str, ...] = ()


class Follow(msgspec.Struct, frozen=True):
    """Pages that a handler wants visited: canonical URLs, and how they are to be asked for."""

    urls: tuple[str, ...]
    ask: Ask | None = None


class Entry(msgspec.Struct, frozen=True):
    """A URL in the frontier that has not ended."""

    url: str
    key: int
    origin: str
    depth: int = 0
    referrer: str | None = None
    hops: tuple[str, ...] = ()  # redirects that led here, first to last
    attempts: int = 0  # requests made
    spent: int = 0  # of these, the ones that count against --retries
    status: int | None = None  # of the last answer
    seed: bool = False  # given by the user, or what a seed redirects to
    given: bool = False  # given by the user
    due: float = 0.0  # not before
    reach: str = ""  # the kind of address of the host that has led here; of a visit under way, of its own
    lastmod: str | None = None  # as a sitemap says
    sitemap: bool = False  # it is one itself: it has no record
    listed: bool = False  # a sitemap names it
    ask: Ask | None = None  # how it is asked for, if not by a plain GET
    seq: int = 0  # place in the host's queue; the frontier's own


class Lease(msgspec.Struct, frozen=True):
    """A few URLs of one host, lent until they are settled; what remains there is due at ``more``.

    ``state`` is what a former run knew of the host; it comes with the first lease of this run.
    """

    origin: str
    entries: tuple[Entry, ...]
    more: float | None
    state: HostState | None = None


class RobotsCopy(msgspec.Struct, frozen=True):
    """A robots.txt as it was fetched: what a later run needs not to ask again within 24 h."""

    status: int
    body: bytes
    fetched_at: float


class HostState(msgspec.Struct, frozen=True):
    """What is remembered of a host between runs."""

    origin: str
    next_at: float = 0.0
    gate: float = 0.0
    window: float = 1.0
    limit: int = 0  # of the window, when the state was kept
    failures: int = 0
    refusals: int = 0
    answered: bool = False
    given: bool = False  # a seed of the user's lies there: credentials may be sent
    robots: RobotsCopy | None = None
    base: float = 0.0  # time to first byte when nothing waits at the server; 0 while unknown
    latency: float = 0.0  # time to first byte as it was lately
    queue: float = 0.0  # of the requests in flight, how many only waited
    delay: float = 0.0  # asked for by robots.txt or the user
    pace: float = 0.0  # time between requests that refusals have taught
    asked: float = 0.0  # the date that the host itself has asked us to wait for
    why: str = ""  # what closed the gate


class Attempt(msgspec.Struct, frozen=True):
    """A try that was not the last: when, what came of it, and for how long it was waited for (seconds)."""

    at: float
    reason: Reason
    status: int | None
    seconds: float
    error: str


class Settlement(msgspec.Struct, frozen=True):
    """A visit's end: the URL leaves the frontier with ``row``, or goes back as ``retry``; a sitemap,
    which has no record, leaves it with neither."""

    entry: Entry
    row: Row | None = None
    retry: Entry | None = None
    found: tuple[Entry, ...] = ()
    counts: tuple[int, ...] = ()  # keys of the patterns (rules.traps) that have one URL more
    links: bytes = b""  # keys of the page's distinct links, 8 bytes each, big-endian
    attempt: Attempt | None = None  # with ``retry``: what is to be remembered of this try


class Mark(msgspec.Struct, frozen=True):
    """What an output holds: the first ``upto`` records, in ``length`` bytes, of which the last ``size`` have
    the CRC-32 ``crc``. A sink leaves ``upto`` to those who count records; ``size`` is 0 if it has
    written nothing."""

    upto: int
    length: int = 0
    size: int = 0
    crc: int = 0


class Held(Enum):
    """What is there of what a :class:`Mark` says."""

    WHOLE = "whole"
    SHORT = "short"  # the file lost its end
    GONE = "gone"
    OTHER = "other"  # it is not what was written


class Batch(msgspec.Struct, frozen=True):
    """All that one transaction commits."""

    settlements: tuple[Settlement, ...] = ()
    hosts: tuple[HostState, ...] = ()
    roots: tuple[str, ...] = ()  # new roots of the scope (rules.scope)
    marks: Mapping[str, Mark] = {}  # by output: what it holds with these settlements
    stamp: str = ""  # when, as Clock.stamp says it


class Change(msgspec.Struct, frozen=True):
    """What a commit brought: new work of hosts that were lent already, and when it is due; and whether
    there are hosts with work that were not."""

    due: Mapping[str, float]
    more_hosts: bool
    admitted: int
    pending: int


class Opening(msgspec.Struct, frozen=True):
    """What the frontier holds when a run starts. Hosts come by and by, as they are lent."""

    tally: Mapping[Reason, int]
    pending: int
    more_hosts: bool  # there are hosts with work
    size: int  # decoded bytes of all records
    roots: tuple[str, ...]  # what the scope is drawn around, from all seeds so far
    counts: Mapping[int, int]  # URLs by pattern (rules.traps)
    seed_fetched: bool  # some seed, or what it redirects to, ended fetched


class Summary(msgspec.Struct, frozen=True):
    """How a run ended. ``by_reason`` counts all runs of the job, ``fetched_now`` this one."""

    finish_reason: FinishReason
    by_reason: Mapping[Reason, int]
    pending: int
    size: int
    seconds: float
    ended_now: int  # records written in this run
    fetched_now: int
    seed_fetched: bool
    come_back_at: float | None = None
    blocked: int = 0  # times that code of the user's has held the event loop too long

    @property
    def total(self) -> int:
        """Records of the job."""
        return sum(self.by_reason.values())

    @property
    def rate(self) -> float:
        """Fetched pages a second, this run."""
        return self.fetched_now / self.seconds if self.seconds > 0 else 0.0
