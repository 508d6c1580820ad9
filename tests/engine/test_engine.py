"""The loop in virtual time: what is asked for, when, and how the run ends."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import pytest

from skitter.clock import SystemClock
from skitter.config import Config, build
from skitter.engine import Engine
from skitter.errors import StorageError
from skitter.events import Event, Progressed
from skitter.frontier import MemoryFrontier
from skitter.model import Failure, FinishReason, Headers, Held, Mark, Reason, Record, Response, Row, Summary
from skitter.page import Page
from skitter.testing import FakeClock, FakeFetcher

A = "http://a.test"


class World:
    """A fake web, a clock, and the records that a run left."""

    def __init__(self, **options: object) -> None:
        self.clock = FakeClock()
        self.web = FakeFetcher(self.clock, latency=0.01)
        self.config: Config = build(("{}", options))
        self.records: dict[str, Record] = {}
        self.events: list[Event] = []

    def crawl(
        self,
        *seeds: str,
        during: Callable[[Engine], None] | None = None,
        chance: Callable[[], float] = lambda: 0.5,
    ) -> Summary:
        async def main() -> Summary:
            engine = Engine(
                self.config,
                fetcher=self.web,
                frontier=MemoryFrontier(by_level=self.config.scope.by_level),
                clock=self.clock,
                observe=self.events.append,
                deliver=self._keep,
                chance=chance,
            )
            if during is not None:
                during(engine)
            return await engine.run(list(seeds))

        return self.clock.run(main())

    async def _keep(self, page: Page) -> None:
        assert page.url not in self.records, "one record a URL"
        self.records[page.url] = page.record

    def reasons(self) -> dict[str, str]:
        return {url: record.reason.value for url, record in self.records.items()}

    def gaps(self, part: str = "") -> list[float]:
        times = self.web.times(part)
        return [after - before for before, after in pairwise(times)]


def refusal(url: str, retry_after: str) -> Response:
    return Response(url, 503, Headers((("Retry-After", retry_after),)))


def test_links_are_followed_once_and_robots_is_asked_first() -> None:
    world = World()
    world.web.page(f"{A}/", links=["/x", "/x#part", "/y", "http://b.test/"])
    world.web.page(f"{A}/x", links=["/", "/y"])
    world.web.page(f"{A}/y", links=["/x"])
    summary = world.crawl(f"{A}/")
    assert summary.finish_reason is FinishReason.DONE
    assert world.web.asked[0].url == f"{A}/robots.txt"
    assert Counter(asked.url for asked in world.web.asked).most_common(1)[0][1] == 1
    assert world.reasons() == {f"{A}/": "fetched", f"{A}/x": "fetched", f"{A}/y": "fetched"}
    assert world.records[f"{A}/x"].referrer == f"{A}/"
    assert world.records[f"{A}/"].links == 3
    assert [world.records[f"{A}/{name}"].depth for name in ("", "x", "y")] == [0, 1, 1]


@pytest.mark.parametrize("delay", ["500ms", "3s"])
def test_delay_holds_between_all_requests_to_a_host_robots_included(delay: str) -> None:
    """Pitfall 1: many URLs released at once must not wake together."""
    world = World(delay=delay, per_host=50, concurrency=50)
    world.web.page(f"{A}/", links=[f"/{n}" for n in range(50)])
    world.crawl(f"{A}/")
    assert len(world.web.asked) == 52
    assert min(world.gaps()) >= world.config.politeness.delay
    assert max(world.gaps()[1:]) <= 1.01 * world.config.politeness.delay + 0.002


def test_a_waiting_host_holds_no_slot() -> None:
    """Pitfall 2: one host with a long delay costs twenty others nothing."""

    def run(with_slow_host: bool) -> float:
        world = World(concurrency=4, no_robots=True)
        seeds = [f"http://h{n}.test/" for n in range(20)]
        for seed in seeds:
            world.web.page(seed, links=[f"/{n}" for n in range(20)])
        if with_slow_host:
            seeds.insert(0, "http://slow.test/")
            world.web.page("http://slow.test/robots.txt", "User-agent: *\nCrawl-delay: 30")
            world.web.page("http://slow.test/", links=["/1"])
            world.web.answers("http://slow.test/1", [refusal("", "30"), 200])
        world.crawl(*seeds)
        return max(world.web.times("http://h"))

    assert run(True) - run(False) < 0.05 * 20 * 21 * 0.01 / 4


def test_crawl_delay_only_raises_the_delay() -> None:
    world = World(delay="1s")
    world.web.page(f"{A}/robots.txt", "User-agent: *\nCrawl-delay: 4")
    world.web.page(f"{A}/", links=["/1", "/2"])
    world.crawl(f"{A}/")
    assert min(world.gaps()) >= 4
    world = World(delay="9s")
    world.web.page(f"{A}/robots.txt", "User-agent: *\nCrawl-delay: 4")
    world.web.page(f"{A}/", links=["/1", "/2"])
    world.crawl(f"{A}/")
    assert min(world.gaps()) >= 9


def test_strangers_get_at_most_four_at_once() -> None:
    world = World(concurrency=64)
    world.web.page(f"{A}/", links=[f"/{n}" for n in range(200)])
    world.crawl(f"{A}/")
    assert world.web.most_in_flight == 4


def test_per_host_is_start_and_bound_of_the_window() -> None:
    world = World(concurrency=64, per_host=10)
    world.web.page(f"{A}/", links=[f"/{n}" for n in range(100)])
    world.crawl(f"{A}/")
    assert world.web.most_in_flight == 10


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_limit_is_exact_at_any_concurrency(limit: int) -> None:
    """Pitfall 8: failures, redirects and requests in flight must neither over- nor undershoot it."""
    world = World(limit=limit, concurrency=32, per_host=32)
    world.web.page(f"{A}/", links=[f"/{n}" for n in range(300)])
    for n in range(300):
        if n % 3 == 0:
            world.web.page(f"{A}/{n}", latency=0.01 * (n % 7))
    summary = world.crawl(f"{A}/")
    assert summary.by_reason[Reason.FETCHED] == limit
    assert summary.finish_reason is FinishReason.LIMIT
    fetched = [asked for asked in world.web.asked if asked.url != f"{A}/robots.txt"]
    answered = Counter(record.reason for record in world.records.values())
    assert len(fetched) == sum(answered.values()), "nothing is asked for and thrown away"


def test_limit_above_what_there_is_ends_as_done() -> None:
    world = World(limit=10)
    world.web.page(f"{A}/", links=["/1"])
    assert world.crawl(f"{A}/").finish_reason is FinishReason.DONE


def test_time_limit_takes_no_new_urls_and_keeps_what_is_pending() -> None:
    world = World(time_limit="10s", delay="1s")
    world.web.page(f"{A}/", links=[f"/{n}" for n in range(50)])
    summary = world.crawl(f"{A}/")
    assert summary.finish_reason is FinishReason.TIME_LIMIT
    assert summary.pending == 51 - summary.total
    assert 8 <= summary.total <= 10


def test_retry_after_is_obeyed_and_costs_no_try() -> None:
    world = World(retries=0)
    world.web.page(f"{A}/", links=["/busy", "/other"])
    world.web.answers(f"{A}/busy", [refusal("", "120"), refusal("", "120"), 200])
    summary = world.crawl(f"{A}/")
    assert summary.by_reason == {Reason.FETCHED: 2, Reason.HTTP_ERROR: 1}
    first, second, third = world.web.times("/busy")
    assert second - first >= 120
    assert third - second >= 120
    assert world.records[f"{A}/busy"].attempts == 3
    others = [time for time in world.web.times() if first < time < second]
    assert not [time for time in others if first + 0.02 < time < first + 120], "the whole host is left alone"


def test_a_retry_after_of_nothing_costs_a_try_and_waits() -> None:
    world = World(retries=3)
    world.web.page(f"{A}/", links=["/busy"])
    world.web.answers(f"{A}/busy", [refusal("", "0")])
    summary = world.crawl(f"{A}/")
    assert summary.by_reason == {Reason.FETCHED: 1, Reason.HTTP_ERROR: 1}
    assert len(world.web.times("/busy")) == 4
    assert min(world.gaps("/busy")) >= 1


@pytest.mark.parametrize("wait", ["99999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_absurd_waits_park_the_host_and_nothing_else(wait: str) -> None:
    world = World()
    world.web.page(f"{A}/", links=["/busy"])
    world.web.answers(f"{A}/busy", [refusal("", wait)])
    world.web.page("http://b.test/robots.txt", "User-agent: *\nCrawl-delay: 1e300")
    world.web.page("http://b.test/", links=["/1"])
    world.web.page("http://c.test/", links=[f"/{n}" for n in range(30)])
    summary = world.crawl(f"{A}/", "http://b.test/", "http://c.test/")
    assert summary.finish_reason is FinishReason.WAITING
    assert len([url for url in world.records if "c.test" in url]) == 31


def test_waits_beyond_max_wait_end_the_run() -> None:
    world = World(max_wait="1h")
    world.web.page(f"{A}/", links=["/busy"])
    world.web.answers(f"{A}/busy", [refusal("", "7200"), 200])
    summary = world.crawl(f"{A}/")
    assert summary.finish_reason is FinishReason.WAITING
    assert summary.pending == 1
    assert summary.come_back_at == pytest.approx(world.web.times("/busy")[0] + 7200, abs=1)


def test_a_host_that_keeps_refusing_is_given_up() -> None:
    world = World(no_robots=True, max_wait="10h")
    world.web.answers(f"{A}/", [refusal("", "60")])
    world.web.answers(f"{A}/2", [refusal("", "60")])
    summary = world.crawl(f"{A}/", f"{A}/2")
    assert summary.by_reason == {Reason.GAVE_UP: 2}
    assert len(world.web.asked) == 20


def test_errors_that_may_pass_are_tried_again_and_then_end() -> None:
    world = World(retries=2)
    world.web.page(f"{A}/", links=["/flaky", "/broken", "/gone"])
    world.web.answers(f"{A}/flaky", [500, 502, 200])
    world.web.answers(f"{A}/broken", [500])
    summary = world.crawl(f"{A}/")
    assert summary.by_reason == {Reason.FETCHED: 2, Reason.HTTP_ERROR: 2}
    assert world.records[f"{A}/flaky"].attempts == 3
    assert world.records[f"{A}/broken"].attempts == 3
    assert world.records[f"{A}/broken"].status == 500
    assert world.records[f"{A}/gone"].attempts == 1


def test_a_dead_host_ends_all_its_urls_with_its_reason() -> None:
    world = World()
    world.web.fails("http://dead.test/robots.txt", Reason.DNS_FAILED, transient=False, host_fault=True)
    world.web.page(f"{A}/", links=["/1"])
    summary = world.crawl("http://dead.test/", "http://dead.test/2", f"{A}/")
    assert world.reasons()["http://dead.test/2"] == "dns_failed"
    assert world.records["http://dead.test/"].attempts == 0
    assert summary.by_reason[Reason.FETCHED] == 1
    assert len(world.web.times("dead.test")) == 1


def test_robots_that_fails_is_asked_again_then_disallows() -> None:
    """RFC 9309 2.3.1.4: 5xx means complete disallow, after retries."""
    world = World(retries=2)
    world.web.answers(f"{A}/robots.txt", [500])
    world.crawl(f"{A}/")
    assert len(world.web.times("/robots.txt")) == 3
    record = world.records[f"{A}/"]
    assert (record.reason, record.status, record.error) == (Reason.HTTP_ERROR, None, "robots.txt: HTTP 500")


def test_robots_that_recovers_is_obeyed() -> None:
    world = World()
    robots = Response("", 200, Headers(), b"User-agent: skitter\nDisallow: /no")
    failure = Failure(Reason.TIMED_OUT, "timed out", transient=True)
    world.web.answers(f"{A}/robots.txt", [503, failure, robots])
    world.web.page(f"{A}/", links=["/no/1", "/yes"])
    world.crawl(f"{A}/")
    assert world.reasons()[f"{A}/no/1"] == "robots_denied"
    assert world.records[f"{A}/no/1"].error == "robots.txt line 2: Disallow: /no"
    assert not world.web.times("/no/1")


def test_denied_urls_cost_neither_time_nor_delay() -> None:
    world = World(delay="60s")
    world.web.page(f"{A}/robots.txt", "User-agent: *\nDisallow: /no")
    world.web.page(f"{A}/", links=[f"/no/{n}" for n in range(100)])
    start = world.clock.now()
    world.crawl(f"{A}/")
    assert len(world.records) == 101
    assert world.clock.now() - start < 121


def test_robots_redirects_are_followed_at_the_other_hosts_pace() -> None:
    world = World(delay="10s")
    moved = Response(f"{A}/robots.txt", 301, Headers((("Location", "http://b.test/r.txt"),)))
    world.web.answers(f"{A}/robots.txt", [moved])
    world.web.page("http://b.test/r.txt", "User-agent: *\nDisallow: /no")
    world.web.page("http://b.test/", links=[])
    world.web.page(f"{A}/", links=["/no"])
    world.crawl("http://b.test/", f"{A}/")
    assert world.reasons()[f"{A}/no"] == "robots_denied"
    assert min(world.gaps("http://b.test")) >= 10


@pytest.mark.parametrize("answers", [[500, 200], [500] * 9])
def test_robots_that_lies_elsewhere_is_asked_again_there(answers: list[int]) -> None:
    """The errand goes back to the other host's lane, which has no other work to wake it."""
    world = World()
    moved = Response(f"{A}/robots.txt", 302, Headers((("Location", "http://b.test/r.txt"),)))
    world.web.answers(f"{A}/robots.txt", [moved])
    world.web.answers("http://b.test/r.txt", answers)
    world.web.page(f"{A}/")
    summary = world.crawl(f"{A}/")
    assert summary.pending == 0
    assert world.reasons()[f"{A}/"] == ("fetched" if 200 in answers else "http_error")


