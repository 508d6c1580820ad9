"""What holds a host back, in words."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from skitter.model import HostState
from skitter.observe.hosts import held_back, host_line, slowest, words

NOW = time.mktime((2026, 11, 23, 14, 0, 0, 0, 0, -1))


def state(**facts: object) -> HostState:
    return HostState("http://h", **{"window": 4.0, "limit": 4, **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"gate": NOW + 300, "asked": NOW + 300, "why": "HTTP 429"}, "asked to wait until 14:05 (HTTP 429)"),
        ({"gate": NOW + 30, "why": "cannot connect"}, "backs off until 14:00:30 (cannot connect)"),
        ({"gate": NOW + 86400, "asked": NOW + 86400}, "asked to wait until 2026-11-24 14:00"),
        ({"gate": 1e300, "asked": 1e300}, "asked to wait until the end of time"),
        ({"gate": NOW + 0.5, "asked": NOW + 0.5}, "window 4 of 4"),
        ({"failures": 6}, "one request at a time: 6 without an answer"),
        ({"pace": 0.11}, "one request in 110 ms: it refused more"),
        ({"delay": 5.0, "pace": 0.1}, "one request in 5.0 s: the delay that it or you ask for"),
        ({"window": 2.0, "base": 0.05}, "window 2 of 4: latency rises beyond"),
        ({"window": 1.0}, "window 1 of 4"),
    ],
)
def test_the_strictest_limit_is_named(facts: dict[str, object], said: str) -> None:
    assert words(state(**facts), NOW) == said


def test_a_date_is_the_users_own() -> None:
    at = datetime.fromtimestamp(NOW + 3600).astimezone()
    assert f"{at:%H:%M}" in words(state(gate=NOW + 3600, asked=NOW + 3600), NOW)


def test_the_longest_wait_and_the_slowest_answer_come_first() -> None:
    states = [HostState(f"http://{n}", gate=NOW + n, latency=10.0 - n) for n in range(6)]
    assert [found.origin for found in held_back(states, NOW, 2)] == ["http://5", "http://4"]
    assert [found.origin for found in slowest(states, 2)] == ["http://0", "http://1"]
    assert held_back(states, NOW + 100, 2) == []
    assert slowest([HostState("http://new")], 2) == []


def test_a_line_says_how_slow_it_is() -> None:
    assert host_line(state(latency=1.25), NOW) == "http://h: answers after 1.2 s, window 4 of 4"
    assert host_line(state(latency=0.01), NOW) == "http://h: window 4 of 4"
