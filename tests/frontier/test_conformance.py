"""One suite for every frontier: what the engine relies on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from skitter.frontier import Database, MemoryFrontier, SqliteFrontier, Store
from skitter.model import (
    Ask,
    Batch,
    Entry,
    HostState,
    Lease,
    Reason,
    Record,
    RobotsCopy,
    Row,
    Settlement,
)
from skitter.ports import Frontier
from skitter.rules.url import key_of, origin_of, sitemap_key

Make = Callable[[], Frontier]


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "memory":
        return MemoryFrontier
    return lambda: SqliteFrontier(Store(Database(tmp_path / "job.db")))


@pytest.fixture(params=["memory", "sqlite"])
def make_by_level(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "memory":
        return lambda: MemoryFrontier(by_level=True)
    return lambda: SqliteFrontier(Store(Database(tmp_path / "job.db"), by_level=True))


def entry(url: str, **facts: Any) -> Entry:
    return Entry(url, key_of(url), origin_of(url), **facts)


def done(at: Entry, *found: Entry, reason: Reason = Reason.FETCHED, size: int = 10) -> Settlement:
    record = Record(url=at.url, reason=reason, depth=at.depth, size=size, fetched_at="2026-01-01T00:00:00Z")
    return Settlement(at, Row(record), found=found)


def run(make: Make, use: Callable[[Frontier], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        frontier = make()
        await frontier.open()
        try:
            await use(frontier)
        finally:
            await frontier.close()

    asyncio.run(main())


def run_twice(make: Make, *uses: Callable[[Frontier], Coroutine[Any, Any, None]]) -> None:
    """One run after another; what is in memory is opened again, as nothing else is left of it."""

    async def main() -> None:
        frontier = make()
        for use in uses:
            if isinstance(frontier, SqliteFrontier) and use is not uses[0]:
                await frontier.close()
                frontier = make()
            await frontier.open()
            await use(frontier)
        await frontier.close()

    asyncio.run(main())


async def take(frontier: Frontier, origin: str, number: int = 10, now: float = 100.0) -> list[str]:
    (lease,) = await frontier.lease({origin: number}, now)
    return [item.url for item in lease.entries]


async def meet(frontier: Frontier, hosts: int = 9) -> list[Lease]:
    """Take hosts over from the frontier, without URLs: from now on their work is announced."""
    return list(await frontier.lease({}, 100.0, hosts=hosts, each=0))


A = "http://a.test"


def test_a_url_is_admitted_once(make: Make) -> None:
    async def use(frontier: Frontier) -> None:
        change = await frontier.admit([entry(f"{A}/1"), entry(f"{A}/1"), entry(f"{A}/2")])
        assert (change.admitted, change.pending, change.more_hosts) == (2, 2, True)
        await meet(frontier)
        change = await frontier.admit([entry(f"{A}/2"), entry(f"{A}/3")])
        assert (change.admitted, change.pending, change.more_hosts) == (1, 3, False)
        assert dict(change.due) == {A: 0.0}
        change = await frontier.admit([entry(f"{A}/2")])
        assert dict(change.due) == {}

    run(make, use)


def test_a_leased_url_is_lent_to_nobody_else_until_it_is_settled(make: Make) -> None:
    async def use(frontier: Frontier) -> None:
        await frontier.admit([entry(f"{A}/{n}") for n in range(5)])
        (first,) = await frontier.lease({A: 2}, 100.0)
        (second,) = await frontier.lease({A: 2}, 100.0)
        (third,) = await frontier.lease({A: 2}, 100.0)
        urls = [item.url for lease in (first, second, third) for item in lease.entries]
        assert urls == [f"{A}/{n}" for n in range(5)]
        assert [first.more, second.more, third.more] == [0.0, 0.0, None]
        assert await take(frontier, A) == []

    run(make, use)


def test_shallow_before_deep_and_old_before_new(make: Make) -> None:
    async def use(frontier: Frontier) -> None:
        depths = [2, 1, 0, 1, 2]
        await frontier.admit([entry(f"{A}/{n}", depth=depth) for n, depth in enumerate(depths)])
        assert await take(frontier, A) == [f"{A}/{n}" for n in (2, 1, 3, 0, 4)]

    run(make, use)


def test_settled_urls_are_gone_and_their_links_are_there(make: Make) -> None:
    async def use(frontier: Frontier) -> None:
        await frontier.admit([entry(f"{A}/")])
        (lease,) = await frontier.lease({}, 100.0, hosts=2, each=5)
        found = (entry(f"{A}/1", depth=1, referrer=f"{A}/"), entry("http://b.test/", depth=1), entry(f"{A}/"))
        change = await frontier.settle(Batch((done(lease.entries[0], *found),)))
        assert (change.admitted, change.pending) == (2, 2)
        assert (dict(change.due), change.more_hosts) == ({A: 0.0}, True)
        (lease,) = await frontier.lease({A: 5}, 100.0)
        assert [(item.url, item.depth, item.referrer) for item in lease.entries] == [(f"{A}/1", 1, f"{A}/")]
        opening = await frontier.open()
        assert opening.tally == {Reason.FETCHED: 1}
        assert (opening.pending, opening.size) == (2, 10)

    run(make, use)


def test_a_retry_comes_back_when_it_is_due_and_before_fresh_urls(make: Make) -> None:
    async def use(frontier: Frontier) -> None:
        await frontier.admit([entry(f"{A}/1", hops=(f"{A}/0",), seed=True)])
        (lease,) = await frontier.lease({}, 100.0, hosts=1, each=5)
        again = replace(lease.entries[0], attempts=1, spent=1, due=150.0)
        change = await frontier.settle(Batch((Settlement(lease.entries[0], retry=again),)))
        assert dict(change.due) == {A: 150.0}
        assert change.pending == 1
        (early,) = await frontier.lease({A: 5}, 149.0)
        assert (early.entries, early.more) == ((), 150.0)
        await frontier.admit([entry(f"{A}/2")])
        (late,) = await frontier.lease({A: 5}, 151.0)
        assert [item.url for item in late.entries] == [f"{A}/1", f"{A}/2"]
        first = late.entries[0]
        assert (first.attempts, first.spent, first.hops, first.seed) == (1, 1, (f"{A}/0",), True)
        change = await frontier.settle(Batch((done(first),)))
        assert change.pending == 1

    run(make, use)


def test_a_link_that_is_due_later_is_not_lent_before(make: Make) -> None:
    """The target of a redirect that asks to wait."""

    async def use(frontier: Frontier) -> None:
        await frontier.admit([entry(f"{A}/1")])
        await meet(frontier)
        (lease,) = await frontier.lease({A: 1}, 100.0)
        change = await frontier.settle(Batch((done(lease.entries[0], entry(f"{A}/2", due=160.5)),)))
        assert (change.admitted, change.pending, dict(change.due)) == (1, 1, {A: 160.5})
        (lease,) = await frontier.lease({A: 9}, 160.0)
        assert (lease.entries, lease.more) == ((), 160.5)
        assert await take(frontier, A, now=160.5) == [f"{A}/2"]

    run(make, use)


def test_seeds_that_were_fetched_are_remembered(make: Make) -> None:
    async def use(frontier: Frontier) -> None:
        await frontier.admit([entry(f"{A}/1", seed=True), entry(f"{A}/2")], [A])
        (lease,) = await frontier.lease({A: 5}, 100.0)
        seed, other = lease.entries
        await frontier.settle(Batch((done(other), done(seed, reason=Reason.HTTP_ERROR))))
        opening = await frontier.open()
        assert not opening.seed_fetched
        assert opening.roots == (A,)
        await frontier.admit([entry(f"{A}/3", seed=True)])
        (lease,) = await frontier.lease({A: 5}, 100.0)
        await frontier.settle(Batch((done(lease.entries[0]),), roots=("b.test",)))
        opening = await frontier.open()
        assert opening.seed_fetched
        assert set(opening.roots) == {A, "b.test"}

    run(make, use)


def test_hosts_with_work_are_lent_by_and_by(make: Make) -> None:
    async def use(frontier: Frontier) -> None:
        await frontier.admit([entry(f"http://h{n % 5}.test/{n}") for n in range(15)])
        leases = await frontier.lease({}, 100.0, hosts=3, each=2)
        assert [(lease.origin, len(lease.entries), lease.more) for lease in leases] == [
            (f"http://h{n}.test", 2, 0.0) for n in range(3)
        ]
        change = await frontier.admit([entry("http://h0.test/new"), entry("http://h4.test/new")])
        assert (dict(change.due), change.more_hosts) == ({"http://h0.test": 0.0}, True)
        named, *others = await frontier.lease({"http://h1.test": 9}, 100.0, hosts=9, each=9)
        assert (named.origin, len(named.entries), named.more) == ("http://h1.test", 1, None)
        assert [(lease.origin, len(lease.entries)) for lease in others] == [
            ("http://h3.test", 3),
            ("http://h4.test", 4),
        ]
        assert not (await frontier.admit([entry("http://h4.test/newer")])).more_hosts
        assert await meet(frontier) == []
        assert (await frontier.admit([entry("http://h9.test/")])).more_hosts

    run(make, use)


def test_the_first_lease_of_a_host_tells_what_is_known_of_it(make: Make) -> None:
    async def use(frontier: Frontier) -> None:
        await frontier.admit([entry("http://b.test/"), entry(f"{A}/"), entry("http://c.test/")])
        leases = await frontier.lease({A: 5, "http://c.test": 5}, 100.0)
        states = (
            HostState("http://b.test", next_at=7.0, gate=8.0, window=3.0, robots=copy),
            HostState(A, next_at=1.0),
        )
        await frontier.settle(Batch(tuple(done(lease.entries[0]) for lease in leases), states))
        await frontier.settle(Batch(hosts=(HostState("http://b.test", next_at=9.0, window=2.0),)))
        assert all(lease.state is None for lease in await meet(frontier)), "nobody was there before this run"

    async def later(frontier: Frontier) -> None:
        (lease,) = await meet(frontier)
        assert lease.state == HostState("http://b.test", next_at=9.0, window=2.0, robots=copy)
        assert (await frontier.lease({"http://b.test": 1}, 100.0))[0].state is None

    copy = RobotsCopy(200, b"User-agent: *", 99.0)
    run_twice(make, use, later)


def test_by_level_nothing_deep_is_lent_while_something_shallow_is_open(make_by_level: Make) -> None:
    async def use(frontier: Frontier) -> None:
        await frontier.admit([entry(f"{A}/{n}", depth=depth) for n, depth in enumerate([0, 0, 1, 1])])
        (lease,) = await frontier.lease({}, 100.0, hosts=1, each=10)
        first, second = lease.entries
        assert lease.more is None
        change = await frontier.settle(Batch((done(first),)))
        assert dict(change.due) == {A: 0.0}
        again = replace(second, due=150.0)
        await frontier.settle(Batch((Settlement(second, retry=again),)))
        assert await take(frontier, A, now=149.0) == []
        (lease,) = await frontier.lease({A: 10}, 151.0)
        assert [item.url for item in lease.entries] == [f"{A}/1"]
        change = await frontier.settle(Batch((done(lease.entries[0]),)))
        assert dict(change.due) == {A: 0.0}
        assert await take(frontier, A, now=152.0) == [f"{A}/2", f"{A}/3"]

    run(make_by_level, use)


def test_by_level_a_deep_retry_hides_no_shallow_one(make_by_level: Make) -> None:
    async def use(frontier: Frontier) -> None:
        await frontier.admit([entry(f"{A}/deep", depth=2)])
        (lease,) = await frontier.lease({A: 10}, 1.0)
        deep = lease.entries[0]
        await frontier.settle(Batch((Settlement(deep, retry=replace(deep, due=10.0)),)))
        await frontier.admit([entry(f"{A}/new", depth=1)])
        (lease,) = await frontier.lease({A: 10}, 5.0)
        new = lease.entries[0]
        await frontier.settle(Batch((Settlement(new, retry=replace(new, due=20.0)),)))
        (lease,) = await frontier.lease({A: 10}, 15.0)
        assert (lease.entries, lease.more) == ((), 20.0)
        (lease,) = await frontier.lease({A: 10}, 25.0)
        assert [item.url for item in lease.entries] == [f"{A}/new"]

    run(make_by_level, use)


def due(lease: Lease, now: float) -> str:
    """When the rest is due; how long since is nobody's business."""
    return "now" if lease.more is not None and lease.more <= now else str(lease.more)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("ahlsr"), st.integers(0, 30)), max_size=60))