def test_a_host_that_is_given_up_drops_no_others_robots() -> None:
    world = World()
    moved = Response(f"{A}/robots.txt", 302, Headers((("Location", "http://b.test/x.txt"),)))
    world.web.answers(f"{A}/robots.txt", [moved])
    world.web.answers(
        "http://b.test/robots.txt",
        [Failure(Reason.TLS_FAILED, "no", transient=False, host_fault=True)],
        latency=1,
    )
    world.web.page(f"{A}/")
    summary = world.crawl(f"{A}/", "http://b.test/")
    assert summary.pending == 0
    assert set(world.reasons()) == {f"{A}/", "http://b.test/"}


def test_robots_is_fetched_again_after_a_day() -> None:
    world = World(delay="2h", max_wait="1d")
    world.web.page(f"{A}/", links=[f"/{n}" for n in range(20)])
    world.crawl(f"{A}/")
    assert len(world.web.times("/robots.txt")) == 2


def test_no_robots_asks_for_none() -> None:
    world = World(no_robots=True)
    world.web.page(f"{A}/robots.txt", "User-agent: *\nDisallow: /")
    world.web.page(f"{A}/")
    world.crawl(f"{A}/")
    assert not world.web.times("/robots.txt")
    assert world.reasons() == {f"{A}/": "fetched"}


