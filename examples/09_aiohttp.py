"""Asynchronous input and output all the way down: ten pages take as long as the slowest of them.

Watch for: with room for ten, all are in flight at once, and the total is not the sum but the largest. With
room for only three, no skill gets below a third of the sum; here the client sets that limit, in life the
server does.
"""

import asyncio
from time import perf_counter

import aiohttp

from skitter.testing import local_site

DELAYS = [0.30 + 0.05 * n for n in range(10)]  # 0.30 to 0.75 s


async def fetch(session: aiohttp.ClientSession, url: str) -> int:
    async with session.get(url) as response:
        await response.read()
        return response.status


async def fetch_all(urls: list[str], limit: int) -> list[int]:
    # One session for all: it keeps the connections and opens at most `limit` of them.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=limit)) as session:
        return await asyncio.gather(*(fetch(session, url) for url in urls))


async def main() -> None:
    print(f"the pages take {sum(DELAYS):.2f} s together, the slowest {max(DELAYS):.2f} s")
    for limit in (3, 10):
        async with local_site() as site:
            urls = [site.url(f"/delay/{delay:.2f}") for delay in DELAYS]
            start = perf_counter()
            statuses = await fetch_all(urls, limit)
            least = max(sum(DELAYS) / limit, max(DELAYS))
            print(f"room for {limit}, so at least {least:.2f} s: {statuses}")
            print(f"  {perf_counter() - start:.1f} s, at most {site.max_in_flight} in flight at the server")


if __name__ == "__main__":
    asyncio.run(main())
