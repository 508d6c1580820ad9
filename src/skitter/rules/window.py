"""How many requests a server may have in hand at once: a window that finds its capacity and stays there.

The window looks at the queue that it makes itself. In steady state Little's law gives the requests that
only wait at the server, beside those at work, as ``queue = rate * (latency - base)``: ``base`` is the
time to first byte when nothing waits, ``latency`` the mean of it now. A window one above the capacity
has a queue of 1, whatever the server; so the window goes up while the queue is below a half and down
above it, and stands at the knee or one beyond it (PRECEDENTS section 3; TCP Vegas, Brakmo and Peterson
1995, holds one to three segments in the queue by the same sum).

``base`` is not the minimum ever seen: pages differ, and beside the fastest page of a site every other
looks like a queue. It is the mean while nothing waits, followed up and down; and where a much narrower
window did not make latency smaller, it was not our queue: then the new latency is the base.

Pure arithmetic over (time, sample).
"""

from __future__ import annotations

from math import sqrt

__all__ = ["Window"]

# Samples of an epoch, at least (PRECEDENTS section 3), and one for each request of a full window. While
# it doubles, a window has to be right within a factor only.
_LEAST_SAMPLES = 8
_STARTING_ROUNDS = 2
# An epoch lasts at least so much of a latency: answers that come at once were sent at once, and are alike.
_LEAST_TIME, _LEAST_TIME_BLIND = 0.5, 0.25
# More are taken until chance moves the queue by less than this (one standard error) ...
_SURE = 0.25
# ... or, in a wide window, by this share of it.
_SURE_SHARE = 1 / 24
# But no more than so many full windows: pages of very different cost must not hold up every decision.
_MOST_ROUNDS = 24
# Up below, down above. In a wide window a sixteenth of it may wait.
_QUEUE = 0.5
_QUEUE_SHARE = 1 / 16
# Start-up ends where more than a quarter of the window waits (PRECEDENTS section 3).
_START_QUEUE_SHARE = 1 / 4
# Latency at twice its base is a queue, however few samples say so.
_EVIDENT = 2.0
# In the first seconds of a wide window with a queue, latency grows to twice the mean of the first answers
# (to a third more, if half of the window waits; to less, where the way is long).
_QUEUED = 1.15
# So many answers without ever eight in flight: then that is how it is, and the least of them is the base.
_ALONE = 32
# The base falls towards every mean below it by this share: what is not there cannot be a queue.
_FALL = 0.25
# After so many epochs a quarter of the window is given up for one, to see the base again.
_PROBE = 20
# A window that fell to this share or less takes latency along, if it was our queue that made it; if that
# fell less than half as much, it was something else, and half of the difference is believed.
_TELLING, _BELIEVED = 0.75, 0.5
# Below this share of the base, beyond chance, a narrower window has shown that there was a queue.
_LESS = 0.95
# A window that grew by half must bring a rate that grew, or it is taken back and held for so many epochs
# (PRECEDENTS section 3: 5 %, 10 epochs).
_GROWN, _GROWTH, _HELD = 1.5, 1.05, 10


