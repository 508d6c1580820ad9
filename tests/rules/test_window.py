"""The window by itself; what it makes of servers is in tests/simulator."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skitter.rules.window import Window

NOW = 1_700_000_000.0


def rounds(window: Window, number: int, latency: float, now: float = NOW) -> float:
    """Full windows, one after the other, all answered after ``latency``; when it is over."""
    for _ in range(number):
        sent = 0
        while window.has_room:
            window.start(now)
            sent += 1
        now += latency
        for _ in range(sent):
            window.sample(now, now - latency, latency, latency)
            window.end(now)
    return now


def test_it_doubles_while_nothing_waits_and_never_leaves_its_bounds() -> None:
    window = Window(1, 16)
    sizes = []
    now = NOW
    for _ in range(60):
        now = rounds(window, 1, 0.05, now)
        sizes.append(window.size)
    assert sorted(set(sizes)) == [1, 2, 4, 8, 16]
    assert window.in_flight == 0


def test_a_window_that_is_never_full_does_not_grow() -> None:
    """The crawl is what limits the rate: how much the server could do is not known."""
    window = Window(4, 16)
    window.restore(4, 0.05)
    now = NOW
    for _ in range(200):
        window.start(now)
        now += 0.05
        window.sample(now, now - 0.05, 0.05, 0.05)
        window.end(now)
    assert window.size == 4


def test_pages_that_take_no_time_at_all_decide_nothing() -> None:
    window = Window(8, 8)
    rounds(window, 100, 0.0)
    assert window.size == 8


def test_a_refusal_halves_it_and_a_word_of_the_server_leaves_one() -> None:
    window = Window(64, 64)
    window.refused(NOW)
    assert window.size == 32
    window.refused(NOW, whole=True)
    assert window.size == 1
    window.refused(NOW)
    assert window.size == 1


def test_what_was_known_of_a_server_counts_until_something_is_learnt() -> None:
    window = Window(1, 8)
    window.restore(5, 0.05)
    assert (window.size, window.base) == (5, 0.05)
    rounds(window, 1, 0.05)
    window.restore(2, 0.01)
    assert (window.size, window.base) == (5, 0.05)
    assert Window(1, 4).size == 1
    wide = Window(1, 4)
    wide.restore(99, 0.1)
    assert wide.size == 4


@given(
    st.integers(1, 64),
    st.integers(1, 64),
    st.lists(st.tuples(st.sampled_from("sser"), st.floats(0, 100), st.floats(0, 10)), max_size=400),
)
def test_whatever_it_is_told_it_stays_within_its_bounds(
    start: int, more: int, history: list[tuple[str, float, float]]
) -> None:
    window = Window(start, start + more)
    now, sent = NOW, []
    for what, latency, passed in history:
        now += passed
        if what == "s" and window.has_room:
            window.start(now)
            sent.append(now)
        elif what == "e" and sent:
            at = sent.pop(0)
            window.sample(now, at, min(latency, now - at), now - at)
            window.end(now)
        elif what == "r":
            window.refused(now, whole=latency > 50)
        assert 1 <= window.size <= window.limit
        assert window.in_flight == len(sent)
        assert window.base >= 0
        assert repr(window)
    for _ in sent:
        window.end(now)
    assert window.in_flight == 0
    assert window.has_room, "an empty window lets a request out"


@given(
    st.integers(2, 5),
    st.integers(0, 400),
    st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=6),
)
def test_a_host_that_nothing_is_asked_of_can_be_asked(
    limit: int, first: int, ends: list[tuple[int, bool]]
) -> None:
    """A refusal in the midst of a probe took the one place that was left: nothing was ever asked again."""
    window = Window(limit, limit)
    window.restore(limit, 0.05)
    now = rounds(window, first, 0.05)
    for number, whole in ends:
        window.refused(now, whole=whole)
        assert window.has_room
        now = rounds(window, number, 0.05, now)
        assert window.has_room


def test_a_refusal_ends_a_probe() -> None:
    window = Window(2, 2)
    window.restore(2, 0.05)
    now = NOW
    for _ in range(1000):
        if window._probing:
            break
        now = rounds(window, 1, 0.05, now)
    assert window._probing == 1
    window.refused(now)
    assert window.has_room
