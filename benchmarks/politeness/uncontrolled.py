"""A client that does not care: 64 requests are always in flight. `python uncontrolled.py URL SECONDS`.

It fetches pages by their numbers and follows no links, so nothing but the server limits it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import count

import aiohttp

_WINDOW = 64


async def fetch(session: aiohttp.ClientSession, url: str, numbers: Iterator[int]) -> None:
    """Fetch one page after another."""
    for number in numbers:
        async with session.get(f"{url}p/{number}") as response:
            await response.read()


async def main(url: str, seconds: float) -> None:
    """Keep the window full for so long."""
    numbers = count()
    connector = aiohttp.TCPConnector(limit=_WINDOW)
    async with aiohttp.ClientSession(connector=connector) as session:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                for _ in range(_WINDOW):
                    group.create_task(fetch(session, url, numbers))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
