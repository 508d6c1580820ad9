"""aiohttp: one session for all. Every request waits at the same time, in one thread; connections are
kept and used again."""

from __future__ import annotations

import asyncio

import aiohttp

from skitter.compare.lab import Lab

__all__ = ["run"]


async def run(lab: Lab) -> None:
    """Tasks that share a session."""
    turns = asyncio.Semaphore(lab.limit)
    timeout = aiohttp.ClientTimeout(lab.timeout)
    connector = aiohttp.TCPConnector(limit=0)  # the semaphore is the limit

    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        session._retry_connection = False  # else a request that is cut off is sent again, unseen

        async def fetch(url: str) -> None:
            async with turns:
                with lab.request(url) as trip:
                    async with session.get(url, headers=lab.headers, allow_redirects=False) as response:
                        trip.first(response.status)
                        await response.read()

        with lab.measured():
            await asyncio.gather(*[fetch(url) for url in lab.urls])
