"""What a report says, before it is drawn. Times are seconds, sizes bytes, moments seconds since the epoch."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from skitter.model import HostState
from skitter.reason import Reason

__all__ = [
    "DEAD",
    "Broken",
    "Chain",
    "Columns",
    "Count",
    "Figures",
    "HostFigures",
    "Kind",
    "Latency",
    "Line",
    "Listed",
    "Moment",
    "Pause",
    "Retried",
    "Ruling",
    "Same",
    "Through",
    "Timeline",
    "kind_of",
]


class Kind(IntEnum):
    """How URLs end, in four words."""

    FETCHED = 0
    REDIRECTED = 1
    LEFT_OUT = 2  # a rule said no
    FAILED = 3


_KINDS: dict[str, Kind] = {
    Reason.FETCHED: Kind.FETCHED,
    Reason.NOT_MODIFIED: Kind.FETCHED,
    Reason.REDIRECTED: Kind.REDIRECTED,
    Reason.ROBOTS_DENIED: Kind.LEFT_OUT,
    Reason.TRAP: Kind.LEFT_OUT,
    Reason.REFUSED_ADDRESS: Kind.LEFT_OUT,
    Reason.CANCELLED: Kind.LEFT_OUT,
}

# Who follows a link to a URL that ended so comes to nothing. What is too large, or what a parser or a handler
# could not take, is there.
DEAD = (
    Reason.HTTP_ERROR,
    Reason.REDIRECT_LOOP,
    Reason.UNREACHABLE,
    Reason.DNS_FAILED,
    Reason.TLS_FAILED,
    Reason.TIMED_OUT,
    Reason.TOO_SLOW,
    Reason.MALFORMED,
    Reason.PROXY_ERROR,
    Reason.GAVE_UP,
)


def kind_of(reason: str) -> Kind:
    """The kind of a reason; one of a later version is a failure."""
    return _KINDS.get(reason, Kind.FAILED)


class Count(msgspec.Struct, frozen=True):
    """How many URLs have something in common, and their decoded bytes."""

    name: str
    n: int
    size: int = 0


class Columns(msgspec.Struct, frozen=True):
    """A histogram: one column after the other, ``names`` below them."""

    names: tuple[str, ...]
    counts: tuple[int, ...]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One URL in a list."""

    url: str
    reason: str
    status: int | None = None
    title: str | None = None
    content_type: str | None = None
    size: int = 0
    ttfb: float = 0.0
    elapsed: float = 0.0
    error: str | None = None
    referrer: str | None = None
    lastmod: str | None = None
    depth: int = 0


class Listed(msgspec.Struct, frozen=True):
    """A list that may be cut: ``n`` is how many there are."""

    n: int
    lines: tuple[Line, ...]


class Through(msgspec.Struct, frozen=True):
    """Links that lead to a dead end: those to ``url``, from ``n`` pages, of which some are named."""

    url: str
    n: int
    pages: tuple[str, ...]


class Broken(msgspec.Struct, frozen=True):
    """A dead end, and who leads there: the first of ``ways`` is the URL itself, the others redirect to it. Of
    redirects ``more`` are not among them."""

    line: Line
    ways: tuple[Through, ...]
    more: int


class Chain(msgspec.Struct, frozen=True):
    """Redirects from the first URL to where they end, and how that ended (None: it has no record)."""

    hops: tuple[str, ...]
    reason: str | None
    status: int | None


class Same(msgspec.Struct, frozen=True):
    """Pages that share a title or their content; some of them are named."""

    n: int
    size: int
    title: str | None
    urls: tuple[str, ...]


class Ruling(msgspec.Struct, frozen=True):
    """A rule that has kept URLs out, on how many hosts, and one of the URLs."""

    rule: str
    n: int
    hosts: int
    example: str


class Retried(msgspec.Struct, frozen=True):
    """A URL that was asked for more than once: tries that were not the last, and the seconds they took."""

    url: str
    n: int
    seconds: float
    error: str


class HostFigures(msgspec.Struct, frozen=True):
    """One host. ``ttfb`` is the median of its answers, 0 if there was none."""

    state: HostState
    ended: int
    fetched: int
    failed: int
    pending: int
    size: int
    ttfb: float


class Latency(msgspec.Struct, frozen=True):
    """Time to first byte: of ``n`` answers, half came within ``median``, nine of ten within ``p90``."""

    n: int
    median: float
    p90: float


class Moment(msgspec.Struct, frozen=True):
    """What ended in one stretch of time: URLs by :class:`Kind`."""

    counts: tuple[int, int, int, int]
    latency: Latency | None


class Pause(msgspec.Struct, frozen=True):
    """Time that is left out of the axis, since nothing ended in it."""

    at: float  # on the axis
    seconds: float


class Timeline(msgspec.Struct, frozen=True):
    """The crawl in stretches of ``step`` seconds; long pauses are left out."""

    step: float
    moments: tuple[Moment, ...]
    pauses: tuple[Pause, ...]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """All of a report."""

    job: str
    owner: int | None  # the process that works on the job
    pending: int
    hosts: int
    began: float | None
    ended: float | None
    latency: Latency
    reasons: tuple[Count, ...]
    timeline: Timeline
    statuses: tuple[Count, ...]
    depths: Columns
    types: tuple[Count, ...]
    sizes: Columns
    by_host: tuple[HostFigures, ...]
    slowest: tuple[Line, ...]
    largest: tuple[Line, ...]
    dead: int
    broken: tuple[Broken, ...]
    chain_lengths: tuple[tuple[int, int], ...]  # hops, how many
    chains: tuple[Chain, ...]
    titles: tuple[int, tuple[Same, ...]]  # how many there are, and some of them
    contents: tuple[int, tuple[Same, ...]]
    noindex: Listed
    truncated: Listed
    orphans: Listed  # listed by a sitemap, and linked from no page
    denied: tuple[Ruling, ...]
    traps: tuple[Ruling, ...]
    retries: tuple[Count, ...]  # tries that were not the last, by what came of them
    retried: tuple[Retried, ...]

    @property
    def total(self) -> int:
        """URLs that have ended."""
        return sum(count.n for count in self.reasons)

    @property
    def size(self) -> int:
        """Decoded bytes."""
        return sum(count.size for count in self.reasons)

    @property
    def seconds(self) -> float:
        """Time in which the job was at work: from the first record to the last, without long pauses."""
        if self.began is None or self.ended is None:
            return 0.0
        return max(0.0, self.ended - self.began - sum(pause.seconds for pause in self.timeline.pauses))

    def of_kind(self, kind: Kind) -> int:
        """URLs that ended in this way."""
        return sum(count.n for count in self.reasons if kind_of(count.name) is kind)