class Window:
    """The requests that may be in flight at one server. Times in seconds. ``repr`` shows it in one line."""

    __slots__ = (
        "__weakref__", "_alone", "_best", "_count", "_ended", "_epochs", "_filled", "_first", "_held",
        "_is_blind", "_mean", "_probing", "_raised", "_rest", "_since", "_spread", "_stale", "_starting",
        "_wider", "base", "in_flight", "latency", "limit", "queue", "rate", "size",
    )  # fmt: skip

    def __init__(self, start: int, limit: int) -> None:
        """Begin with ``start`` requests, never more than ``limit``."""
        self.size = start
        self.limit = limit
        self.in_flight = 0
        self.base = 0.0  # time to first byte when nothing waits; 0 while unknown
        self.latency = 0.0  # mean time to first byte in the last epoch
        self.rate = 0.0  # answers a second in the last epoch
        self.queue = 0.0  # of the requests in flight, how many only waited in the last epoch
        self._starting = True  # doubling, until the first queue
        # It starts wide, and knows nothing: when the first answer came; number, mean and least of the
        # latencies of what had gone out before.
        self._is_blind = start > 1
        self._alone = 0  # answers while hardly anything was in flight
        self._first: tuple[float, int, float, float] | None = None
        self._best = (0.0, 0)  # a rate, and the smallest window that brought it
        self._held = 0  # epochs that are to pass without growth
        self._raised = 0  # epochs of growth in a row
        self._epochs = 0  # since an experiment last said something of the base
        self._probing = 0  # so much of the window is given up for this epoch
        self._wider: tuple[int, float] | None = None  # window and latency before it became narrower
        self._begin(0.0)

    def __repr__(self) -> str:
        return (
            f"<window {self.in_flight}/{self.size} of {self.limit}, latency {self.latency * 1000:.0f} ms"
            f" over {self.base * 1000:.0f}, {self.queue:.1f} waiting, {self.rate:.1f}/s>"
        )

    def _begin(self, now: float) -> None:
        """A new epoch. It counts when as many answers have come as were in flight at its beginning: by then
        the server has seen the new window for a whole round. (To take only what was sent since would be to
        take the quick pages: the slow ones are still on their way when there are samples enough.)"""
        self._since = now
        self._stale = self.in_flight
        self._ended = 0  # answers of any kind
        self._count = 0  # samples
        self._mean = 0.0
        self._spread = 0.0  # sum of squared distances from the mean (Welford 1962)
        self._rest = 0.0  # sum of what samples took beside the wait for the first byte
        self._filled = False  # the window was full at some time: it may be what limits the rate

    # -- what happens ------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """May one more request go out?"""
        return self.in_flight < self.size - self._probing

    def start(self, now: float) -> None:
        """A request takes its place."""
        if not self._since:
            self._since = now
        self.in_flight += 1
        self._filled = self._filled or self.in_flight >= self.size - self._probing

    def end(self, now: float) -> None:
        """A request is over; it answered, or not."""
        self.in_flight -= 1
        if self._stale:
            self._stale -= 1
            self._since = now
        else:
            self._ended += 1

    def sample(self, now: float, sent_at: float, ttfb: float, elapsed: float) -> bool:
        """A good answer to a request that went out at ``sent_at``: its first byte came after ``ttfb``, all of
        it took ``elapsed``. To be told before its :meth:`end`. Returns True if the window has changed."""
        if self._is_blind:
            self._look(sent_at, now, ttfb)
        if self._stale:
            return False
        self._count += 1
        step = ttfb - self._mean
        self._mean += step / self._count
        self._spread += step * (ttfb - self._mean)
        self._rest += max(0.0, elapsed - ttfb)
        self.base = self.base or ttfb
        if not self._is_enough(now):
            return False
        before = self.size
        self._decide(now)
        return self.size != before

    def _look(self, sent_at: float, now: float, ttfb: float) -> None:
        """A window that starts wide: what went out before the first answer came has met no steady queue.

        The seed's page, which comes alone, says nothing of that; with eight in flight it begins."""
        if self._first is None:
            self._stale = self.in_flight
            if self.in_flight < min(self.size, _LEAST_SAMPLES):
                self._alone += 1
                self.base = min(self.base or ttfb, ttfb)
                self._is_blind = self._alone < _ALONE
                return
            self.base = 0.0
        first_at, count, mean, least = self._first or (now, 0, 0.0, ttfb)
        if sent_at <= first_at:
            count += 1
            self._first = first_at, count, mean + (ttfb - mean) / count, min(least, ttfb)

    def _see(self) -> None:
        """The first answers beside those that came after them: in a queue, the latter have to wait for the
        whole of it, the former for half of it on average. Where pages only differ, they are alike."""
        assert self._first is not None
        _, _, mean, least = self._first
        self.base = least if self._mean - 2 * self._error() >= _QUEUED * mean else mean
        self._is_blind = False

    def restore(self, size: int, base: float) -> None:
        """Go on from what was known of the server, unless something has been learnt since."""
        if not self._since and not self.latency:
            self.size = max(1, min(size, self.limit))
            self.base = base
            self._starting = not base
            self._is_blind = self._is_blind and not base

    def refused(self, now: float, *, whole: bool = False) -> None:
        """The server said no, or fell silent: half of the window is left, or one request only if it said
        for how long (``whole``); and no growth for a while."""
        self.size = 1 if whole else max(1, self.size // 2)
        self._starting = False
        self._raised = 0
        self._held = _HELD
        self._best = (0.0, 0)
        self._wider = None
        self._probing = 0  # else nothing might be left of what is half as large now
        self._is_blind = False
        self._begin(now)

    # -- what follows ------------------------------------------------------------------------

    def _is_enough(self, now: float) -> bool:
        """Do the samples tell something? Never less than eight, except where a small window doubles."""
        count, took = self._count, now - self._since
        if took <= 0 or took < self._mean * (_LEAST_TIME_BLIND if self._is_blind else _LEAST_TIME):
            return False
        if self._is_blind:
            return count >= max(_LEAST_SAMPLES, self.size // 4)
        if self._starting and self.latency and self.size < _LEAST_SAMPLES:
            return count >= _STARTING_ROUNDS * self.size
        if self._starting and self.size == 1:
            return count >= _STARTING_ROUNDS
        if count < max(_LEAST_SAMPLES, self.size):
            return False
        if self._mean >= _EVIDENT * self.base:
            return True
        if count >= _MOST_ROUNDS * max(self.size, _LEAST_SAMPLES // 2):
            return True
        return self._ended / took * self._error() <= max(_SURE, self.size * _SURE_SHARE)

    def _error(self) -> float:
        """The standard error of the mean latency."""
        return sqrt(self._spread / max(1, self._count - 1) / self._count)

    def _decide(self, now: float) -> None:
        took = max(now - self._since, 1e-9)
        if self._is_blind:
            self._see()
        self.latency = self._mean
        self.rate = (self._ended + 1) / took
        probed, self._probing = self._probing, 0
        self._learn(self.size - probed)
        self.queue = self.rate * (self.latency - self.base)
        if self._starting:
            self._start_up()
        elif not probed:
            self._adjust()
        self.size = max(1, min(self.size, self.limit))
        self._begin(now)

    def _learn(self, size: int) -> None:
        """What an epoch with this window says about the base."""
        if size == 1:  # nothing of ours can wait behind anything of ours
            if self.latency > _EVIDENT * self.base:  # then what looked like a queue was none: from the start
                self.base, self._starting = self.latency, True
            self.base += (self.latency - self.base) * _BELIEVED
        elif self.latency + self._error() < self.base:
            self.base += (self.latency - self.base) * _FALL
        if self._wider is None:
            return
        wide, latency = self._wider
        if size > wide * _TELLING:
            return
        self._wider = None
        if self.latency + 2 * self._error() < self.base * _LESS:  # less was possible, and maybe still is
            self.base = self.latency
            self._epochs = _PROBE
            return
        expected = max(self.base, latency * size / wide)
        if self.latency > (expected + latency) / 2:  # latency did not follow the window
            self.base += (self.latency - self.base) * _BELIEVED
            self.size = wide
            self._epochs = 0

    def _start_up(self) -> None:
        if self.queue > max(1.0, self.size * _START_QUEUE_SHARE):
            self._starting = False
            self._cut()
        elif self._filled:
            self.size *= 2
            self._starting = self.size < self.limit

    def _adjust(self) -> None:
        self._epochs += 1
        doubt = max(0.0, self.rate * self._error() - _SURE)
        if self.queue > max(_QUEUE, self.size * _QUEUE_SHARE) + doubt:
            self._cut()
        elif self._epochs > _PROBE and self._filled and self.size > 1:
            self._wider = self.size, self.latency
            self._probing = -(-self.size // 4)
            self._epochs = 0
        elif self._held:
            self._held -= 1
        elif self._filled and self.size < self.limit:
            self._raise()

    def _raise(self) -> None:
        self._wider = None
        best, size = self._best
        if self.rate > best * _GROWTH:
            self._best = (self.rate, self.size)
        elif self.size >= size * _GROWN + 1:  # more in flight, and no more came of it
            self.size, self._held, self._raised = size, _HELD, 0
            self._best = (0.0, 0)
            return
        self._raised += 1
        # Far below a capacity that has grown, steps of one would take all day.
        far = self._raised > 3 and self.queue < max(_QUEUE, self.size * _QUEUE_SHARE) / 2
        self.size += max(1, self.size // 4) if far else 1

    def _cut(self) -> None:
        self._raised = 0
        self._best = (0.0, 0)
        if self._wider is None:
            self._wider = self.size, self.latency
        if self.queue <= 1.5:
            self.size -= 1
            return
        knee = round(self.rate * (self.base + self._rest / self._count))
        self.size = max(1, min(self.size - 1, knee))
