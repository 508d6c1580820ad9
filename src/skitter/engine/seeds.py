"""Seeds: read on demand, in chunks, off the loop; made canonical; turned into entries."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import islice

from skitter.errors import ConfigError
from skitter.model import Entry
from skitter.rules.scope import Bounds
from skitter.rules.url import canonical, key_of, origin_of, without_userinfo

__all__ = ["SeedReader", "read_seed"]

# The first chunk is small, so that the crawl starts at once; a seed costs about 10 us.
_FIRST, _CHUNK = 500, 5000


def read_seed(text: str) -> str:
    """The canonical URL of a seed; without a scheme it means https. Raises ConfigError."""
    stripped = text.strip()
    url = canonical(stripped)
    if url is None and "://" not in stripped:
        url = canonical(f"https://{stripped}")
    if url is None or not stripped:
        raise ConfigError(f"{stripped[:200]!r} is not an http or https URL")
    return without_userinfo(url)


class SeedReader:
    """Hands out seeds as entries. The source may block, be long, or never end."""

    def __init__(self, seeds: Iterable[str], bounds: Bounds) -> None:
        self._in_memory = isinstance(seeds, list | tuple)  # reading cannot block
        self._seeds = iter(seeds)
        self._bounds = bounds
        self._size = _FIRST
        self.given = 0  # seeds read so far

    async def next(self) -> list[Entry] | None:
        """The next chunk, without seeds that an exclude pattern refuses; None at the end.

        Raises ConfigError at a seed that is no URL.
        """
        urls = self._read() if self._in_memory else await asyncio.to_thread(self._read)
        self._size = _CHUNK
        if not urls:
            return None
        self.given += len(urls)
        return [
            Entry(url, key_of(url), origin_of(url), seed=True, given=True)
            for url in urls
            if self._bounds.refuses_seed(url) is None
        ]

    def _read(self) -> list[str]:
        return [read_seed(text) for text in islice(self._seeds, self._size)]
