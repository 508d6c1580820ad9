"""A time-out that does not count the time in which this program itself stood still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["waking_timeout"]

# A timer that fires so much too late was not held up by other work on the loop: the process was stopped
# (SIGSTOP, a laptop's lid) or blocked, and answers may lie unread in its sockets.
_STOOD_STILL = 1.0


@asynccontextmanager
async def waking_timeout(seconds: float) -> AsyncIterator[None]:
    """``asyncio.timeout``, but after a standstill what was missed is given again, ``seconds`` at most: no
    host is blamed for our own sleep (THREATS G4). Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as scope:
        timer: asyncio.TimerHandle

        def wait_until(moment: float) -> None:
            nonlocal timer
            timer = loop.call_at(moment, due, moment)

        def due(moment: float) -> None:
            late = loop.time() - moment
            if late < _STOOD_STILL:
                scope.reschedule(loop.time())
            else:
                wait_until(loop.time() + min(late, seconds))

        wait_until(loop.time() + seconds)
        try:
            yield
        finally:
            timer.cancel()
