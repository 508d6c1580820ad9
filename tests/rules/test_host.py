"""How one host is treated: the pace, the window and the gates, in numbers."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitter.config import Politeness
from skitter.model import HostState, RobotsCopy
from skitter.rules.host import Host, Signal

NOW = 1_700_000_000.0
# Added by the host to every delay, for what jitter the way to the server has.
MARGIN = 0.01


def host(**settings: Any) -> Host:
    return Host("http://h", Politeness(**settings))


def good(at: Host, now: float = NOW, latency: float = 0.05) -> None:
    """One whole request that was answered well."""
    at.start(now)
    at.sent(now)
    at.window.sample(now + latency, now, latency, latency)
    at.ended(now, now, Signal.GOOD, 0.5)


def fill(at: Host, now: float, latency: float = 0.05) -> None:
    """A full window of requests, all answered well."""
    sent = at.window.size
    for _ in range(sent):
        at.start(now)
        at.sent(now)
    for _ in range(sent):
        at.window.sample(now + latency, now, latency, latency)
        at.ended(now + latency, now, Signal.GOOD, 0.5)


def bad(at: Host, signal: Signal, now: float, chance: float = 0.0, asked: float | None = None) -> None:
    at.start(now)
    at.sent(now)
    at.ended(now, now, signal, chance, asked)


# The pace


def test_a_fresh_host_may_be_contacted_at_once() -> None:
    assert host(delay=5.0).ready_at() == 0.0


def test_the_next_contact_is_reserved_before_anything_can_wait() -> None:
    """Pitfall 1: whoever checks, waits and then writes lets others through meanwhile."""
    slow = host(delay=5.0, per_host=3)
    slow.start(NOW)
    assert slow.next_at >= NOW + 5
    ready = slow.ready_at()
    assert ready is None or ready >= NOW + 5


def test_the_gap_counts_from_when_the_request_went_out() -> None:
    """Connecting may take a second, and the server measures from what it sees."""
    slow = host(delay=5.0, per_host=3)
    slow.start(NOW)
    assert slow.ready_at() is None  # while it connects, nobody knows from when the gap counts
    slow.sent(NOW + 1)
    ready = slow.ready_at()
    assert ready is not None
    assert NOW + 6 <= ready <= NOW + 6 + MARGIN


def test_the_gap_is_never_shorter_than_the_delay_and_hardly_longer() -> None:
    slow = host(delay=0.1)
    good(slow)
    ready = slow.ready_at()
    assert ready is not None
    assert NOW + 0.1 <= ready <= NOW + 0.1 + MARGIN


def test_a_request_that_never_went_out_frees_the_pace_but_not_the_past() -> None:
    slow = host(delay=5.0, per_host=2)
    slow.start(NOW)
    slow.unused()
    slow.ended(NOW + 1, NOW, Signal.NEUTRAL, 0.5)
    ready = slow.ready_at()
    assert ready is not None
    assert ready >= NOW + 5  # it may have reached the host all the same


def test_without_a_delay_only_the_window_counts() -> None:
    quick = host(per_host=3)
    for _ in range(3):
        ready = quick.ready_at()
        assert ready is not None
        assert ready <= NOW
        quick.start(NOW)
    assert quick.ready_at() is None


@given(st.floats(0.01, 100), st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), max_size=20))
def test_whatever_the_connections_take_the_gaps_are_kept(
    delay: float, steps: list[tuple[float, float]]
) -> None:
    """Each step: how long we idle before asking, and how long connecting takes."""
    slow = host(delay=delay, per_host=50)
    now, sent = NOW, []
    for idle, connect in steps:
        ready = slow.ready_at()
        assert ready is not None
        now = max(now + idle, ready)
        slow.start(now)
        now += connect
        slow.sent(now)
        sent.append(now)
    for before, after in itertools.pairwise(sent):
        assert after - before >= delay


# The window


def test_the_adaptive_window_grows_from_one_to_four() -> None:
    """It doubles while nothing waits, after two rounds of each."""
    adaptive = host()
    windows = []
    for step in range(12):
        windows.append(adaptive.window.size)
        fill(adaptive, NOW + step)
    assert windows[0] == 1
    assert windows[-1] == 4
    assert set(windows) == {1, 2, 4}
    assert windows == sorted(windows)


def test_per_host_is_both_the_start_and_the_bound() -> None:
    fixed = host(per_host=10)
    assert fixed.window.size == 10
    for step in range(50):
        fill(fixed, NOW + step)
    assert fixed.window.size == 10


def test_no_more_than_the_window_is_ever_in_flight() -> None:
    wide = host(per_host=2)
    wide.start(NOW)
    wide.start(NOW)
    assert wide.ready_at() is None
    wide.sent(NOW)
    wide.ended(NOW + 1, NOW, Signal.GOOD, 0.5)
    assert wide.ready_at() is not None


@pytest.mark.parametrize("signal", [Signal.REFUSED, Signal.FAULT])
def test_the_window_is_halved_and_never_less_than_one(signal: Signal) -> None:
    wide = host(per_host=10)
    windows = []
    for step in range(5):
        bad(wide, signal, NOW + 1000 * step)
        windows.append(wide.window.size)
    assert windows == [5, 2, 1, 1, 1]


def test_a_host_that_says_how_long_to_wait_is_asked_for_one_page_then() -> None:
    wide = host(per_host=10)
    bad(wide, Signal.REFUSED, NOW, asked=5.0)
    assert wide.window.size == 1


@pytest.mark.parametrize("signal", [Signal.REFUSED, Signal.OVERLOADED, Signal.FAULT, Signal.SILENT])
def test_the_window_grows_back_slowly(signal: Signal) -> None:
    """Not in the next ten epochs, and then by steps."""
    wide = host(per_host=10)
    bad(wide, signal, NOW)
    assert wide.window.size == 5
    steps = 0
    while wide.window.size == 5:
        fill(wide, NOW + 10 + steps)
        steps += 1
    assert steps >= 10
    for step in range(100):
        fill(wide, NOW + 1000 + step)
    assert wide.window.size == 10


def test_requests_in_flight_together_cut_it_once() -> None:
    """They met the same moment of the host: eight refusals at once are one piece of news."""
    wide = host(per_host=8)
    for _ in range(8):
        wide.start(NOW)
        wide.sent(NOW)
    for step in range(8):
        wide.ended(NOW + 1 + step / 10, NOW, Signal.REFUSED, 0.5)
    assert wide.window.size == 4
    assert wide.refusals == 1
    wide.start(NOW + 100)
    wide.sent(NOW + 100)
    wide.ended(NOW + 101, NOW + 100, Signal.REFUSED, 0.5)
    assert wide.window.size == 2
    assert wide.refusals == 2


def test_neutral_ends_change_nothing() -> None:
    """A body that is too large, or a run that was stopped, says nothing about the host."""
    wide = host(per_host=4)
    bad(wide, Signal.NEUTRAL, NOW)
    assert (wide.window.size, wide.gate, wide.failures, wide.refusals) == (4, 0, 0, 0)
    assert not wide.answered


# Gates


@pytest.mark.parametrize("signal", [Signal.REFUSED, Signal.FAULT])
def test_each_refusal_in_a_row_may_close_the_gate_for_longer(signal: Signal) -> None:
    wide = host()
    waits, now = [], NOW
    for _ in range(6):
        bad(wide, signal, now, chance=0.5)
        waits.append(wide.gate - now)
        now = wide.gate
    assert waits == [1, 2, 4, 8, 16, 32]


def test_a_good_answer_ends_the_row() -> None:
    wide = host()
    for step in range(5):
        bad(wide, Signal.REFUSED, NOW + 1000 * step)
        bad(wide, Signal.FAULT, NOW + 1000 * step + 500)
    good(wide, NOW + 9000)
    assert (wide.failures, wide.refusals) == (0, 0)
    bad(wide, Signal.REFUSED, NOW + 10_000, chance=0.5)
    assert wide.gate == NOW + 10_001


def test_nobody_is_contacted_before_the_gate_opens() -> None:
    wide = host()
    bad(wide, Signal.REFUSED, NOW, asked=120.0)
    assert wide.ready_at() == NOW + 120


def test_retry_after_is_obeyed_in_full_and_instead_of_our_own_backoff() -> None:
    wide = host()
    bad(wide, Signal.REFUSED, NOW, chance=0.99, asked=0.5)
    assert wide.gate == NOW + 0.5
    years = host()
    bad(years, Signal.REFUSED, NOW, asked=1e9)
    assert years.gate == NOW + 1e9


def test_a_gate_never_opens_earlier_than_it_was_said() -> None:
    """Of two answers that were in flight together, the longer wait counts."""
    wide = host(per_host=2)
    for _ in range(2):
        wide.start(NOW)
        wide.sent(NOW)
    wide.ended(NOW + 1, NOW, Signal.REFUSED, 0.0, 600.0)
    wide.ended(NOW + 2, NOW, Signal.REFUSED, 0.0, 5.0)
    assert wide.gate == NOW + 601
    wide.wait(NOW + 10)
    assert wide.gate == NOW + 601


def test_a_later_answer_of_the_same_flight_may_still_ask_for_more() -> None:
    """The window is cut once, but every Retry-After is obeyed."""
    wide = host(per_host=2)
    for _ in range(2):
        wide.start(NOW)
        wide.sent(NOW)
    wide.ended(NOW + 1, NOW, Signal.REFUSED, 0.0, 5.0)
    wide.ended(NOW + 2, NOW, Signal.REFUSED, 0.0, 600.0)
    assert wide.gate == NOW + 602
    assert wide.window.size == 1


def test_the_pace_and_the_gate_both_count() -> None:
    slow = host(delay=30.0)
    bad(slow, Signal.REFUSED, NOW, asked=5.0)
    ready = slow.ready_at()
    assert ready is not None
    assert ready >= NOW + 30


# Giving up, and parking


def test_a_host_that_refuses_twenty_times_in_a_row_means_it() -> None:
    stern = host()
    for step in range(19):
        bad(stern, Signal.REFUSED, NOW + 1000 * step)
    assert not stern.gave_up
    bad(stern, Signal.REFUSED, NOW + 1000 * 20)
    assert stern.gave_up


def test_a_host_that_answers_now_and_then_is_not_given_up() -> None:
    moody = host()
    for step in range(200):
        bad(moody, Signal.REFUSED, NOW + 1000 * step)
        if step % 19 == 18:
            good(moody, NOW + 1000 * step + 500)
    assert not moody.gave_up


def test_a_host_that_fell_silent_is_parked_for_hours() -> None:
    """Its URLs are kept: the job can end with "come back later" and lose nothing."""
    silent = host()
    good(silent)
    now = NOW
    for _ in range(9):
        now += 1000
        bad(silent, Signal.FAULT, now)
        assert silent.gate < now + 3600
    now += 1000
    bad(silent, Signal.FAULT, now)
    assert silent.gate >= now + 6 * 3600
    assert not silent.gave_up


def test_a_host_that_never_answered_is_not_parked() -> None:
    """It may not exist; its URLs use up their tries and end."""
    absent = host()
    for step in range(30):
        bad(absent, Signal.FAULT, NOW + 1000 * step)
    assert absent.gate <= NOW + 1000 * 29 + 600
    assert not absent.answered


def test_a_refusal_is_an_answer_and_a_fault_is_none() -> None:
    for signal, answered in ((Signal.REFUSED, True), (Signal.FAULT, False), (Signal.NEUTRAL, False)):
        met = host()
        bad(met, signal, NOW)
        assert met.answered is answered


# From run to run


def used() -> Host:
    made = host(delay=5.0)
    for step in range(4):
        good(made, NOW + 10 * step)
    bad(made, Signal.REFUSED, NOW + 100, asked=50.0)
    made.given, made.why = True, "HTTP 429"
    return made


def test_what_is_remembered_comes_back() -> None:
    before = used()
    copy = RobotsCopy(200, b"User-agent: *\n", NOW)
    state = before.state(copy)
    assert state.robots is copy
    after = host(delay=5.0)
    after.restore(state, NOW + 101)
    assert after.state() == HostState(
        "http://h",
        next_at=after.next_at,
        gate=NOW + 150,
        window=before.window.size,
        limit=before.window.limit,
        refusals=1,
        answered=True,
        given=True,
        base=before.window.base,
        delay=5.0,
        asked=NOW + 150,
        why="HTTP 429",
    )


def test_a_resumed_run_waits_at_least_one_full_delay() -> None:
    """I8: nobody knows when a run that was killed sent its last request."""
    after = host(delay=5.0)
    after.restore(HostState("http://h", next_at=NOW - 1000), NOW)
    ready = after.ready_at()
    assert ready is not None
    assert ready >= NOW + 5


def test_a_gate_of_the_former_run_stands_and_its_pace_does_not() -> None:
    """Who mistook an hour for a second may say so in the next run; what the host asked for holds."""
    after = host(delay=5.0)
    after.restore(HostState("http://h", next_at=NOW + 60, gate=NOW + 3600), NOW)
    assert after.ready_at() == NOW + 3600
    assert NOW + 5 <= after.next_at <= NOW + 5 + MARGIN


@pytest.mark.parametrize("per_host", [None, 8])
def test_the_window_of_a_former_run_goes_on(per_host: int | None) -> None:
    """What that run learned of the host's capacity, this one need not find out by hurting it."""
    before = host(per_host=per_host)
    for step in range(3):
        good(before, NOW + step)
    bad(before, Signal.REFUSED, NOW + 10)
    after = host(per_host=per_host)
    after.restore(before.state(), NOW + 1000)
    assert after.window.size == before.window.size
    assert after.window.base == before.window.base == 0.05


