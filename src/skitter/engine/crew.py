"""The worker processes of a crawl, as its owner sees them: a fetcher that also reads.

What is asked of the crew goes to one of its workers, and what comes back is as if it had been done here.
Schedule, frontier and outputs stay with the owner, so that manners and guarantees do not depend on how
many processes there are. What a worker takes with it when it dies is asked for again.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from zlib import crc32

import msgspec
from msgspec.structs import replace

from skitter.config import Config
from skitter.engine.visit import Visited
from skitter.engine.wire import (
    SLOT,
    Answered,
    Assign,
    Broke,
    Cancel,
    Channel,
    Leave,
    Message,
    Order,
    Pulse,
    Sent,
    Settled,
    Told,
)
from skitter.errors import StorageError
from skitter.events import Noted, Observer
from skitter.model import Entry, Failure, Reason, Request, Response, Settlement
from skitter.nursery import Hired, Nursery
from skitter.page import Page
from skitter.ports import Fetcher, Lost, Take
from skitter.rules.scope import Bounds
from skitter.rules.url import origin_of
from skitter.threads import in_thread

__all__ = ["Crew", "memory_for"]

# A host's connections are kept by one worker, unless that one has so many requests more than another.
_SLACK = 8
# A page that a worker dies on is no accident when it happens again. Where several pages were being read,
# each is to blame for its part.
_STRIKES = 2.0
# After so many deaths in a row, with not one page in between, it is not the pages.
_IN_VAIN = 10
# A worker that is still in a handler is not waited for.
_FAREWELL = 1.0

_Answer = TypeVar("_Answer")
Settle = Callable[..., Awaitable[Visited]]


def memory_for(config: Config) -> int:
    """Bytes that owner and worker share: a slot for each page that may be read or handled at a time."""
    return SLOT * 2 * config.limits.concurrency


class _Hand:
    """A worker and what it is at."""

    __slots__ = ("channel", "committed", "hosts", "is_busy", "limit", "memory", "roots", "trips")

    channel: Channel

    def __init__(self, hired: Hired, limit: int) -> None:
        self.memory = hired.memory
        self.trips: dict[int, _Trip] = {}
        self.hosts: Counter[str] = Counter()  # requests in flight
        self.committed: list[int] = []  # trips that it does not know yet to be on disk
        self.roots = 0  # of the scope, that it knows
        self.limit = limit
        self.is_busy = False


class _Trip:
    """A request that a worker makes, and the visit that it is for."""

    __slots__ = ("answer", "hand", "number", "origin", "request", "sent", "visited")

    def __init__(self, hand: _Hand, number: int, request: Request, sent: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self.hand = hand
        self.number = number
        self.request = request
        self.origin = origin_of(request.url)
        self.sent = sent
        self.answer: asyncio.Future[Response | Failure] = loop.create_future()
        self.visited: asyncio.Future[Visited] = loop.create_future()


class Crew:
    """A Fetcher whose visits are settled where they were fetched."""

    def __init__(
        self, config: Config, nursery: Nursery, number: int, home: Fetcher, observe: Observer
    ) -> None:
        """``number`` workers come from ``nursery``; ``home`` is a fetcher of this process, which is asked
        for addresses."""
        self.blocked = 0  # times that code of the user's has held a worker's loop too long
        self._most = config.limits.concurrency
        self._nursery = nursery
        self._number = number
        self._home = home
        self._observe = observe
        self._bounds: Bounds
        self._settle: Settle
        self._order: Callable[[str], None]
        self._hands: list[_Hand] = []
        self._staffed = asyncio.Event()
        self._left = asyncio.Event()
        self._hiring: set[asyncio.Task[None]] = set()
        self._last = 0  # number of a trip
        self._visits: dict[int, _Trip] = {}  # under way or not committed, by key
        self._strikes: defaultdict[str, float] = defaultdict(float)
        self._deaths = 0  # since a page was settled
        self._broken: Exception | None = None
        self._closed = False

    async def start(self) -> None:
        """Get the workers. Raises StorageError if there are none to be had."""
        while len(self._hands) < self._number:
            await self._hire()

    def serve(self, bounds: Bounds, settle: Settle, order: Callable[[str], None]) -> None:
        """Work for an engine: under its bounds, which workers follow; ``settle`` is for what no worker has
        fetched; ``stop`` is called when a handler wants the crawl to stop, with True for at once."""
        self._bounds, self._settle, self._order = bounds, settle, order

    @property
    def limit(self) -> int:
        """Requests in flight that the workers can bear."""
        return sum(hand.limit for hand in self._hands) or self._most

    @property
    def is_busy(self) -> bool:
        """Do answers wait for workers rather than the other way round?"""
        return any(hand.is_busy for hand in self._hands)

    # -- as a fetcher ------------------------------------------------------------------------

    async def fetch(
        self, request: Request, sent: Callable[[], None], take: Take | None = None
    ) -> Response | Failure:
        """Have a worker fetch, and settle the visit that it is for: :meth:`settle` waits for that. What is
        taken piece by piece is fetched at home. Raises Lost and StorageError."""
        if take is not None:
            return await self._home.fetch(request, sent, take)
        if self._strikes and self._strikes.get(request.url, 0.0) >= _STRIKES:
            return Failure(Reason.UNPARSABLE, "worker processes have died on this page", transient=False)
        await self._staffed.wait()
        if self._broken is not None:
            raise self._broken
        trip = self._assign(request, sent)
        hosts = trip.hand.hosts
        hosts[trip.origin] += 1
        try:
            return await self._wait(trip, trip.answer)
        finally:
            hosts[trip.origin] -= 1
            if not hosts[trip.origin]:
                del hosts[trip.origin]

    def _assign(self, request: Request, sent: Callable[[], None]) -> _Trip:
        hand = self._choose(origin_of(request.url))
        self._last += 1
        trip = hand.trips[self._last] = _Trip(hand, self._last, request, sent)
        if request.visit is not None:
            self._visits[request.visit.key] = trip
        roots = self._bounds.roots(hand.roots)
        hand.roots += len(roots)
        committed, hand.committed = tuple(hand.committed), []
        hand.channel.put(Assign(trip.number, request, roots, committed))
        return trip

    def _choose(self, origin: str) -> _Hand:
        """The worker that keeps the host's connections, or the one with least to do: a host that has
        requests in flight is shared, others stay where they were."""
        home = self._hands[crc32(origin.encode()) % len(self._hands)]
        least = min(self._hands, key=lambda hand: len(hand.trips))
        slack = 0 if home.hosts[origin] else _SLACK
        return home if len(home.trips) <= len(least.trips) + slack else least

    async def _wait(self, trip: _Trip, what: asyncio.Future[_Answer]) -> _Answer:
        try:
            return await what
        except asyncio.CancelledError:
            trip.hand.trips.pop(trip.number, None)
            trip.hand.channel.put(Cancel(trip.number))
            self._forget(trip)
            raise
        except Lost:
            self._forget(trip)
            raise

    def _forget(self, trip: _Trip) -> None:
        if trip.request.visit is not None:
            self._visits.pop(trip.request.visit.key, None)

    async def addresses(self, origin: str) -> Sequence[str]:
        """The addresses of an origin's host."""
        return await self._home.addresses(origin)

    async def leave(self) -> None:
        """Let the workers say what they have still to say, and end; a second is enough for that."""
        self._closed = True
        if not self._hands:
            return
        for hand in self._hands:
            hand.channel.put(Leave())
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await self._left.wait()

    def disband(self) -> None:
        """End all workers before they have begun."""
        self._closed = True
        self._nursery.close()

    async def close(self) -> None:
        """End all workers."""
        self._closed = True
        for task in self._hiring:
            task.cancel()
        for hand in self._hands:
            hand.channel.close()
        await in_thread(self._nursery.close)
        await self._home.close()

    # -- as a reader -------------------------------------------------------------------------

    async def settle(
        self, entry: Entry, answer: Response | Failure, started: float, *, host_answered: bool
    ) -> Visited:
        """What became of a visit whose answer :meth:`fetch` has brought. Raises Lost."""
        trip = self._visits.get(entry.key)
        if trip is None:
            return await self._settle(entry, answer, started, host_answered=host_answered)
        return await self._wait(trip, trip.visited)

    def committed(self, settlements: Iterable[Settlement]) -> None:
        """These are on disk: what they have found needs no further look."""
        for settlement in settlements:
            trip = self._visits.pop(settlement.entry.key, None)
            if trip is not None:
                trip.hand.committed.append(trip.number)

    # -- what workers say --------------------------------------------------------------------

    def _receive(self, hand: _Hand, message: Message) -> None:
        match message:
            case Sent(number) if number in hand.trips:
                hand.trips[number].sent()
            case Answered(number, response, failure) if number in hand.trips:
                trip = hand.trips[number]
                _give(trip.answer, response or failure)
                if trip.request.visit is None:
                    del hand.trips[number]
            case Settled() if message.number in hand.trips:
                self._deaths = 0
                self._bounds.add_roots(message.roots)
                _give(hand.trips.pop(message.number).visited, _visited(message))
            case Broke(number, text, storage) if number in hand.trips:
                error = StorageError(text) if storage else RuntimeError(f"in a worker process: {text}")
                _fail(hand.trips.pop(number), error)
            case Told(event):
                self.blocked += event.over and event.users
                self._observe(event)
            case Pulse(limit, is_busy):
                hand.limit, hand.is_busy = limit, is_busy
            case Order(word):
                self._order(word)

    # -- their coming and going --------------------------------------------------------------

    async def _hire(self) -> None:
        try:
            hired = self._nursery.hire()
        except OSError as error:
            raise StorageError(f"no worker process is to be had: {error.strerror or error}") from None
        hand = _Hand(hired, self._most)
        hand.channel = Channel(lambda message: self._receive(hand, message), lambda: self._lose(hand))
        await asyncio.get_running_loop().create_connection(lambda: hand.channel, sock=hired.line)
        self._hands.append(hand)
        self._staffed.set()

    def _lose(self, hand: _Hand) -> None:
        """A worker is gone, and what it was at with it."""
        if hand in self._hands:
            self._hands.remove(hand)
        if self._closed:
            if not self._hands:
                self._left.set()
            return
        self._deaths += 1
        self._blame(hand)
        for trip in hand.trips.values():
            _fail(trip, Lost())
        if self._deaths >= _IN_VAIN:
            self._break(RuntimeError("worker processes die one after the other, and no page comes of it"))
            return
        if not self._hands:
            self._staffed.clear()
        task = asyncio.get_running_loop().create_task(self._replace(), name="hire")
        self._hiring.add(task)
        task.add_done_callback(self._hiring.discard)

    def _blame(self, hand: _Hand) -> None:
        """Which pages was it reading?"""
        slots = range(0, len(hand.memory), SLOT)
        numbers = {int.from_bytes(hand.memory[slot : slot + SLOT]) for slot in slots}
        read = [trip.request.url for number, trip in hand.trips.items() if number in numbers]
        for url in read:
            self._strikes[url] += 1 / len(read)
        where = f" while it read {read[0]}" if len(read) == 1 else ""
        self._observe(Noted(f"a worker process died{where}: what it was at is asked for again"))

    async def _replace(self) -> None:
        try:
            await self._hire()
        except StorageError as error:
            self._break(error)

    def _break(self, error: Exception) -> None:
        """The crawl cannot go on: whoever asks is told so."""
        self._broken = error
        self._staffed.set()


def _visited(said: Settled) -> Visited:
    settlement, row, reading = said.settlement, said.settlement.row, said.reading
    page = None
    if row is not None and said.items:
        row = replace(row, items=tuple(msgspec.json.decode(said.items)))
        settlement = replace(settlement, row=row)
    if row is not None and reading is not None:
        ask = settlement.entry.ask
        page = Page(row.record, said.response or said.failure, reading, meta=ask.meta if ask else None)
    return Visited(settlement, said.roots, page, again=said.again)


def _give(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():  # or nobody waits for it any more
        future.set_result(value)


def _fail(trip: _Trip, error: Exception) -> None:
    for future in (trip.answer, trip.visited):
        if not future.done():
            future.set_exception(error)
            future.exception()  # nobody has to have waited for it