def redirect(url: str, location: str) -> Response:
    return Response(url, 301, Headers((("Location", location),)))


def test_the_target_of_a_seeds_redirect_becomes_a_seed() -> None:
    world = World()
    world.web.answers("http://old.test/", [redirect("http://old.test/", "https://www.new.test/")])
    world.web.page("https://www.new.test/", links=["/1"])
    world.web.page("https://www.new.test/1")
    summary = world.crawl("http://old.test/")
    assert world.reasons()["https://www.new.test/1"] == "fetched"
    assert world.records["https://www.new.test/"].redirected_from == ("http://old.test/",)
    assert world.records["https://www.new.test/"].depth == 0
    assert summary.seed_fetched


def test_a_links_redirect_out_of_scope_is_recorded_and_not_followed() -> None:
    world = World()
    world.web.page(f"{A}/", links=["/out", "/in"])
    world.web.answers(f"{A}/out", [redirect(f"{A}/out", "http://b.test/")])
    world.web.answers(f"{A}/in", [redirect(f"{A}/in", "/new")])
    world.crawl(f"{A}/")
    assert world.records[f"{A}/out"].location == "http://b.test/"
    assert not world.web.times("b.test")
    assert world.records[f"{A}/new"].redirected_from == (f"{A}/in",)
    assert world.records[f"{A}/new"].depth == 1