@pytest.mark.parametrize(("then", "now", "window"), [(10, 2, 2), (2, 10, 10), (None, 10, 10), (10, None, 1)])
def test_another_bound_starts_the_window_anew(then: int | None, now: int | None, window: float) -> None:
    """--per-host is both the bound and the start: the user has changed his mind about both."""
    before = host(per_host=then)
    bad(before, Signal.REFUSED, NOW)
    after = host(per_host=now)
    after.restore(before.state(), NOW + 1000)
    assert after.window.size == window


@pytest.mark.parametrize("remembered", [-1.0, 0.0, 0.5, 99.0])
def test_a_remembered_window_keeps_within_its_bounds(remembered: float) -> None:
    """It comes from a file: a window below one would never let a request out again."""
    after = host(per_host=4)
    after.restore(HostState("http://h", window=remembered, limit=4), NOW)
    assert 1 <= after.window.size <= 4


def test_what_this_run_knows_already_is_newer_and_stays() -> None:
    """The state of a host may be read from disk after the first requests have gone to it."""
    after = host(delay=5.0, per_host=4)
    good(after)
    pace = after.next_at
    after.restore(
        HostState("http://h", next_at=NOW - 9, gate=NOW + 60, window=1.0, limit=4, refusals=9, given=True),
        NOW + 1,
    )
    assert (after.next_at, after.window.size, after.refusals) == (pace, 4, 0)
    assert (after.gate, after.given, after.answered) == (NOW + 60, True, True)
    after.restore(HostState("http://h"), NOW + 2)
    assert (after.gate, after.given, after.answered) == (NOW + 60, True, True)


