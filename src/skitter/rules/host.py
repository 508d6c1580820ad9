"""How one host may be contacted: delay, window, pace, gate. Pure arithmetic over (time, signal).

Three things limit a host, and the strictest counts. The *window* follows latency and finds how much the
server can do at once (:mod:`skitter.rules.window`); hosts at one address share it. The *pace* is the
delay that robots.txt or the user asks for, or the rate that refusals have taught
(:mod:`skitter.rules.pace`). The *gate* is a moment before which nothing is sent: the server's own
Retry-After, in full, or else our backoff.
"""

from __future__ import annotations

from enum import Enum

from skitter.config import Politeness
from skitter.model import HostState, RobotsCopy
from skitter.rules.backoff import full_jitter
from skitter.rules.pace import Pace
from skitter.rules.window import Window

__all__ = ["Host", "Signal", "new_window"]

# PRECEDENTS section 3: two to four at a stranger's host.
_ADAPTIVE_WINDOW = 4
# After so many refusals in a row the host means it; with full jitter, or its own Retry-After, this
# is at least several minutes of asking.
_REFUSAL_BUDGET = 20
# A host that answered before and cannot be reached for so many tries in a row (about nine minutes
# of full jitter) is parked: the job can end and be resumed later, and loses nothing.
_FAULTS_UNTIL_PARKED = 10
_PARKED = 6 * 3600.0
# After so many failures in a row the circuit is open: one request at a time, a backoff after each
# (PRECEDENTS section 3).
_CIRCUIT = 5
# Added to every delay: the host counts the gap where requests arrive, and between our clock and its
# own lie an event loop's turn and a wire at each end.
_JITTER = 0.001
# A request arrives between its sending and the first byte of its answer. The gap counts from the later,
# but a slow page is no late arrival: by at most this share of the delay.
_LATE_ARRIVAL = 0.01
# An answer that took twice as long as usual may have been late all the way: a server that stood still for a
# moment, or had to accept many connections at once, as at the first request.
_LATE_UNUSUAL, _FOLLOW = 0.1, 0.2
# Of the delay, what many hosts are spread over at their beginning: half keeps them apart, and costs a quarter
# of a delay a host on average.
_SPREAD = 0.5
# A host hangs that has answered nothing for so long while it was asked, or for so many times what its
# last answer took.
_HANGS_AFTER, _HANGS_LATENCIES = 2.0, 4.0


class Signal(Enum):
    """What an ended request says about the host."""

    GOOD = "good"  # an answer, whatever its status
    REFUSED = "refused"  # 429 or 503
    OVERLOADED = "overloaded"  # 504: it could not keep up with what was in flight
    SILENT = "silent"  # asked, and no byte came in time; or the connection was cut
    FAULT = "fault"  # no connection came about
    NEUTRAL = "neutral"  # something about the URL, or cut short by us


def new_window(settings: Politeness) -> Window:
    """The window of a server that nothing is known of."""
    return Window(settings.per_host or 1, settings.per_host or _ADAPTIVE_WINDOW)


