"""The two spiders that are started with `python scrapy_spiders.py plain|tuned URL`; items go to pages.jsonl.

`plain` is what the documentation shows: a LinkExtractor and an item a page. `tuned` is what one writes who
has profiled that: no Selector, no LinkExtractor, no middleware that the crawl does not need, uvloop.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

import scrapy
from bare import links
from scrapy.crawler import CrawlerProcess
from scrapy.http import Response, TextResponse
from scrapy.linkextractors import LinkExtractor

_AT_ONCE = 64
_BOTH = {
    "CONCURRENT_REQUESTS": _AT_ONCE,
    "CONCURRENT_REQUESTS_PER_DOMAIN": _AT_ONCE,
    "DOWNLOAD_DELAY": 0,
    "TELNETCONSOLE_ENABLED": False,
    "REMOTE_CONTROL_ENABLED": False,
    "LOG_LEVEL": "ERROR",
    "FEEDS": {"pages.jsonl": {"format": "jsonlines"}},
}


class Plain(scrapy.Spider):
    """Follows every link and yields one item a page."""

    name = "plain"
    custom_settings = {**_BOTH, "ROBOTSTXT_OBEY": True}

    def __init__(self, seed: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start_urls = [seed]
        self._links = LinkExtractor(allow=re.escape(urljoin(seed, "/")))

    def parse(self, response: Response) -> Iterator[Any]:
        """Called by Scrapy with each 2xx answer."""
        yield {"url": response.url, "status": response.status, "size": len(response.body)}
        if isinstance(response, TextResponse):
            for link in self._links.extract_links(response):
                yield scrapy.Request(link.url)


class Tuned(scrapy.Spider):
    """The same by hand."""

    name = "tuned"
    custom_settings = {
        **_BOTH,
        "ASYNCIO_EVENT_LOOP": "uvloop.Loop",
        "DOWNLOADER_MIDDLEWARES_BASE": {},
        "SPIDER_MIDDLEWARES_BASE": {"scrapy.spidermiddlewares.start.StartSpiderMiddleware": 25},
        "EXTENSIONS_BASE": {"scrapy.extensions.feedexport.FeedExporter": 0},
        "STATS_CLASS": "scrapy.statscollectors.DummyStatsCollector",
        "DUPEFILTER_CLASS": "scrapy.dupefilters.BaseDupeFilter",
        "SCHEDULER_PRIORITY_QUEUE": "scrapy.pqueues.ScrapyPriorityQueue",
    }

    def __init__(self, seed: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start_urls = [seed]
        self._origin = urljoin(seed, "/")
        self._seen = {seed}

    def parse(self, response: Response) -> Iterator[Any]:
        """Called by Scrapy with each answer."""
        yield {"url": response.url, "status": response.status, "size": len(response.body)}
        if b"text/html" not in (response.headers.get("Content-Type") or b""):
            return
        for link in links(response.url, response.body):
            # Asked only now: between two of these Scrapy may handle another page.
            if link not in self._seen and link.startswith(self._origin):
                self._seen.add(link)
                yield scrapy.Request(link, dont_filter=True)


def main(kind: str, url: str) -> None:
    """Crawl until there is nothing left."""
    process = CrawlerProcess({"LOG_LEVEL": "ERROR"})
    process.crawl({"plain": Plain, "tuned": Tuned}[kind], seed=url)
    process.start()


if __name__ == "__main__":
    main(*sys.argv[1:])
