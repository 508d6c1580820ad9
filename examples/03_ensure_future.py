"""asyncio.ensure_future turns whatever may be awaited into a future, inside a running loop.

Watch for: a coroutine becomes a task; a task or a future comes back as it is, nothing is started
twice. create_task takes coroutines only. So: create_task where you know that you have a coroutine,
which is nearly always; ensure_future in code that takes any awaitable from its caller.
"""

import asyncio

import aiohttp

from skitter.testing import local_site


async def fetch(url: str) -> int:
    async with aiohttp.request("GET", url) as response:
        return response.status


async def main() -> None:
    async with local_site() as site:
        task = asyncio.ensure_future(fetch(site.url("/delay/0.3")))
        print("a coroutine became a", type(task).__name__)
        print("the task itself came back:", asyncio.ensure_future(task) is task)

        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()  # a place for a result, with no code
        loop.call_later(0.3, future.set_result, "set by the loop's timer")
        print("the future itself came back:", asyncio.ensure_future(future) is future)
        try:
            print(asyncio.create_task(future))  # type: ignore[arg-type]
        except TypeError as error:
            print("create_task:", error)

        print("results:", await task, "and", await future)
        print("requests at the server:", len(site.requests))


if __name__ == "__main__":
    asyncio.run(main())
