"""How long the event loop stands still, and in whose code.

The loop runs a heartbeat every 20 ms. A thread looks whether it is late, and if so at the stack of the
loop's thread, again every 20 ms until the beat comes. What one callback was found in without a beat in
between was one uninterrupted stay: that is what has held the loop.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace

from skitter.observe.frames import Place, Step, is_users, place_of, stack_of, steps_of, url_of

__all__ = ["PERIOD", "Held", "LoopWatch", "Still"]

# A fifth of the least time that is told by default; fifty beats a second cost about 0.1 % of a core.
PERIOD = 0.02
# A sample that comes later than this was late itself: either the loop's thread kept the interpreter
# (a long call in C), or the whole process stood still, which is nobody's fault.
_STARVED = 4 * PERIOD
# A busy loop is often a little late. To look costs the loop the interpreter, twice: only what is this late
# is looked at, then every period; otherwise the thread sleeps longer.
_LATE = 1.5 * PERIOD
_ASLEEP = 2 * PERIOD
# Above this share of a core, the loop's thread was at work while the sampler starved.
_AT_WORK = 0.5


class Held(msgspec.Struct, frozen=True):
    """One callback's uninterrupted stay on the loop, ``seconds`` long."""

    place: Place
    seconds: float


class Still(msgspec.Struct, frozen=True):
    """A time without a beat, ``start`` to ``end`` on time.monotonic(), and who was found in it."""

    start: float
    end: float
    held: tuple[Held, ...]
    over: bool = True


class _Sample(msgspec.Struct):
    beat: int
    time: float
    cpu: float | None  # CPU seconds of the loop's thread until then
    key: object
    steps: tuple[Step, ...]
    url: str | None


class LoopWatch:
    """Watches the loop that :meth:`start` is called on.

    ``tell`` is called on the loop after every time without a beat that was longer than ``threshold``
    seconds; if one lasts longer than ``patience``, also once from another thread, while it lasts.
    """

    def __init__(
        self,
        threshold: float,
        tell: Callable[[Still], None],
        *,
        patience: float = 2.0,
        users: Callable[[str], bool] = is_users,
    ) -> None:
        self._threshold = threshold
        self._tell = tell
        self._patience = patience
        self._users = users
        self._samples: list[_Sample] = []
        self._beats = 0
        self._due = self._cpu = 0.0
        self._late, self._late_at = 0.0, 0.0
        self.cpu = 0.0  # CPU seconds of the thread that looks
        self._depth = 0
        # A bare lock, held until the end: waiting for it is one call in C. An Event's wait is Python code,
        # in which the thread would often stand when the loop's thread takes the interpreter for itself.
        self._lasts = threading.Lock()
        self._told = 0  # the beat before which the user was told of a time that still lasts

    def start(self) -> None:
        """Begin; to be called on the loop."""
        self._loop = asyncio.get_running_loop()
        self._ident = threading.get_ident()
        self._clock = getattr(time, "pthread_getcpuclockid", lambda ident: None)(self._ident)
        self._timer = self._loop.call_soon(self._first_beat)
        self._thread = threading.Thread(target=self._watch, name="skitter-watch", daemon=True)

    def stop(self) -> None:
        """End; to be called on the loop. What held the loop until now is told still."""
        self._timer.cancel()
        if self._thread.is_alive():
            self._account(time.monotonic())
            self._lasts.release()
            self._thread.join()

    def lag(self, waited: float = float("inf")) -> float:
        """How many of the last ``waited`` seconds whatever the loop does in this turn comes late, because
        it stood still."""
        since = time.monotonic() - self._late_at
        # Timers are some milliseconds late by themselves: that says nothing about anything else.
        is_now = self._late > PERIOD / 2 and since < PERIOD
        return max(0.0, min(self._late, waited - since)) if is_now else 0.0

    # -- on the loop -------------------------------------------------------------------------

    def _first_beat(self) -> None:
        # What lies below a callback on the stack is the loop itself, and whoever runs it.
        self._depth = len(stack_of(sys._getframe())) - 1
        self._due = time.monotonic()
        self._beat()
        self._lasts.acquire()
        self._thread.start()

    def _beat(self) -> None:
        now = time.monotonic()
        self._late, self._late_at = max(0.0, now - self._due), now
        try:
            self._account(now)
        finally:  # whoever is told may fail: the heart goes on
            self._beats += 1
            self._due = time.monotonic() + PERIOD
            self._cpu = time.thread_time()
            self._timer = self._loop.call_later(PERIOD, self._beat)

    def _account(self, now: float) -> None:
        """Tell of the time without a beat that ends now, if it was long."""
        samples, self._samples = self._samples, []
        if self._due and now - self._due > self._threshold - PERIOD:
            still = self._still([sample for sample in samples if sample.beat == self._beats], now)
            if still.end - still.start > self._threshold:
                self._tell(still)

    # -- beside it ---------------------------------------------------------------------------

    def _watch(self) -> None:
        pause = _ASLEEP
        while not self._lasts.acquire(timeout=pause):
            beat, due = self._beats, self._due
            pause = PERIOD if time.monotonic() - due > _LATE else _ASLEEP
            if pause == PERIOD:
                self._sample(beat)
            if time.monotonic() - due > self._patience and self._told != beat:
                self._told = beat
                self._tell(replace(self._still(list(self._samples), time.monotonic()), over=False))
            self.cpu = time.thread_time()

    def _sample(self, beat: int) -> None:
        stack = stack_of(sys._current_frames().get(self._ident))[self._depth :]
        task = asyncio.current_task(self._loop)
        # The frame itself, not its id(): that is used again as soon as the frame is gone.
        key = task or (stack[0] if stack else None)
        cpu = time.clock_gettime(self._clock) if self._clock is not None else None
        url = url_of(task, stack[0]) if stack else None
        # No more than this here: to read the source would let the loop go on before it is kept.
        self._samples.append(_Sample(beat, time.monotonic(), cpu, key, steps_of(stack), url))

    def _still(self, samples: Sequence[_Sample], now: float) -> Still:
        """Share the time out among those who were found in it, one stay after the other."""
        start = then = self._due - PERIOD / 2  # the last beat was a period before: on average half-way
        cpu: float | None = self._cpu
        stays: list[tuple[_Sample, defaultdict[tuple[Step, ...], float]]] = []
        for sample in samples:
            spent, then = sample.time - then, sample.time
            burnt = sample.cpu - cpu if sample.cpu is not None and cpu is not None else spent
            cpu = sample.cpu
            if not sample.steps or (spent > _STARVED and burnt < spent * _AT_WORK):
                continue
            if not stays or stays[-1][0].key is not sample.key:
                stays.append((sample, defaultdict(float)))
            stays[-1][1][sample.steps] += spent
            last = sample.steps
        if stays and now - then < _STARVED:
            stays[-1][1][last] += now - then
        return Still(start, now, tuple(self._held(first.url, spent) for first, spent in stays))

    def _held(self, url: str | None, spent: dict[tuple[Step, ...], float]) -> Held:
        longest = max(spent, key=spent.__getitem__)
        return Held(place_of(longest, url, self._users), sum(spent.values()))
