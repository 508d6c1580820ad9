"""`await requests.get(url)` is a TypeError: what stands behind `await` has to be awaitable.

Watch for: the request was made all the same, and blocked the loop; only then was there a Response, which
knows nothing of `await`. Coroutines, tasks, futures and objects with `__await__` may be awaited.
"""

import asyncio
from collections.abc import Generator
from inspect import isawaitable
from typing import Any

import requests

from skitter.testing import local_site


class Tea:
    def __await__(self) -> Generator[Any, Any, str]:
        yield from asyncio.sleep(0.1).__await__()
        return "tea"


async def main() -> None:
    async with local_site() as site:
        try:
            await requests.get(site.url("/delay/0.3"), timeout=30)  # type: ignore[misc]  # noqa: ASYNC210
        except TypeError as error:
            print("TypeError:", error)
        print("requests at the server nevertheless:", len(site.requests))

        response = requests.get(site.url("/delay/0.3"), timeout=30)  # noqa: ASYNC210
        coroutine = asyncio.sleep(0.1, "slept")
        task = asyncio.create_task(asyncio.sleep(0.1, "slept as a task"))
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        future.set_result("kept")
        for thing in (response, coroutine, task, future, Tea()):
            print(f"{type(thing).__name__:9} awaitable: {isawaitable(thing)}")
        print("awaited:", await coroutine, "/", await task, "/", await future, "/", await Tea())


if __name__ == "__main__":
    asyncio.run(main())
