"""Fetches that somebody waits for, in virtual time: manners, retries, redirects, and cancellation."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import TypeVar

import pytest

from skitter.config import Config, build
from skitter.engine import Desk, Engine
from skitter.errors import ConfigError
from skitter.events import Answered, Ended, Event, HostNarrowed, Requested
from skitter.frontier import MemoryFrontier
from skitter.model import Failure, FinishReason, Headers, Reason, Response, Summary
from skitter.page import Page
from skitter.testing import FakeClock, FakeFetcher

A = "http://a.test"
B = "http://b.test"
T = TypeVar("T")
# A run in virtual time that takes longer hangs; nobody waits for it.
FOREVER = 1e6


class World:
    """A fake web, a clock, and a desk that hands out tasks."""

    def __init__(self, **options: object) -> None:
        self.clock = FakeClock()
        self.web = FakeFetcher(self.clock, latency=0.01)
        self.config: Config = build(("{}", options))
        self.events: list[Event] = []
        self.left = 0.0  # when the body was done
        self.summary: Summary | None = None

    def run(self, body: Callable[[Desk], Awaitable[T]], *, cancel: bool = False) -> T:
        """Run ``body`` with a desk, close that, and see that no task is left."""

        async def main() -> T:
            async with asyncio.timeout(FOREVER):
                self.engine = Engine(
                    self.config,
                    fetcher=self.web,
                    frontier=MemoryFrontier(by_level=False),
                    clock=self.clock,
                    observe=self.events.append,
                    chance=lambda: 0.5,
                )
                desk = Desk(self.engine)
                result = await body(desk)
                self.left = self.clock.now()
                self.summary = await desk.close(cancel=cancel)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            return result

        return self.clock.run(main())

    def fetch(self, *urls: str) -> list[Page]:
        return self.run(lambda desk: desk.fetch_all(urls))

    def one(self, url: str) -> Page:
        (page,) = self.fetch(url)
        return page

    def closing(self) -> float:
        """Seconds that it took to close."""
        return self.clock.now() - self.left

    def gaps(self, part: str = "") -> list[float]:
        return [after - before for before, after in pairwise(self.web.times(part))]


def refusal(retry_after: str, status: int = 503) -> Response:
    return Response("", status, Headers((("Retry-After", retry_after),)))


def moved(to: str, status: int = 302) -> Response:
    return Response(f"{A}/", status, Headers((("Location", to),)))


async def cancelled(task: asyncio.Task[Page]) -> None:
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


# What a task gives


def test_pages_come_in_the_order_of_their_urls() -> None:
    world = World(per_host=10)
    for n in range(10):
        world.web.page(f"{A}/{n}", f"<title>{n}</title>", latency=1 - n / 10)
    pages = world.fetch(*(f"{A}/{n}" for n in range(10)))
    assert [page.title for page in pages] == [str(n) for n in range(10)]
    assert world.clock.now() - world.clock._start < 2, "they were fetched at once"


def test_the_same_url_is_fetched_as_often_as_it_is_named() -> None:
    world = World(per_host=4)
    world.web.answers(f"{A}/x", [Response("", 200, Headers(), b"%d" % n) for n in range(10)])
    pages = world.fetch(*[f"{A}/x"] * 10)
    assert len(world.web.times("/x")) == 10
    assert {page.content for page in pages} == {b"%d" % n for n in range(10)}
    assert len(world.web.times("/robots.txt")) == 1, "asked once for all"


def test_no_url_is_no_page() -> None:
    assert World().fetch() == []


def test_links_are_read_and_not_followed() -> None:
    world = World()
    world.web.page(f"{A}/", links=["/1", "/2"])
    assert world.one(f"{A}/").links == (f"{A}/1", f"{A}/2")
    assert len(world.web.asked) == 2


def test_a_seed_of_many_spellings_is_read_as_by_the_command() -> None:
    world = World()
    world.web.page("https://a.test/x")
    task: asyncio.Task[Page] | None = None

    async def body(desk: Desk) -> Page:
        nonlocal task
        task = desk.submit(" A.test/./x#part ")
        return await task

    assert world.run(body).ok
    assert task is not None
    assert task.get_name() == "https://a.test/x"


@pytest.mark.parametrize("bad", ["", "http://[", "mailto:a@b", "ftp://a.test/"])
def test_a_bad_url_is_an_exception_and_nothing_is_asked_for(bad: str) -> None:
    """Also if it is the last of many: all are read before the first is sent."""
    world = World()

    async def body(desk: Desk) -> None:
        with pytest.raises(ConfigError, match="not an http or https URL"):
            desk.submit(bad)
        with pytest.raises(ConfigError, match="not an http or https URL"):
            await desk.fetch_all([f"{A}/1", f"{A}/2", bad])
        await asyncio.sleep(60)

    world.run(body)
    assert world.web.asked == []


# Failures are pages


def test_an_error_of_the_server_is_a_page() -> None:
    page = World().one(f"{A}/missing")
    assert (page.ok, page.status, page.reason, page.error) == (False, 404, "http_error", "HTTP 404")


def test_robots_hold_for_tasks() -> None:
    world = World()
    world.web.page(f"{A}/robots.txt", "User-agent: *\nDisallow: /no")
    world.web.page(f"{A}/yes")
    denied, allowed = world.fetch(f"{A}/no/1", f"{A}/yes")
    assert (denied.ok, denied.reason, denied.status) == (False, "robots_denied", None)
    assert denied.error == "robots.txt line 2: Disallow: /no"
    assert allowed.ok
    assert not world.web.times("/no")


def test_without_robots_nobody_asks_for_it() -> None:
    world = World(no_robots=True)
    world.web.page(f"{A}/x")
    assert world.one(f"{A}/x").ok
    assert [asked.url for asked in world.web.asked] == [f"{A}/x"]


def test_a_host_that_is_not_there_is_a_page_for_every_task() -> None:
    world = World(retries=2)
    world.web.fails(f"{A}/robots.txt", Reason.DNS_FAILED, transient=False, host_fault=True)
    world.web.page(f"{B}/1")
    first, second, other = world.fetch(f"{A}/1", f"{A}/2", f"{B}/1")
    assert [first.reason, second.reason] == ["dns_failed", "dns_failed"]
    assert not first.ok
    assert other.ok
    assert len(world.web.times("a.test")) == 1


def test_a_connection_that_fails_is_tried_again_and_then_a_page() -> None:
    world = World(no_robots=True, retries=2)
    world.web.fails(f"{A}/x", Reason.UNREACHABLE, host_fault=True)
    page = world.one(f"{A}/x")
    assert (page.ok, page.reason, page.status, page.record.attempts) == (False, "unreachable", None, 3)
    assert [type(answer) for answer in page.history] == [Failure, Failure]
    assert min(world.gaps()) >= 1, "full jitter, with a chance of one half"


def test_every_url_that_ends_is_an_event() -> None:
    """Logs at the level DEBUG have a line for every URL."""
    world = World()
    world.web.page(f"{A}/robots.txt", "User-agent: *\nDisallow: /no")
    world.web.page(f"{A}/x")
    world.fetch(f"{A}/x")
    ended = [event.record.reason for event in world.events if isinstance(event, Ended)]
    assert ended == ["fetched"]


def test_a_url_that_a_rule_ends_is_an_event_too() -> None:
    world = World()
    world.web.page(f"{A}/robots.txt", "User-agent: *\nDisallow: /no")
    world.fetch(f"{A}/no")
    assert [event.record.reason for event in world.events if isinstance(event, Ended)] == ["robots_denied"]


def test_requests_and_answers_are_events() -> None:
    world = World()
    world.web.answers(f"{A}/x", [moved("/y")])
    world.web.page(f"{A}/y")
    world.fetch(f"{A}/x")
    urls = [f"{A}/robots.txt", f"{A}/x", f"{A}/y"]
    assert [event.url for event in world.events if isinstance(event, Requested)] == urls
    assert [event.url for event in world.events if isinstance(event, Answered)] == urls


# Redirects


@pytest.mark.parametrize("scope", ["page", "prefix", "host", "any"])
def test_redirects_are_followed_under_any_scope(scope: str) -> None:
    world = World(scope=scope)
    world.web.answers(f"{A}/x", [moved("/y", 301)])
    world.web.answers(f"{A}/y", [moved(f"{B}/z", 307)])
    world.web.page(f"{B}/z", "<title>end</title>")
    page = world.one(f"{A}/x")
    assert (page.url, page.title, page.ok) == (f"{B}/z", "end", True)
    assert page.record.redirected_from == (f"{A}/x", f"{A}/y")
    assert [answer.status for answer in page.history] == [301, 307]
    assert world.web.times(f"{B}/robots.txt"), "the other host has rules of its own"


def test_robots_of_the_host_that_a_redirect_leads_to_hold() -> None:
    world = World()
    world.web.answers(f"{A}/x", [moved(f"{B}/no")])
    world.web.page(f"{B}/robots.txt", "User-agent: *\nDisallow: /no")
    page = world.one(f"{A}/x")
    assert (page.url, page.reason, page.ok) == (f"{B}/no", "robots_denied", False)
    assert [answer.status for answer in page.history] == [302]
    assert page.record.redirected_from == (f"{A}/x",)


def test_a_redirect_loop_ends() -> None:
    world = World()
    world.web.answers(f"{A}/x", [moved("/y")])
    world.web.answers(f"{A}/y", [moved("/x")])
    assert world.one(f"{A}/x").reason == "redirect_loop"


def test_twenty_redirects_are_followed_and_no_more() -> None:
    world = World()
    for n in range(30):
        world.web.answers(f"{A}/{n}", [moved(f"/{n + 1}")])
    page = world.one(f"{A}/0")
    assert (page.reason, page.url, len(page.history)) == ("redirect_loop", f"{A}/20", 20)


def test_a_redirect_that_leads_to_no_url_is_the_page() -> None:
    world = World()
    world.web.answers(f"{A}/x", [moved("mailto:a@b")])
    page = world.one(f"{A}/x")
    assert (page.ok, page.reason, page.status) == (False, "redirected", 302)


def test_an_excluded_redirect_is_the_page() -> None:
    world = World(exclude="*/no*")
    world.web.answers(f"{A}/x", [moved("/no")])
    page = world.one(f"{A}/x")
    assert (page.url, page.reason, page.record.location) == (f"{A}/x", "redirected", f"{A}/no")
    assert not world.web.times("/no")


def test_a_redirect_goes_at_the_pace_of_its_host() -> None:
    world = World(delay="10s")
    world.web.answers(f"{A}/x", [moved("/y")])
    world.web.page(f"{A}/y")
    assert world.one(f"{A}/x").ok
    assert min(world.gaps()) >= 10


# Retries


def test_errors_that_may_pass_are_tried_again() -> None:
    world = World()
    world.web.answers(f"{A}/x", [500, 500, 200])
    page = world.one(f"{A}/x")
    assert (page.ok, page.status, page.record.attempts) == (True, 200, 3)
    assert [answer.status for answer in page.history] == [500, 500]
    first, second = world.gaps("/x")
    assert first >= 1
    assert second >= 2, "the waits double"


def test_errors_that_do_not_pass_are_a_page() -> None:
    world = World(retries=2)
    world.web.answers(f"{A}/x", [500])
    page = world.one(f"{A}/x")
    assert (page.ok, page.reason, page.status, page.record.attempts) == (False, "http_error", 500, 3)
    assert len(page.history) == 2


def test_retry_after_is_obeyed_and_costs_no_try() -> None:
    world = World(retries=0)
    world.web.answers(f"{A}/x", [refusal("120"), refusal("120", 429), 200])
    page = world.one(f"{A}/x")
    assert page.ok
    assert [answer.status for answer in page.history] == [503, 429]
    assert min(world.gaps("/x")) >= 120


def test_retry_after_holds_for_the_other_tasks_of_the_host() -> None:
    world = World()
    world.web.answers(f"{A}/busy", [refusal("60"), 200])
    world.web.page(f"{A}/x")
    world.web.page(f"{B}/x")

    async def body(desk: Desk) -> None:
        busy = desk.submit(f"{A}/busy")
        await asyncio.sleep(1)
        pages = await asyncio.gather(desk.submit(f"{A}/x"), desk.submit(f"{B}/x"))
        assert all(page.ok for page in pages)
        assert (await busy).ok

    world.run(body)
    start = world.web.times("/busy")[0]
    assert min(world.web.times(f"{A}/x")) >= start + 60
    assert max(world.web.times(f"{B}/x")) < start + 2


def test_a_wait_for_a_retry_holds_no_slot() -> None:
    world = World(concurrency=1)
    world.web.answers(f"{A}/x", [refusal("60"), 200])
    world.web.page(f"{B}/x")
    start = world.clock.now()
    world.fetch(f"{A}/x", f"{B}/x")
    assert max(world.web.times(f"{B}/x")) < start + 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_beyond_max_wait_ends_the_page_at_once(status: int) -> None:
    world = World(max_wait="1h")
    world.web.answers(f"{A}/x", [refusal("7200", status), 200])
    start = world.clock.now()
    page = world.one(f"{A}/x")
    assert (page.ok, page.reason, page.status, page.record.attempts) == (False, "http_error", status, 1)
    assert page.error == "the host asks to wait for longer than 3600 s (max_wait)"
    assert page.answer is not None
    assert (page.answer.status, page.history) == (status, ())
    assert world.clock.now() < start + 1


def test_tasks_behind_a_wait_beyond_max_wait_end_at_once_too() -> None:
    world = World(max_wait="1h", per_host=1)
    world.web.answers(f"{A}/0", [refusal("7200"), 200])
    start = world.clock.now()

    async def body(desk: Desk) -> None:
        pages = await desk.fetch_all([f"{A}/{n}" for n in range(5)])
        assert [page.reason for page in pages] == ["http_error"] + ["gave_up"] * 4
        late = await desk.submit(f"{A}/late")
        assert (late.ok, late.reason) == (False, "gave_up")
        assert world.clock.now() < start + 1
        await asyncio.sleep(7300)
        world.web.page(f"{A}/again")
        assert (await desk.submit(f"{A}/again")).ok, "when the wait is over, the host is asked again"

    world.run(body)


def test_a_wait_within_max_wait_is_waited_for() -> None:
    world = World(max_wait="1h")
    world.web.answers(f"{A}/x", [refusal("3599"), 200])
    assert world.one(f"{A}/x").ok


def test_a_host_that_keeps_refusing_is_given_up() -> None:
    world = World(no_robots=True)
    world.web.answers(f"{A}/x", [refusal("60")])
    page = world.one(f"{A}/x")
    assert (page.ok, page.reason) == (False, "gave_up")
    assert len(world.web.asked) == 20


def test_a_host_that_was_given_up_gets_another_chance_later() -> None:
    """A program that fetches for days outlives the restart of a server."""
    world = World(no_robots=True, retries=1)
    fault = Failure(Reason.UNREACHABLE, "refused", transient=True, host_fault=True)
    world.web.answers(f"{A}/x", [fault, fault, 200])

    async def body(desk: Desk) -> None:
        assert (await desk.submit(f"{A}/x")).reason == "unreachable"
        assert (await desk.submit(f"{A}/x")).reason == "unreachable"
        assert len(world.web.asked) == 2, "not yet"
        await asyncio.sleep(301)
        assert (await desk.submit(f"{A}/x")).ok

    world.run(body)


def test_robots_is_read_anew_at_another_chance() -> None:
    world = World(retries=0)
    fault = Failure(Reason.DNS_FAILED, "no such name", transient=False, host_fault=True)
    robots = Response("", 200, Headers(), b"User-agent: *\nDisallow: /no")
    world.web.answers(f"{A}/robots.txt", [fault, robots])

    async def body(desk: Desk) -> None:
        assert (await desk.submit(f"{A}/no")).reason == "dns_failed"
        await asyncio.sleep(301)
        assert (await desk.submit(f"{A}/no")).reason == "robots_denied"

    world.run(body)


# The window and the pace


def test_the_pace_of_a_host_holds_for_tasks_robots_included() -> None:
    world = World(delay="2s", per_host=10)
    world.fetch(*(f"{A}/{n}" for n in range(10)))
    assert len(world.web.asked) == 11
    assert min(world.gaps()) >= 2
    assert max(world.gaps()) < 2.1


def test_a_crawl_delay_holds_for_tasks() -> None:
    world = World()
    world.web.page(f"{A}/robots.txt", "User-agent: *\nCrawl-delay: 5")
    world.fetch(*(f"{A}/{n}" for n in range(4)))
    assert min(world.gaps()) >= 5


def test_per_host_bounds_what_is_in_flight() -> None:
    world = World(per_host=3)
    world.fetch(*(f"{A}/{n}" for n in range(30)))
    assert world.web.most_in_flight == 3


def test_strangers_get_at_most_four_at_once() -> None:
    world = World()
    world.fetch(*(f"{A}/{n}" for n in range(50)))
    assert world.web.most_in_flight == 4


def test_concurrency_bounds_all_hosts_together() -> None:
    world = World(concurrency=5)
    world.fetch(*(f"http://h{n % 10}.test/{n}" for n in range(400)))
    assert world.web.most_in_flight == 5


def test_a_gateway_timeout_narrows_the_window_and_is_tried_again() -> None:
    """504: what is behind the gateway could not keep up; fewer at once is the cure, not a pause."""
    world = World(no_robots=True, per_host=8)
    for n in range(8):
        world.web.answers(f"{A}/{n}", [504, 200])
    pages = world.fetch(*(f"{A}/{n}" for n in range(8)))
    assert all(page.ok for page in pages)
    narrowed = [event for event in world.events if isinstance(event, HostNarrowed)]
    assert [(event.origin, event.window, event.why) for event in narrowed] == [(A, 4, "HTTP 504")]


def test_an_ordinary_error_narrows_nothing() -> None:
    world = World(no_robots=True, per_host=8)
    for n in range(8):
        world.web.answers(f"{A}/{n}", [500, 200])
    world.fetch(*(f"{A}/{n}" for n in range(8)))
    assert not [event for event in world.events if isinstance(event, HostNarrowed)]


# Cancellation


def test_a_task_that_is_cancelled_on_the_wire_frees_its_slot() -> None:
    world = World(no_robots=True, per_host=1)
    world.web.page(f"{A}/slow", latency=1000)
    start = world.clock.now()

    async def body(desk: Desk) -> Page:
        slow = desk.submit(f"{A}/slow")
        after = desk.submit(f"{A}/after")
        await asyncio.sleep(1)
        await cancelled(slow)
        return await after

    assert world.run(body).status == 404
    assert world.web.times("/after") == [start + 1]
    assert world.web._in_flight == 0


def test_a_task_that_is_cancelled_in_the_queue_is_never_asked_for() -> None:
    world = World(no_robots=True, per_host=1)

    async def body(desk: Desk) -> list[Page]:
        tasks = [desk.submit(f"{A}/{n}") for n in range(5)]
        await asyncio.sleep(0.001)
        await cancelled(tasks[2])
        return await asyncio.gather(*tasks[:2], *tasks[3:])

    assert [page.status for page in world.run(body)] == [404] * 4
    assert not world.web.times("/2")


def test_a_task_that_is_cancelled_before_it_ran_harms_nothing() -> None:
    world = World(no_robots=True, per_host=1)

    async def body(desk: Desk) -> Page:
        task = desk.submit(f"{A}/1")
        await cancelled(task)
        return await desk.submit(f"{A}/2")

    assert world.run(body).status == 404
    assert not world.web.times("/1")


@pytest.mark.parametrize("turns", [1, 2, 3, 4, 5])
def test_a_task_may_be_cancelled_in_any_turn_of_the_loop(turns: int) -> None:
    """The slot is free again, whatever the engine was about to do just then."""
    world = World(no_robots=True, per_host=1)

    async def body(desk: Desk) -> Page:
        await desk.submit(f"{A}/0")
        task = desk.submit(f"{A}/1")
        for _ in range(turns):
            await asyncio.sleep(0)
        await cancelled(task)
        return await desk.submit(f"{A}/2")

    assert world.run(body).status == 404


def test_a_task_that_is_cancelled_while_it_waits_for_a_retry_is_not_asked_for_again() -> None:
    world = World(no_robots=True)
    world.web.answers(f"{A}/x", [refusal("60"), 200])

    async def body(desk: Desk) -> None:
        task = desk.submit(f"{A}/x")
        await asyncio.sleep(30)
        await cancelled(task)

    world.run(body)
    assert len(world.web.asked) == 1
    assert world.closing() < 1


def test_a_task_that_is_cancelled_while_robots_is_asked_for_harms_no_other() -> None:
    world = World()
    world.web.page(f"{A}/robots.txt", latency=5)

    async def body(desk: Desk) -> Page:
        first, second = desk.submit(f"{A}/1"), desk.submit(f"{A}/2")
        await asyncio.sleep(1)
        await cancelled(first)
        return await second

    assert world.run(body).status == 404
    assert not world.web.times("/1")


def test_a_cancelled_fetch_all_cancels_what_it_waits_for() -> None:
    world = World(no_robots=True, per_host=2)
    world.web.page(f"{A}/slow", latency=1000)

    async def body(desk: Desk) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await desk.fetch_all([f"{A}/slow"] * 5)

    world.run(body)
    assert len(world.web.asked) == 2
    assert world.web._in_flight == 0
    assert world.closing() < 1


@pytest.mark.parametrize("seed", range(40))
def test_tasks_that_are_cancelled_at_any_time_leave_nothing_reserved(seed: int) -> None:
    """Hosts that redirect, refuse, fail and are slow; the desk closes, and no slot is taken for good."""
    chance = random.Random(seed)
    world = World(
        per_host=chance.choice([1, 3]),
        concurrency=chance.choice([1, 2, 64]),
        delay=chance.choice([0, 0.5]),
        retries=chance.choice([0, 2]),
        no_robots=chance.random() < 0.5,
    )
    odd: list[Response | int | Failure] = [404, 500, 504, refusal("1"), refusal("30"), moved(f"{B}/1")]
    odd += [moved("/2"), Failure(Reason.UNREACHABLE, "refused", transient=True, host_fault=True)]
    urls = [f"{host}/{n}" for host in (A, B) for n in range(4)]
    for url in urls:
        world.web.answers(url, [*chance.choices(odd, k=2), 200], latency=chance.choice([0, 0.01, 1]))

    async def body(desk: Desk) -> None:
        tasks = []
        for _ in range(20):
            tasks.append(desk.submit(chance.choice(urls)))
            for _turn in range(chance.randrange(5)):
                await asyncio.sleep(0)
            if chance.random() < 0.4:
                await asyncio.sleep(chance.choice([0.01, 0.02, 1, 5]))
            if chance.random() < 0.4:
                chance.choice(tasks).cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() or task.result().reason for task in tasks)

    world.run(body)
    lanes = world.engine._lanes
    assert lanes.schedule.in_flight == world.web._in_flight == 0
    hosts = [lanes.lane(origin).host for origin in (A, B)]
    assert [(host.in_flight, host.unsent) for host in hosts] == [(0, 0), (0, 0)]


def test_a_cancelled_task_does_not_hold_up_the_end() -> None:
    """Its place in the queue of a slow host is nobody's any more."""
    world = World(no_robots=True, delay="60s")

    async def body(desk: Desk) -> None:
        await desk.submit(f"{A}/1")
        task = desk.submit(f"{A}/2")
        await asyncio.sleep(0.1)
        await cancelled(task)

    world.run(body)
    assert world.closing() < 1


