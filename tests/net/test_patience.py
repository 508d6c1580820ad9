"""A time-out counts the other side's time, not the time in which we stood still (G4)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from skitter.net.patience import Patience
from skitter.testing import FakeClock, Site


def test_what_is_done_in_time_is_left_alone() -> None:
    """Nor is anything left behind that fires later."""

    async def main() -> tuple[str, float]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: late.append(context))
        with Patience(10).turn():
            await asyncio.sleep(9.99)
        await asyncio.sleep(100)
        return "done", round(asyncio.get_running_loop().time(), 6)

    late: list[dict[str, Any]] = []
    assert FakeClock().run(main()) == ("done", 109.99)
    assert late == []


@pytest.mark.parametrize("seconds", [0.01, 1.0, 30.0, 3600.0])
def test_it_ends_when_the_time_is_over(seconds: float) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(TimeoutError), Patience(seconds).turn():
            await asyncio.sleep(1e6)
        return loop.time() - began

    assert FakeClock().run(main()) == pytest.approx(seconds)


def test_it_ends_in_time_on_a_real_clock() -> None:
    async def main() -> float:
        began = time.monotonic()
        with pytest.raises(TimeoutError), Patience(0.2).turn():
            await asyncio.sleep(20)
        return time.monotonic() - began

    assert 0.19 < asyncio.run(main()) < 1.1


class Stopped:
    """A loop on a fake clock that stands still: time passes, and nothing on it is done."""

    def __init__(self) -> None:
        self.clock = FakeClock()

    def stand_still(self, seconds: float) -> None:
        self.clock._jump(seconds)

    def waits(
        self, timeout: float, still_at: float, still_for: float, needs: float = 1e6
    ) -> tuple[str, float]:
        """How a wait ends that needs so long, and when, where the loop stands still in between."""

        async def main() -> tuple[str, float]:
            loop = asyncio.get_running_loop()
            began = loop.time()
            loop.call_later(still_at, self.stand_still, still_for)
            try:
                with Patience(timeout).turn():
                    await asyncio.sleep(needs)
            except TimeoutError:
                return "late", round(loop.time() - began, 6)
            return "in time", round(loop.time() - began, 6)

        return self.clock.run(main())


def test_after_a_standstill_what_was_missed_is_given_again() -> None:
    """Stopped at 4 s for 8 s: it wakes at 12 s, 2 s after the end, and these it gets once more."""
    assert Stopped().waits(10, still_at=4, still_for=8) == ("late", 14)


def test_an_answer_that_came_during_a_standstill_counts() -> None:
    assert Stopped().waits(10, still_at=4, still_for=60, needs=20) == ("in time", 64)
    assert Stopped().waits(10, still_at=4, still_for=60, needs=70) == ("in time", 70)


@pytest.mark.parametrize("night", [100.0, 36_000.0])
def test_no_more_is_given_than_the_time_out(night: float) -> None:
    """A laptop that slept for a night does not wait for another one."""
    assert Stopped().waits(10, still_at=4, still_for=night) == ("late", 4 + night + 10)


@pytest.mark.parametrize("late", [0.2, 0.9])
def test_other_work_on_the_loop_is_no_standstill(late: float) -> None:
    assert Stopped().waits(10, still_at=9.5, still_for=0.5 + late) == ("late", 10 + late)


def test_each_standstill_is_made_good() -> None:
    still = Stopped()

    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for at in (5, 26):  # it wakes at 25 and gets 10 s; and again at 46
            loop.call_at(began + at, still.stand_still, 20)
        with pytest.raises(TimeoutError), Patience(10).turn():
            await asyncio.sleep(1e6)
        return loop.time() - began

    assert still.clock.run(main()) == pytest.approx(56)


def test_a_real_loop_that_is_blocked_gives_the_time_again() -> None:
    async def main() -> float:
        began = time.monotonic()
        asyncio.get_running_loop().call_later(0.05, time.sleep, 1.3)
        with Patience(0.2).turn():
            await asyncio.sleep(0.1)
            # The answer that lay in the socket needs a few turns of the loop to be read.
            for _ in range(20):
                await asyncio.sleep(0.001)
        return time.monotonic() - began

    assert asyncio.run(main()) > 1.3


def test_many_wait_each_for_its_own_time() -> None:
    """One begins each second, every other is done after three; the loop stands still from 30.5 to 50.5 s."""
    still = Stopped()

    async def main() -> dict[int, float]:
        loop = asyncio.get_running_loop()
        patience, ended, began = Patience(10), {}, loop.time()

        async def wait(number: int) -> None:
            try:
                with patience.turn():
                    await asyncio.sleep(3 if number % 2 else 1e6)
            except TimeoutError:
                ended[number] = round(loop.time() - began, 3)

        loop.call_at(began + 30.5, still.stand_still, 20)
        tasks = []
        for number in range(40):
            tasks.append(asyncio.create_task(wait(number)))
            await asyncio.sleep(1)
        await asyncio.wait(tasks)
        assert not patience._turns
        return ended

    before = {number: number + 10 for number in range(0, 21, 2)}
    within = dict.fromkeys(range(22, 31, 2), 60.5)  # each missed more than ten seconds
    after = {number: 50.5 + number - 31 + 10 for number in range(32, 40, 2)}
    assert still.clock.run(main()) == before | within | after


def test_a_cancellation_from_outside_stays_one() -> None:
    async def main() -> list[str]:
        said: list[str] = []

        async def work() -> None:
            try:
                with Patience(10).turn():
                    await asyncio.sleep(1e6)
            except TimeoutError:
                said.append("timeout")
            except asyncio.CancelledError:
                said.append("cancelled")
                raise

        task = asyncio.create_task(work())
        await asyncio.sleep(5)
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()
        await asyncio.sleep(100)  # the timer is not left to fire
        return said

    assert FakeClock().run(main()) == ["cancelled"]


def test_an_error_of_what_is_waited_for_comes_through() -> None:
    async def main() -> None:
        with Patience(10).turn():
            await asyncio.sleep(1)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        FakeClock().run(main())


def test_a_time_out_of_the_callers_own_is_not_taken_for_ours() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()

        async def wait() -> None:
            async with asyncio.timeout(3):
                with Patience(10).turn():
                    await asyncio.sleep(1e6)

        with pytest.raises(TimeoutError):
            await wait()
        return loop.time()

    assert FakeClock().run(main()) == pytest.approx(3)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no such signal here")
def test_a_crawl_that_was_stopped_blames_no_host_for_it(tmp_path: Path) -> None:
    """The answers came while the process stood still, for three times the time-out."""
    with Site() as site:
        site.page("/", links=[f"/{n}" for n in range(6)])
        site.page("/*", "late", delay=0.6)
        command = [sys.executable, "-m", "skitter", "crawl", site.url("/"), "--job", "j.crawl"]
        process = subprocess.Popen(
            [*command, "--timeout", "1s", "--retries", "0", "--per-host", "6"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path), "TERM": "dumb"},
            stderr=subprocess.PIPE,
            text=True,
        )
        until = time.monotonic() + 20
        while sum(site.count(f"/{n}") for n in range(6)) < 6 and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGSTOP)
        time.sleep(3)
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    found = [json.loads(line) for line in (tmp_path / "j.crawl/pages.jsonl").read_text().splitlines()]
    assert {record["reason"] for record in found} == {"fetched"}
    assert len(found) == 7
    assert max(site.count(f"/{n}") for n in range(6)) == 1