def test_nothing_is_in_flight_after_a_restore() -> None:
    after = host()
    after.restore(used().state(), NOW)
    assert (after.in_flight, after.unsent) == (0, 0)


def test_repr_shows_what_matters() -> None:
    """Tests and logs are read by people."""
    assert repr(host(delay=2.0)) == (
        "<http://h <window 0/1 of 4, latency 0 ms over 0, 0.0 waiting, 0.0/s> delay 2s pace 0.000s"
        " next 0.000 gate 0.000 failures 0 refusals 0>"
    )


@given(
    st.lists(
        st.tuples(st.sampled_from(list(Signal)), st.floats(0, 1), st.one_of(st.none(), st.floats(0, 1e6)))
    ),
    st.one_of(st.none(), st.integers(1, 20)),
)
def test_no_history_breaks_the_bounds(
    history: list[tuple[Signal, float, float | None]], per_host: int | None
) -> None:
    """Window between one and its limit, whole; the gate only moves on; in flight back to nothing."""
    met = host(per_host=per_host)
    now, gate = NOW, 0.0
    for signal, chance, asked in history:
        bad(met, signal, now, chance, asked if signal is Signal.REFUSED else None)
        assert 1 <= met.window.size <= met.window.limit
        assert met.gate >= gate
        assert met.in_flight == met.unsent == 0
        gate, now = met.gate, now + 1


