"""The sentences: each says what was measured, and only that."""

from __future__ import annotations

from typing import Any

from skitter.compare.explain import explain
from skitter.compare.report import Attempt, Blocked, Life, Outcome, Report, Round


def life(start: float, end: float, status: str = "200", *before: Attempt) -> Life:
    last = Attempt(start=start, first_byte=end, end=end, status=status)
    attempts = (*before, last)
    return Life(
        submitted=0.0, start=attempts[0].start, first_byte=end, end=end, status=status, attempts=attempts
    )


def outcome(name: str, lives: list[Life], *, at_once: int, **facts: object) -> Outcome:
    total = max(one.end for one in lives)
    known: dict[str, Any] = {"loop": False, "blocked": (), "connections": len(lives), "cpu": 0.01}
    one = Round(total=total, max_in_flight=at_once, requests=tuple(lives), **(known | facts))
    return Outcome(name=name, rounds=(one,), speedup=None)


def report(*outcomes: Outcome, capacity: int | None = None, timeout: float | None = None) -> Report:
    return Report(
        url="http://127.0.0.1/delay/1", requests=4, delay=1.0, capacity=capacity, gateway_timeout=timeout,
        concurrency=None, outcomes=outcomes,
    )  # fmt: skip


STAIRS = [life(n, n + 1.01) for n in range(4)]
WALL = [life(0.0, 1.01) for _ in range(4)]


def test_a_staircase_without_a_loop_is_one_request_at_a_time() -> None:
    text = explain(report(outcome("serial", STAIRS, at_once=1)))["serial"]
    assert "One request at a time" in text
    assert "add up to 4.04 s" in text


def test_a_blocked_loop_is_named_with_call_file_and_line() -> None:
    block = Blocked(start=0.0, end=4.02, call="requests.get", file="/x/lesson.py", line=20)
    text = explain(report(outcome("coroutines-blocking", STAIRS, at_once=1, loop=True, blocked=(block,))))
    said = text["coroutines-blocking"]
    assert "blocked for 4.02 s in `requests.get` called at lesson.py:20" in said
    assert "the 4 tasks ran one after another" in said


def test_a_short_block_does_not_get_the_blame() -> None:
    block = Blocked(start=0.0, end=0.05, call="ssl", file="x.py", line=1)
    said = explain(report(outcome("aiohttp", WALL, at_once=4, loop=True, blocked=(block,))))["aiohttp"]
    assert "blocked" not in said
    assert "4 requests were in flight at once" in said
    assert "as long as the slowest, 1.01 s" in said


def test_the_servers_capacity_is_the_limit_and_the_nearest_is_named() -> None:
    pairs = [life(0.0, 1.0), life(0.0, 1.0), life(0.0, 2.02), life(0.0, 2.02)]
    one = explain(report(outcome("aiohttp", pairs, at_once=4, loop=True), capacity=2))[""]
    assert "works on 2 at once, each for 1 s" in one
    assert "before 2 s" in one
    assert "aiohttp came nearest: 2.02 s, 1.0 % above" in one


def test_who_failed_did_not_come_nearest() -> None:
    """Giving up early is not being fast."""
    fast = [life(0.0, 0.1, "504"), *WALL[:3]]
    words = explain(
        report(
            outcome("aiohttp", fast, at_once=4, loop=True), outcome("serial", STAIRS, at_once=1), timeout=0.1
        )
    )
    assert "serial came nearest" in words[""]
    assert (
        "1 of the 4 ended with 504: they had queued and worked for longer than the gateway's 0.1 s"
        in words["aiohttp"]
    )
    assert "above the least possible" not in words["aiohttp"]


def test_what_skitter_did_about_refusals_is_told() -> None:
    refused = Attempt(start=0.0, first_byte=0.5, end=0.5, status="504")
    lives = [life(0.0, 1.0), life(0.0, 1.0), life(1.2, 2.2, "200", refused), life(1.4, 2.4, "200", refused)]
    one = outcome(
        "skitter", lives, at_once=4, loop=True, news=("after HTTP 504 it asked for at most 2 at once",)
    )
    said = explain(report(one))["skitter"]
    assert "504 x 2" in said
    assert "asked for at most 2 at once" in said
    assert "6 requests in all, and had 4 good answers of 4" in said


def test_nothing_is_said_of_a_server_that_nobody_knows() -> None:
    stranger = Report(
        url="https://example.com/", requests=4, delay=None, capacity=None, gateway_timeout=None,
        concurrency=None, outcomes=(outcome("aiohttp", WALL, at_once=4, loop=True),),
    )  # fmt: skip
    words = explain(stranger)
    assert words[""] == ""
    assert "least possible" not in words["aiohttp"]
