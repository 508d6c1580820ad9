"""Which host may be contacted now, or until when to wait: one heap of hosts by time.

Each host stands in a :class:`Lane` with the work at hand. A lane is in the heap at most once, under
the earliest time at which something can be done with it; entries that have become wrong are dropped
when they surface. Waiting is only ever a number here: nobody holds a slot while he waits.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, defaultdict, deque
from itertools import count

import msgspec

from skitter.model import Done, Entry, Reason
from skitter.rules.addresses import ANY
from skitter.rules.host import Host
from skitter.rules.robots import Robots
from skitter.rules.url import target_of
from skitter.rules.window import Window

__all__ = ["Busy", "Decision", "Drained", "Errand", "Lane", "NotBefore", "Ready", "Schedule"]


class Errand(msgspec.Struct, frozen=True):
    """A request that is not a visit of a URL of the job: robots.txt for ``lane``, maybe after hops.

    It is paced like any other request of the host it goes to.
    """

    url: str
    lane: Lane
    hops: int = 0
    tries: int = 0
    reach: str = ANY  # the kind of address of the host that has led here (rules.addresses)


class Lane:
    """A host and the work at hand for it."""

    __slots__ = (
        "asked_robots",
        "at",
        "calls",
        "closed",
        "closed_at",
        "doubted",
        "entries",
        "errands",
        "files",
        "files_open",
        "files_under_way",
        "host",
        "kind",
        "knows_sitemaps",
        "leasing",
        "met",
        "more",
        "preparing",
        "resolved",
        "robots",
        "robots_until",
        "waits",
        "woken",
    )  # fmt: skip

    def __init__(self, host: Host) -> None:
        self.host = host
        self.entries: deque[Entry] = deque()  # leased URLs
        self.files: deque[Entry] = deque()  # leased sitemaps
        self.files_open = 0  # sitemaps that are to be read before any page
        self.files_under_way = 0  # of these, the ones that are being read
        self.knows_sitemaps = False  # they are in the frontier
        # URLs that somebody waits for, outside of the frontier, by number: one may be taken back.
        self.calls: OrderedDict[int, Entry] = OrderedDict()
        self.errands: deque[Errand] = deque()
        self.more: float | None = None  # the frontier has more, due then
        self.leasing = False  # a lease is on its way
        self.met = False  # a lease has come, with what a former run knew of the host
        self.woken: float | None = None  # work that was announced meanwhile
        self.robots: Robots | None = None
        self.robots_until = 0.0
        self.asked_robots = False  # robots.txt is on its way
        self.closed: Done | None = None  # how all its URLs end
        self.closed_at = 0.0
        self.at: float | None = None  # under which time it is in the heap
        self.kind: str | None = None  # of its address (rules.addresses); None while it is not known
        self.resolved = False  # its address is known, as far as it can be
        self.preparing = False  # it is being looked up, or its sitemaps are handed in
        self.waits = False  # for another host's request to end: a place in a shared window, or among doubts
        self.doubted = 0  # requests of it that count as held in vain

    def __repr__(self) -> str:
        return f"<Lane {self.host!r} {len(self.entries)} leased, more at {self.more}>"

    def has_work(self) -> bool:
        """Is there something that could be sent now, were it the host's time?"""
        if self.preparing:
            return False
        return bool(self.errands) or (bool(self.files or self.pages or self.calls) and not self.asked_robots)

    @property
    def lacks_files(self) -> bool:
        """Are there sitemaps to be read before any page that are not in hand?"""
        return self.files_open > self.files_under_way + len(self.files)

    @property
    def pages(self) -> bool:
        """Is there a page that may be visited, as far as sitemaps are concerned?"""
        return bool(self.entries) and (not self.files_open or self.closed is not None)

    def is_idle(self, now: float) -> bool:
        """Is there nothing to do, and nothing under way, and could the host be asked at once?"""
        at_work = self.entries or self.files or self.calls or self.errands or self.host.in_flight
        waited_for = self.leasing or self.preparing or self.asked_robots or self.waits
        return (
            not (at_work or waited_for)
            and self.more is None
            and max(self.host.next_at, self.host.gate) <= now
        )

    def ready_at(self) -> float | None:
        """When something can be done: a request, or asking the frontier for more. None: no idea."""
        if self.leasing and not self.met:
            return None
        if self.has_work():
            # A closed lane contacts nobody: its URLs can end at once.
            return 0.0 if self.closed and not self.errands else self.host.ready_at()
        is_dry = not self.entries or self.lacks_files
        if self.more is not None and not self.leasing and not self.files and is_dry:
            return self.more
        return None

    def denies(self, url: str) -> Done | None:
        """How a URL ends that nobody is to be asked for; None if it may be asked for."""
        if self.closed is not None or self.robots is None:
            return self.closed
        ruling = self.robots.judge(target_of(url))
        if ruling.allowed or ruling.rule is None:
            return None
        return Done(
            Reason.ROBOTS_DENIED, f"robots.txt line {ruling.rule.line}: Disallow: {ruling.rule.pattern}"
        )

    def announce(self, due: float) -> None:
        """The frontier has work for the host from ``due`` on."""
        if self.leasing:  # its answer may be older than this: keep both
            self.woken = due if self.woken is None else min(self.woken, due)
        else:
            self.more = due if self.more is None else min(self.more, due)

    def leased(self, entries: tuple[Entry, ...], more: float | None) -> None:
        """The answer of the frontier."""
        self.leasing, self.met = False, True
        for entry in entries:
            (self.files if entry.sitemap else self.entries).append(entry)
        self.more = more
        woken, self.woken = self.woken, None
        if woken is not None:
            self.announce(woken)


