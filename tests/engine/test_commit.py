"""The way to disk: what is written when, what a nearly full disk ends, and how long a stop may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from skitter.clock import SystemClock
from skitter.config import build
from skitter.engine import Engine
from skitter.errors import StorageError
from skitter.events import Event, Noted
from skitter.frontier import MemoryFrontier
from skitter.model import Batch, Change, FinishReason, Held, Mark, Reason, Row, Summary
from skitter.ports import Clock
from skitter.testing import FakeClock, FakeFetcher

A = "http://a.test"
LINKS = 50


class Log:
    """What was done to outputs and frontier, in order."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def of(self, *words: str) -> list[str]:
        return [said for said in self.said if said in words]


class RecordingSink:
    """Keeps the URLs and writes down the calls; the ``fails_at``-th write fails."""

    def __init__(self, log: Log, fails_at: int | None = None, name: str = "out") -> None:
        self.name = name
        self.urls: list[str] = []
        self.synced = 0  # how many of the URLs are on the disk
        self._log, self._fails_at, self._writes = log, fails_at, 0

    def held(self, mark: Mark, head: bytes) -> Held:
        raise AssertionError("that is for a start")

    def open(self, offset: int | None, began: Callable[[bytes], None] | None = None) -> None:
        raise AssertionError("that is for a start")

    def write(self, rows: Sequence[Row]) -> Mark:
        self._writes += 1
        if self._writes == self._fails_at:
            self._log.said.append("write fails")
            raise StorageError("disk full")
        self._log.said.append("write")
        self.urls += [row.record.url for row in rows]
        return Mark(0, len(self.urls))

    def finish(self) -> None:
        self._log.said.append("finish")

    def sync(self) -> None:
        self._log.said.append("sync")
        self.synced = len(self.urls)

    def close(self) -> None:
        raise AssertionError("that is for who made it")


class RecordingFrontier(MemoryFrontier):
    """Writes down each commit, and sees what the outputs had on the disk by then."""

    def __init__(self, log: Log, sinks: Sequence[RecordingSink], fails_at: int | None = None) -> None:
        super().__init__()
        self.committed: list[str] = []
        self.unsynced = 0  # commits of what was not on the disk
        self._log, self._sinks, self._fails_at = log, sinks, fails_at

    async def settle(self, batch: Batch, write: Callable[[], Mapping[str, Mark]] | None = None) -> Change:
        marks = await asyncio.to_thread(write) if write else {}
        rows = [settlement.row for settlement in batch.settlements if settlement.row]
        if rows and self._fails_at is not None and len(self._log.of("commit")) + 1 == self._fails_at:
            raise StorageError("disk full")
        self._log.said.append("commit" if rows else "commit of hosts")
        self.unsynced += any(sink.synced < len(sink.urls) for sink in self._sinks)
        self.committed += [row.record.url for row in rows]
        assert {mark.length for mark in marks.values()} <= {len(self.committed)}
        return await super().settle(batch)


class Crawl:
    """One run on the real clock, as threads write the outputs."""

    def __init__(
        self,
        *,
        sinks: int = 1,
        write_fails_at: int | None = None,
        commit_fails_at: int | None = None,
        disk_low: Callable[[], str | None] | None = None,
        **options: object,
    ) -> None:
        self.log = Log()
        self.sinks = [RecordingSink(self.log, write_fails_at, f"out {n}") for n in range(sinks)]
        self.frontier = RecordingFrontier(self.log, self.sinks, commit_fails_at)
        self.events: list[Event] = []
        self._disk_low, self._options = disk_low, options

    def run(self, during: Callable[[Engine], None] | None = None) -> Summary:
        async def main() -> Summary:
            clock = SystemClock()
            self.web = web(clock, 0.002)
            engine = Engine(
                build(("{}", {"per_host": 8, "concurrency": 8, **self._options})),
                fetcher=self.web,
                frontier=self.frontier,
                sinks=self.sinks,
                clock=clock,
                observe=self.events.append,
                disk_low=self._disk_low,
            )
            if during is not None:
                during(engine)
            return await engine.run([f"{A}/"])

        return asyncio.run(main())

    def notes(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Noted)]


def web(clock: Clock, latency: float) -> FakeFetcher:
    made = FakeFetcher(clock, latency=latency)
    made.page(f"{A}/", links=[f"/{n}" for n in range(LINKS)])
    for n in range(LINKS):
        made.page(f"{A}/{n}")
    return made


# -- when the disk is waited for -------------------------------------------------------------


@pytest.mark.parametrize("sinks", [1, 3])
def test_durable_waits_for_the_disk_before_each_commit(sinks: int) -> None:
    """A transaction that survives a power cut must not name lines that do not."""
    crawl = Crawl(sinks=sinks, durable=True)
    assert crawl.run().total == LINKS + 1
    assert crawl.frontier.unsynced == 0
    commits = len(crawl.log.of("commit"))
    assert commits > LINKS / 8
    each = [*["write"] * sinks, *["sync"] * sinks, "commit"]
    assert crawl.log.of("write", "sync", "commit") == [*each * commits, *["sync"] * sinks]


def test_otherwise_the_disk_is_waited_for_once_at_the_end() -> None:
    crawl = Crawl(sinks=2)
    crawl.run()
    assert crawl.log.of("sync") == ["sync", "sync"]
    assert crawl.log.said[-4:] == ["sync", "sync", "finish", "finish"]
    assert len(crawl.log.of("commit")) > LINKS / 8


