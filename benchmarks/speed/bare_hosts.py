"""The bare loop for many hosts: `python bare_hosts.py FILE [CONCURRENCY]`, FILE lists one seed a host.

Unlike bare.py it obeys robots.txt, as one who crawls ten thousand strangers has to. Hosts are crawled side by
side, each by one worker. Prints how many pages there were.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin
from urllib.robotparser import RobotFileParser

import aiohttp
import uvloop
from bare import links

_AGENT = "bare"


async def rules(session: aiohttp.ClientSession, seed: str) -> RobotFileParser:
    """The host's robots.txt; what it lacks it does not forbid."""
    parser = RobotFileParser()
    async with session.get(urljoin(seed, "/robots.txt")) as response:
        text = await response.text() if response.status == 200 else ""
    parser.parse(text.splitlines())
    return parser


async def crawl(session: aiohttp.ClientSession, seed: str) -> int:
    """Fetch all of one host; return how many pages there were."""
    allowed = await rules(session, seed)
    seen, waiting, pages = {seed}, [seed], 0
    while waiting:
        url = waiting.pop()
        if not allowed.can_fetch(_AGENT, url):
            continue
        async with session.get(url) as response:
            body = await response.read()
        if response.status == 200 and response.content_type == "text/html":
            pages += 1
            new = {link for link in links(url, body) - seen if link.startswith(urljoin(seed, "/"))}
            seen |= new
            waiting += new
    return pages


async def work(session: aiohttp.ClientSession, seeds: Iterator[str]) -> int:
    """Crawl one host after another."""
    pages = 0
    for seed in seeds:
        try:
            pages += await crawl(session, seed)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            print(seed, repr(error), file=sys.stderr)
    return pages


async def main(file: str, concurrency: str = "256") -> None:
    """Crawl all hosts."""
    seeds = iter(Path(file).read_text().split())
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        counts = await asyncio.gather(*(work(session, seeds) for _ in range(int(concurrency))))
    print(json.dumps({"pages": sum(counts)}))


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
