"""Seeds: read on demand, off the loop; made canonical; turned into entries."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Iterable
from itertools import islice

from skitter.errors import ConfigError
from skitter.model import Entry
from skitter.rules.scope import Bounds
from skitter.rules.url import canonical, key_of, origin_of, without_userinfo

__all__ = ["SeedReader", "read_seed"]

# Admitted in one transaction at most; a seed costs about 10 us.
_CHUNK = 5000
# "mailto:x" and "ftp://x" have a scheme; "localhost:8080" has a port.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?!\d)")

# A mistake is shown without what may be a password (A11), which may have a slash in it.
_USERINFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*:)?[/\\]*.*@")


def read_seed(text: str) -> str:
    """The canonical URL of a seed; without a scheme it means https. Raises ConfigError."""
    if not isinstance(text, str):
        raise ConfigError(f"a seed is a URL, not {text!r}; several are several arguments")
    stripped = text.strip()
    url = canonical(stripped)
    if url is None and not _SCHEME.match(stripped):
        url = canonical(f"https://{stripped}")
    if url is None or not stripped:
        shown = _USERINFO.sub(r"\1//", stripped)[:200]
        raise ConfigError(f"{shown!r} is not an http or https URL")
    return without_userinfo(url)


class SeedReader:
    """Hands out seeds as entries, as they come. The source may block, be long, or never end."""

    def __init__(self, seeds: Iterable[str], bounds: Bounds) -> None:
        self._bounds = bounds
        self._memory = iter(seeds) if isinstance(seeds, list | tuple) else None
        self._pump = None if self._memory is not None else _Pump(seeds)
        self.given = 0  # seeds read so far

    async def next(self) -> list[Entry] | None:
        """What there is, without seeds that an exclude pattern refuses; None at the end.

        Raises ConfigError at a seed that is no URL, and whatever the source raises.
        """
        if self._memory is not None:  # reading cannot block
            urls = [read_seed(text) for text in islice(self._memory, _CHUNK)]
        else:
            assert self._pump is not None
            urls = await self._pump.take()
        self.given += len(urls)
        return [_entry(url) for url in urls if self._bounds.refuses_seed(url) is None] if urls else None


def _entry(url: str) -> Entry:
    return Entry(url, key_of(url), origin_of(url), seed=True, given=True)


class _Pump:
    """A thread that reads ahead by one chunk at most. Nobody waits for it at the end: it may be stuck
    in a silent pipe for ever."""

    def __init__(self, seeds: Iterable[str]) -> None:
        self._seeds = seeds
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._room = threading.Condition()
        self._urls: list[str] = []
        self._error: BaseException | None = None
        self._over = False
        threading.Thread(target=self._read, name="skitter-seeds", daemon=True).start()

    async def take(self) -> list[str]:
        """All that was read since the last call, at least one; nothing at the end."""
        while True:
            with self._room:
                urls, self._urls = self._urls, []
                over = self._over
                self._room.notify()
            if urls or (over and self._error is None):
                return urls
            if over and self._error is not None:
                raise self._error
            await self._arrived.wait()
            self._arrived.clear()

    def _read(self) -> None:
        try:
            for text in self._seeds:
                url = read_seed(text)
                with self._room:
                    self._room.wait_for(lambda: len(self._urls) < _CHUNK)
                    self._urls.append(url)
                    first = len(self._urls) == 1
                if first:
                    self._tell()
        except BaseException as error:
            self._error = error
        self._over = True
        self._tell()

    def _tell(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the run is over
            self._loop.call_soon_threadsafe(self._arrived.set)
