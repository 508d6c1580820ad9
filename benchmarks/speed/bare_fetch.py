"""A lean client for many requests at once: `python bare_fetch.py FILE [--tuned]` fetches the URLs of FILE.

With --tuned the garbage collector is told what is known beforehand: nothing that is made here is garbage in a
cycle, so it need not look through ten thousand tasks again and again.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from pathlib import Path

import aiohttp
import uvloop


async def fetch(session: aiohttp.ClientSession, url: str) -> bool:
    """Was it answered with 200?"""
    async with session.get(url) as response:
        await response.read()
        return response.status == 200


async def main(urls: list[str]) -> None:
    """Fetch all at once."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        answers = await asyncio.gather(*(fetch(session, url) for url in urls), return_exceptions=True)
    print(json.dumps({"pages": sum(answer is True for answer in answers)}))


if __name__ == "__main__":
    if "--tuned" in sys.argv:
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
    uvloop.run(main(Path(sys.argv[1]).read_text().split()))
