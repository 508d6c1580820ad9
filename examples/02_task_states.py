"""A task is a coroutine that the loop runs; it is pending, and later done in one of three ways.

Watch for: a new task has not begun; it begins at the next `await`, and then waits for a future. When it is
done, it holds a result, an exception or the fact that it was cancelled. A task asked to cancel is not
cancelled yet: it hears of it at its own `await`.
"""

import asyncio

import aiohttp

from skitter.testing import local_site


async def fetch(url: str) -> str:
    async with aiohttp.request("GET", url) as response:
        if response.status >= 400:
            raise LookupError(f"{response.status} {response.reason}")
        return f"{response.status} {response.reason}"


async def main() -> None:
    async with local_site() as site:
        good = asyncio.create_task(fetch(site.url("/delay/0.3")), name="good")
        bad = asyncio.create_task(fetch(site.url("/status/404")), name="bad")
        slow = asyncio.create_task(fetch(site.url("/delay/30")), name="slow")
        print("created:  ", good)
        print("requests at the server before the first await:", len(site.requests))
        await asyncio.sleep(0.1)  # time to send the request
        print("begun:    ", good)
        await asyncio.wait([good, bad])
        print("result:   ", good.result(), good)
        print("exception:", bad.exception(), bad)
        slow.cancel()
        print("asked to cancel, done:", slow.done())
        await asyncio.wait([slow])
        print("cancelled:", slow.cancelled(), slow)


if __name__ == "__main__":
    asyncio.run(main())