def test_redirect_loops_end() -> None:
    world = World()
    world.web.answers(f"{A}/", [redirect(f"{A}/", "/b")])
    world.web.answers(f"{A}/b", [redirect(f"{A}/b", "/")])
    world.web.page("http://b.test/", links=["/self"])
    world.web.answers("http://b.test/self", [redirect("http://b.test/self", "/self")])
    world.crawl(f"{A}/", "http://b.test/")
    assert world.reasons()[f"{A}/b"] == "redirect_loop"
    assert world.reasons()["http://b.test/self"] == "redirect_loop"


def test_nofollow_is_honoured_and_recorded() -> None:
    world = World()
    world.web.page(f"{A}/", '<a rel="nofollow" href="/no">', links=["/page"])
    world.web.page(f"{A}/page", '<head><meta name="robots" content="nofollow"></head>', links=["/hidden"])
    world.crawl(f"{A}/")
    assert set(world.reasons()) == {f"{A}/", f"{A}/page"}
    assert world.records[f"{A}/page"].nofollow
    assert world.records[f"{A}/page"].links == 1


def test_depth_and_page_scope() -> None:
    for options, count in (({"depth": 0}, 1), ({"depth": 2}, 3), ({"scope": "page"}, 1)):
        world = World(**options)
        for n in range(5):
            world.web.page(f"{A}/{n}", links=[f"/{n + 1}"])
        world.crawl(f"{A}/0")
        assert len(world.records) == count, options


