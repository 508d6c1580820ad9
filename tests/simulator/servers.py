"""Model servers. Each takes requests and says, some time later, how it answers. Times in seconds."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from functools import partial

from tests.simulator.timeline import Timeline

__all__ = ["Answer", "Bucket", "Errors", "Fifo", "Hangs", "Server", "exponential", "fixed"]

Answer = Callable[[int, float | None], None]  # is told status and Retry-After
Cost = Callable[[random.Random], float]


def fixed(seconds: float, jitter: float = 0.001) -> Cost:
    """Pages that all cost about the same."""
    return lambda chance: seconds + chance.expovariate(1 / jitter)


def exponential(mean: float) -> Cost:
    """Pages of very different cost."""
    return lambda chance: chance.expovariate(1 / mean)


class Server:
    """Answers; ``log`` has the time, the status and the Retry-After date of every answer, by arrival."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.log: list[tuple[float, float, int, float]] = []  # arrival, answer, status, not before
        self.in_system = 0
        self.most_in_system = 0

    def take(self, answer: Answer) -> None:
        """A request arrives."""
        arrived = self.timeline.now
        self.in_system += 1
        self.most_in_system = max(self.most_in_system, self.in_system)

        def answered(status: int, retry_after: float | None = None) -> None:
            self.in_system -= 1
            now = self.timeline.now
            self.log.append((arrived, now, status, now + (retry_after or 0.0)))
            answer(status, retry_after)

        self.serve(answered)

    def serve(self, answer: Answer) -> None:
        """Answer now or later."""
        raise NotImplementedError

    def goodput(self, since: float, until: float) -> float:
        """Good answers a second."""
        return sum(1 for _, at, status, _ in self.log if since <= at < until and status == 200) / (
            until - since
        )

    def latency(self, since: float, until: float) -> float:
        """Mean time from arrival to a good answer."""
        took = [at - arrived for arrived, at, status, _ in self.log if since <= at < until and status == 200]
        return sum(took) / len(took)

    def refused(self) -> float:
        """Share of refusals."""
        return sum(1 for _, _, status, _ in self.log if status == 429) / len(self.log)

    def too_early(self, wire: float) -> int:
        """Requests that were sent after a refusal had been received, and before its date."""
        until, found, events = 0.0, 0, []
        for arrived, at, status, not_before in self.log:
            events.append((arrived - wire, 1, 0.0))  # when it was sent
            if status == 429:
                events.append((at + wire, 0, not_before))  # when that was received
        for at, is_request, not_before in sorted(events):
            if not is_request:
                until = max(until, not_before)
            elif at < until - 1e-6:
                found += 1
        return found


class Fifo(Server):
    """``workers`` pages at a time, the others wait in a queue."""

    def __init__(self, timeline: Timeline, workers: int, cost: Cost, seed: int = 1) -> None:
        super().__init__(timeline)
        self._chance = random.Random(seed)
        self._workers = workers
        self._cost = cost
        self._busy = 0
        self._queue: deque[Answer] = deque()

    def serve(self, answer: Answer) -> None:
        self._queue.append(answer)
        self._work()

    def change(self, workers: int | None = None, cost: Cost | None = None) -> None:
        """From now on it has another capacity."""
        self._workers = workers or self._workers
        self._cost = cost or self._cost
        self._work()

    def _work(self) -> None:
        while self._queue and self._busy < self._workers:
            answer = self._queue.popleft()
            self._busy += 1
            self.timeline.after(self._cost(self._chance), partial(self._done, answer))

    def _done(self, answer: Answer) -> None:
        self._busy -= 1
        self._work()
        answer(200, None)


class Bucket(Server):
    """A token bucket: ``rate`` a second, ``burst`` at once; beyond it 429."""

    def __init__(
        self, timeline: Timeline, rate: float, burst: float, retry_after: float | None = 1.0
    ) -> None:
        super().__init__(timeline)
        self._rate, self._burst, self._retry_after = rate, burst, retry_after
        self._tokens, self._at = burst, timeline.now

    def serve(self, answer: Answer) -> None:
        now = self.timeline.now
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            self.timeline.after(0.002, lambda: answer(200, None))
        else:
            self.timeline.after(0.001, lambda: answer(429, self._retry_after))


class Errors(Server):
    """A queue like Fifo's, but whatever finds more than ``most`` in it gets a quick 503."""

    def __init__(self, timeline: Timeline, workers: int, cost: Cost, most: int) -> None:
        super().__init__(timeline)
        self._inner = Fifo(timeline, workers, cost)
        self._most = most

    def serve(self, answer: Answer) -> None:
        if self.in_system > self._most:
            self.timeline.after(0.001, lambda: answer(503, None))
        else:
            self._inner.serve(answer)


class Hangs(Server):
    """Takes requests and never answers."""

    def serve(self, answer: Answer) -> None:
        pass
