"""A time-out that does not count the time in which this program itself stood still."""

from __future__ import annotations

import asyncio
from types import TracebackType

__all__ = ["WakingTimeout"]

# A timer that fires so much too late was not held up by other work on the loop: the process was stopped
# (SIGSTOP, a laptop's lid) or blocked, and answers may lie unread in its sockets.
_STOOD_STILL = 1.0


class WakingTimeout:
    """``asyncio.timeout``, but after a standstill what was missed is given again, ``seconds`` at most: no
    host is blamed for our own sleep (THREATS G4). Leaving it raises TimeoutError if time is up."""

    __slots__ = ("_loop", "_scope", "_seconds", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def __aenter__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._scope = asyncio.timeout(None)
        await self._scope.__aenter__()
        self._wait(self._loop.time() + self._seconds)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        await self._scope.__aexit__(kind, error, trace)

    def _wait(self, until: float) -> None:
        self._timer = self._loop.call_at(until, self._due, until)

    def _due(self, moment: float) -> None:
        late = self._loop.time() - moment
        if late < _STOOD_STILL:
            self._scope.reschedule(self._loop.time())
        else:
            self._wait(self._loop.time() + min(late, self._seconds))
