"""Which host may be contacted now: waiting is only a number, and nobody holds a slot meanwhile."""

import heapq
import itertools
import random
import time
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skitter.config import Politeness
from skitter.model import Done, Entry, Reason
from skitter.rules.host import Host, Signal
from skitter.rules.schedule import Busy, Drained, Errand, Lane, NotBefore, Ready, Schedule
from skitter.rules.window import Window

NOW = 1_700_000_000.0
# At the epoch's 1.7e9 a float resolves 0.24 microseconds.
EPSILON = 1e-6
# What the host adds to every delay, at most.
MARGIN = 0.01


def lane(name: str, urls: int = 0, *, delay: float = 0.0, per_host: int | None = None) -> Lane:
    made = Lane(Host(f"http://{name}", Politeness(delay=delay, per_host=per_host)))
    made.entries.extend(Entry(f"http://{name}/{number}", number, f"http://{name}") for number in range(urls))
    return made


def schedule(*lanes: Lane) -> Schedule:
    made = Schedule()
    for each in lanes:
        made.put(each)
    return made


# The four decisions


def test_nothing_at_all_is_drained() -> None:
    assert schedule().next(NOW) == Drained()
    assert schedule(lane("a")).next(NOW) == Drained()


def test_a_lane_with_work_is_ready() -> None:
    a = lane("a", 1)
    assert schedule(a).next(NOW) == Ready(a)


def test_a_ready_lane_is_out_until_it_is_put_back() -> None:
    """Else one lane would be served twice at once."""
    a = lane("a", 2)
    made = schedule(a)
    assert made.next(NOW) == Ready(a)
    assert made.next(NOW) == Drained()
    made.put(a)
    assert made.next(NOW) == Ready(a)


def test_a_lane_that_was_put_twice_is_served_once() -> None:
    a = lane("a", 1)
    made = schedule(a, a, a)
    assert made.next(NOW) == Ready(a)
    assert made.next(NOW) == Drained()


def test_a_host_that_must_wait_is_a_time() -> None:
    a = lane("a", 1)
    a.host.wait(NOW + 60)
    made = schedule(a)
    assert made.next(NOW) == NotBefore(NOW + 60, gated=True)
    assert made.next(NOW + 60) == Ready(a)


def test_who_came_first_is_served_first() -> None:
    """Among hosts that became ready at the same time; the other way round, the first would starve."""
    lanes = [lane(name, 1) for name in "abcd"]
    made = schedule(*lanes)
    assert [made.next(NOW) for _ in lanes] == [Ready(each) for each in lanes]


def test_of_several_waits_the_earliest_is_named() -> None:
    lanes = [lane(name, 1) for name in "abc"]
    for each, wait in zip(lanes, (50, 10, 30), strict=True):
        each.host.wait(NOW + wait)
    made = schedule(*lanes)
    assert made.next(NOW) == NotBefore(NOW + 10, gated=True)
    assert made.next(NOW + 10) == Ready(lanes[1])
    assert made.next(NOW + 10) == NotBefore(NOW + 30, gated=True)


def test_a_full_window_is_busy_until_a_request_ends() -> None:
    a = lane("a", 2, per_host=1)
    made = schedule(a)
    assert made.next(NOW) == Ready(a)
    made.start(a, NOW)
    assert made.next(NOW) == Busy()
    a.host.sent(NOW)
    a.host.ended(NOW + 1, NOW, Signal.GOOD, 0.5)
    made.ended(a, NOW + 1)
    assert made.next(NOW + 1) == Ready(a)


def test_an_empty_schedule_with_something_under_way_is_busy() -> None:
    """The page under way may bring links: the run is not over."""
    a = lane("a", 1)
    made = schedule(a)
    made.next(NOW)
    a.entries.popleft()
    made.start(a, NOW)
    assert made.next(NOW) == Busy()
    a.host.sent(NOW)
    a.host.ended(NOW, NOW, Signal.GOOD, 0.5)
    made.ended(a, NOW)
    assert made.next(NOW) == Drained()