def test_a_cancelled_task_behind_a_retry_after_does_not_hold_up_the_end() -> None:
    """An exception inside ``async with`` must not take half an hour to come out."""
    world = World(no_robots=True)
    world.web.answers(f"{A}/busy", [refusal("1800")])

    async def body(desk: Desk) -> None:
        desk.submit(f"{A}/busy")
        await asyncio.sleep(1)
        desk.submit(f"{A}/behind")
        await asyncio.sleep(1)

    world.run(body, cancel=True)
    assert world.closing() < 1


def test_a_robots_file_that_nobody_waits_for_does_not_hold_up_the_end() -> None:
    world = World()
    world.web.page(f"{A}/robots.txt", latency=29)

    async def body(desk: Desk) -> None:
        desk.submit(f"{A}/1")
        await asyncio.sleep(1)

    world.run(body, cancel=True)
    assert world.closing() < 1


# The end


def test_closing_waits_for_the_tasks() -> None:
    world = World()
    world.web.page(f"{A}/x", latency=5)
    tasks: list[asyncio.Task[Page]] = []

    async def body(desk: Desk) -> None:
        tasks.append(desk.submit(f"{A}/x"))

    world.run(body)
    assert tasks[0].result().ok
    assert world.summary is not None
    assert world.summary.finish_reason is FinishReason.DONE


