"""Manners of a whole run, in virtual time: what hosts say is obeyed, and shared servers count as one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from tests.engine.test_engine import A, World, refusal

from skitter.engine.governor import Governor
from skitter.events import Event, HostWaits, Noted
from skitter.model import FinishReason, Headers, Reason, Response
from skitter.rules.load import Load
from skitter.testing import FakeFetcher

B = "http://b.test"


def moved(to: str, retry_after: str) -> Response:
    return Response("", 302, Headers((("Location", to), ("Retry-After", retry_after))))


# What the server says in so many words


@pytest.mark.parametrize("to", [f"{A}/new", f"{B}/new"])
def test_a_redirect_that_asks_to_wait_is_followed_when_it_says(to: str) -> None:
    """RFC 9110, 10.2.3: the least time before the redirected request; and the host itself is left alone."""
    world = World(scope="any")
    world.web.page(f"{A}/", links=["/moved", "/other"])
    world.web.answers(f"{A}/moved", [moved(to, "120")])
    world.web.page(to)
    summary = world.crawl(f"{A}/")
    assert summary.by_reason[Reason.REDIRECTED] == 1
    (asked,), (followed,) = world.web.times("/moved"), world.web.times("/new")
    assert followed - asked >= 120
    assert not [time for time in world.web.times(A) if asked + 0.02 < time < asked + 120]


def test_a_redirect_without_a_word_is_followed_at_once() -> None:
    world = World()
    world.web.answers(f"{A}/", [moved(f"{A}/new", "soon")])
    world.web.page(f"{A}/new")
    world.crawl(f"{A}/")
    assert world.web.times("/new")[0] - world.web.times(f"{A}/")[-2] < 1


def test_a_wait_beyond_the_time_limit_ends_the_run_at_once_and_says_when_to_come_back() -> None:
    """Exit 6: nobody sits there until the time is up for a host that will not answer before."""
    world = World(time_limit="60s")
    world.web.page(f"{A}/", links=["/busy"])
    world.web.answers(f"{A}/busy", [refusal("", "600"), 200])
    summary = world.crawl(f"{A}/")
    assert summary.finish_reason is FinishReason.WAITING
    assert summary.seconds < 1
    assert summary.pending == 1
    assert summary.come_back_at is not None
    assert summary.come_back_at >= world.web.times("/busy")[0] + 600


def test_a_pace_beyond_the_time_limit_is_the_time_limit() -> None:
    """Only a host that asks us to wait makes exit 6; a delay of the user's own is no refusal."""
    world = World(time_limit="25s", delay="10s")
    world.web.page(f"{A}/", links=[f"/{n}" for n in range(9)])
    summary = world.crawl(f"{A}/")
    assert summary.finish_reason is FinishReason.TIME_LIMIT
    assert 24.9 < summary.seconds < 26


def test_the_same_wait_is_told_once() -> None:
    world = World(per_host=8, no_robots=True)
    world.web.page(f"{A}/", links=[f"/{n}" for n in range(8)])
    for n in range(8):
        world.web.answers(f"{A}/{n}", [refusal("", "120"), 200])
    world.crawl(f"{A}/")
    told = [event for event in world.events if isinstance(event, HostWaits)]
    assert [event.origin for event in told] == [A]


# Hosts at one server


class OneServer(FakeFetcher):
    """All hosts are at one address."""

    address_of_all: str | None = "192.0.2.7"

    async def addresses(self, origin: str) -> Sequence[str]:
        await asyncio.sleep(0.05)
        return (self.address_of_all,) if self.address_of_all else ()


def sites(world: World, number: int, pages: int) -> list[str]:
    seeds = [f"http://site{n}.test/" for n in range(number)]
    for seed in seeds:
        world.web.page(seed, links=[f"/{n}" for n in range(pages)])
        for n in range(pages):
            world.web.page(f"{seed}{n}", latency=0.1)
    return seeds


def one_server(address: str | None, **options: object) -> World:
    world = World(**options)
    web = OneServer(world.clock, latency=0.01)
    web.address_of_all = address
    world.web = web
    return world


