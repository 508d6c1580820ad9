"""The Crawlee crawler that run.py starts: `python crawlee_crawler.py URL`."""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import urlsplit

from crawlee import service_locator
from crawlee.crawlers import ParselCrawler, ParselCrawlingContext
from crawlee.request_loaders import ThrottlingRequestManager
from crawlee.storage_clients import MemoryStorageClient
from crawlee.storages import RequestQueue


async def handle(context: ParselCrawlingContext) -> None:
    """Called by Crawlee with each answer that is no error."""
    await context.enqueue_links()


async def main(url: str) -> None:
    """Crawl until SIGINT, with the default concurrency: 10 to start with, 100 at most."""
    host = urlsplit(url).hostname
    assert host is not None
    # Files are the default; with a file for each URL they, and not the pool, limit what is in flight.
    service_locator.set_storage_client(MemoryStorageClient())
    # Without this a 429 is an ordinary error and its Retry-After is not read (guide "Request throttling").
    manager = ThrottlingRequestManager(
        await RequestQueue.open(), domains=[host], request_manager_opener=RequestQueue.open
    )
    crawler = ParselCrawler(request_manager=manager, respect_robots_txt_file=True, request_handler=handle)
    await crawler.run([url])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
