"""K1: SIGKILL at any time of the run, again and again, until the crawl is done."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from tests.crash.bench import DURABLE, Bench
from tests.crash.crawls import Crawl
from tests.crash.trial import Outcome, Trial

__all__ = ["patient_kills", "random_kills"]


def random_kills(bench: Bench, kills: int) -> Iterator[Outcome]:
    """So many kills, over as many jobs as it takes; an outcome for each job."""
    third = sum(page.reason == "fetched" for page in bench.oracle.expected.values()) // 3
    forms: list[tuple[bool, Mapping[str, object]]] = [
        (False, {}),
        (True, {}),
        (False, DURABLE),
        (True, DURABLE),
        (False, {"field": ["headers"]}),
        (False, {"limit": third}),
    ]
    for number, (library, options) in enumerate(itertools.cycle(forms), 1):
        if kills <= 0:
            return
        outcome = _one_job(bench, kills, bench.crawl(library=library, **options), f"job {number}")
        kills -= outcome.kills
        yield outcome


def patient_kills(bench: Bench, jobs: int) -> Iterator[Outcome]:
    """I8 across restarts: a delay that is longer than a restart takes, on hosts of a few pages each."""
    for number in range(jobs):
        crawl = bench.crawl(library=number % 2 == 1, delay="800ms")
        yield _one_job(bench, 5, crawl, f"delayed job {number + 1}")


def _one_job(bench: Bench, most: int, crawl: Crawl, name: str) -> Outcome:
    """Kill it until it ends, or ``most`` times; then let it end."""
    trial = Trial(bench, crawl)
    limit = crawl.options.get("limit")
    times: list[float] = []
    while len(times) < most:
        times.append(bench.chance.uniform(0.0, bench.seconds(crawl)))
        ended = trial.start().kill_at(times[-1])
        if not ended.killed:
            trial.ended(ended, complete=limit is None)
            break
        trial.look()
    else:
        trial.finish(complete=limit is None)
    if limit is not None:
        _exactly(trial, limit)
    at = ", ".join(f"{time:.3f}" for time in times)
    return trial.outcome("K1", f"seed {bench.seed} {name}: {crawl.form}, killed at {at} s")


def _exactly(trial: Trial, limit: object) -> None:
    """I9: the limit holds over the sum of all runs."""
    trial.checked.add("I9")
    for path in trial.crawl.records:
        fetched = path.read_bytes().count(b'"reason":"fetched"')
        if fetched != limit:
            trial.found.append(f"I9 {path.name}: {fetched} fetched with --limit {limit}")
