"""From a server's log to figures. Time is seconds since the first request, be it for robots.txt."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from scenarios import PAGE, RETRY_AFTER, Phase, Scenario

__all__ = [
    "STEP",
    "Figures",
    "Request",
    "answered",
    "mean_in_system",
    "measure",
    "moving",
    "occupancy",
    "read",
]

STEP = 0.1  # seconds; the grid of everything that is shown over time
_SKIPPED = 10.0  # seconds at the start: that is how long a crawler may take to find its pace
_LAST = 5.0  # seconds that tell what pace a crawler has found that needs longer
_STOPPING = 1.0  # seconds at the end, when crawlers with a time limit of their own may be stopping
_RECEIVED = 0.005  # seconds after which an answer that was sent counts as received
_SPAN = round(1 / STEP)  # bins of the moving averages: one second


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a page. Its answer was to be sent at `due`; status 0 is "the client was gone"."""

    path: str
    arrived: float
    due: float
    ended: float
    status: int


@dataclass(frozen=True)
class Figures:
    """What the server saw of one crawl. Means leave out its first ten seconds and the last one."""

    pages: float  # answered with 200, a second
    last: float  # the same in the last five seconds
    latency: float | None  # mean seconds from arrival to answer, of answers with 200
    in_system: float  # mean number of requests that had arrived and were not answered
    refused: float  # share of all requests of the crawl, from its start, that got a 429
    early: int  # requests, from the start of the crawl, before a Retry-After that had been received was over
    adapted: list[float | None]  # seconds after each change of capacity; None: not before the next one
    late: float  # mean seconds that answers came after they were due: how busy the machine was


def read(log: Path) -> list[Request]:
    """The requests for pages, in the order of arrival."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    begin = min((line["arrived"] for line in lines), default=0.0)
    requests = [
        Request(
            line["path"], line["arrived"] - begin, line["due"] - begin, line["ended"] - begin, line["status"]
        )
        for line in lines
        if line["path"] != "/robots.txt"
    ]
    return sorted(requests, key=lambda request: request.arrived)


def measure(scenario: Scenario, requests: Sequence[Request], seconds: float) -> Figures:
    """The figures of a crawl that was stopped after `seconds`."""
    begin, end = _SKIPPED, seconds - _STOPPING
    if end <= begin:
        raise SystemExit(f"a crawl must take more than {_SKIPPED + _STOPPING:g} seconds")
    pages = [each for each in requests if each.status == 200 and begin <= each.ended < end]
    last = min(_LAST, end - begin)
    crawled = [each for each in requests if each.arrived < end]
    refusals = [each for each in crawled if each.status == 429]
    return Figures(
        pages=len(pages) / (end - begin),
        last=sum(each.ended >= end - last for each in pages) / last,
        latency=fmean(each.ended - each.arrived for each in pages) if pages else None,
        in_system=mean_in_system(requests, begin, end),
        refused=len(refusals) / max(1, len(crawled)),
        early=_early(crawled, refusals),
        adapted=_adapted(scenario, requests, end),
        late=fmean(each.ended - each.due for each in pages) if pages else 0.0,
    )


def mean_in_system(requests: Iterable[Request], begin: float, end: float) -> float:
    """The mean number of requests in the system between two instants."""
    inside = sum(max(0.0, min(each.ended, end) - max(each.arrived, begin)) for each in requests)
    return inside / (end - begin)


def occupancy(requests: Iterable[Request], end: float) -> list[float]:
    """The mean number of requests in the system in each STEP of time until `end`."""
    bins = [0.0] * round(end / STEP)
    for each in requests:
        for place in range(int(each.arrived / STEP), min(int(each.ended / STEP) + 1, len(bins))):
            overlap = min(each.ended, (place + 1) * STEP) - max(each.arrived, place * STEP)
            bins[place] += max(0.0, overlap) / STEP
    return bins


def answered(requests: Iterable[Request], end: float, status: int = 200) -> list[float]:
    """The answers a second, in each STEP of time until `end`."""
    bins = [0.0] * round(end / STEP)
    for each in requests:
        place = int(each.ended / STEP)
        if each.status == status and place < len(bins):
            bins[place] += 1 / STEP
    return bins


def moving(bins: Sequence[float]) -> list[float]:
    """The mean over the last second, at the end of each STEP; before the first one there was nothing."""
    return [sum(bins[max(0, place - _SPAN) : place]) / _SPAN for place in range(1, len(bins) + 1)]


def _early(requests: Iterable[Request], refusals: Collection[Request]) -> int:
    """Requests that arrived before a Retry-After was over whose answer the client had received."""
    received = sorted(each.ended + _RECEIVED for each in refusals)
    early = 0
    for each in requests:
        # All ask for the same wait, so the last refusal is the one that ends last.
        place = bisect_right(received, each.arrived)
        early += place > 0 and each.arrived < received[place - 1] - _RECEIVED + RETRY_AFTER
    return early


def _adapted(scenario: Scenario, requests: Sequence[Request], end: float) -> list[float | None]:
    """How many seconds after each change of capacity the crawler has adapted to it."""
    phases = scenario.phases(end)
    windows, pages = moving(occupancy(requests, end)), moving(answered(requests, end))
    found = []
    for before, phase in pairwise(phases):
        instants = [_settled(windows, phase)]
        if phase.workers > before.workers:
            instants.append(_reached(pages, phase))
        missing = any(instant is None for instant in instants)
        found.append(None if missing else max(instant for instant in instants if instant is not None))
    return found


def _settled(windows: Sequence[float], phase: Phase) -> float | None:
    """After how many seconds of the phase the window stays near the number of workers, for its last second
    at least."""
    low, high = 0.75 * phase.workers, 1.5 * phase.workers + 1
    first, last = round(phase.begin / STEP), round(phase.end / STEP)
    outside = [place for place in range(first, last) if not low <= windows[place] <= high]
    settled = outside[-1] + 1 if outside else first
    # To be inside for a moment at the end, perhaps in passing, is not to have adapted.
    return None if last - settled < _SPAN else (settled - first) * STEP


def _reached(pages: Sequence[float], phase: Phase) -> float | None:
    """After how many seconds of the phase 90 % of its capacity are used for the first time."""
    first, last = round(phase.begin / STEP), round(phase.end / STEP)
    enough = 0.9 * phase.workers / PAGE
    return next(((place - first) * STEP for place in range(first, last) if pages[place] >= enough), None)