def test_a_wait_that_grew_after_the_lane_was_put_is_obeyed() -> None:
    """A Retry-After arrives while the lane stands in the heap under its old time."""
    a = lane("a", 1)
    made = schedule(a)
    a.host.wait(NOW + 60)
    assert made.next(NOW) == NotBefore(NOW + 60, gated=True)
    assert made.next(NOW + 59) == NotBefore(NOW + 60, gated=True)
    assert made.next(NOW + 60) == Ready(a)


def test_a_wait_that_shrank_is_seen_when_the_lane_is_put_again() -> None:
    a = lane("a")
    a.announce(NOW + 100)
    made = schedule(a)
    assert made.next(NOW) == NotBefore(NOW + 100)
    a.announce(NOW + 10)
    made.put(a)
    assert made.next(NOW) == NotBefore(NOW + 10)
    assert made.next(NOW + 10) == Ready(a)
    assert made.next(NOW + 200) == Drained()  # the old place in the heap is void


# Lanes


def test_errands_are_work_even_while_robots_are_awaited() -> None:
    """The errand is the request for robots.txt itself."""
    a = lane("a", 3)
    a.asked_robots = True
    made = schedule(a)
    assert made.next(NOW) == Drained()
    a.errands.append(Errand("http://a/robots.txt", a))
    made.put(a)
    assert made.next(NOW) == Ready(a)


def test_a_closed_lane_waits_for_nobody() -> None:
    """Its URLs end unasked, so its host's gate does not matter; its errands still go out."""
    a = lane("a", 3)
    a.host.wait(NOW + 1e6)
    a.closed = Done(Reason.GAVE_UP)
    made = schedule(a)
    assert made.next(NOW) == Ready(a)
    a.errands.append(Errand("http://a/robots.txt", a))
    made.put(a)
    assert made.next(NOW) == NotBefore(NOW + 1e6, gated=True)


def test_work_in_the_frontier_makes_a_lane_ready_when_it_is_due() -> None:
    a = lane("a")
    a.announce(NOW + 5)
    made = schedule(a)
    assert made.next(NOW) == NotBefore(NOW + 5)
    assert made.next(NOW + 5) == Ready(a)


def test_a_lane_that_leases_already_is_not_asked_again() -> None:
    a = lane("a")
    a.announce(NOW)
    a.leasing = True
    assert schedule(a).next(NOW) == Drained()


def test_news_that_crosses_a_lease_is_kept() -> None:
    """The frontier's answer may be older than the announcement: forgetting it would strand URLs."""
    a = lane("a")
    a.announce(NOW)
    a.leasing = True
    a.announce(NOW + 7)
    a.announce(NOW + 3)
    a.announce(NOW + 9)
    a.leased((), None)
    assert (a.more, a.woken, a.leasing) == (NOW + 3, None, False)


def test_the_answer_of_a_lease_replaces_what_was_known() -> None:
    a = lane("a")
    a.announce(NOW)
    a.leasing = True
    entries = (Entry("http://a/", 1, "http://a"),)
    a.leased(entries, NOW + 50)
    assert tuple(a.entries) == entries
    assert a.more == NOW + 50


def test_repr_names_the_host() -> None:
    assert "http://a" in repr(lane("a", 2))


# A little world in virtual time: requests take what they take, and the server keeps a log


MIXED = [Signal.GOOD] * 8 + [Signal.REFUSED, Signal.SILENT]


