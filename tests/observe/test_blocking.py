"""The watch of an event loop: who holds it, where, for how long, and who does not.

Time is real here, and the machine may be busy: lengths are asserted within wide bounds.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

import skitter
from skitter.observe.blocking import LoopWatch, Still
from skitter.observe.frames import Place, is_users

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]
THRESHOLD = 0.1
Main = Callable[[LoopWatch], Coroutine[Any, Any, object]]

both_loops = pytest.mark.parametrize("new_loop", LOOPS, ids=["asyncio", "uvloop"])


def watch(
    main: Main,
    new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    *,
    threshold: float = THRESHOLD,
    patience: float = 60.0,
) -> list[Still]:
    """What is told while ``main`` runs."""
    told: list[Still] = []

    async def watched() -> None:
        looks = LoopWatch(threshold, told.append, patience=patience)
        looks.start()
        try:
            await asyncio.sleep(0.03)
            await main(looks)
            await asyncio.sleep(0.03)
        finally:
            looks.stop()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(watched())
    assert not watching(), "the thread ends with the watch"
    return told


def watching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "skitter-watch"]


def held(stills: list[Still], least: float = THRESHOLD) -> list[tuple[Place, float]]:
    """Stays of at least so many seconds, of those times that are over."""
    every = [each for still in stills if still.over for each in still.held]
    return [(each.place, each.seconds) for each in every if each.seconds >= least]


def line_of(function: Callable[..., object], text: str) -> int:
    lines, start = inspect.getsourcelines(function)
    return start + next(number for number, line in enumerate(lines) if text in line)


def busy(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(100))


# Who is found


async def sleeps(_: object = None) -> None:
    time.sleep(0.2)  # noqa: ASYNC251 - the very thing


async def works(_: object = None) -> None:
    busy(0.2)


@both_loops
@pytest.mark.parametrize("main", [sleeps, works], ids=["sleeps", "works"])
def test_a_coroutine_that_blocks_is_found(
    new_loop: Callable[[], asyncio.AbstractEventLoop], main: Main
) -> None:
    ((place, seconds),) = held(watch(main, new_loop))
    assert place.users
    assert place.file == __file__
    assert 0.12 < seconds < 2
    if main is sleeps:
        assert (place.line, place.call) == (line_of(sleeps, "time.sleep"), "time.sleep")


@both_loops
def test_a_plain_callback_that_blocks_is_found(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    def callback() -> None:
        time.sleep(0.2)

    async def main(_: LoopWatch) -> None:
        asyncio.get_running_loop().call_soon(callback)
        await asyncio.sleep(0.01)

    ((place, seconds),) = held(watch(main, new_loop))
    assert (place.name, place.line) == ("callback", line_of(callback, "time.sleep"))
    assert 0.12 < seconds < 2


@both_loops
def test_a_done_callback_is_found_with_its_tasks_url(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    def report(task: asyncio.Task[None]) -> None:
        time.sleep(0.2)

    async def main(_: LoopWatch) -> None:
        task = asyncio.create_task(asyncio.sleep(0), name="http://a.test/x")
        task.add_done_callback(report)
        await task
        await asyncio.sleep(0.01)

    ((place, _),) = held(watch(main, new_loop))
    assert (place.name, place.url) == ("report", "http://a.test/x")


def test_a_task_is_found_with_the_url_that_it_is_named_by() -> None:
    async def main(_: LoopWatch) -> None:
        await asyncio.create_task(sleeps(), name="http://a.test/x")

    ((place, _),) = held(watch(main))
    assert (place.name, place.url) == ("sleeps", "http://a.test/x")


def test_the_line_is_the_users_even_deep_in_a_library() -> None:
    """``json`` and ``re`` are nobody's to mend; the line that calls them is."""

    async def main(_: LoopWatch) -> None:
        threading.Event().wait(0.2)

    ((place, _),) = held(watch(main))
    assert place.line == line_of(main, ".wait(0.2)")
    assert place.call == "threading.Event().wait" or place.call == "threading.Event"


def test_a_function_that_the_user_calls_is_where_it_blocks() -> None:
    def inner() -> None:
        time.sleep(0.2)

    async def outer(_: LoopWatch) -> None:
        inner()

    ((place, _),) = held(watch(outer))
    assert place.name in ("watch.<locals>.watched", "watched"), "what the loop called"
    assert place.line == line_of(inner, "time.sleep"), "where it is"


def test_a_call_that_keeps_the_interpreter_is_found_too() -> None:
    """No other thread can look while C code counts; the CPU time that it took tells."""
    told: list[Still] = []
    shares: list[float] = []

    async def main() -> None:
        looks = LoopWatch(THRESHOLD, told.append)
        looks.start()
        while not held(told) and len(shares) < 4:
            await asyncio.sleep(0.05)
            start, cpu = time.perf_counter(), time.thread_time()
            sum(range(100_000_000))
            shares.append((time.thread_time() - cpu) / (time.perf_counter() - start))
        looks.stop()

    asyncio.run(main())
    if max(shares) < 0.8:
        pytest.skip("others had the processor: that is told apart from code that keeps it")
    (place, _), *_more = held(told)
    assert (place.file, place.line, place.call) == (__file__, line_of(main, "sum("), "sum")


def test_two_that_block_one_after_the_other_are_told_apart() -> None:
    """Without a beat in between: each has its own share."""

    async def first() -> None:
        time.sleep(0.2)  # noqa: ASYNC251

    async def second() -> None:
        time.sleep(0.2)  # noqa: ASYNC251

    async def main(_: LoopWatch) -> None:
        await asyncio.gather(first(), second())

    found = held(watch(main))
    assert [place.name for place, _ in found] == ["first", "second"]
    assert all(0.1 < seconds < 3 for _, seconds in found)