# What could not keep up


def test_overload_halves_the_window_and_sets_no_gate() -> None:
    """504: the host itself is well, what is behind it was asked too much at once."""
    met = host(per_host=8)
    bad(met, Signal.OVERLOADED, NOW, chance=1.0)
    assert met.window.size == 4
    assert (met.gate, met.refusals, met.failures) == (0.0, 0, 0)
    assert met.answered
    assert met.ready_at() == NOW


def test_overload_counts_once_for_all_that_were_in_flight_together() -> None:
    met = host(per_host=8)
    for _ in range(8):
        met.start(NOW)
        met.sent(NOW)
    for number in range(8):
        met.ended(NOW + 1 + number / 10, NOW, Signal.OVERLOADED, 0.5)
    assert met.window.size == 4


def test_overload_does_not_end_a_host_however_often() -> None:
    """A host is given up for refusals; a gateway whose backend is slow still gets one request at a time."""
    met = host(per_host=8)
    for number in range(100):
        bad(met, Signal.OVERLOADED, NOW + number)
    assert met.window.size == 1
    assert not met.gave_up
    assert met.gate == 0.0


def test_overload_is_an_answer() -> None:
    """The connection came about: faults in a row are over."""
    met = host()
    bad(met, Signal.FAULT, NOW)
    assert met.failures == 1
    bad(met, Signal.OVERLOADED, NOW + 10)
    assert met.failures == 0


