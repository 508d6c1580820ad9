"""What holds a host back, in words for people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from skitter.model import HostState
from skitter.observe.text import seconds

__all__ = ["held_back", "host_line", "slowest", "words"]

# Gates shorter than this are the ordinary pace.
_NEWS = 1.0
# Answers that come sooner are nobody's news.
_SLOW = 0.1
# Failures in a row from which one request at a time is sent: the circuit of the rules.
_CIRCUIT = 5


def words(state: HostState, now: float) -> str:
    """Why the host is not asked for more: the strictest limit first."""
    if state.gate - now >= _NEWS:
        what = "asked to wait" if state.asked >= state.gate else "backs off"
        why = f" ({state.why})" if state.why else ""
        return f"{what} until {_clock(state.gate, now)}{why}"
    if state.failures >= _CIRCUIT:
        return f"one request at a time: {state.failures} without an answer"
    if state.pace > state.delay:
        return f"one request in {seconds(state.pace)}: it refused more"
    if state.delay:
        return f"one request in {seconds(state.delay)}: the delay that it or you ask for"
    window, limit = int(state.window), state.limit
    if window < limit and state.base:
        return f"window {window} of {limit}: latency rises beyond"
    return f"window {window} of {limit}"


def host_line(state: HostState, now: float) -> str:
    """The host, how slow it is and what holds it back."""
    slow = f"answers after {seconds(state.latency)}, " if state.latency >= _SLOW else ""
    return f"{state.origin}: {slow}{words(state, now)}"


def held_back(states: Iterable[HostState], now: float, most: int) -> list[HostState]:
    """Those that must not be contacted for a while, the longest wait first."""
    waiting = [state for state in states if state.gate - now >= _NEWS]
    return sorted(waiting, key=lambda state: -state.gate)[:most]


def slowest(states: Iterable[HostState], most: int) -> list[HostState]:
    """Those that take longest to begin an answer."""
    known = [state for state in states if state.latency]
    return sorted(known, key=lambda state: -state.latency)[:most]


def _clock(at: float, now: float) -> str:
    """``14:05``, with seconds if it is soon and with the day if it is another one; local time."""
    try:
        then, today = datetime.fromtimestamp(at).astimezone(), datetime.fromtimestamp(now).astimezone()
    except (OverflowError, ValueError, OSError):
        return "the end of time"
    if then.date() != today.date():
        return then.strftime("%Y-%m-%d %H:%M")
    return then.strftime("%H:%M:%S" if at - now < 120 else "%H:%M")