def test_each_time_is_told() -> None:
    async def main(_: LoopWatch) -> None:
        for _again in range(3):
            time.sleep(0.15)  # noqa: ASYNC251
            await asyncio.sleep(0.03)

    assert len(held(watch(main))) == 3


def test_what_blocks_until_the_end_is_told_at_the_end() -> None:
    told: list[Still] = []

    async def main() -> None:
        looks = LoopWatch(THRESHOLD, told.append)
        looks.start()
        await asyncio.sleep(0.05)
        time.sleep(0.2)  # noqa: ASYNC251
        looks.stop()

    asyncio.run(main())
    assert len(held(told)) == 1


# Who is not


@both_loops
def test_nobody_is_told_of_when_nothing_blocks(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Thousands of short turns, and work in threads."""

    async def turns() -> None:
        end = time.monotonic() + 0.4
        while time.monotonic() < end:
            busy(0.001)
            await asyncio.sleep(0)

    async def main(_: LoopWatch) -> None:
        await asyncio.gather(turns(), turns(), asyncio.to_thread(time.sleep, 0.3))

    assert held(watch(main, new_loop)) == []


def test_many_short_tasks_in_one_turn_are_not_one_long_one() -> None:
    """The loop is late, but nobody has held it: there is no line to point to."""

    async def short() -> None:
        busy(0.004)

    async def main(_: LoopWatch) -> None:
        await asyncio.gather(*(short() for _ in range(60)))

    assert held(watch(main)) == []


def test_many_short_callbacks_in_one_turn_are_not_one_long_one() -> None:
    def short(number: int) -> None:
        busy(0.004)

    async def main(_: LoopWatch) -> None:
        loop = asyncio.get_running_loop()
        for number in range(60):
            loop.call_soon(short, number)
        await asyncio.sleep(0.01)

    assert held(watch(main)) == []


def test_a_wait_is_no_block() -> None:
    async def main(_: LoopWatch) -> None:
        await asyncio.sleep(0.3)
        await asyncio.to_thread(time.sleep, 0.2)

    assert watch(main) == []


def test_less_than_the_threshold_is_not_told() -> None:
    async def main(_: LoopWatch) -> None:
        time.sleep(0.2)  # noqa: ASYNC251

    assert held(watch(main, threshold=5), 0) == []


def test_other_threads_may_block() -> None:
    async def main(_: LoopWatch) -> None:
        threading.Thread(target=time.sleep, args=(0.2,)).start()
        await asyncio.sleep(0.3)

    assert held(watch(main)) == []


@pytest.mark.parametrize(
    ("file", "users"),
    [
        (__file__, True),
        ("/home/user/shop.py", True),
        ("<stdin>", True),
        ("<ipython-input-3-1f>", True),
        (asyncio.__file__, False),
        (threading.__file__, False),
        ("<frozen importlib._bootstrap>", False),
        (skitter.__file__, False),
        (str(Path(skitter.__file__).parent / "engine" / "loop.py"), False),
        (str(Path(pytest.__file__)), False),
    ],
)
def test_whose_file_it_is(file: str, users: bool) -> None:
    assert is_users(file) is users


def test_a_project_whose_name_begins_like_ours_is_the_users() -> None:
    """Beside an editable installation: ``src/skitter_shop`` next to ``src/skitter``."""
    assert is_users(f"{Path(skitter.__file__).parent}_shop/handlers.py")


# While it lasts, and the end


def test_what_goes_on_is_told_while_it_lasts() -> None:
    """Somebody whose program hangs for ever wants to know where."""
    told: list[tuple[bool, str]] = []

    async def main() -> None:
        looks = LoopWatch(
            THRESHOLD,
            lambda still: told.append((still.over, threading.current_thread().name)),
            patience=0.2,
        )
        looks.start()
        await asyncio.sleep(0.05)
        time.sleep(0.5)  # noqa: ASYNC251
        await asyncio.sleep(0.05)
        looks.stop()

    asyncio.run(main())
    assert [over for over, _ in told] == [False, True], "once while it lasts, and once after"
    assert told[0][1] == "skitter-watch"
    assert told[1][1] == threading.main_thread().name


def test_the_lag_is_known_in_the_turn_after_a_block_and_not_later() -> None:
    lags: list[float] = []
    short: list[float] = []

    async def main(looks: LoopWatch) -> None:
        lags.append(looks.lag())
        time.sleep(0.2)  # noqa: ASYNC251
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        lags.append(looks.lag())
        short.append(looks.lag(0.0))
        await asyncio.sleep(0.1)
        lags.append(looks.lag())

    watch(main)
    assert 0.1 < lags[1] < 5
    assert short == [0.0], "who did not wait then has lost nothing"
    assert lags[2] < lags[1] / 2


@both_loops
def test_start_and_stop_at_once_leave_no_thread(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main() -> None:
        for turns in range(3):
            looks = LoopWatch(THRESHOLD, lambda still: None)
            looks.start()
            for _ in range(turns):
                await asyncio.sleep(0)
            looks.stop()
            looks.stop()
        assert not watching()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


def test_two_watches_of_one_loop_do_not_disturb_each_other() -> None:
    """Two crawlers in one program."""
    told: list[Still] = []

    async def main(_: LoopWatch) -> None:
        other = LoopWatch(THRESHOLD, told.append)
        other.start()
        await asyncio.sleep(0.05)
        time.sleep(0.2)  # noqa: ASYNC251
        await asyncio.sleep(0.05)
        other.stop()

    found = held(watch(main))
    assert len(found) == len(held(told)) == 1
