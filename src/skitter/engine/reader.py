"""Where a page is read: here, or aside, so that no document holds the loop."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from skitter.content.hrefs import Hrefs
from skitter.content.mime import is_html, media_type
from skitter.content.read import Unreadable, read
from skitter.content.weight import is_heavy
from skitter.model import Reading, Response
from skitter.rules.url import origin_of
from skitter.threads import in_thread

__all__ = ["ReadAside", "Reader"]

# Reads a response as content.read does, with our product token and the fields asked for, off the loop and in
# bounded time and memory. Is called in a thread.
ReadAside = Callable[[Response, str, frozenset[str]], Reading | Unreadable]

# What no ordinary page that is read here takes, also if all of its 20,000 links are new (0.1 s). A host that
# has had such a page has others: so
# many of its next ones are read aside. Not all, as it may have been a pause of our own, to collect garbage.
_TOO_LONG = 0.25
_WATCHED = 100
# Smaller documents need 20 ms at worst (content.weight).
_HARMLESS = 4 * 1024
# Hosts that are remembered for it; a wrong guess costs a millisecond a page.
_HOSTS = 10_000


def _anywhere() -> float:
    return random.random()  # noqa: S311 - from outside nobody sees what it has been


class Reader:
    """Reads pages, one at a time. To be used on the loop."""

    def __init__(self, token: str, fields: frozenset[str], aside: ReadAside | None = None) -> None:
        """``token`` is our product token, ``fields`` as in ``--field``. Without ``aside`` heavy pages are
        read in a thread, which helps little (docs/decisions.md)."""
        self._token = token
        self._fields = fields
        self._aside = aside
        self._hrefs = Hrefs()
        self._turn = asyncio.Lock()
        self._slow: dict[str, int] = {}  # pages to be read aside, by host

    async def read(self, response: Response) -> Reading | Unreadable:
        """What the page says. Raises whatever the parser does."""
        body = response.body
        if len(body) <= _HARMLESS or not is_html(media_type(response.headers.get("content-type"))[0], body):
            return read(response, self._token, self._fields, self._hrefs)
        if is_heavy(body, _anywhere()) or (self._slow and self._is_watched(origin_of(response.url))):
            async with self._turn:  # the others wait here, and not in threads that names are looked up in
                return await in_thread(self._read_aside, response)
        began = time.thread_time()
        reading = read(response, self._token, self._fields, self._hrefs)
        if time.thread_time() - began > _TOO_LONG:
            if len(self._slow) >= _HOSTS:
                self._slow.clear()
            self._slow[origin_of(response.url)] = _WATCHED
        return reading

    def _is_watched(self, origin: str) -> bool:
        left = self._slow.pop(origin, 0)
        if left > 1:
            self._slow[origin] = left - 1
        return left > 0

    def _read_aside(self, response: Response) -> Reading | Unreadable:
        if self._aside is None:
            return read(response, self._token, self._fields, self._hrefs)
        return self._aside(response, self._token, self._fields)