class Ready(msgspec.Struct, frozen=True):
    """This lane can be served now. It is out of the heap until it is put back."""

    lane: Lane


class NotBefore(msgspec.Struct, frozen=True):
    """Nothing can be done before ``at``; ``gated`` if it is a host that is not to be contacted until then."""

    at: float
    gated: bool = False


class Busy(msgspec.Struct, frozen=True):
    """Only the end of something under way can bring work."""


class Drained(msgspec.Struct, frozen=True):
    """No host has work, and nothing is under way."""


Decision = Ready | NotBefore | Busy | Drained


# How often lanes with requests in flight are looked at: are they still answering?
_LOOK = 0.5


class Schedule:
    """The lanes of all active hosts, by time.

    A request to a host that has never answered, or keeps us waiting now, may hold its slot until the
    time-out. Such hosts get ``doubts`` slots at most; without a number, as many as they like.
    """

    def __init__(self) -> None:
        self.doubts: int | None = None
        self._heap: list[tuple[float, int, Lane]] = []
        self._ticks = count()  # first come, first served among equals
        self.in_flight = 0
        self._doubtful = 0  # requests in flight to hosts in doubt
        self._looked = 0.0
        self._active: dict[Lane, int] = {}  # lanes with requests in flight
        # Who waits for a place: for one among the hosts in doubt, or in a shared window.
        self._doubted: deque[Lane] = deque()
        self._crowded: defaultdict[Window, deque[Lane]] = defaultdict(deque)

    def __len__(self) -> int:
        """About how many lanes have a time, or wait for a place among those in doubt; those that have got an
        earlier time count twice for a while."""
        return len(self._heap) + len(self._doubted)

    @property
    def wants_more(self) -> bool:
        """Would one more host that was never asked help? Not if others like it wait for a place."""
        return not self._doubted

    @property
    def doubtful(self) -> int:
        """Requests in flight to hosts that have not answered yet, or hang."""
        return self._doubtful

    def put(self, lane: Lane) -> None:
        """Take a lane in, or note that its time may have changed."""
        at = lane.ready_at()
        if at is not None:
            if (lane.at is None or at < lane.at) and not lane.waits:
                lane.at = at
                heapq.heappush(self._heap, (at, next(self._ticks), lane))
        elif not lane.host.in_flight and not lane.waits and lane.has_work() and not lane.host.window.has_room:
            # No request of its own will wake it.
            lane.waits = True
            self._crowded[lane.host.window].append(lane)
        if self._crowded:
            self._let_in(lane.host.window)

    def next(self, now: float) -> Decision:
        """Decide. A Ready lane has to be put back by the caller once he has served it."""
        self._look(now)
        self._let_in_doubted()
        while True:
            at, lane = self._first()
            if lane is None or at > now:
                if self._let_in_doubted():
                    continue
                return self._nothing(at, lane)
            heapq.heappop(self._heap)
            lane.at = None
            actual = lane.ready_at()
            if actual is None or actual > now:
                self.put(lane)
            elif self._has_to_wait(lane, now):
                lane.waits = True
                self._doubted.append(lane)
            else:
                return Ready(lane)

    def _first(self) -> tuple[float, Lane | None]:
        """The lane whose time comes first, and its time."""
        while self._heap:
            at, _, lane = self._heap[0]
            if lane.at == at:
                return at, lane
            heapq.heappop(self._heap)  # it was put in again, earlier
        return 0.0, None

    def _nothing(self, at: float, lane: Lane | None) -> Decision:
        if lane is not None:
            return NotBefore(at, lane.host.gate >= at)
        return Busy() if self.in_flight else Drained()

    def start(self, lane: Lane, now: float) -> None:
        """A request to the lane's host starts now."""
        self.in_flight += 1
        self._active[lane] = self._active.get(lane, 0) + 1
        lane.host.start(now)
        self._judge(lane, now)
        self.put(lane)

    def ended(self, lane: Lane, now: float) -> None:
        """A request is over; the host has been told how."""
        self.in_flight -= 1
        self._active[lane] -= 1
        if not self._active[lane]:
            del self._active[lane]
        self._judge(lane, now)
        self.put(lane)
        self._let_in(lane.host.window)

    # -- hosts that may hold a slot in vain --------------------------------------------------

    def _has_to_wait(self, lane: Lane, now: float) -> bool:
        if self.doubts is None or self._doubtful < self.doubts:
            return False
        contacts = lane.has_work() and (lane.closed is None or bool(lane.errands))
        return contacts and lane.host.is_doubtful(now)

    def _judge(self, lane: Lane, now: float) -> None:
        """Count the lane's requests as held in vain, or not."""
        held = self._active.get(lane, 0) if lane.host.is_doubtful(now) else 0
        self._doubtful += held - lane.doubted
        lane.doubted = held

    def _let_in_doubted(self) -> bool:
        """There is a place for one more host in doubt: it is the next one's turn. Was there one?"""
        if not self._doubted or (self.doubts is not None and self._doubtful >= self.doubts):
            return False
        lane = self._doubted.popleft()
        lane.waits = False
        self.put(lane)
        return True

    def _look(self, now: float) -> None:
        """A host falls silent without anything happening."""
        if now - self._looked >= _LOOK:
            self._looked = now
            for lane in self._active:
                self._judge(lane, now)

    # -- hosts that share a window -----------------------------------------------------------

    def _let_in(self, window: Window) -> None:
        """There is room in a window again: it is the next one's turn."""
        waiting = self._crowded.get(window)
        if not waiting or not window.has_room:
            return
        lane = waiting.popleft()
        if not waiting:
            del self._crowded[window]
        lane.waits = False
        self.put(lane)  # which lets in the next one, if there is room for it, too
