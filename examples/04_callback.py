"""What should happen when a task is done: a callback, which gets the task.

Watch for: callbacks are plain functions, called by the loop in the order in which they were added, once
the task is done. The second one raises: the loop reports that (on stderr), and neither the task nor the
third callback takes harm.
"""

import asyncio
from functools import partial
from time import perf_counter

import aiohttp

from skitter.testing import local_site


async def fetch(url: str) -> int:
    async with aiohttp.request("GET", url) as response:
        return response.status


def report(task: asyncio.Task[int]) -> None:
    print(f"{task.get_name()} is done: {task.done()}, its result: {task.result()}")


def clumsy(task: asyncio.Task[int]) -> None:
    raise ValueError("a mistake in a callback")


def timed(start: float, task: asyncio.Task[int]) -> None:
    print(f"{task.get_name()} took {perf_counter() - start:.1f} s")


async def main() -> None:
    async with local_site() as site:
        task = asyncio.create_task(fetch(site.url("/delay/0.3")), name="the page")
        task.add_done_callback(report)
        task.add_done_callback(clumsy)
        task.add_done_callback(partial(timed, perf_counter()))  # further arguments go first
        print("callbacks are added, and the program is free to do something else")
        print("awaited:", await task)


if __name__ == "__main__":
    asyncio.run(main())