def test_closing_with_cancel_cancels_them() -> None:
    world = World()
    world.web.page(f"{A}/x", latency=1000)
    tasks: list[asyncio.Task[Page]] = []

    async def body(desk: Desk) -> None:
        tasks.extend(desk.submit(f"{A}/x") for _ in range(10))
        await asyncio.sleep(1)

    world.run(body, cancel=True)
    assert all(task.cancelled() for task in tasks)
    assert world.closing() < 1


def test_stop_ends_what_waits_and_finishes_what_is_in_flight() -> None:
    world = World(no_robots=True, per_host=1)
    world.web.page(f"{A}/wire", latency=5)
    world.web.answers(f"{B}/retry", [refusal("600")])

    async def body(desk: Desk) -> list[Page]:
        tasks = [desk.submit(url) for url in (f"{A}/wire", f"{A}/queued", f"{B}/retry")]
        await asyncio.sleep(1)
        world.engine.stop()
        pages = await asyncio.gather(*tasks)
        late = await desk.submit(f"{A}/late")
        assert (late.ok, late.reason) == (False, "cancelled")
        return pages

    wire, queued, retry = world.run(body)
    assert wire.ok
    assert (queued.ok, queued.reason, queued.error) == (
        False,
        "cancelled",
        "the crawler ended before its turn",
    )
    assert (retry.reason, retry.status) == ("cancelled", 503)
    assert world.clock.now() < world.web.asked[0].time + 10