@dataclass
class World:
    """Serves lanes as the engine does, with ``slots`` requests at most, and logs what each host sees."""

    lanes: list[Lane]
    slots: int
    source: random.Random
    connect: float = 0.0  # at most
    service: float = 1.0  # at most
    signals: dict[str, Signal] = field(default_factory=dict)
    now: float = NOW
    log: dict[str, list[float]] = field(default_factory=dict)
    in_flight: dict[str, int] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    doubts: int | None = None
    takes: dict[str, float] = field(default_factory=dict)  # of some hosts, exactly

    def run(self, until: float = float("inf")) -> None:
        made = schedule(*self.lanes)
        made.doubts = self.doubts
        ticks = itertools.count()
        events: list[tuple[float, int, str, Lane, float]] = []
        running = 0
        while self.now < until:
            decision = made.next(self.now) if running < self.slots else Busy()
            if isinstance(decision, Ready):
                served = decision.lane
                served.entries.popleft()
                self._started(served)
                made.start(served, self.now)
                made.put(served)
                running += 1
                at = self.now + self.source.uniform(0, self.connect)
                heapq.heappush(events, (at, next(ticks), "sent", served, self.now))
                continue
            if isinstance(decision, Drained):
                assert not running
                return
            wake = decision.at if isinstance(decision, NotBefore) else float("inf")
            if not events or events[0][0] > wake:
                assert wake < float("inf"), "nothing under way, and nothing to wait for"
                self.now = wake
                continue
            self.now, _, what, served, started = heapq.heappop(events)
            if what == "sent":
                self._arrived(served)
                made.put(served)
                takes = self.takes.get(served.host.origin)
                at = self.now + (takes or self.source.uniform(0, self.service))
                heapq.heappush(events, (at, next(ticks), "ended", served, started))
            else:
                running -= 1
                self._ended(served, started)
                made.ended(served, self.now)

    def _started(self, served: Lane) -> None:
        host = served.host
        self.in_flight[host.origin] = self.in_flight.get(host.origin, 0) + 1
        assert self.in_flight[host.origin] <= host.window.in_flight + 1 <= host.window.size
        if self.doubts is not None and not host.is_proven:
            held = sum(
                self.in_flight[each.host.origin]
                for each in self.lanes
                if each.host.origin in self.in_flight and not each.host.is_proven
            )
            assert held <= self.doubts

    def _arrived(self, served: Lane) -> None:
        served.host.sent(self.now)
        self.log.setdefault(served.host.origin, []).append(self.now)
        self.order.append(served.host.origin)

    def _ended(self, served: Lane, started: float) -> None:
        host = served.host
        self.in_flight[host.origin] -= 1
        signal = self.signals.get(host.origin) or self.source.choice(MIXED)
        if signal is Signal.GOOD:
            took = self.now - started
            host.window.sample(self.now, started, took, took)
        host.ended(self.now, started, signal, self.source.random())

    def gaps(self, origin: str) -> list[float]:
        return [after - before for before, after in itertools.pairwise(self.log[origin])]


