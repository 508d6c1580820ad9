"""coroutines-wrapped: the blocking call moves into a coroutine of its own, so that it can be awaited.
`await` is satisfied, and still nothing is won: a coroutine that never waits for the loop never lets
anybody else run."""

from __future__ import annotations

import asyncio

import requests

from skitter.compare.lab import Lab

__all__ = ["run"]


async def run(lab: Lab) -> None:
    """Tasks that await a coroutine that blocks."""

    async def get(url: str) -> requests.Response:
        return requests.get(url, **lab.options)

    async def fetch(url: str) -> None:
        with lab.request(url) as trip:
            trip.answered(await get(url))

    with lab.measured():
        await asyncio.gather(*[asyncio.create_task(fetch(url)) for url in lab.urls])