def test_depth_is_the_true_distance_even_when_a_shorter_way_has_to_be_tried_again() -> None:
    """/ -> /late -> /x -> /end is short but fails at first; / -> /a -> /b -> /x is long and quick."""
    world = World(depth=3)
    world.web.page(f"{A}/", links=["/late", "/a"])
    world.web.page(f"{A}/a", links=["/b"])
    world.web.page(f"{A}/b", links=["/x"])
    world.web.page(f"{A}/x", links=["/end"])
    world.web.page(f"{A}/end")
    late = Response(f"{A}/late", 200, Headers((("Content-Type", "text/html"),)), b'<a href="/x">')
    world.web.answers(f"{A}/late", [500, 500, late])
    world.crawl(f"{A}/")
    assert {url.removeprefix(A): record.depth for url, record in world.records.items()} == {
        "/": 0, "/late": 1, "/a": 1, "/b": 2, "/x": 2, "/end": 3,
    }  # fmt: skip


def test_a_redirect_that_is_the_shorter_way_counts() -> None:
    """A redirect keeps the depth: / -> /red => /t is one link long, / -> /a -> /t two."""
    world = World(depth=2)
    world.web.page(f"{A}/", links=["/a", "/red"])
    world.web.page(f"{A}/a", links=["/t"])
    world.web.answers(f"{A}/red", [redirect(f"{A}/red", "/t")], latency=1)
    world.web.page(f"{A}/t", links=["/u"])
    world.crawl(f"{A}/")
    assert world.records[f"{A}/t"].depth == 1
    assert f"{A}/u" in world.records


def test_by_level_over_several_hosts_comes_to_an_end() -> None:
    """A deep retry at the head of a host's queue must not hide a shallow one (it was a hot loop)."""
    world = World(depth=3, scope="any", retries=1)
    world.web.page(f"{A}/", links=["/p1"])
    world.web.page(f"{A}/p1", links=["/deep"])
    world.web.answers(f"{A}/deep", [500])
    world.web.page("http://b.test/", links=[f"{A}/q"], latency=0.5)
    world.web.answers(f"{A}/q", [500], latency=0.1)
    assert world.crawl(f"{A}/", "http://b.test/").pending == 0