def test_every_url_ends_exactly_once_whatever_the_order(steps: list[tuple[str, int]]) -> None:
    """Model test: both frontiers, the same random admits, leases, settlements and retries."""

    async def play(frontier: Frontier) -> list[tuple[str, ...]]:
        await frontier.open()
        log: list[tuple[str, ...]] = []
        held: dict[str, Entry] = {}
        now = 0.0
        for step, number in steps:
            now += 1
            url = f"http://h{number % 3}.test/{number}"
            match step:
                case "a":
                    change = await frontier.admit([entry(url, depth=number % 4)])
                    log.append(("admit", str(change.admitted), str(change.pending)))
                case "h":
                    leases = await frontier.lease({}, now, hosts=number % 3, each=number % 2)
                    held |= {item.url: item for lease in leases for item in lease.entries}
                    log += [(lease.origin, str(len(lease.entries)), due(lease, now)) for lease in leases]
                case "l":
                    (lease,) = await frontier.lease({origin_of(url): number % 5 + 1}, now)
                    assert not {item.url for item in lease.entries} & set(held), "lent twice"
                    held |= {item.url: item for item in lease.entries}
                    log.append(("lease", *(item.url for item in lease.entries), due(lease, now)))
                case "s" if held:
                    item = held.pop(sorted(held)[number % len(held)])
                    change = await frontier.settle(Batch((done(item, entry(url)),)))
                    log.append(("settle", item.url, str(change.pending)))
                case "r" if held:
                    item = held.pop(sorted(held)[number % len(held)])
                    retry = replace(item, attempts=item.attempts + 1, due=now + number)
                    change = await frontier.settle(Batch((Settlement(item, retry=retry),)))
                    log.append(("retry", item.url, str(sorted(change.due.items()))))
        opening = await frontier.open()
        log.append((str(sorted(opening.tally.items())), str(opening.pending), str(opening.more_hosts)))
        await frontier.close()
        return log

    async def both(path: Path) -> None:
        one = await play(MemoryFrontier())
        other = await play(SqliteFrontier(Store(Database(path))))
        assert one[:-1] == other[:-1]
        assert one[-1][:2] == other[-1][:2]

    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(both(Path(folder) / "job.db"))


