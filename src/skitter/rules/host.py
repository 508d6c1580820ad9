"""How one host may be contacted: delay, window, gate. Pure arithmetic over (time, signal).

The window follows AIMD: it starts at one request in flight, grows by one for each window of good
answers and halves when the host refuses. Latency does not steer it yet.
"""

from __future__ import annotations

from enum import Enum

from skitter.config import Politeness
from skitter.model import HostState, RobotsCopy
from skitter.rules.backoff import full_jitter

__all__ = ["Host", "Signal"]

# PRECEDENTS section 3: two to four at a stranger's host.
_ADAPTIVE_WINDOW = 4
# After so many refusals in a row the host means it; with full jitter, or its own Retry-After, this
# is at least several minutes of asking.
_REFUSAL_BUDGET = 20
# A host that answered before and cannot be reached for so many tries in a row (about nine minutes
# of full jitter) is parked: the job can end and be resumed later, and loses nothing.
_FAULTS_UNTIL_PARKED = 10
_PARKED = 6 * 3600.0
# Added to every delay: the host counts the gap where requests arrive, and between our clock and its
# own lie an event loop's turn and a wire at each end.
_JITTER = 0.001
# A request arrives between its sending and the first byte of its answer. The gap counts from the later,
# but a slow page is no late arrival: by at most this share of the delay.
_LATE_ARRIVAL = 0.01


class Signal(Enum):
    """What an ended request says about the host."""

    GOOD = "good"  # an answer, whatever its status
    REFUSED = "refused"  # 429 or 503
    OVERLOADED = "overloaded"  # 504: it could not keep up with what was in flight
    FAULT = "fault"  # no connection came about
    NEUTRAL = "neutral"  # something about the URL, or cut short by us


class Host:
    """The politeness state of one host. ``repr`` shows it in one line."""

    __slots__ = (
        "answered", "delay", "failures", "gate", "given", "good", "in_flight", "last_cut",
        "limit", "next_at", "origin", "refusals", "sent_at", "ttfb", "unsent", "window",
    )  # fmt: skip

    def __init__(self, origin: str, settings: Politeness) -> None:
        self.origin = origin
        self.delay = settings.delay
        self.limit = settings.per_host or _ADAPTIVE_WINDOW
        self.window = float(settings.per_host or 1)
        self.next_at = 0.0  # the pace: not before
        self.gate = 0.0  # refusal, fault or Retry-After: not before
        self.sent_at = 0.0  # when the last request went out
        self.ttfb = 0.0  # how long after a request the first byte of the last answer came
        self.in_flight = 0
        self.unsent = 0  # of these, still connecting
        self.good = 0  # good answers since the window last changed
        self.failures = 0  # faults in a row
        self.refusals = 0  # refusals in a row
        self.last_cut = 0.0  # when the window was last cut
        self.answered = False
        self.given = False

    def __repr__(self) -> str:
        return (
            f"<{self.origin} window {self.in_flight}/{self.window:g} of {self.limit}"
            f" delay {self.delay:g}s next {self.next_at:.3f} gate {self.gate:.3f}"
            f" failures {self.failures} refusals {self.refusals}>"
        )

    def ready_at(self) -> float | None:
        """When the next request may start; None while only a request's end can tell."""
        if self.in_flight >= int(self.window):
            return None
        if self.delay and self.unsent:
            return None  # the gap counts from when the request before has gone out
        return max(self.next_at, self.gate)

    def start(self, now: float) -> None:
        """Reserve the pace, before anything can wait (pitfall 1)."""
        self.in_flight += 1
        self.unsent += 1
        self.next_at = now + self._gap()

    def sent(self, now: float) -> None:
        """The request is on the wire: the next gap counts from here."""
        self.unsent -= 1
        self.flushed(now)

    def flushed(self, now: float) -> None:
        """The loop has had its turn since: by now the bytes of the request are really out."""
        self.sent_at = now
        self.next_at = max(self.next_at, now + self._gap())

    def ask_delay(self, delay: float) -> None:
        """The host's delay has become known; it counts from the last request already, if there was one."""
        self.delay = delay
        if self.sent_at:
            self.answered_after(self.sent_at, self.ttfb)

    def answered_after(self, sent_at: float, ttfb: float) -> None:
        """The first byte of an answer came ``ttfb`` seconds after its request had gone out."""
        self.ttfb = ttfb
        if self.delay:
            late = min(ttfb, self.delay * _LATE_ARRIVAL)
            self.next_at = max(self.next_at, sent_at + late + self._gap())

    def _gap(self) -> float:
        return self.delay + _JITTER if self.delay else 0.0

    def ended(
        self, now: float, started: float, signal: Signal, chance: float, asked: float | None = None
    ) -> None:
        """A request that started at ``started`` is over.

        ``chance`` is uniform in [0, 1); ``asked`` is the wait of a Retry-After field, in seconds.
        """
        self.in_flight -= 1
        if signal is Signal.GOOD:
            self._good()
        elif signal is not Signal.NEUTRAL and started >= self.last_cut:
            # Once for all that were in flight together: they met the same moment of the host.
            self.last_cut = now
            self._cut(now, signal, chance if asked is None else 0.0)
        if asked is not None:
            self.wait(now + asked)

    def unused(self) -> None:
        """The request ended without having been sent."""
        self.unsent -= 1

    def _good(self) -> None:
        self.answered = True
        self.failures = self.refusals = 0
        self.good += 1
        if self.good >= self.window and self.window < self.limit:
            self.window = min(self.limit, int(self.window) + 1)
            self.good = 0

    def _cut(self, now: float, signal: Signal, chance: float) -> None:
        self.window = max(1.0, self.window // 2)
        self.good = 0
        if signal is Signal.OVERLOADED:  # the narrower window is the cure; the URL waits by itself
            self.answered = True
            self.failures = 0
            return
        if signal is Signal.REFUSED:
            self.answered = True
            self.refusals += 1
            self.wait(now + full_jitter(self.refusals - 1, chance))
            return
        self.failures += 1
        self.wait(now + full_jitter(self.failures - 1, chance))
        if self.answered and self.failures >= _FAULTS_UNTIL_PARKED:
            self.wait(now + _PARKED)

    def wait(self, until: float) -> None:
        """Do not contact the host before ``until`` (Retry-After, backoff)."""
        self.gate = max(self.gate, until)

    @property
    def gave_up(self) -> bool:
        """Has the host refused until its budget ended?"""
        return self.refusals >= _REFUSAL_BUDGET

    def state(self, robots: RobotsCopy | None = None) -> HostState:
        """What has to be remembered between runs; ``robots`` if there is a new copy."""
        return HostState(
            self.origin, self.next_at, self.gate, self.window, self.limit, self.failures, self.refusals,
            self.answered, self.given, robots,
        )  # fmt: skip

    def restore(self, state: HostState, now: float) -> None:
        """Go on from what a former run knew: one full delay from now, as nobody knows when a run that
        was killed sent its last request (I8). What this run knows already is newer, and stays.
        """
        self.given |= state.given
        self.answered |= state.answered
        self.gate = max(self.gate, state.gate)
        if self.next_at or self.in_flight:
            return
        self.next_at = now + self.delay
        if state.limit == self.limit:  # another --per-host starts its window anew
            self.window = float(max(1, min(state.window, self.limit)))
        self.failures, self.refusals = state.failures, state.refusals