@pytest.mark.parametrize(
    ("options", "reason"),
    [({}, "done"), ({"limit": 9}, "limit"), ({"delay": "20ms", "time_limit": "200ms"}, "time_limit")],
)
def test_every_run_that_ended_well_is_on_the_disk(options: dict[str, Any], reason: str) -> None:
    crawl = Crawl(**options)
    summary = crawl.run()
    assert summary.finish_reason == reason
    (sink,) = crawl.sinks
    assert sink.synced == len(sink.urls) == summary.total
    assert crawl.log.of("sync", "finish") == ["sync", "finish"]


def test_so_is_a_run_that_was_stopped_or_aborted() -> None:
    for end in (Engine.stop, Engine.abort):
        crawl = Crawl(delay="10ms")

        def during(engine: Engine, end: Callable[[Engine], None] = end) -> None:
            asyncio.get_running_loop().call_later(0.15, end, engine)

        summary = crawl.run(during)
        (sink,) = crawl.sinks
        assert sink.synced == len(sink.urls) == summary.total > 0
        assert summary.pending > 0
        assert crawl.log.said[-2:] == ["sync", "finish"]


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("what", ["write_fails_at", "commit_fails_at"])
def test_nothing_is_written_or_awaited_after_a_commit_that_failed(durable: bool, what: str) -> None:
    """What an output holds then, only the next start can tell; never as if nothing had happened."""
    options: dict[str, Any] = {what: 3}
    crawl = Crawl(durable=durable, **options)
    with pytest.raises(StorageError, match="disk full"):
        crawl.run()
    each = ["write", "sync", "commit"] if durable else ["write", "commit"]
    broken = {"write_fails_at": ["write fails"], "commit_fails_at": each[:-1]}[what]
    assert crawl.log.of("write", "write fails", "sync", "commit", "finish") == [*each * 2, *broken]


# -- a disk that is nearly full --------------------------------------------------------------


def test_a_disk_that_is_low_from_the_start_asks_nobody() -> None:
    crawl = Crawl(disk_low=lambda: "the disk is low")
    summary = crawl.run()
    assert summary.finish_reason is FinishReason.DISK_LOW
    assert crawl.web.asked == []
    assert (summary.total, crawl.notes()) == (0, ["the disk is low"])


@pytest.mark.parametrize("looks", [1, 3, 5])
def test_a_disk_that_gets_low_ends_the_run_with_everything_in_flight_saved(looks: int) -> None:
    seen = 0

    def disk_low() -> str | None:
        nonlocal seen
        seen += 1
        return "the disk is low" if seen > looks else None

    crawl = Crawl(disk_low=disk_low)
    summary = crawl.run()
    assert summary.finish_reason is FinishReason.DISK_LOW
    assert crawl.notes() == ["the disk is low"], "said once"
    asked = {asked.url for asked in crawl.web.asked} - {f"{A}/robots.txt"}
    assert set(crawl.frontier.committed) == set(crawl.sinks[0].urls) == asked
    assert summary.by_reason == {Reason.FETCHED: len(asked)}
    assert summary.pending == LINKS + 1 - len(asked) > 0
    assert crawl.sinks[0].synced == len(asked), "and it is on the disk"
    assert not crawl.log.of("finish"), "which the room that is left is not for"


def test_a_disk_with_room_again_does_not_hide_that_it_was_low() -> None:
    """A run that is ending goes on ending, with one reason."""
    answers = iter([None, None, "the disk is low"])
    crawl = Crawl(disk_low=lambda: next(answers, None))
    assert crawl.run().finish_reason is FinishReason.DISK_LOW


# -- the grace of a stop, in virtual time ----------------------------------------------------


class Stopping:
    """A run that is told to stop after 5 s, with one page that takes so long in flight."""

    def __init__(self, latency: float, *, again_at: float | None = None) -> None:
        self.clock = FakeClock()
        self.frontier = MemoryFrontier()

        async def main() -> Summary:
            fetcher = FakeFetcher(self.clock, latency=0.01)
            fetcher.page(f"{A}/", links=["/slow", "/fast"])
            fetcher.page(f"{A}/slow", latency=latency)
            fetcher.page(f"{A}/fast")
            engine = Engine(
                build(("{}", {"timeout": "1h", "per_host": 2})),
                fetcher=fetcher,
                frontier=self.frontier,
                clock=self.clock,
                observe=lambda event: None,
            )
            asyncio.get_running_loop().call_later(5, engine.stop)
            if again_at is not None:
                asyncio.get_running_loop().call_later(again_at, engine.stop)
            return await engine.run([f"{A}/"])

        self.summary = self.clock.run(main())


def test_a_page_that_never_ends_is_cut_off_after_the_grace_time_and_stays_pending() -> None:
    stopping = Stopping(latency=1e9)
    summary = stopping.summary
    assert summary.finish_reason is FinishReason.STOPPED
    assert 34.9 < summary.seconds < 36
    assert (summary.total, summary.pending) == (2, 1)
    assert summary.by_reason == {Reason.FETCHED: 2}


def test_a_page_that_ends_within_the_grace_time_is_kept() -> None:
    summary = Stopping(latency=30).summary
    assert summary.finish_reason is FinishReason.STOPPED
    assert 29.9 < summary.seconds < 31, "and nobody waits for the rest of it"
    assert (summary.total, summary.pending) == (3, 0)


def test_a_stop_that_is_said_again_gives_no_new_grace() -> None:
    assert 34.9 < Stopping(latency=1e9, again_at=20).summary.seconds < 36
