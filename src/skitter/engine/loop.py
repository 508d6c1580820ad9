"""The loop: asks the schedule, starts visits, feeds back what they bring, and knows when to end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any

from skitter.config import Config
from skitter.engine.calls import Calls
from skitter.engine.commit import Committer
from skitter.engine.crew import Crew
from skitter.engine.governor import Governor
from skitter.engine.handlers import Handlers
from skitter.engine.hooks import Hooks
from skitter.engine.lanes import Lanes
from skitter.engine.reader import ReadAside
from skitter.engine.seeds import SeedReader
from skitter.engine.sitemaps import Sitemaps
from skitter.engine.tell import Deliver, Teller
from skitter.engine.trap_guard import TrapGuard
from skitter.engine.turns import Turns
from skitter.engine.visit import Visitor
from skitter.engine.visits import Visits
from skitter.errors import SkitterError
from skitter.events import Finished, Noted, Observer, Progressed, Started
from skitter.model import Change, FinishReason, Opening, Settlement, Summary
from skitter.ports import Clock, Fetcher, Frontier, Sink, Watch
from skitter.rules.schedule import Busy, Drained, NotBefore, Ready
from skitter.rules.scope import Bounds

__all__ = ["Engine"]

# Links are judged by a scope that all seeds have drawn; of a longer list the crawl begins after so
# many (one to two seconds), rather than read a list without end.
_SEEDS_BEFORE_START = 100_000
# A job that goes on knows what its seeds have drawn before; only new ones could add to it.
_SEEDS_BEFORE_GOING_ON = 10_000
_LONGEST_SLEEP = 86400.0
# What is in flight when a stop is asked for has so long to end: the default time-out of a request.
_GRACE = 30.0


class Engine:
    """One run of a job. Parts are passed in; nothing here knows which they are."""

    _loop: asyncio.AbstractEventLoop | None
    _seeds_before_start = _SEEDS_BEFORE_START
    _grace: asyncio.TimerHandle | None = None
    _seeds_open = True
    _is_paused = False
    _scope_drawn = False
    _finish: FinishReason | None = None
    _come_back_at: float | None = None

    def __init__(
        self,
        config: Config,
        *,
        fetcher: Fetcher,
        frontier: Frontier,
        sinks: Sequence[Sink] = (),
        clock: Clock,
        observe: Observer,
        deliver: Deliver | None = None,
        handlers: Handlers | None = None,
        watch: Watch | None = None,
        governor: Governor | None = None,
        disk_low: Callable[[], str | None] | None = None,
        chance: Callable[[], float] = random.random,
        aside: ReadAside | None = None,
        hooks: Hooks = Hooks(),  # noqa: B008 (frozen)
    ) -> None:
        self._config, self._frontier, self._clock, self._observe = config, frontier, clock, observe
        self._bounds = Bounds(config.scope)
        self._wake, self._hard_stop = asyncio.Event(), asyncio.Event()
        self._lanes = Lanes(config, fetcher, frontier, clock, observe, chance, self._wake)
        contact = self._lanes.contact
        self._committer = Committer(
            config, frontier, sinks, clock, contact.take_states, self._apply, disk_low, self._run_low
        )
        contact.changed = self._committer.touch
        self._visitor = Visitor(config, self._bounds, clock, chance, frontier.knows, handlers, aside, hooks)
        teller = Teller(clock, observe, deliver)
        self.calls = Calls(config, self._lanes, self._visitor, teller, clock, self._wake)
        self._watch, self._governor, self._loop = watch, governor, None
        contact.is_busy = lambda: governor is not None and governor.is_busy
        self._crew = fetcher if isinstance(fetcher, Crew) else None
        self._trap_guard = TrapGuard(config.scope, self._bounds)
        self._visits = self._make_visits(teller)
        sitemaps = self._make_sitemaps(chance)
        self._turns = Turns(self._lanes, self._visits, self.calls, sitemaps, self._trap_guard)
        self._tasks: set[asyncio.Task[None]] = set()
        # A page in a handler's hands is no request in flight: as many may be there.
        self._room = config.limits.concurrency * (2 if handlers else 1)

    def _make_visits(self, teller: Teller) -> Visits:
        return Visits(
            self._config,
            self._lanes,
            self._crew or self._visitor,
            self._visitor,
            teller,
            self._committer,
            self._trap_guard,
            self._clock,
        )

    def _make_sitemaps(self, chance: Callable[[], float]) -> Sitemaps:
        return Sitemaps(
            self._config,
            self._bounds,
            self._lanes,
            self._frontier,
            self._committer,
            self._clock,
            self._observe,
            chance,
            self._apply,
        )

    # -- from outside ------------------------------------------------------------------------

    def stop(self) -> None:
        """Take no new URLs; what is in flight is finished and saved, within a grace time. Returns at once;
        from any thread."""
        self._on_loop(self._stop)

    def _stop(self) -> None:
        self._end(FinishReason.STOPPED)
        if self._loop is not None and self._grace is None:
            self._grace = self._loop.call_later(_GRACE, self._hard_stop.set)

    def pause(self) -> None:
        """Begin nothing new until :meth:`resume`; what is in flight is finished and saved. Returns at once;
        from any thread."""
        self._is_paused = True

    def resume(self) -> None:
        """Go on. Returns at once; from any thread."""
        self._is_paused = False
        self._on_loop(self._wake.set)

    def abort(self) -> None:
        """Stop now: requests in flight are cut off, their URLs stay pending. Returns at once; from any
        thread."""
        self.stop()
        self._on_loop(self._hard_stop.set)

    def _on_loop(self, function: Callable[..., object], *args: object) -> None:
        """Plain handlers run in threads, and may want to stop the crawl."""
        if self._loop is None or self._loop is asyncio._get_running_loop():
            function(*args)
        else:
            with suppress(RuntimeError):  # the loop is closed: the run is over
                self._loop.call_soon_threadsafe(function, *args)

    async def run(self, seeds: Iterable[str] = (), *, stay: asyncio.Event | None = None) -> Summary:
        """Crawl until nothing is left, a limit is reached, or it is told to stop; with ``stay``, not
        before that is set, so that calls can be made.

        Raises StorageError (nothing half-committed), ConfigError at a seed that is no URL.
        """
        self._loop = asyncio.get_running_loop()
        began = self._clock.now()
        opening = await self._open()
        self._observe(Started(opening, self._config.limits.concurrency))
        if self._watch is not None:
            self._watch.start()
        try:
            await self._crawl(seeds, stay, began)
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        finally:
            self.calls.close()
            if self._grace is not None:
                self._grace.cancel()
            if self._watch is not None:
                self._watch.stop()
            if self._crew is not None:
                await self._crew.leave()
        assert self._finish is not None
        blocked = sum(each.blocked for each in (self._watch, self._crew) if each is not None)
        seconds = self._clock.now() - began
        summary = self._visits.totals.summary(self._finish, seconds, self._come_back_at, blocked)
        self._observe(Finished(summary))
        return summary

    # -- the loop ----------------------------------------------------------------------------

    async def _crawl(self, seeds: Iterable[str], stay: asyncio.Event | None, began: float) -> None:
        if self._visits.totals.pending or not self._visits.totals.by_reason:  # there is something to do
            await self._committer.look_at_disk()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._committer.run(), name="committer")
            background = [
                group.create_task(self._lanes.refill(), name="refiller"),
                group.create_task(self._read_seeds(seeds, stay), name="seeds"),
                group.create_task(self._cut_off(), name="stopper"),
            ]
            if self._governor is not None:
                background.append(group.create_task(self._governor.run(), name="governor"))
            await self._dispatch(group, began)
            for task in background:
                task.cancel()
            self._committer.close()

    async def _open(self) -> Opening:
        opening = await self._frontier.open()
        self._bounds.add_roots(opening.roots)
        if self._crew is not None:
            orders = {"stop": self.stop, "abort": self.abort, "pause": self.pause, "resume": self.resume}
            self._crew.serve(self._bounds, self._visitor.settle, lambda word: orders[word]())
            await self._crew.start()
        # Without a scope to draw, there is no reason to wait for the other seeds.
        self._scope_drawn = self._config.scope.scope in ("page", "any")
        self._visits.totals.open(opening)
        self._trap_guard.open(opening)
        if opening.roots:
            self._seeds_before_start = _SEEDS_BEFORE_GOING_ON
        self._lanes.more_hosts = opening.more_hosts
        return opening

    async def _dispatch(self, group: asyncio.TaskGroup, began: float) -> None:
        limits = self._config.limits
        deadline = None if limits.time_limit is None else began + limits.time_limit
        while True:
            now = self._clock.now()
            if deadline is not None and now >= deadline:
                self._end(FinishReason.TIME_LIMIT)
            if self._finish is not None:
                if not self._tasks:
                    return
                await self._sleep(None)
            elif self._must_hold():
                if self._finish is None:
                    await self._sleep(deadline)
            else:
                await self._step(group, now, deadline)

    def _must_hold(self) -> bool:
        """May nothing be started now? Ends the run when the limit is reached."""
        limit = self._config.limits.limit
        fetched = self._visits.totals.fetched
        if limit is not None and fetched >= limit:
            self._end(FinishReason.LIMIT)
            return True
        schedule = self._lanes.schedule
        full = schedule.in_flight >= self._config.limits.concurrency
        if self._governor is not None:  # whoever does not answer is no load
            full = full or schedule.in_flight - schedule.doubtful >= self._governor.limit
        begun = len(self._tasks) - self._lanes.errands.looking_up
        unsafe = begun + self._committer.uncommitted  # what a kill would make us fetch again (I3)
        full = full or begun >= self._room or unsafe >= self._room + self._config.limits.concurrency
        return (
            full
            or self._is_paused
            or not self._scope_drawn
            or (limit is not None and fetched + self._visits.under_way >= limit)
        )

    async def _step(self, group: asyncio.TaskGroup, now: float, deadline: float | None) -> None:
        schedule = self._lanes.schedule
        decision = schedule.next(now)
        if self._lanes.are_few or (schedule.wants_more and not isinstance(decision, Ready)):
            self._lanes.reach_out()
        match decision:
            case Ready(lane):
                await self._turns.serve(lane, now, lambda work, name: self._start(group, work, name))
            case NotBefore(at, gated):
                await self._wait(at, now, deadline, gated=gated)
            case Busy():
                if not self._lanes.in_hand:
                    self._committer.hurry()
                await self._sleep(deadline)
            case Drained():
                self._committer.hurry()
                if self._quiet():
                    if self._visits.totals.pending:  # better a loud end than URLs that nobody visits
                        raise RuntimeError(
                            f"{self._visits.totals.pending} URLs are pending and no host has work"
                        )
                    self._end(FinishReason.DONE)
                else:
                    await self._sleep(deadline)

    async def _wait(self, at: float, now: float, deadline: float | None, *, gated: bool) -> None:
        """Nothing can be done before ``at``, unless something under way brings it."""
        beyond = gated and deadline is not None and at > deadline
        too_long = (beyond or at - now > self._config.limits.max_wait) and not self._tasks
        if too_long and self.calls.give_up():
            return
        if too_long and self._quiet():
            self._come_back_at = at
            self._end(FinishReason.WAITING)
            return
        self._committer.hurry()
        await self._sleep(at if deadline is None else min(at, deadline))

    def _quiet(self) -> bool:
        """Can nothing that is under way bring new work?"""
        return not (
            self._tasks
            or self._seeds_open
            or not self._committer.idle
            or self._lanes.leasing
            or self._lanes.more_hosts
        )

    async def _sleep(self, until: float | None) -> None:
        """Wait for the time, or for anything to happen."""
        self._wake.clear()
        timer = None
        if until is not None:
            # A robots.txt may ask for 1e300 seconds, which no timer takes; looking up once a day is free.
            wait = min(max(0.0, until - self._clock.now()), _LONGEST_SLEEP)
            timer = asyncio.get_running_loop().call_later(wait, self._wake.set)
        await self._wake.wait()
        if timer is not None:
            timer.cancel()

    def _end(self, reason: FinishReason) -> None:
        if self._finish is None:
            self._finish = reason
        self._wake.set()

    def _start(
        self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None], name: str
    ) -> asyncio.Task[None]:
        task = group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended_task)
        return task

    def _ended_task(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._wake.set()

    # -- what comes back ---------------------------------------------------------------------

    async def _read_seeds(self, seeds: Iterable[str], stay: asyncio.Event | None) -> None:
        reader = SeedReader(seeds, self._bounds)
        http = self._config.http
        bound_to_seeds = bool(http.header or http.cookie or http.auth)
        while (entries := await reader.next()) is not None:
            roots = [root for entry in entries if (root := self._bounds.add_root(entry.url))]
            if bound_to_seeds:
                for entry in entries:
                    self._lanes.give(entry.origin)
            self._apply(await self._frontier.admit(entries, roots))
            self._scope_drawn |= reader.given >= self._seeds_before_start
        self._scope_drawn = True
        self._wake.set()
        if stay is not None:
            await stay.wait()
            self._end(FinishReason.DONE)  # nobody waits for what is still under way, robots.txt perhaps
            self._hard_stop.set()
        self._seeds_open = False
        self._wake.set()

    async def _cut_off(self) -> None:
        await self._hard_stop.wait()
        for task in tuple(self._tasks):
            task.cancel()

    def _apply(self, change: Change, settlements: Sequence[Settlement] = ()) -> None:
        """A commit is on disk: what it brought can be worked on."""
        if self._crew is not None:
            self._crew.committed(settlements)
        self._visits.totals.pending = change.pending
        self._lanes.more_hosts = change.more_hosts
        self._lanes.announce(change.due)
        self._observe(Progressed(change.pending, len(self._tasks), len(self._lanes)))
        self._wake.set()

    def _run_low(self, message: str) -> None:
        """The disk is nearly full: stop while there is room to do it politely."""
        if self._finish is None:
            self._observe(Noted(message))
        self._end(FinishReason.DISK_LOW)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The exception that stopped the run: an operator's or the disk's before any other."""
    flat: list[BaseException] = []
    stack: list[BaseException] = [errors]
    while stack:
        error = stack.pop()
        if isinstance(error, BaseExceptionGroup):
            stack.extend(reversed(error.exceptions))
        else:
            flat.append(error)
    return next((error for error in flat if isinstance(error, SkitterError)), flat[0])
