"""Polite and quick, in virtual time: the bars are those that real servers are held to."""

from __future__ import annotations

import pytest
from tests.simulator.crawler import Crawler
from tests.simulator.servers import Bucket, Cost, Errors, Fifo, Hangs, Server, exponential, fixed
from tests.simulator.timeline import Timeline

from skitter.rules.window import Window

PAGE = 0.051  # what fixed(0.05) costs on average


def sizes(crawler: Crawler, since: float, until: float) -> list[int]:
    return [size for at, size in crawler.windows if since <= at < until]


def settled(crawler: Crawler, since: float, until: float, knee: int) -> float:
    """Seconds until the window stays within one below and two above the knee."""
    out = [at for at, size in crawler.windows if since <= at < until and not knee - 1 <= size <= knee + 2]
    return max(out, default=since) - since


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("per_host", [None, 64])
@pytest.mark.parametrize(("workers", "slower"), [(1, 2.1), (2, 1.6), (4, 1.3), (8, 1.3), (16, 1.3)])
def test_the_window_finds_the_capacity(workers: int, slower: float, per_host: int | None, seed: int) -> None:
    timeline = Timeline()
    server = Fifo(timeline, workers, fixed(0.05), seed)
    crawler = Crawler(timeline, [server], per_host=per_host, seed=seed)
    timeline.run(30)
    begin, end = timeline.start + 10, timeline.start + 30
    reachable = min(workers, crawler.hosts[0].window.limit)
    assert server.goodput(begin, end) >= 0.9 * reachable / PAGE
    assert server.latency(begin, end) <= slower * PAGE
    found = sizes(crawler, begin, end)
    assert reachable - 1 <= sum(found) / len(found) <= reachable + max(1.0, 0.1 * reachable)
    if per_host is None:
        assert server.most_in_system <= 4


@pytest.mark.parametrize("wire", [0.01, 0.05, 0.15])
@pytest.mark.parametrize("workers", [2, 8])
def test_a_long_way_needs_a_wider_window(workers: int, wire: float) -> None:
    """What is on its way waits nowhere: the server is kept busy all the same."""
    timeline = Timeline()
    server = Fifo(timeline, workers, fixed(0.05))
    Crawler(timeline, [server], per_host=64, wire=wire)
    timeline.run(60)
    begin, end = timeline.start + 20, timeline.start + 60
    assert server.goodput(begin, end) >= 0.9 * workers / PAGE
    assert server.latency(begin, end) <= 1.7 * PAGE


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_capacity_that_halves_and_doubles_is_followed(seed: int) -> None:
    timeline = Timeline()
    server = Fifo(timeline, 8, fixed(0.05), seed)
    crawler = Crawler(timeline, [server], per_host=64, seed=seed)
    start = timeline.start
    for number, workers in enumerate((8, 4, 8)):
        server.change(workers)
        timeline.run(10)
        begin = start + 10 * number
        assert settled(crawler, begin, begin + 10, workers) <= 3
        assert server.goodput(begin + 3, begin + 10) >= 0.9 * workers / PAGE


@pytest.mark.parametrize(("cost", "mean"), [(fixed(0.1), 0.101), (fixed(0.02), 0.021)])
def test_pages_that_become_slower_or_faster_are_not_taken_for_a_queue(cost: Cost, mean: float) -> None:
    timeline = Timeline()
    server = Fifo(timeline, 8, fixed(0.05))
    Crawler(timeline, [server], per_host=64)
    timeline.run(10)
    server.change(cost=cost)
    timeline.run(20)
    begin, end = timeline.start + 15, timeline.start + 30
    assert server.goodput(begin, end) >= 0.85 * 8 / mean
    assert server.latency(begin, end) <= 1.4 * mean


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("per_host", [None, 64])
@pytest.mark.parametrize("workers", [1, 4, 16])
def test_pages_of_random_cost_make_no_collapse(workers: int, per_host: int | None, seed: int) -> None:
    timeline = Timeline()
    server = Fifo(timeline, workers, exponential(0.05), seed)
    crawler = Crawler(timeline, [server], per_host=per_host, seed=seed)
    timeline.run(200)
    begin, end = timeline.start + 60, timeline.start + 200
    reachable = min(workers, crawler.hosts[0].window.limit)
    assert server.goodput(begin, end) >= 0.8 * reachable / 0.05
    assert server.latency(begin, end) <= 4 * 0.05


