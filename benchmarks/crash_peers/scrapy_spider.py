"""The spider that run.py starts with `scrapy runspider`; the queues are chosen on the command line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import scrapy
from links import plain
from scrapy.http import Response, TextResponse
from scrapy.linkextractors import LinkExtractor


class Pages(scrapy.Spider):
    """Follows every link and yields one item a page."""

    name = "pages"
    custom_settings = {
        "ROBOTSTXT_OBEY": True,
        "RETRY_TIMES": 3,
        "CONCURRENT_REQUESTS": 64,
        # Scrapy counts by host name, and the 40 hosts of the site are ports of one address.
        "CONCURRENT_REQUESTS_PER_DOMAIN": 64,
        "TELNETCONSOLE_ENABLED": False,
        "REMOTE_CONTROL_ENABLED": False,
        "LOG_LEVEL": "INFO",
    }

    def __init__(self, seed: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # The plain way to name the first pages; Scrapy sends them at every start, also after a clean stop.
        self.start_urls = [seed]
        self._links = LinkExtractor(deny_extensions=[])

    def parse(self, response: Response) -> Iterator[Any]:
        """Called by Scrapy with each 2xx answer."""
        yield {
            "url": response.url,
            "status": response.status,
            "sha256": hashlib.sha256(response.body).hexdigest(),
        }
        if isinstance(response, TextResponse):
            for link in self._links.extract_links(response):
                yield scrapy.Request(plain(link.url))
