"""to-thread: the way out for a call that cannot but block. It runs in a thread, and the task awaits
that thread: the loop is free."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import requests

from skitter.compare.lab import Lab

__all__ = ["run"]


async def run(lab: Lab) -> None:
    """Tasks that await a thread each."""

    async def fetch(url: str) -> None:
        with lab.request(url) as trip:
            trip.answered(await asyncio.to_thread(requests.get, url, **lab.options))

    lab.has_workers = True
    # By default asyncio has a few threads more than the machine has cores, and no more.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(lab.workers))
    everybody = threading.Barrier(lab.workers)
    await asyncio.gather(*[asyncio.to_thread(everybody.wait) for _ in range(lab.workers)])
    with lab.measured():
        await asyncio.gather(*[fetch(url) for url in lab.urls])
