"""Virtual time: an hour costs nothing, and the order of events is that of a real clock."""

import asyncio
import time

import pytest

from skitter.testing import FakeClock

START = 1_700_000_000.0


def test_time_stands_at_the_start_until_something_waits() -> None:
    clock = FakeClock()
    assert clock.now() == START
    assert FakeClock(start=5.0).now() == 5.0


def test_sleeping_an_hour_costs_no_real_time() -> None:
    clock = FakeClock()
    before = time.monotonic()
    clock.run(asyncio.sleep(3600))
    assert time.monotonic() - before < 1
    assert clock.now() == pytest.approx(START + 3600)


def test_run_returns_what_the_coroutine_returns() -> None:
    assert FakeClock().run(asyncio.sleep(1, "done")) == "done"


def test_run_raises_what_the_coroutine_raises() -> None:
    async def fail() -> None:
        await asyncio.sleep(1)
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        FakeClock().run(fail())


def test_sleepers_wake_in_the_order_of_their_times() -> None:
    clock = FakeClock(start=0.0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append((name, clock.now()))

    async def both() -> None:
        await asyncio.gather(sleeper("late", 20), sleeper("early", 10))

    clock.run(both())
    assert [name for name, _ in woken] == ["early", "late"]
    assert [at for _, at in woken] == pytest.approx([10, 20])


def test_timers_microseconds_apart_keep_their_order() -> None:
    """At the epoch's 1.7e9 a float cannot tell these times apart; the loop's own time can."""
    woken: list[int] = []

    async def sleeper(number: int) -> None:
        await asyncio.sleep(number * 1e-7)
        woken.append(number)

    async def all_of_them() -> None:
        await asyncio.gather(*(sleeper(number) for number in reversed(range(1, 50))))

    FakeClock().run(all_of_them())
    assert woken == sorted(woken)


def test_a_timeout_strikes_in_virtual_time() -> None:
    clock = FakeClock(start=0.0)

    async def impatient() -> None:
        async with asyncio.timeout(30):
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        clock.run(impatient())
    assert clock.now() == pytest.approx(30)


def test_work_without_waiting_takes_no_time() -> None:
    async def busy() -> None:
        for _ in range(100):
            await asyncio.sleep(0)

    clock = FakeClock()
    clock.run(busy())
    assert clock.now() == START


def test_more_than_a_day_passes_although_a_loop_never_waits_longer() -> None:
    clock = FakeClock(start=0.0)
    clock.run(asyncio.sleep(30 * 86_400))
    assert clock.now() == pytest.approx(30 * 86_400)


def test_time_goes_on_from_run_to_run() -> None:
    clock = FakeClock(start=0.0)
    clock.run(asyncio.sleep(10))
    clock.run(asyncio.sleep(5))
    assert clock.now() == pytest.approx(15)


def test_a_deadlock_is_reported_instead_of_hanging() -> None:
    async def wait_for_nothing() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="deadlock: nothing is scheduled"):
        FakeClock().run(wait_for_nothing())


def test_a_deadlocked_coroutine_is_cleaned_up() -> None:
    cleaned: list[bool] = []

    async def wait_for_nothing() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    with pytest.raises(RuntimeError):
        FakeClock().run(wait_for_nothing())
    assert cleaned == [True]
