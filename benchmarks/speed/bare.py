"""The bare loop: what one writes who needs one crawl of one site. `python bare.py URL [CONCURRENCY [each]]`.

aiohttp, uvloop and selectolax, a pool of workers and a set. It obeys no robots.txt, keeps no record, and
forgets everything when it ends; so it is what all the rest is measured against. With "each", every different
href of a page is resolved as it stands, which is simpler to write: with their fragments, a manual has four
times as many. Prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from urllib.parse import urljoin

import aiohttp
import uvloop
from selectolax.lexbor import LexborHTMLParser


def links(url: str, body: bytes, each: bool = False) -> set[str]:
    """Absolute links of a page, without fragments."""
    anchors = LexborHTMLParser(body).css("a[href]")
    if each:
        hrefs = {anchor.attributes["href"] or "" for anchor in anchors}
        return {urljoin(url, href).partition("#")[0] for href in hrefs}
    hrefs = {(anchor.attributes["href"] or "").partition("#")[0] for anchor in anchors}
    hrefs.discard("")
    return {urljoin(url, href) for href in hrefs}


async def crawl(seed: str, concurrency: int, each: bool) -> int:
    """Fetch all that can be reached on the seed's host; return how many pages there were."""
    origin = urljoin(seed, "/")
    seen = {seed}
    queue: asyncio.Queue[str] = asyncio.Queue()
    queue.put_nowait(seed)
    pages = 0

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal pages
        while True:
            url = await queue.get()
            try:
                async with session.get(url) as response:
                    body = await response.read()
                if response.status == 200 and response.content_type == "text/html":
                    pages += 1
                    for link in links(str(response.url), body, each) - seen:
                        if link.startswith(origin):
                            seen.add(link)
                            queue.put_nowait(link)
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                print(url, repr(error), file=sys.stderr)
            finally:
                queue.task_done()

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        workers = [asyncio.create_task(work(session)) for _ in range(concurrency)]
        await queue.join()
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return pages


def main(seed: str, concurrency: str = "64", each: str = "") -> None:
    """Crawl, and say what that took."""
    began = time.perf_counter()
    pages = uvloop.run(crawl(seed, int(concurrency), bool(each)))
    wall = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {"pages": pages, "wall": round(wall, 3), "cpu": round(used.ru_utime + used.ru_stime, 3)}
    print(json.dumps({**figures, "rss": round(used.ru_maxrss / 1024, 1)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
