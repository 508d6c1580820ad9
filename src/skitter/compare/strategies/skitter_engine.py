"""skitter: the same, and what a crawler has to add. It asks robots.txt first, repeats what may pass,
and asks a server that cannot keep up for less at once."""

from __future__ import annotations

import skitter
from skitter.compare.lab import Lab

__all__ = ["run"]


async def run(lab: Lab) -> None:
    """Tasks of a crawler."""
    crawler = skitter.Crawler(
        per_host=lab.limit,
        concurrency=lab.limit,
        timeout=lab.timeout,
        retries=lab.retries,
        observe=lab.observe,
    )
    lab.stop = crawler.stop
    async with crawler:
        with lab.measured():
            pages = await crawler.fetch_all(lab.urls)
    lab.add_pages(pages)
