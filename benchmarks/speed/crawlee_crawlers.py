"""The Crawlee crawlers: `python crawlee_crawlers.py plain|tuned URL`; all is kept in memory.

`plain` is what the documentation shows: ParselCrawler, `enqueue_links` and `push_data`. `tuned` is
HttpCrawler with the links found by hand, so that only new ones reach Crawlee's queue, and no records.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from urllib.parse import urljoin

from bare import links
from crawlee import ConcurrencySettings, service_locator
from crawlee.crawlers import HttpCrawler, HttpCrawlingContext, ParselCrawler, ParselCrawlingContext
from crawlee.storage_clients import MemoryStorageClient

_AT_ONCE = 64


def _settings() -> ConcurrencySettings:
    # Fixed, as for all others: the pool would find its number from a busy CPU.
    return ConcurrencySettings(
        min_concurrency=_AT_ONCE, desired_concurrency=_AT_ONCE, max_concurrency=_AT_ONCE
    )


async def plain(url: str) -> None:
    """As the documentation shows it."""
    crawler = ParselCrawler(
        concurrency_settings=_settings(), respect_robots_txt_file=True, configure_logging=False
    )

    @crawler.router.default_handler
    async def handle(context: ParselCrawlingContext) -> None:
        body = await context.http_response.read()
        await context.push_data({"url": context.request.url, "size": len(body)})
        await context.enqueue_links()

    await crawler.run([url])


async def tuned(url: str) -> None:
    """Links by hand."""
    crawler = HttpCrawler(concurrency_settings=_settings(), configure_logging=False)
    origin = urljoin(url, "/")
    seen = {url}

    @crawler.router.default_handler
    async def handle(context: HttpCrawlingContext) -> None:
        if "text/html" not in context.http_response.headers.get("content-type", ""):
            return
        body = await context.http_response.read()
        new = [link for link in links(context.request.url, body) - seen if link.startswith(origin)]
        seen.update(new)
        if new:
            await context.add_requests(new)

    await crawler.run([url])


def main(kind: str, url: str) -> None:
    """Crawl until there is nothing left."""
    logging.basicConfig(level=logging.CRITICAL)
    service_locator.set_storage_client(MemoryStorageClient())
    try:
        import uvloop
    except ImportError:
        asyncio.run({"plain": plain, "tuned": tuned}[kind](url))
    else:
        uvloop.run({"plain": plain, "tuned": tuned}[kind](url))


if __name__ == "__main__":
    main(*sys.argv[1:])
