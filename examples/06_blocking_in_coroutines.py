"""Ten tasks again, but the coroutine calls requests.get: `async def` alone changes nothing.

Watch for: the time is the sum of all pages, and the server never sees two requests at once. A blocking
call keeps the only thread of the loop, so that nobody else gets a turn: the ticker, which wants one
every 0.1 s, stands still for the whole time.
"""

import asyncio
from time import perf_counter

import requests

from skitter.testing import local_site


async def fetch(url: str) -> int:
    return requests.get(url, timeout=30).status_code  # noqa: ASYNC210 - ruff finds the mistake, too


async def tick(gaps: list[float]) -> None:
    while True:
        start = perf_counter()
        await asyncio.sleep(0.1)
        gaps.append(perf_counter() - start)


async def main() -> None:
    async with local_site() as site:
        gaps: list[float] = []
        ticker = asyncio.create_task(tick(gaps))
        await asyncio.sleep(0.25)
        start = perf_counter()
        statuses = await asyncio.gather(*(fetch(site.url("/delay/0.3")) for _ in range(10)))
        print("ten tasks with requests.get:", statuses)
        print(f"  {perf_counter() - start:.1f} s, at most {site.max_in_flight} in flight at the server")
        await asyncio.sleep(0.1)
        ticker.cancel()
        print(f"  the ticker waited {max(gaps):.1f} s for one of its turns")


if __name__ == "__main__":
    asyncio.run(main())