@pytest.mark.parametrize(
    ("address", "separate", "most"),
    [
        ("192.0.2.7", (), 4),
        ("2001:db8::1", (), 4),
        ("192.0.2.7", ("192.0.2.0/24",), 32),
        ("192.0.2.7", ("all",), 32),
        ("127.0.0.1", (), 32),
        ("::1", (), 32),
        ("::ffff:127.0.0.1", (), 32),
        ("127.0.0.1", ("none",), 4),
        ("104.16.1.2", (), 32),  # a CDN
        ("104.16.1.2", ("loopback",), 4),
        (None, (), 32),  # the proxy knows
    ],
)
def test_hosts_at_one_address_share_a_window(
    address: str | None, separate: tuple[str, ...], most: int
) -> None:
    world = one_server(address, separate=separate)
    summary = world.crawl(*sites(world, 30, 6))
    assert summary.by_reason == {Reason.FETCHED: 30 * 7}
    if most == 4:
        assert world.web.most_in_flight == 4
    else:
        assert world.web.most_in_flight >= most


def test_a_name_that_takes_long_to_look_up_holds_no_slot() -> None:
    class Slow(FakeFetcher):
        async def addresses(self, origin: str) -> Sequence[str]:
            await asyncio.sleep(100.0 if "slow" in origin else 0.0)
            return ()

    world = World(concurrency=2)
    world.web = Slow(world.clock, latency=0.01)
    seeds = [f"http://slow{n}.test/" for n in range(5)] + sites(world, 2, 20)
    summary = world.crawl(*seeds)
    assert summary.total == 5 + 42
    assert max(world.web.times("site")) - min(world.web.times("site")) < 20


# The crawler's own load


def test_a_late_loop_and_a_full_memory_take_the_limit_down_and_it_comes_back() -> None:
    load = Load(100)
    for _ in range(20):
        load.sample(0.5, 0.1)
    assert load.limit == 80
    for _ in range(20):
        load.sample(0.0, 0.95)
    assert load.limit == 64
    for _ in range(20):
        load.sample(0.05, 0.5)
    assert load.limit == 64, "neither late nor punctual"
    for _ in range(20 * 40):
        load.sample(0.001, 0.5)
    assert load.limit == 100
    for _ in range(20 * 100):
        load.sample(9.0, 1.0)
    assert load.limit == 4, "and something always goes on"


def test_one_late_beat_in_twenty_changes_nothing() -> None:
    load = Load(100)
    for number in range(200):
        load.sample(2.0 if number % 20 == 0 else 0.03, 0.1)
    assert load.limit == 100


def test_the_governor_feels_memory_and_says_so_once() -> None:
    told: list[Event] = []
    governor = Governor(64, lambda: 0.99, told.append)

    async def main() -> None:
        task = asyncio.create_task(governor.run())
        await asyncio.sleep(2.5)
        task.cancel()

    asyncio.run(main())
    assert governor.limit < 64
    assert told == [Noted("memory is short: fewer requests are in flight for a while")]


# Many hosts


def test_many_hosts_with_a_delay_are_spread_over_it() -> None:
    """Else they are asked in one burst, once a delay, for ever."""
    world = World(delay="1s", concurrency=200)
    chances = iter(n / 40 for n in range(10_000))
    summary = world.crawl(*sites(world, 40, 5), chance=lambda: next(chances) % 1)
    assert summary.by_reason == {Reason.FETCHED: 40 * 6}
    for n in range(40):
        assert min(world.gaps(f"http://site{n}.test/")) >= 1
    last = sorted(max(world.web.times(f"http://site{n}.test/")) for n in range(40))
    assert last[-1] - last[0] >= 0.4
    assert summary.seconds < 7.5 + 0.1


def test_a_few_hosts_are_not_kept_waiting_for_that() -> None:
    world = World(delay="1s")
    summary = world.crawl(*sites(world, 3, 5), chance=lambda: 0.99)
    assert summary.seconds < 6.5
