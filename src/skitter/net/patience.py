"""Time-outs that do not count the time in which this program itself stood still: one timer for all."""

from __future__ import annotations

import asyncio
from itertools import takewhile
from types import TracebackType

__all__ = ["Patience"]

# A timer that fires so much too late was not held up by other work on the loop: the process was stopped
# (SIGSTOP, a laptop's lid) or blocked, and answers may lie unread in its sockets.
_STOOD_STILL = 1.0


class Patience:
    """The same time-out for many things that go on at once.

    All wait equally long, so they end in the order in which they began, and only the first needs a timer.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._turns: dict[_Turn, None] = {}  # in the order of their ends
        self._timer: asyncio.TimerHandle | None = None

    def turn(self) -> _Turn:
        """``with patience.turn():`` is ``asyncio.timeout(seconds)``, but after a standstill what was missed
        is given again, ``seconds`` at most: no host is blamed for our own sleep (THREATS G4)."""
        return _Turn(self)

    def _begin(self, turn: _Turn, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        turn.end = loop.time() + seconds
        self._turns[turn] = None
        if self._timer is None:
            self._timer = loop.call_at(turn.end, self._look)

    def _leave(self, turn: _Turn) -> None:
        self._turns.pop(turn, None)
        if not self._turns and self._timer is not None:  # nothing is left behind that would fire
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """The first one's time may be over."""
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for turn in list(takewhile(lambda turn: turn.end <= now, self._turns)):
            del self._turns[turn]
            late = now - turn.end
            if late < _STOOD_STILL:
                turn.is_over = True
                turn.task.cancel()
            else:
                self._begin(turn, min(late, self._seconds))
        if self._turns and self._timer is None:
            self._timer = loop.call_at(next(iter(self._turns)).end, self._look)


class _Turn:
    """One thing that is waited for, by one task."""

    __slots__ = ("_cancelling", "_patience", "end", "is_over", "task")

    task: asyncio.Task[object]

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.is_over = False
        self.end = 0.0

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "only a task can wait"
        self.task = task
        self._cancelling = task.cancelling()
        self._patience._begin(self, self._patience._seconds)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Raises TimeoutError if time is up; a cancellation from outside stays one (as asyncio.timeout)."""
        self._patience._leave(self)
        if self.is_over and self.task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