@pytest.mark.parametrize("per_host", [10, 64])
@pytest.mark.parametrize(
    ("cost", "mean"),
    [
        (lambda chance: 1.0, 1.0),
        (lambda chance: chance.choice((1.0, 5.0)), 3.0),
        (lambda chance: chance.uniform(4.0, 6.0), 5.0),
    ],
)
def test_slow_pages_at_a_server_that_can_do_them_all_at_once(cost: Cost, mean: float, per_host: int) -> None:
    """Nothing waits there: as many as the user allows are in flight, from the first moment on."""
    timeline = Timeline()
    server = Fifo(timeline, 1000, cost)
    Crawler(timeline, [server], per_host=per_host)
    timeline.run(120)
    assert server.most_in_system == per_host
    assert server.goodput(timeline.start, timeline.start + 120) >= 0.8 * per_host / mean


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_rate_limit_is_kept_to(seed: int) -> None:
    timeline = Timeline()
    server = Bucket(timeline, 10, 10)
    Crawler(timeline, [server], seed=seed)
    timeline.run(60)
    assert server.too_early(0.0005) == 0
    assert server.refused() < 0.03
    assert server.goodput(timeline.start, timeline.start + 60) >= 0.8 * 10


@pytest.mark.parametrize(("rate", "burst", "retry_after"), [(2, 5, 1.0), (100, 100, 1.0), (10, 10, None)])
def test_other_limits_are_kept_to_as_well(rate: float, burst: float, retry_after: float | None) -> None:
    timeline = Timeline()
    server = Bucket(timeline, rate, burst, retry_after)
    Crawler(timeline, [server])
    timeline.run(120)
    assert server.too_early(0.0005) == 0
    assert server.refused() < 0.05
    assert server.goodput(timeline.start, timeline.start + 120) >= 0.7 * rate


def test_a_server_that_refuses_beyond_its_queue_is_not_pushed_there() -> None:
    """It answers errors fast: that is no reason to think that it has become quick."""
    timeline = Timeline()
    server = Errors(timeline, 4, fixed(0.05), most=6)
    Crawler(timeline, [server], per_host=64)
    timeline.run(90)
    refused = [status for arrived, _, status, _ in server.log if arrived > timeline.start + 30]
    assert refused.count(503) <= 0.01 * len(refused)
    assert server.goodput(timeline.start + 30, timeline.start + 90) >= 0.9 * 4 / PAGE


@pytest.mark.parametrize("slots", [600, 40])
def test_servers_that_hang_do_not_hold_back_the_others(slots: int) -> None:
    def pages(hanging: int) -> float:
        timeline = Timeline()
        good: list[Server] = [Fifo(timeline, 1, fixed(0.2), number) for number in range(300)]
        bad: list[Server] = [Hangs(timeline) for _ in range(hanging)]
        crawler = Crawler(
            timeline,
            [server for pair in zip(bad or good, good, strict=True) for server in pair] if hanging else good,
            slots=slots,
            per_host=1,
        )
        timeline.run(30)
        assert sum(server.in_system for server in bad) <= slots // 2
        assert all(host.window.in_flight <= 1 for host in crawler.hosts)
        return sum(server.goodput(timeline.start + 10, timeline.start + 30) for server in good)

    share = 0.9 if slots == 600 else 0.9 * 0.5
    assert pages(300) >= share * pages(0)


def test_sites_at_one_server_count_as_one() -> None:
    """A hundred of them, each allowed four requests, would be four hundred; the server does four at once."""
    timeline = Timeline()
    server = Fifo(timeline, 4, fixed(0.05))
    shared = Window(1, 4)
    crawler = Crawler(timeline, [server] * 100, shared=shared)
    timeline.run(30)
    assert server.most_in_system <= 4
    assert server.goodput(timeline.start + 10, timeline.start + 30) >= 0.9 * 4 / PAGE
    assert all(host.answered for host in crawler.hosts), "and each has its turn"


def test_a_host_that_went_silent_is_probed_once_a_backoff() -> None:
    timeline = Timeline()
    server = Fifo(timeline, 8, fixed(0.05))
    crawler = Crawler(timeline, [server], per_host=8, timeout=1.0)
    timeline.run(10)
    server.change(cost=lambda chance: 1e9)
    timeline.run(50)
    assert crawler.hosts[0].failures >= 5
    asked = len(server.log) + server.in_system
    timeline.run(120)
    assert len(server.log) + server.in_system - asked <= 12
