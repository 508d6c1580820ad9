"""Feels how the crawler itself is doing: the lag of its loop, its share of the core, its memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from skitter.engine.crew import Crew
from skitter.events import Noted, Observer
from skitter.rules.load import Load

__all__ = ["Governor"]

# Twenty beats a second cost a thousandth of a core; twenty of them are a period of the rule.
_BEAT = 0.05
# Beats between two looks at the memory: half a second.
_LOOKS = 10
# Above this share of a core, answers wait for us rather than we for them.
_BUSY = 0.7


class Governor:
    """Says how many requests may be in flight, all hosts together."""

    def __init__(
        self, most: int, memory: Callable[[], float], observe: Observer, crew: Crew | None = None
    ) -> None:
        """Never more than ``most``; ``memory`` gives the share that is in use. A ``crew`` has governors of
        its own."""
        self._crew = crew
        self._load = Load(most)
        self._memory = memory
        self._observe = observe
        self._told = False
        self._is_busy = False  # was our own loop's thread at work nearly all of the last beat?

    @property
    def limit(self) -> int:
        """Requests in flight, at most."""
        return min(self._load.limit, self._crew.limit) if self._crew else self._load.limit

    @property
    def is_busy(self) -> bool:
        """Do answers wait for us rather than we for them?"""
        return self._is_busy or (self._crew is not None and self._crew.is_busy)

    async def run(self) -> None:
        """Feel the pulse, for ever."""
        loop = asyncio.get_running_loop()
        beats, memory = 0, 0.0
        while True:
            began, cpu = loop.time(), time.thread_time()
            await asyncio.sleep(_BEAT)
            took = loop.time() - began
            self._is_busy = time.thread_time() - cpu > _BUSY * took
            before = self._load.limit
            beats += 1
            if beats % _LOOKS == 1:  # it is read from files
                memory = self._memory()
            if self._load.sample(took - _BEAT, memory) and self._load.limit < before:
                self._tell()

    def _tell(self) -> None:
        """Once is enough for a person."""
        if not self._told:
            self._told = True
            self._observe(Noted(f"{self._load.why}: fewer requests are in flight for a while"))