class Host:
    """The politeness state of one host. ``repr`` shows it in one line."""

    __slots__ = (
        "_pace", "answered", "asked", "delay", "failures", "gate", "given", "in_flight",
        "is_proven", "last_cut", "next_at", "origin", "quiet_since", "refusals", "sent_at", "ttfb",
        "unsent", "usual", "why", "window",
    )  # fmt: skip

    def __init__(self, origin: str, settings: Politeness, window: Window | None = None) -> None:
        """``window`` is that of the server, if the host shares it with others."""
        self.origin = origin
        self.delay = settings.delay
        self.window = window or new_window(settings)
        self._pace = Pace()
        self.next_at = 0.0  # the pace: not before
        self.gate = 0.0  # refusal, fault or Retry-After: not before
        self.asked = 0.0  # the date that the host itself has asked for
        self.why = ""  # what closed the gate
        self.sent_at = 0.0  # when the last request went out
        self.usual = 0.0  # how long that takes on average
        self.ttfb = 0.0  # how long after a request the first byte of the last answer came
        self.in_flight = 0
        self.unsent = 0  # of these, still connecting
        self.quiet_since = 0.0  # the last answer, or the request after which none has come
        self.failures = 0  # faults and silences in a row
        self.refusals = 0  # refusals in a row
        self.last_cut = 0.0  # when the window was last cut
        self.answered = False  # ever
        self.is_proven = False  # it has answered in this run, and not failed since
        self.given = False

    def __repr__(self) -> str:
        return (
            f"<{self.origin} {self.window!r} delay {self.delay:g}s pace {self._pace.interval:.3f}s"
            f" next {self.next_at:.3f} gate {self.gate:.3f}"
            f" failures {self.failures} refusals {self.refusals}>"
        )

    def share(self, window: Window) -> None:
        """It is known now that the host shares this window with others. Only while nothing is in flight."""
        window.restore(self.window.size, self.window.base)
        self.window = window

    # -- may it be asked? --------------------------------------------------------------------

    def ready_at(self) -> float | None:
        """When the next request may start; None while only a request's end can tell."""
        if not self.window.has_room:
            return None
        if self.in_flight and self.failures >= _CIRCUIT:
            return None  # one probe at a time
        if self.delay and self.unsent:
            return None  # the gap counts from when the request before has gone out
        return max(self.next_at, self.gate)

    def is_doubtful(self, now: float) -> bool:
        """Might a request to it hold a slot in vain? It has never answered, or keeps us waiting now."""
        if not self.is_proven:
            return True
        if not self.in_flight:
            return False
        return now - self.quiet_since > max(_HANGS_AFTER, _HANGS_LATENCIES * self.ttfb)

    @property
    def gave_up(self) -> bool:
        """Has the host refused until its budget ended?"""
        return self.refusals >= _REFUSAL_BUDGET

    # -- a request ---------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Reserve the pace, before anything can wait (pitfall 1)."""
        if not self.in_flight:
            self.quiet_since = now
        self.in_flight += 1
        self.unsent += 1
        self.window.start(now)
        self.next_at = now + self._gap()

    def sent(self, now: float) -> None:
        """The request is on the wire: the next gap counts from here."""
        self.unsent -= 1
        self.flushed(now)

    def flushed(self, now: float) -> None:
        """The loop has had its turn since: by now the bytes of the request are really out."""
        self.sent_at = now
        self.next_at = max(self.next_at, now + self._gap())

    def spread(self, chance: float) -> None:
        """Many hosts that began together would be asked together for ever, in one burst a delay: each waits
        a random while more, once. ``chance`` is uniform in [0, 1)."""
        if self.delay and self.next_at:
            self.next_at += chance * self.delay * _SPREAD

    def ask_delay(self, delay: float) -> None:
        """The host's delay has become known; it counts from the last request already, if there was one."""
        self.delay = delay
        if self.sent_at:
            self._keep_gap(self.sent_at, self.ttfb)

    def answered_after(self, sent_at: float, ttfb: float) -> None:
        """The first byte of an answer came ``ttfb`` seconds after its request had gone out."""
        self.ttfb = ttfb
        self._keep_gap(sent_at, ttfb)
        self.usual += (ttfb - self.usual) * (_FOLLOW if self.usual else 1.0)

    def _keep_gap(self, sent_at: float, ttfb: float) -> None:
        if self.delay:
            unusual = ttfb > 2 * self.usual
            late = min(ttfb, self.delay * (_LATE_UNUSUAL if unusual else _LATE_ARRIVAL))
            self.next_at = max(self.next_at, sent_at + late + self._gap())

    def _gap(self) -> float:
        return max(self.delay + _JITTER if self.delay else 0.0, self._pace.interval)

    @property
    def is_paced(self) -> bool:
        """Is there a time between its requests?"""
        return self._gap() > 0

    def unused(self) -> None:
        """The request ended without having been sent."""
        self.unsent -= 1

    # -- what it brought ---------------------------------------------------------------------

    def ended(
        self, now: float, started: float, signal: Signal, chance: float, asked: float | None = None
    ) -> None:
        """A request that started at ``started`` is over.

        ``chance`` is uniform in [0, 1); ``asked`` is the wait of a Retry-After field, in seconds.
        """
        self.in_flight -= 1
        self.window.end(now)
        if signal in (Signal.GOOD, Signal.REFUSED, Signal.OVERLOADED):
            self.answered = self.is_proven = True
            self.quiet_since = now
        elif signal is not Signal.NEUTRAL:
            self.is_proven = False
        if signal is Signal.GOOD:
            self.failures = self.refusals = 0
            self._pace.accepted(now)
        elif signal is not Signal.NEUTRAL and started >= self.last_cut:
            # Once for all that were in flight together: they met the same moment of the host.
            self.last_cut = now
            self.window.refused(now, whole=asked is not None)
            self._back_off(now, signal, chance if asked is None else 0.0)
        if asked is not None:
            self.asked = max(self.asked, now + asked)
            self.wait(now + asked)

    def _back_off(self, now: float, signal: Signal, chance: float) -> None:
        if signal is Signal.OVERLOADED:  # the narrower window is the cure; the URL waits by itself
            self.failures = 0
        elif signal is Signal.REFUSED:
            self._pace.refused(now)
            self.failures = 0
            self.refusals += 1
            self.wait(now + full_jitter(self.refusals - 1, chance))
        elif signal is Signal.SILENT:
            # One slow page is the page's affair, and a few; then it is the host's.
            self.failures += 1
            if self.failures >= _CIRCUIT:
                self.wait(now + full_jitter(self.failures - _CIRCUIT, chance))
        else:
            self.failures += 1
            self.wait(now + full_jitter(self.failures - 1, chance))
            if self.answered and self.failures >= _FAULTS_UNTIL_PARKED:
                self.wait(now + _PARKED)

    def wait(self, until: float) -> None:
        """Do not contact the host before ``until`` (Retry-After, backoff)."""
        self.gate = max(self.gate, until)

    # -- between runs ------------------------------------------------------------------------

    def state(self, robots: RobotsCopy | None = None) -> HostState:
        """What has to be remembered between runs; ``robots`` if there is a new copy."""
        window = self.window
        return HostState(
            self.origin, self.next_at, self.gate, float(window.size), window.limit, self.failures,
            self.refusals, self.answered, self.given, robots, base=window.base,
            latency=window.latency or self.ttfb, queue=window.queue, delay=self.delay,
            pace=self._pace.interval, asked=self.asked, why=self.why,
        )  # fmt: skip

    def restore(self, state: HostState, now: float) -> None:
        """Go on from what a former run knew: one full delay from now, as nobody knows when a run that
        was killed sent its last request (I8). What this run knows already is newer, and stays.
        """
        self.given |= state.given
        self.answered |= state.answered
        if state.gate > self.gate:
            self.gate, self.asked, self.why = state.gate, state.asked, state.why
        if self.next_at or self.in_flight:
            return
        self._pace.interval = state.pace
        self.next_at = now + self._gap()
        if state.limit == self.window.limit:  # another --per-host starts its window anew
            self.window.restore(int(state.window), state.base)
        self.failures, self.refusals = state.failures, state.refusals
