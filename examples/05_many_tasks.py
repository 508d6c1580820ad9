"""Ten pages with one coroutine function, awaited one by one and as ten tasks.

Watch for: `await` in a loop is a queue, however asynchronous the coroutine may be: each page is asked for
when the one before is there. Tasks are all started first, and then awaited together. The results are in
the order of the tasks, whichever of them was done first.
"""

import asyncio
from time import perf_counter

import aiohttp

from skitter.testing import local_site


async def fetch(url: str) -> int:
    async with aiohttp.request("GET", url) as response:
        return response.status


async def main() -> None:
    async with local_site() as site:
        urls = [site.url("/delay/0.3")] * 10

        start = perf_counter()
        statuses = [await fetch(url) for url in urls]
        print("one by one:", statuses)
        print(f"  {perf_counter() - start:.1f} s, at most {site.max_in_flight} in flight at the server")

        start = perf_counter()
        async with asyncio.TaskGroup() as group:  # its end waits for all its tasks
            tasks = [group.create_task(fetch(url)) for url in urls]
        print("ten tasks: ", [task.result() for task in tasks])
        print(f"  {perf_counter() - start:.1f} s, at most {site.max_in_flight} in flight at the server")


if __name__ == "__main__":
    asyncio.run(main())
