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


def good(at: Host, now: float = NOW) -> None:
    """One whole request that was answered well."""
    at.start(now)
    at.sent(now)
    at.ended(now, now, Signal.GOOD, 0.5)


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
    """By one for each window of good answers: 1, then 2 more, then 3 more."""
    adaptive = host()
    windows = []
    for _ in range(12):
        windows.append(adaptive.window)
        good(adaptive)
    assert windows == [1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4]


def test_per_host_is_both_the_start_and_the_bound() -> None:
    fixed = host(per_host=10)
    assert fixed.window == 10
    for _ in range(50):
        good(fixed)
    assert fixed.window == 10


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
        windows.append(wide.window)
    assert windows == [5, 2, 1, 1, 1]


def test_the_window_grows_back() -> None:
    wide = host(per_host=10)
    bad(wide, Signal.REFUSED, NOW)
    assert wide.window == 5
    for step in range(100):
        good(wide, NOW + 10 + step)
    assert wide.window == 10


def test_requests_in_flight_together_cut_it_once() -> None:
    """They met the same moment of the host: eight refusals at once are one piece of news."""
    wide = host(per_host=8)
    for _ in range(8):
        wide.start(NOW)
        wide.sent(NOW)
    for step in range(8):
        wide.ended(NOW + 1 + step / 10, NOW, Signal.REFUSED, 0.5)
    assert wide.window == 4
    assert wide.refusals == 1
    wide.start(NOW + 100)
    wide.sent(NOW + 100)
    wide.ended(NOW + 101, NOW + 100, Signal.REFUSED, 0.5)
    assert wide.window == 2
    assert wide.refusals == 2


def test_a_cut_starts_the_count_of_good_answers_anew() -> None:
    wide = host()
    for _ in range(2):
        good(wide)
    assert (wide.window, wide.good) == (2, 1)
    bad(wide, Signal.FAULT, NOW + 1)
    assert (wide.window, wide.good) == (1, 0)


def test_neutral_ends_change_nothing() -> None:
    """A body that is too large, or a run that was stopped, says nothing about the host."""
    wide = host(per_host=4)
    bad(wide, Signal.NEUTRAL, NOW)
    assert (wide.window, wide.gate, wide.failures, wide.refusals) == (4, 0, 0, 0)
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
    assert wide.window == 1


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
    made.given = True
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
        window=before.window,
        limit=before.limit,
        refusals=1,
        answered=True,
        given=True,
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
    assert after.next_at == NOW + 5


@pytest.mark.parametrize("per_host", [None, 8])
def test_the_window_of_a_former_run_goes_on(per_host: int | None) -> None:
    """What that run learned of the host's capacity, this one need not find out by hurting it."""
    before = host(per_host=per_host)
    for step in range(3):
        good(before, NOW + step)
    bad(before, Signal.REFUSED, NOW + 10)
    after = host(per_host=per_host)
    after.restore(before.state(), NOW + 1000)
    assert after.window == before.window


@pytest.mark.parametrize(("then", "now", "window"), [(10, 2, 2), (2, 10, 10), (None, 10, 10), (10, None, 1)])
def test_another_bound_starts_the_window_anew(then: int | None, now: int | None, window: float) -> None:
    """--per-host is both the bound and the start: the user has changed his mind about both."""
    before = host(per_host=then)
    bad(before, Signal.REFUSED, NOW)
    after = host(per_host=now)
    after.restore(before.state(), NOW + 1000)
    assert after.window == window


@pytest.mark.parametrize("remembered", [-1.0, 0.0, 0.5, 99.0])
def test_a_remembered_window_keeps_within_its_bounds(remembered: float) -> None:
    """It comes from a file: a window below one would never let a request out again."""
    after = host(per_host=4)
    after.restore(HostState("http://h", window=remembered, limit=4), NOW)
    assert 1 <= after.window <= 4


def test_what_this_run_knows_already_is_newer_and_stays() -> None:
    """The state of a host may be read from disk after the first requests have gone to it."""
    after = host(delay=5.0, per_host=4)
    good(after)
    pace = after.next_at
    after.restore(
        HostState("http://h", next_at=NOW - 9, gate=NOW + 60, window=1.0, limit=4, refusals=9, given=True),
        NOW + 1,
    )
    assert (after.next_at, after.window, after.refusals) == (pace, 4, 0)
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
        "<http://h window 0/1 of 4 delay 2s next 0.000 gate 0.000 failures 0 refusals 0>"
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
        assert 1 <= met.window <= met.limit
        assert met.window == int(met.window)
        assert met.gate >= gate
        assert met.in_flight == met.unsent == 0
        gate, now = met.gate, now + 1


# What could not keep up


def test_overload_halves_the_window_and_sets_no_gate() -> None:
    """504: the host itself is well, what is behind it was asked too much at once."""
    met = host(per_host=8)
    bad(met, Signal.OVERLOADED, NOW, chance=1.0)
    assert met.window == 4
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
    assert met.window == 4


def test_overload_does_not_end_a_host_however_often() -> None:
    """A host is given up for refusals; a gateway whose backend is slow still gets one request at a time."""
    met = host(per_host=8)
    for number in range(100):
        bad(met, Signal.OVERLOADED, NOW + number)
    assert met.window == 1
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
    assert met.window == 2
    for _ in range(5):
        good(met, NOW + 1)
    assert met.window == 4