def test_stop_ends_redirects_that_are_under_way() -> None:
    world = World(no_robots=True)
    world.web.answers(f"{A}/x", [moved("/y")], latency=2)

    async def body(desk: Desk) -> Page:
        task = desk.submit(f"{A}/x")
        await asyncio.sleep(1)
        world.engine.stop()
        return await task

    page = world.run(body)
    assert (page.url, page.reason, len(page.history)) == (f"{A}/y", "cancelled", 1)


def test_a_desk_that_does_nothing_for_days_asks_nothing() -> None:
    world = World()

    async def body(desk: Desk) -> Page:
        await asyncio.sleep(3 * 86400)
        return await desk.submit(f"{A}/x")

    assert world.run(body).status == 404
    assert len(world.web.asked) == 2


def test_robots_is_asked_for_again_after_a_day() -> None:
    world = World()

    async def body(desk: Desk) -> None:
        await desk.submit(f"{A}/1")
        await asyncio.sleep(90_000)
        await desk.submit(f"{A}/2")

    world.run(body)
    assert len(world.web.times("/robots.txt")) == 2


def test_a_gate_beyond_max_wait_ends_queued_calls_though_other_hosts_are_busy() -> None:
    """Who waits for an answer of a host that asks for two hours must not wait until all others are idle."""
    world = World(max_wait="1m", per_host=1, no_robots=True)
    world.web.answers(f"{A}/1", [refusal("7200")])
    for number in range(200):
        world.web.page(f"{B}/{number}")

    async def body(desk: Desk) -> float:
        busy = [desk.submit(f"{B}/{number}") for number in range(200)]
        queued = [desk.submit(f"{A}/{number}") for number in (1, 2, 3)]
        pages = await asyncio.gather(*queued)
        ended = world.clock.now()
        assert [page.reason for page in pages] == [Reason.HTTP_ERROR, Reason.GAVE_UP, Reason.GAVE_UP]
        late = await desk.submit(f"{A}/4")
        assert (late.reason, "max_wait" in (late.error or "")) == (Reason.GAVE_UP, True)
        await asyncio.gather(*busy)
        return world.clock.now() - ended

    assert world.run(body) > 1, "the other host was busy for longer"
    assert [asked.url for asked in world.web.asked if asked.url.startswith(A)] == [f"{A}/1"]


def test_a_request_that_is_cancelled_has_an_end_too() -> None:
    world = World(no_robots=True)
    world.web.page(f"{A}/", latency=5.0)

    async def body(desk: Desk) -> None:
        task = desk.submit(f"{A}/")
        await asyncio.sleep(1.0)
        await cancelled(task)

    world.run(body)
    kinds = [type(event) for event in world.events if isinstance(event, Requested | Answered)]
    assert kinds == [Requested, Answered]