def test_a_key_is_known_once_it_is_committed(make: Make) -> None:
    seed, found = entry("http://h/"), entry("http://h/found")

    async def use(frontier: Frontier) -> None:
        assert not frontier.knows(seed.key)
        await frontier.admit([seed])
        assert frontier.knows(seed.key)
        (lease,) = await frontier.lease({"http://h": 1}, 1.0)
        assert not frontier.knows(found.key)
        await frontier.settle(Batch((done(lease.entries[0], found),)))
        assert frontier.knows(seed.key)
        assert frontier.knows(found.key)

    run(make, use)


def test_with_levels_every_mention_is_wanted(make_by_level: Make) -> None:
    seed = entry("http://h/")

    async def use(frontier: Frontier) -> None:
        await frontier.admit([seed])
        assert not frontier.knows(seed.key), "it may be a shorter way"

    run(make_by_level, use)


# Sitemaps, and what a URL brings along


def test_a_sitemap_comes_first_and_ends_without_a_record(make: Make) -> None:
    async def use(frontier: Frontier) -> None:
        page = entry("http://h/", seed=True)
        file = Entry("http://h/map.xml", sitemap_key("http://h/map.xml"), "http://h", -1, sitemap=True)
        same = entry("http://h/map.xml", depth=1)  # the same address as a page
        change = await frontier.admit([page, file, same])
        assert (change.admitted, change.pending) == (3, 3)
        (lease,) = await frontier.lease({"http://h": 9}, 0.0)
        assert [each.url for each in lease.entries] == ["http://h/map.xml", "http://h/", "http://h/map.xml"]
        assert [each.sitemap for each in lease.entries] == [True, False, False]
        change = await frontier.settle(Batch((Settlement(lease.entries[0]),)))
        assert change.pending == 2
        assert (await frontier.admit([file])).admitted == 0, "it is known"

    async def later(frontier: Frontier) -> None:
        opening = await frontier.open()
        assert (opening.pending, dict(opening.tally)) == (2, {})

    run_twice(make, use, later)


