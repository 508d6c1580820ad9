"""The spider that run.py starts with `scrapy runspider`; how many requests at most is on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import scrapy
from scrapy.http import Response
from scrapy.linkextractors import LinkExtractor


class Pages(scrapy.Spider):
    """Follows every link and stores nothing."""

    name = "pages"
    custom_settings = {
        "AUTOTHROTTLE_ENABLED": True,
        "ROBOTSTXT_OBEY": True,
        # Neither is politeness: no ports are opened, and no line a request is logged.
        "TELNETCONSOLE_ENABLED": False,
        "REMOTE_CONTROL_ENABLED": False,
        "LOG_LEVEL": "INFO",
    }

    def __init__(self, seed: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start_urls = [seed]
        self._links = LinkExtractor()

    def parse(self, response: Response) -> Iterator[scrapy.Request]:
        """Called by Scrapy with each 2xx answer."""
        for link in self._links.extract_links(response):
            yield scrapy.Request(link.url)
