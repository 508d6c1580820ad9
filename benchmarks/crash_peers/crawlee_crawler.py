"""The Crawlee crawler that run.py starts: `python crawlee_crawler.py files|sql SEED`.

Where the storage is and that it is kept are environment variables, as Crawlee's guide recommends:
CRAWLEE_STORAGE_DIR and CRAWLEE_PURGE_ON_START=0.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys

from crawlee import ConcurrencySettings, RequestOptions
from crawlee.crawlers import ParselCrawler, ParselCrawlingContext
from crawlee.storage_clients import FileSystemStorageClient, SqlStorageClient
from links import plain


def with_plain_url(options: RequestOptions) -> RequestOptions:
    """Spell a found link as the site does."""
    options["url"] = plain(options["url"])
    return options


async def handle(context: ParselCrawlingContext) -> None:
    """Called by Crawlee with each answer that is no error."""
    body = await context.http_response.read()
    await context.push_data(
        {
            "url": context.request.url,
            "status": context.http_response.status_code,
            "sha256": hashlib.sha256(body).hexdigest(),
        }
    )
    await context.enqueue_links(strategy="all", transform_request_function=with_plain_url)


async def main(storage: str, seed: str) -> None:
    """Crawl from `seed`, or go on where the storage says."""
    crawler = ParselCrawler(
        storage_client=SqlStorageClient() if storage == "sql" else FileSystemStorageClient(),
        # All three alike: the pool would shrink on a busy machine, and fewer would be in flight.
        concurrency_settings=ConcurrencySettings(
            min_concurrency=64, desired_concurrency=64, max_concurrency=64
        ),
        respect_robots_txt_file=True,
        max_request_retries=3,
        request_handler=handle,
    )
    await crawler.run([seed])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
