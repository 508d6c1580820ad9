"""The library as a user would write it: a job with items and records. A program of its own, to be killed.

``python items_program.py JOB ITEMS RECORDS OPTIONS SEED...``; the options are a JSON object, and the outputs
joined as paths are in PATH.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from hashlib import sha256

import skitter
from skitter.errors import SkitterError, StorageError
from skitter.model import Follow

__all__ = ["items_of", "main"]

_MOST = 3


def items_of(url: str) -> list[dict[str, object]]:
    """The items of a page: none to three, always the same for the same URL."""
    number = sha256(url.encode()).digest()[0] % (_MOST + 1)
    return [{"page": url, "n": n, "of": number} for n in range(number)]


async def _handle(page: skitter.Page) -> AsyncIterator[dict[str, object] | Follow]:
    """A generator says itself which links to follow: the same ones as without a handler."""
    for item in items_of(page.url):
        yield item
    if not page.record.nofollow:
        for link in page.reading.links:
            if link.follow:
                yield page.follow(link.url)


def main(job: str, items: str, records: str, options: str, *seeds: str) -> int:
    """Crawl; 0 if nothing is left to do or a limit is reached, 7 or 2 as the command."""
    crawler = skitter.Crawler(
        job=job,
        output=items.split(os.pathsep),
        records=records.split(os.pathsep),
        scope="any",
        **json.loads(options),
    )
    crawler.on("*")(_handle)
    try:
        summary = crawler.run_sync(seeds)
    except SkitterError as error:
        sys.stderr.write(f"skitter: {error}\n")
        return 7 if isinstance(error, StorageError) else 2
    return 0 if summary.finish_reason in ("done", "limit") else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
