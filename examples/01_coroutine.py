"""A coroutine function, the coroutine that a call of it makes, and the loop that runs it.

Watch for: the call itself runs nothing and asks the server nothing. Only `await` sets the coroutine
going, and `asyncio.run` is what makes the event loop in which anything can be awaited.
"""

import asyncio

import aiohttp

from skitter.testing import local_site


async def fetch(url: str) -> int:
    print("the coroutine runs")
    async with aiohttp.request("GET", url) as response:  # it waits here, and the loop is free
        return response.status


async def main() -> None:
    async with local_site() as site:
        print("fetch is a", type(fetch).__name__)
        coroutine = fetch(site.url("/delay/0.3"))
        print("calling it made a", type(coroutine).__name__)
        print("requests at the server so far:", len(site.requests))
        status = await coroutine
        print("awaiting it gave", status)
        print("requests at the server now:", len(site.requests))
        try:
            await coroutine
        except RuntimeError as error:
            print("awaiting it again:", error)


if __name__ == "__main__":
    asyncio.run(main())
