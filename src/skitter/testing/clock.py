"""Virtual time for asyncio: waiting costs nothing, and the order of events stays true."""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

__all__ = ["FakeClock"]

T = TypeVar("T")


class FakeClock:
    """A clock that jumps: an hour of `asyncio.sleep` passes at once.

    `run` runs a coroutine on an event loop whose time is this clock's. Whenever the loop has
    nothing to do until its next timer, time jumps to that timer. Sleeps, `asyncio.timeout`,
    `asyncio.wait_for` and `loop.call_later` behave as they do on a real clock, in the same order.

    Real sockets, subprocesses and threads (`asyncio.to_thread`, executors, name look-ups) are not
    supported: they take real time, which the loop does not wait for, so that it jumps past them
    or reports a deadlock.

    One clock may `run` several coroutines one after another; its time goes on from run to run.
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        """Make a clock that shows `start`, in seconds since the Unix epoch."""
        self._start = start
        # Kept apart from `start`: near the epoch's 1.7e9 a float resolves only 0.2 microseconds,
        # which is coarser than the loop's own clock and would let timers fire out of order.
        self._elapsed = 0.0

    def now(self) -> float:
        """Return the virtual time in seconds since the Unix epoch; it never goes backwards.

        Outside `run` this is the start, or the last time that a run reached.
        """
        return self._start + self._elapsed

    def stamp(self) -> str:
        """Return the virtual time as `skitter.ports.Clock` has it; no machine was booted for it."""
        return f"{self.now():.3f} - 0"

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` to its end in virtual time and return its result.

        Raises what the coroutine raises, and RuntimeError ("deadlock: nothing is scheduled") when
        everything waits for something that can never happen, where a real loop would hang.
        """
        with asyncio.Runner(loop_factory=self._new_loop) as runner:
            return runner.run(coroutine)

    def __repr__(self) -> str:
        return f"FakeClock(now={self.now()!r})"

    def _new_loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.SelectorEventLoop(_JumpingSelector(self))
        # The loop asks `self.time()` for every timer, so replacing this one method on the instance
        # is all that it takes; a subclass would say no more.
        loop.time = self._loop_time  # type: ignore[method-assign]
        return loop

    def _loop_time(self) -> float:
        return self._elapsed

    def _jump(self, seconds: float) -> None:
        self._elapsed += seconds


class _JumpingSelector(selectors.BaseSelector):
    """A selector that, instead of waiting, moves the clock by the time it was to wait."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._inner = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # The loop's own wake-up pipe is real; what is ready there goes before any jump.
        ready = self._inner.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            raise RuntimeError("deadlock: nothing is scheduled")
        self._clock._jump(timeout)
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()