def test_what_a_url_brings_along_is_kept(make: Make) -> None:
    ask = Ask("POST", {"X-A": "b"}, b"\x00\xff", {"n": [1, None]})
    given = entry("http://h/a", depth=1, reach="loopback", lastmod="2026-05-01", ask=ask)

    async def use(frontier: Frontier) -> None:
        await frontier.admit([given])
        (lease,) = await frontier.lease({"http://h": 9}, 0.0)
        assert lease.entries[0].ask == ask
        tried = replace(lease.entries[0], due=50.0, attempts=1)
        await frontier.settle(Batch((Settlement(lease.entries[0], retry=tried),)))

    async def later(frontier: Frontier) -> None:
        (lease,) = await frontier.lease({"http://h": 9}, 100.0)
        (found,) = lease.entries
        assert (found.reach, found.lastmod, found.attempts) == ("loopback", "2026-05-01", 1)
        assert found.ask == ask

    run_twice(make, use, later)


def test_patterns_are_counted_with_the_pages_that_they_count(make: Make) -> None:
    async def use(frontier: Frontier) -> None:
        await frontier.admit([entry(f"http://h/{n}") for n in range(3)])
        (lease,) = await frontier.lease({"http://h": 9}, 0.0)
        for number, each in enumerate(lease.entries):
            counts = (7, -5) if number else (7,)
            await frontier.settle(Batch((replace(done(each), counts=counts),)))

    async def later(frontier: Frontier) -> None:
        opening = await frontier.open()
        assert dict(opening.counts) == {7: 3, -5: 2}

    run_twice(make, use, later)
