"""A coroutine of its own around requests.get satisfies `await`, and still blocks the loop.

Watch for: no TypeError any more, yet the time is the sum again: `await` gives way only if what is awaited
has to wait, and this coroutine never does; it blocks. What helps when a blocking call cannot be avoided is
a thread: asyncio.to_thread. Its pool is a limit of its own: of cores + 4 threads, at most 32.
"""

import asyncio
from time import perf_counter

import requests

from skitter.testing import local_site


async def get(url: str) -> requests.Response:
    return requests.get(url, timeout=30)  # noqa: ASYNC210 - this is what the example is about


async def wrapped(url: str) -> int:
    response = await get(url)
    return response.status_code


async def threaded(url: str) -> int:
    response = await asyncio.to_thread(requests.get, url, timeout=30)
    return response.status_code


async def main() -> None:
    async with local_site() as site:
        for fetch in (wrapped, threaded):
            start = perf_counter()
            statuses = await asyncio.gather(*(fetch(site.url("/delay/0.3")) for _ in range(10)))
            print(f"{fetch.__name__}: {statuses}")
            print(f"  {perf_counter() - start:.1f} s, at most {site.max_in_flight} in flight at the server")


if __name__ == "__main__":
    asyncio.run(main())