def test_overload_does_not_take_back_a_gate() -> None:
    met = host()
    bad(met, Signal.REFUSED, NOW, asked=60.0)
    bad(met, Signal.OVERLOADED, NOW + 1)
    assert met.gate == NOW + 60


def test_the_window_grows_back_after_an_overload() -> None:
    met = host(per_host=4)
    bad(met, Signal.OVERLOADED, NOW)
    assert met.window.size == 2
    for step in range(200):
        fill(met, NOW + 1 + step)
    assert met.window.size == 4


# Silence


def test_a_slow_page_is_the_pages_affair_and_five_are_the_hosts() -> None:
    """Then the circuit is open: one probe at a time, a longer wait after each."""
    met = host(per_host=8)
    for number in range(4):
        bad(met, Signal.SILENT, NOW + 100 * number, chance=0.5)
        assert met.gate == 0.0
    waits, now = [], NOW + 1000
    for _ in range(4):
        bad(met, Signal.SILENT, now, chance=0.5)
        waits.append(met.gate - now)
        now = met.gate
    assert waits == [1, 2, 4, 8]
    assert met.ready_at() == met.gate
    met.start(now)
    assert met.ready_at() is None, "one at a time"
    good(met, now)
    met.ended(now, now, Signal.GOOD, 0.5)
    assert met.failures == 0


def test_a_host_is_in_doubt_until_it_answers_and_again_when_it_hangs() -> None:
    met = host(per_host=4)
    assert met.is_doubtful(NOW)
    good(met, NOW)
    assert not met.is_doubtful(NOW + 1000)
    met.start(NOW + 1000)
    met.sent(NOW + 1000)
    assert not met.is_doubtful(NOW + 1001.9)
    assert met.is_doubtful(NOW + 1002.1)
    met.ended(NOW + 1030, NOW + 1000, Signal.SILENT, 0.5)
    assert met.is_doubtful(NOW + 2000)


def test_a_slow_host_is_not_in_doubt_because_it_is_slow() -> None:
    met = host(per_host=4)
    met.start(NOW)
    met.sent(NOW)
    met.answered_after(NOW, 10.0)
    met.ended(NOW + 10, NOW, Signal.GOOD, 0.5)
    met.start(NOW + 10)
    assert not met.is_doubtful(NOW + 35)
    assert met.is_doubtful(NOW + 51)


# The pace that refusals teach


def test_what_is_accepted_between_two_refusals_is_the_rate() -> None:
    """Ten in a second: then one in a tenth of a second, and a little more."""
    met = host(per_host=64)
    bad(met, Signal.REFUSED, NOW, asked=1.0)
    assert met.state().pace == 0.0, "one refusal says nothing of a rate"
    for number in range(10):
        good(met, NOW + 0.1 * number)
    bad(met, Signal.REFUSED, NOW + 1.0, asked=1.0)
    assert 0.1 <= met.state().pace <= 0.11
    met.start(NOW + 2)
    met.sent(NOW + 2)
    assert met.next_at - (NOW + 2) == pytest.approx(met.state().pace)


def test_an_outage_teaches_no_rate() -> None:
    met = host()
    for number in range(10):
        bad(met, Signal.REFUSED, NOW + 600 * number)
    assert met.state().pace == 0.0


def test_a_pace_is_forgotten_when_nothing_is_refused() -> None:
    met = host()
    bad(met, Signal.REFUSED, NOW)
    good(met, NOW)
    bad(met, Signal.REFUSED, NOW + 10)
    paces = [met.state().pace]
    assert paces[0] > 10
    for number in range(1000):
        good(met, NOW + 20 + number)
        paces.append(met.state().pace)
    assert paces == sorted(paces, reverse=True)
    assert paces[-1] == 0.0
