"""Visits: a URL from its lane to the committer."""

from __future__ import annotations

from skitter.config import Config
from skitter.engine.commit import Committer
from skitter.engine.crew import Crew
from skitter.engine.lanes import Lanes
from skitter.engine.tell import Teller
from skitter.engine.totals import Totals
from skitter.engine.trap_guard import TrapGuard
from skitter.engine.visit import Visited, Visitor
from skitter.failpoint import reached
from skitter.model import Done, Entry
from skitter.ports import Clock, Lost
from skitter.rules.ask import request_for
from skitter.rules.schedule import Lane

__all__ = ["Visits"]


class Visits:
    """Makes visits, counts them, and hands over what became of them."""

    def __init__(
        self,
        config: Config,
        lanes: Lanes,
        reader: Visitor | Crew,
        visitor: Visitor,
        teller: Teller,
        committer: Committer,
        trap_guard: TrapGuard,
        clock: Clock,
    ) -> None:
        """``reader`` makes settlements of answers; ``visitor`` those of URLs that nobody is asked for."""
        self.totals = Totals()
        self.under_way = 0  # what the limit counts with what was fetched
        self._max_body = config.limits.max_body
        self._lanes = lanes
        self._reader = reader
        self._visitor = visitor
        self._teller = teller
        self._committer = committer
        self._trap_guard = trap_guard
        self._clock = clock

    async def end_unfetched(self, entry: Entry, done: Done) -> None:
        """Nobody is contacted: it takes neither a slot nor the host's time."""
        await self._hand_over(self._visitor.unfetched(entry, done))

    def begin(self, lane: Lane, now: float) -> None:
        """Reserve the host; :meth:`visit` has to follow."""
        self._lanes.schedule.start(lane, now)
        self.under_way += 1

    async def visit(self, lane: Lane, entry: Entry) -> None:
        """Fetch a URL, and see to it that what came of it is committed."""
        try:
            answered, started = lane.host.answered, self._clock.now()
            request = request_for(
                entry,
                self._max_body,
                credentials=lane.host.given,
                visit=entry,
                host_answered=answered,
                reach=entry.reach,
                paced=lane.host.is_paced,
            )
            answer = await self._lanes.contact.send(lane, request)
            reached("after-fetch")
            visited = await self._reader.settle(entry, answer, started, host_answered=answered)
            visited = self._trap_guard.look(visited)
            await self._count(visited)
        except Lost:
            self._lanes.put_back(lane, entry)
            return
        finally:
            self.under_way -= 1
        await self._committer.put(visited.settlement, visited.roots)

    async def _hand_over(self, visited: Visited) -> None:
        await self._count(visited)
        await self._committer.put(visited.settlement, visited.roots)

    async def _count(self, visited: Visited) -> None:
        await self._teller.tell(visited)
        row = visited.settlement.row
        if row is not None:
            self.totals.count(row.record, seed=visited.settlement.entry.seed)
