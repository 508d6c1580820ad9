"""coroutines-blocking: ten tasks, and nothing won. `requests.get` does not give the loop back while it
waits: each task runs to its end before the next one begins."""

from __future__ import annotations

import asyncio

import requests

from skitter.compare.lab import Lab

__all__ = ["run"]


async def run(lab: Lab) -> None:
    """Tasks that block."""

    async def fetch(url: str) -> None:
        with lab.request(url) as trip:
            trip.answered(requests.get(url, **lab.options))

    with lab.measured():
        await asyncio.gather(*[asyncio.create_task(fetch(url)) for url in lab.urls])
