"""What is checked before anything is asked of anybody."""

from __future__ import annotations

from typing import Any

import pytest

from skitter.compare.plan import MOST_REQUESTS, Plan, check_strategies, fit
from skitter.compare.strategies import STRATEGIES
from skitter.errors import ConfigError, UsageError


def plan(**changes: object) -> Plan:
    facts: dict[str, Any] = {
        "url": "https://example.com/", "requests": 0, "strategies": tuple(STRATEGIES), "rounds": 1,
        "concurrency": None, "retries": 0, "delay": 5.0, "capacity": None, "gateway_timeout": None,
    }  # fmt: skip
    return Plan(**(facts | changes))


@pytest.mark.parametrize("rounds", [1, 2, 3])
@pytest.mark.parametrize("strategies", [("serial",), ("skitter",), ("aiohttp", "skitter"), tuple(STRATEGIES)])
def test_a_stranger_is_never_sent_more_than_fifty_requests(rounds: int, strategies: tuple[str, ...]) -> None:
    """Retries, robots.txt and the first look are among them."""
    fitted = fit(plan(rounds=rounds, strategies=strategies), None, None)
    assert 1 <= fitted.requests <= 10
    assert fitted.total <= MOST_REQUESTS


def test_as_many_as_fit_are_made() -> None:
    assert fit(plan(), None, None).requests == 4
    assert fit(plan(strategies=("serial",)), None, None).requests == 10
    assert fit(plan(), None, 500).requests == 10


def test_more_than_allowed_is_refused_with_the_number_to_allow() -> None:
    with pytest.raises(UsageError, match="--max-requests 96"):
        fit(plan(), 10, None)
    assert fit(plan(), 10, 96).requests == 10
    with pytest.raises(UsageError, match="lower --requests"):
        fit(plan(rounds=50), None, None)


def test_our_own_server_may_be_asked_as_often_as_one_likes() -> None:
    assert fit(plan(url=None), 5000, None).requests == 5000
    assert fit(plan(url=None), None, None).requests == 10


def test_the_time_that_it_takes_is_known_before() -> None:
    three_by_one = 3 * 10 * 5.0
    assert fit(plan(url=None), 10, None).longest == three_by_one + 6 * 5.0
    assert fit(plan(url=None, capacity=2), 10, None).longest == three_by_one + 6 * 25.0
    assert fit(plan(url=None, strategies=("aiohttp",), concurrency=5, rounds=2), 10, None).longest == 20.0


def test_strategies_come_in_the_order_of_the_lesson_and_a_wrong_name_is_met_with_the_right_one() -> None:
    assert check_strategies(None) == tuple(STRATEGIES)
    assert check_strategies(["skitter", "serial"]) == ("serial", "skitter")
    with pytest.raises(ConfigError, match="did you mean 'aiohttp'"):
        check_strategies(["aiohtp"])
