"""What is told of a visit: to observers, and to whoever wants the pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from skitter.engine.visit import Visited
from skitter.events import Ended, Observer, Retrying
from skitter.page import Page
from skitter.ports import Clock

__all__ = ["Deliver", "Teller"]

Deliver = Callable[[Page], Awaitable[None]]


class Teller:
    """Tells how visits went."""

    def __init__(self, clock: Clock, observe: Observer, deliver: Deliver | None = None) -> None:
        """``deliver`` is awaited with every page that ends: a slow consumer slows the crawl."""
        self._clock = clock
        self._observe = observe
        self._deliver = deliver

    async def tell(self, visited: Visited) -> None:
        """A URL has ended, or goes back for another try."""
        entry, row = visited.settlement.entry, visited.settlement.row
        if visited.again is not None:
            again = visited.again
            wait = again.at - self._clock.now()
            self._observe(Retrying(entry.url, again.at, wait, again.reason, again.error))
        if row is not None:
            self._observe(Ended(row.record))
        if visited.page is not None and self._deliver is not None:
            await self._deliver(visited.page)
