"""One or two sentences a strategy on why it took the time that it took: from what was measured, only."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from skitter.compare.report import Outcome, Report, Round
from skitter.compare.wording import duration

__all__ = ["explain"]

# A loop that was blocked for a smaller share of the round is not what made it slow.
_MUCH = 0.2
_POOLS = {"threads": "threads", "processes": "processes", "to-thread": "threads"}


def explain(report: Report) -> dict[str, str]:
    """The sentences by strategy; under ``""`` what holds for all of them."""
    said = {outcome.name: _strategy(report, outcome) for outcome in report.outcomes}
    return {"": _general(report), **said}


def _general(report: Report) -> str:
    sentences = []
    if report.limit is not None:
        sentences.append(_limit(report))
        complete = [one for one in report.outcomes if all(life.ok for life in one.middle.requests)]
        if complete:
            best = min(complete, key=lambda one: one.total)
            sentences.append(f"{best.name} came nearest: {duration(best.total)}{_above(report, best.total)}.")
    if any(len(outcome.rounds) > 1 for outcome in report.outcomes):
        sentences.append("Totals are medians; the rest is of the round in the middle.")
    return " ".join(sentences)


def _limit(report: Report) -> str:
    assert report.limit is not None
    assert report.delay is not None
    cap = report.capacity
    if report.concurrency is not None and report.concurrency < min(report.requests, cap or report.requests):
        why = f"At most {report.concurrency} were allowed at once, each takes the server {report.delay:g} s"
    elif cap is not None and cap < report.requests:
        why = f"The server works on {cap} at once, each for {report.delay:g} s"
    else:
        why = f"The server takes {report.delay:g} s for each and works on all at once"
    return f"{why}: nobody can have {_answers(report.requests)} before {report.limit:g} s."


def _strategy(report: Report, outcome: Outcome) -> str:
    one = outcome.middle
    sentences = [_shape(report, outcome), _failures(report, one), _repeats(report, one)]
    return " ".join(sentence for sentence in sentences if sentence)


def _shape(report: Report, outcome: Outcome) -> str:
    """Why this total: the staircase, the wall, or something between."""
    one, name = outcome.middle, outcome.name
    block = one.longest_block
    if not one.attempts:
        return "Nothing was sent."
    much = block is not None and block.end - block.start > _MUCH * one.total
    if block is not None and much and (one.max_in_flight == 1 or report.requests == 1):
        where = f"{Path(block.file).name}:{block.line}"
        return (
            f"The event loop was blocked for {duration(block.end - block.start)} in `{block.call}` called at "
            f"{where}{_one_by_one(report.requests)}."
        )
    if report.requests == 1:
        return f"A single request, {duration(one.total)}: there is nothing to overlap."
    if one.max_in_flight == 1:
        waits = sum(life.end - life.start for life in one.requests)
        return (
            f"One request at a time: each of the {report.requests} waited for the one before it, and the "
            f"waits add up to {duration(waits)}."
        )
    return _overlapped(report, one, name)


def _overlapped(report: Report, one: Round, name: str) -> str:
    who = f"{one.workers} {_POOLS[name]}" if one.workers and name in _POOLS else "one thread"
    slowest = max(life.end - life.start for life in one.requests)
    waiting = f"{one.max_in_flight} requests were in flight at once, waited for by {who}"
    if not all(life.ok for life in one.requests):
        after = f": {duration(one.total)} until the last answer"
    elif one.max_in_flight >= report.requests and one.attempts == report.requests:
        after = f": all took as long as the slowest, {duration(slowest)}{_above(report, one.total)}"
    else:
        after = f": {duration(one.total)} in all{_above(report, one.total)}"
    cost = f", at {duration(one.cpu)} of CPU" if name in _POOLS else ""
    block = one.longest_block
    if block is not None and block.end - block.start > _MUCH * one.total:
        cost += f"; the loop was busy for {duration(block.end - block.start)} at a stretch with so many"
    return f"{waiting}{after}{cost}."


def _above(report: Report, total: float) -> str:
    """``, 1.2 % above the limit``"""
    if not report.limit:
        return ""
    return f", {max(0.0, 100 * (total / report.limit - 1)):.1f} % above the least possible"


def _failures(report: Report, one: Round) -> str:
    """Final answers that are errors."""
    failed = Counter(life.status for life in one.requests if not life.ok)
    if not failed:
        return ""
    parts = [f"{number} of the {report.requests} ended with {status}" for status, number in failed.items()]
    why = ""
    if "504" in failed and report.gateway_timeout is not None:
        why = f": they had queued and worked for longer than the gateway's {report.gateway_timeout:g} s"
    return f"{' and '.join(parts)}{why}."


def _repeats(report: Report, one: Round) -> str:
    """Attempts beyond one each, and what was decided on the way."""
    tries = [attempt for life in one.requests for attempt in life.attempts[:-1]]
    if not tries:
        return ""
    refused = ", ".join(f"{status} x {number}" for status, number in Counter(t.status for t in tries).items())
    did = "; ".join(dict.fromkeys(one.news))
    good = sum(life.ok for life in one.requests)
    return (
        f"Some first answers were of no use ({refused}){': ' + did if did else ''}; it asked again later, "
        f"{one.attempts} requests in all, and had {good} good answers of {report.requests}."
    )


def _answers(number: int) -> str:
    return "the answer" if number == 1 else f"all {number} answers"


def _one_by_one(number: int) -> str:
    return "" if number == 1 else f", so the {number} tasks ran one after another"