class SlowSink:
    """A sink whose writes take long, as a pipe's may."""

    name = "slow"

    def __init__(self) -> None:
        self.urls: list[str] = []

    def held(self, mark: Mark, head: bytes) -> Held:
        return Held.WHOLE

    def open(self, offset: int | None, began: Callable[[bytes], None] | None = None) -> None:
        pass

    def write(self, rows: Sequence[Row]) -> Mark | None:
        time.sleep(0.05)
        self.urls.extend(row.record.url for row in rows)
        return Mark(0, len(self.urls))

    def finish(self) -> None:
        pass

    def sync(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_after_a_commit_that_failed_there_is_no_other() -> None:
    """The outputs hold lines by then that only the next start can cut off: nothing may follow them."""

    class Failing(SlowSink):
        def write(self, rows: Sequence[Row]) -> Mark | None:
            if self.urls:
                raise StorageError("disk full")
            return super().write(rows)

    async def main() -> int:
        clock = SystemClock()
        web = FakeFetcher(clock, latency=0.002)
        web.page(f"{A}/", links=[f"/{n}" for n in range(50)])
        frontier, sink = MemoryFrontier(), Failing()
        engine = Engine(
            build(("{}", {"per_host": 20})),
            fetcher=web,
            frontier=frontier,
            sinks=[sink],
            clock=clock,
            observe=lambda event: None,
        )
        with pytest.raises(StorageError, match="disk full"):
            await engine.run([f"{A}/"])
        opening = await frontier.open()
        assert sum(opening.tally.values()) == len(sink.urls)
        return len(sink.urls)

    assert asyncio.run(main()) == 1


@pytest.mark.parametrize("limit", [5, 20])
def test_what_ended_during_the_last_commit_is_committed_too(limit: int) -> None:
    """On the real clock: a commit is under way when the limit is reached."""

    async def main() -> tuple[Summary, int]:
        clock = SystemClock()
        web = FakeFetcher(clock, latency=0.005)
        web.page(f"{A}/", links=[f"/{n}" for n in range(50)])
        for n in range(50):
            web.page(f"{A}/{n}")
        frontier, sink = MemoryFrontier(), SlowSink()
        config = build(("{}", {"limit": limit}))
        engine = Engine(
            config, fetcher=web, frontier=frontier, sinks=[sink], clock=clock, observe=lambda event: None
        )
        summary = await engine.run([f"{A}/"])
        opening = await frontier.open()
        assert opening.tally == summary.by_reason
        return summary, len(sink.urls)

    summary, written = asyncio.run(main())
    assert summary.by_reason == {Reason.FETCHED: limit}
    assert written == limit


def test_a_reached_limit_ends_the_run_at_once_though_seeds_are_still_to_come() -> None:
    release = threading.Event()

    def seeds() -> Iterator[str]:
        yield f"{A}/"
        release.wait(20)

    async def main() -> Summary:
        clock = SystemClock()
        web = FakeFetcher(clock)
        web.page(f"{A}/")
        engine = Engine(
            build(("{}", {"limit": 1, "scope": "page"})),
            fetcher=web,
            frontier=MemoryFrontier(),
            clock=clock,
            observe=lambda event: None,
        )
        return await asyncio.wait_for(engine.run(seeds()), 10)

    assert asyncio.run(main()).finish_reason is FinishReason.LIMIT
    release.set()


def test_stop_finishes_what_is_in_flight_and_starts_nothing() -> None:
    world = World(per_host=5)
    world.web.page(f"{A}/", links=[f"/{n}" for n in range(50)])

    def during(engine: Engine) -> None:
        asyncio.get_running_loop().call_later(0.05, engine.stop)

    summary = world.crawl(f"{A}/", during=during)
    assert summary.finish_reason is FinishReason.STOPPED
    assert summary.pending == 51 - len(world.records)
    assert len(world.web.asked) == len(world.records) + 1
    assert 0 < summary.pending < 50


def test_abort_cuts_off_what_is_in_flight() -> None:
    world = World(no_robots=True)
    world.web.page(f"{A}/", latency=1000)

    def during(engine: Engine) -> None:
        asyncio.get_running_loop().call_later(0.05, engine.abort)

    summary = world.crawl(f"{A}/", during=during)
    assert summary.pending == 1
    assert summary.seconds < 1


def test_a_parser_that_trips_ends_the_page_and_not_the_crawl(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RecursionError("too deep")

    monkeypatch.setattr("skitter.engine.reader.read", broken)
    world = World()
    world.web.page(f"{A}/")
    world.crawl(f"{A}/", f"{A}/gone")
    assert world.reasons() == {f"{A}/": "unparsable", f"{A}/gone": "http_error"}


def test_a_host_that_answered_and_went_away_costs_its_urls_nothing() -> None:
    """Unplugged for two minutes: every URL is fetched in the end, on the tries that it has."""
    world = World(retries=1)
    gone = Failure(Reason.UNREACHABLE, "cannot connect", transient=True, host_fault=True)
    world.web.page(f"{A}/", links=["/1", "/2"])
    page = Response("", 200, Headers())
    world.web.answers(f"{A}/1", [gone] * 6 + [page])
    world.web.answers(f"{A}/2", [gone, page])
    summary = world.crawl(f"{A}/")
    assert summary.by_reason == {Reason.FETCHED: 3}


def test_memory_follows_hosts_at_work_and_a_host_that_comes_back_is_known() -> None:
    """Hosts that have ended are forgotten; what was learnt of them comes back with them."""
    hosts = [f"http://h{number}.test" for number in range(3_000)]
    world = World(scope="any", concurrency=4, delay=0.05)
    for host in hosts:
        world.web.page(f"{host}/")
    world.web.page(f"{hosts[-1]}/", links=[f"{hosts[0]}/later", f"{hosts[1]}/later"])
    summary = world.crawl(*(f"{host}/" for host in hosts))
    assert summary.by_reason == {"fetched": 3_000, "http_error": 2}
    met = [event.hosts for event in world.events if isinstance(event, Progressed)]
    assert max(met) < 1_000 + 8 * 4 + 2 * 256
    for host in hosts[:2]:
        assert len(world.web.times(f"{host}/robots.txt")) == 1, "its robots.txt is known"
        assert len(world.web.times(f"{host}/")) == 3
    for host in hosts:
        gaps = [after - before for before, after in pairwise(world.web.times(f"{host}/"))]
        assert min(gaps) >= 0.05, "and so is its pace"
