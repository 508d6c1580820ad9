"""What a strategy is given: the list of URLs, and the instruments that measure it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from skitter.compare import strategies
from skitter.compare.plan import Plan
from skitter.compare.report import Attempt, Blocked, Life, Round
from skitter.compare.strategies import MAX_WORKERS
from skitter.compare.timing import LOGGER, Trip, trip_to
from skitter.config import Http, Limits
from skitter.events import Answered, Ended, Event, HostNarrowed, HostWaits, Requested, Retrying
from skitter.model import Failure, Reason, Response
from skitter.observe.blocking import LoopWatch, Still
from skitter.page import Page

__all__ = ["Lab"]

# A loop that stands still for less is not told: timers are some milliseconds late by themselves.
_LEAST_BLOCK = 0.03


class Lab:
    """One round of one strategy. Times are on time.monotonic(); the round counts from :meth:`measured`.

    ``limit`` is how many requests may be under way at once, ``workers`` the size of a pool.
    ``retries`` are those of the one strategy that repeats requests.
    """

    def __init__(self, urls: Iterable[str], plan: Plan) -> None:
        self.urls = list(urls)
        self.limit = min(len(self.urls), plan.concurrency or len(self.urls))
        self.workers = min(self.limit, MAX_WORKERS)
        self.headers = {"User-Agent": Http().user_agent}
        # Of our own server, nobody gives up before it does: it is the time that is measured.
        self.timeout = Limits().timeout if plan.url else 3600.0
        # For requests. Redirects were followed before the experiment began.
        self.options: dict[str, Any] = {
            "headers": self.headers,
            "timeout": self.timeout,
            "allow_redirects": False,
        }
        self.retries = plan.retries
        self.stop: Callable[[], None] = lambda: None  # set by the strategy that repeats requests
        self._budget = plan.budget
        self._promised = len(self.urls)  # requests that have been sent or will be
        self.has_workers = False  # set by strategies that have a pool
        self._zero = self._total = self._cpu = 0.0
        self._loop = False
        self._lives: list[Life] = []
        self._trips: list[Trip] = []
        self._blocked: list[Blocked] = []
        self._news: list[str] = []

    # -- for strategies ----------------------------------------------------------------------

    @contextmanager
    def measured(self) -> Iterator[None]:
        """The clock runs inside: whatever is to be ready, pools and sessions, is made before."""
        self._loop = _has_loop()
        watch = LoopWatch(_LEAST_BLOCK, self._note_block, users=_is_lesson) if self._loop else None
        cpu, self._zero = time.process_time(), time.monotonic()
        if watch is not None:
            watch.start()
        try:
            yield
        finally:
            self._total = time.monotonic() - self._zero
            self._cpu += time.process_time() - cpu
            if watch is not None:
                watch.stop()
                self._cpu -= watch.cpu  # the instrument's own

    def request(self, url: str) -> AbstractContextManager[Trip]:
        """Time one request."""
        return self._kept(trip_to(url))

    @contextmanager
    def _kept(self, timed: AbstractContextManager[Trip]) -> Iterator[Trip]:
        with timed as trip:
            self._trips.append(trip)
            yield trip

    def add(self, trips: Iterable[Trip], cpu: float) -> None:
        """Take requests that other processes have timed, and the CPU seconds that these spent."""
        self._trips += trips
        self._cpu += cpu

    def add_pages(self, pages: Iterable[Page]) -> None:
        """Take what skitter fetched: its pages know all their attempts."""
        # Answers are dated by the wall clock.
        zero = self._zero + time.time() - time.monotonic()
        for page in pages:
            answers = (*page.history, page.answer) if page.answer else page.history
            attempts = tuple(_attempt(answer, zero) for answer in answers)
            self._lives.append(_life(attempts) if attempts else self._unsent(str(page.reason)))

    def _unsent(self, status: str) -> Life:
        return Life(submitted=0.0, start=0.0, end=self._total, status=status, attempts=())

    def observe(self, event: Event) -> None:
        """What skitter does on its way: logged, and kept where the explanation needs it."""
        match event:
            case Requested(url):
                LOGGER.info("start %s", url)
                if url.endswith("/robots.txt"):
                    self._promise()
            case Answered(url, status, elapsed):
                LOGGER.info("end   %s %s after %.2f s", url, status or "no answer", elapsed)
            case HostNarrowed(_, window, why):
                self._news.append(f"after {why} it asked for at most {window} at once")
            case HostWaits(_, _, wait, why):
                self._news.append(f"after {why} it waited {wait:.1f} s")
            case Retrying(url, _, wait, _, error):
                LOGGER.warning("again in %.1f s: %s: %s", wait, url, error)
                self._promise()
            case Ended(record) if record.reason is Reason.REDIRECTED:
                self._promise()

    def _promise(self) -> None:
        """One request more. Beyond the budget nothing more is sent."""
        self._promised += 1
        if self._budget is not None and self._promised > self._budget:
            self._news.append(f"after {self._budget} requests it stopped: no more were allowed")
            self.stop()

    # -- for the experiment ------------------------------------------------------------------

    def round(self, max_in_flight: int | None, connections: int | None) -> Round:
        """All that was measured. Without a server of ours, the client's view has to do."""
        lives = self._lives or [
            _life((trip.since(self._zero),)) for trip in sorted(self._trips, key=lambda trip: trip.start)
        ]
        return Round(
            total=self._total,
            max_in_flight=most_at_once(lives) if max_in_flight is None else max_in_flight,
            connections=connections,
            loop=self._loop,
            blocked=tuple(self._blocked),
            cpu=self._cpu,
            requests=tuple(lives),
            news=tuple(self._news),
            workers=self.workers if self.has_workers else None,
        )

    def _note_block(self, still: Still) -> None:
        if not still.over or not still.held:
            return
        spent: dict[tuple[str, str, int], float] = {}
        for held in still.held:
            key = (held.place.call or held.place.name, held.place.file, held.place.line)
            spent[key] = spent.get(key, 0.0) + held.seconds
        call, file, line = max(spent, key=spent.__getitem__)
        start, end = max(0.0, still.start - self._zero), still.end - self._zero
        self._blocked.append(Blocked(start=start, end=end, call=call, file=file, line=line))


def most_at_once(lives: Iterable[Life]) -> int:
    """How many requests were under way at the same time, by the client's clock."""
    steps = [step for life in lives for one in life.attempts for step in ((one.start, 1), (one.end, -1))]
    now = most = 0
    for _, change in sorted(steps):
        now += change
        most = max(most, now)
    return most


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _is_lesson(file: str) -> bool:
    return Path(file).parent == Path(strategies.__file__).parent


def _life(attempts: tuple[Attempt, ...]) -> Life:
    last = attempts[-1]
    return Life(
        submitted=0.0,
        start=attempts[0].start,
        first_byte=last.first_byte,
        end=last.end,
        status=last.status,
        attempts=attempts,
    )


def _attempt(answer: Response | Failure, zero: float) -> Attempt:
    start = answer.sent_at - zero
    status = str(answer.reason if isinstance(answer, Failure) and answer.status is None else answer.status)
    first = None if answer.status is None else start + answer.ttfb
    return Attempt(start=start, first_byte=first, end=start + max(answer.elapsed, answer.ttfb), status=status)
