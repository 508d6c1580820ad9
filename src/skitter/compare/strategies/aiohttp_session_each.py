"""aiohttp-session-each: asynchronous all the way down, with a client session for each request. It
works, but a session is a pool of connections: made anew each time, it can keep none."""

from __future__ import annotations

import asyncio

import aiohttp

from skitter.compare.lab import Lab

__all__ = ["run"]


async def run(lab: Lab) -> None:
    """Tasks with a session each."""
    turns = asyncio.Semaphore(lab.limit)

    async def fetch(url: str) -> None:
        async with turns, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(lab.timeout)) as session:
            session._retry_connection = False  # else a request that is cut off is sent again, unseen
            with lab.request(url) as trip:
                async with session.get(url, headers=lab.headers, allow_redirects=False) as response:
                    trip.first(response.status)
                    await response.read()

    with lab.measured():
        await asyncio.gather(*[fetch(url) for url in lab.urls])