HOSTS = st.lists(
    st.tuples(
        st.integers(0, 12),  # URLs
        st.sampled_from([0.0, 0.01, 0.5, 3.0, 30.0]),  # delay
        st.sampled_from([None, 1, 2, 7]),  # per host
        st.sampled_from([None, None, 0, 1]),  # at a server with others
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=150)
@given(
    HOSTS,
    st.integers(1, 10),
    st.sampled_from([0.0, 0.2, 5.0]),
    st.sampled_from([0.01, 1.0, 60.0]),
    st.one_of(st.none(), st.integers(1, 5)),
    st.randoms(),
)
def test_whatever_happens_delays_and_windows_hold_and_everything_is_served(
    hosts: list[tuple[int, float, int | None, int | None]],
    slots: int,
    connect: float,
    service: float,
    doubts: int | None,
    source: random.Random,
) -> None:
    """Random hosts, delays, shared servers, connection and service times, refusals: a model of a whole crawl.

    That no more than the window is in flight is checked at every start, by the world itself.
    """
    lanes = [
        lane(f"h{number}", urls, delay=delay, per_host=per_host)
        for number, (urls, delay, per_host, _) in enumerate(hosts)
    ]
    servers = [Window(1, 4), Window(3, 3)]
    for each, (_, _, _, server) in zip(lanes, hosts, strict=True):
        if server is not None:
            each.host.share(servers[server])
    world = World(lanes, slots, source, connect, service, doubts=doubts)
    world.run()
    for each, (urls, delay, _, _) in zip(lanes, hosts, strict=True):
        seen = world.log.get(each.host.origin, [])
        assert len(seen) == urls
        if urls > 1:
            assert min(world.gaps(each.host.origin)) >= delay - EPSILON
        assert each.host.in_flight == each.host.unsent == 0


@pytest.mark.parametrize("connect", [0.0, 0.4])
def test_fifty_visits_released_at_once_on_one_host_keep_every_gap(connect: float) -> None:
    """Pitfall 1: with check, sleep, write, all fifty would wake together."""
    one = lane("a", 50, delay=2.0, per_host=50)
    world = World([one], 50, random.Random(1), connect, signals={"http://a": Signal.GOOD})
    world.run()
    gaps = world.gaps("http://a")
    assert len(gaps) == 49
    assert min(gaps) >= 2.0 - EPSILON
    assert max(gaps) <= 2.0 + MARGIN + connect


def test_a_slow_host_does_not_slow_the_fast_ones() -> None:
    """Pitfall 2: a wait that is slept in a slot would leave three of four slots to twenty hosts."""

    def fast_pages(*others: Lane) -> int:
        lanes = [lane(f"fast{number}", 2000) for number in range(20)]
        good = {each.host.origin: Signal.GOOD for each in (*lanes, *others)}
        world = World([*others, *lanes], 4, random.Random(7), 0.0, 0.05, signals=good)
        world.run(until=NOW + 100)
        return sum(len(seen) for origin, seen in world.log.items() if "fast" in origin)

    alone, together = fast_pages(), fast_pages(lane("slow", 100, delay=30.0))
    assert alone > 2000
    assert together >= 0.95 * alone


def test_hosts_take_turns() -> None:
    """At delay 0, in the order in which they became ready: one giant host starves nobody."""
    lanes = [lane("giant", 1000), *(lane(f"small{number}", 5) for number in range(4))]
    good = {each.host.origin: Signal.GOOD for each in lanes}
    world = World(lanes, 1, random.Random(1), 0.0, 0.1, signals=good)
    world.run()
    first = world.order[:25]
    assert {origin: first.count(origin) for origin in set(first)} == {each.host.origin: 5 for each in lanes}


def test_a_thousand_hosts_each_get_their_first_turn_before_any_gets_its_third() -> None:
    lanes = [lane(f"h{number}", 5) for number in range(1000)]
    good = {each.host.origin: Signal.GOOD for each in lanes}
    world = World(lanes, 16, random.Random(1), 0.0, 0.1, signals=good)
    world.run()
    assert len(set(world.order[:2000])) == 1000
    assert len(world.order) == 5000


def test_a_delay_of_one_second_fills_a_minute_with_sixty_requests() -> None:
    """Polite, and not a bit slower than it has to be."""
    one = lane("a", 200, delay=1.0)
    world = World([one], 4, random.Random(1), 0.0, 0.2, signals={"http://a": Signal.GOOD})
    world.run(until=NOW + 60)
    assert 59 <= len(world.log["http://a"]) <= 61


def test_a_refused_host_is_left_alone_while_others_go_on() -> None:
    lanes = [lane("stern", 20), lane("kind", 200)]
    signals = {"http://stern": Signal.REFUSED, "http://kind": Signal.GOOD}
    world = World(lanes, 4, random.Random(3), 0.0, 0.1, signals=signals)
    world.run(until=NOW + 10)
    assert len(world.log["http://stern"]) <= 10
    assert len(world.log["http://kind"]) == 200


def crawl_with(hanging: int, slots: int, seconds: float = 60.0) -> World:
    """300 good hosts that answer in 0.1 s, and some that answer nothing for 30 s."""
    good = [lane(f"good{number}", 10_000, per_host=1) for number in range(300)]
    bad = [lane(f"hangs{number}", 100) for number in range(hanging)]
    mixed = [each for pair in itertools.zip_longest(bad, good) for each in pair if each]
    signals = {each.host.origin: Signal.GOOD for each in good}
    signals |= {each.host.origin: Signal.SILENT for each in bad}
    takes = {each.host.origin: 0.1 for each in good} | {each.host.origin: 30.0 for each in bad}
    world = World(mixed, slots, random.Random(5), signals=signals, doubts=slots // 2, takes=takes)
    world.run(until=NOW + seconds)
    return world


def test_with_enough_slots_hosts_that_hang_cost_the_others_nothing() -> None:
    def pages(world: World) -> int:
        return sum(len(seen) for origin, seen in world.log.items() if "good" in origin)

    assert pages(crawl_with(300, 600)) >= 0.9 * pages(crawl_with(0, 600)) > 10_000


def test_with_few_slots_hosts_that_hang_hold_at_most_half() -> None:
    """That they do is checked at every start, by the world itself."""
    world = crawl_with(300, 20)
    good = sum(len(seen) for origin, seen in world.log.items() if "good" in origin)
    assert good >= 0.9 * 10 * 60 / 0.1, "the other half is at work all the time"


def test_a_host_that_begins_to_hang_is_not_asked_for_more_than_half() -> None:
    lanes = [lane(f"h{number}", 100, per_host=1) for number in range(8)]
    made = schedule(*lanes)
    made.doubts = 4
    for each in lanes[:4]:  # they were fine until now
        each.host.is_proven = True
        assert made.next(NOW) == Ready(each)
        made.start(each, NOW)
    assert made.doubtful == 0
    for each in lanes[4:]:
        assert made.next(NOW + 1) == Ready(each), "four in doubt are allowed"
        made.start(each, NOW + 1)
        made.put(each)
    assert made.doubtful == 4
    made.put(another := lane("new", 5))
    assert made.next(NOW + 10) == Busy()
    assert made.doubtful == 8
    for each in lanes[:5]:
        each.host.sent(NOW + 10)
        each.host.ended(NOW + 10, NOW, Signal.GOOD, 0.5)
        made.ended(each, NOW + 10)
    found = [made.next(NOW + 10) for _ in range(6)]
    assert Ready(another) in found


# Hosts at one server


def test_hosts_that_share_a_window_take_turns_in_it() -> None:
    server = Window(2, 2)
    lanes = [lane(f"site{number}", 5) for number in range(10)]
    for each in lanes:
        each.host.share(server)
    alone = lane("alone", 5)
    good = {each.host.origin: Signal.GOOD for each in (*lanes, alone)}
    world = World([*lanes, alone], 20, random.Random(1), 0.0, 0.1, signals=good)
    world.run()
    assert len(world.order) == 55
    shared = [origin for origin in world.order if "site" in origin]
    assert len(set(shared[:20])) >= 9, "none of them waits for another one's last page"
    assert world.log["http://alone"][-1] < world.log[shared[-1]][-1]
    assert server.in_flight == 0


def test_a_lane_whose_work_ends_unasked_does_not_keep_the_others_from_the_window() -> None:
    server = Window(1, 1)
    lanes = [lane(f"site{number}", 1) for number in range(4)]
    for each in lanes:
        each.host.share(server)
    made = schedule(*lanes)
    assert made.next(NOW) == Ready(lanes[0])
    lanes[0].entries.popleft()
    made.start(lanes[0], NOW)
    assert made.next(NOW) == Busy(), "the others wait for the one place"
    lanes[0].host.sent(NOW)
    lanes[0].host.ended(NOW, NOW, Signal.GOOD, 0.5)
    made.ended(lanes[0], NOW)
    for each in lanes[1:]:
        assert made.next(NOW) == Ready(each)
        each.entries.clear()  # robots.txt forbids it: nobody is asked
        made.put(each)
    assert made.next(NOW) == Drained()


# Cost


def test_twenty_thousand_waiting_hosts_cost_little_a_decision() -> None:
    """A broad crawl: the heap grows with the hosts, a decision with its logarithm."""
    lanes = [lane(str(number), 1) for number in range(20_000)]
    for number, each in enumerate(lanes):
        each.host.wait(NOW + number)
    made = schedule(*lanes)
    start = time.process_time()
    for number, each in enumerate(lanes):
        assert made.next(NOW + number) == Ready(each)
    assert time.process_time() - start < 1.0
