"""K1: SIGKILL at any time of the run, again and again, until the crawl is done. K7: of worker processes."""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.crash.bench import DURABLE, Bench
from tests.crash.crawls import Crawl
from tests.crash.trial import Outcome, Trial

__all__ = ["format_kills", "patient_kills", "process_kills", "random_kills", "worker_kills"]

PROCESSES: Mapping[str, object] = {"processes": 2}


def random_kills(bench: Bench, kills: int) -> Iterator[Outcome]:
    """So many kills, over as many jobs as it takes; an outcome for each job."""
    third = sum(page.reason == "fetched" for page in bench.oracle.expected.values()) // 3
    forms: list[tuple[bool, Mapping[str, object]]] = [
        (False, {}),
        (True, {}),
        (False, {"sitemaps": True}),
        (False, DURABLE),
        (True, DURABLE),
        (False, {"field": ["headers"]}),
        (False, PROCESSES),
        (True, PROCESSES),
        (False, {"limit": third}),
    ]
    for number, (library, options) in enumerate(itertools.cycle(forms), 1):
        if kills <= 0:
            return
        outcome = _one_job(bench, kills, bench.crawl(library=library, **options), f"job {number}")
        kills -= outcome.kills
        yield outcome


def process_kills(bench: Bench, kills: int) -> Iterator[Outcome]:
    """The same with worker processes alone."""
    for number in itertools.count(1):
        if kills <= 0:
            return
        crawl = bench.crawl(library=number % 2 == 0, **PROCESSES)
        outcome = _one_job(bench, kills, crawl, f"job {number}")
        kills -= max(1, outcome.kills)
        yield outcome


def format_kills(bench: Bench, kills: int) -> Iterator[Outcome]:
    """The same with an output of each format, all at once; some with worker processes."""
    forms: list[tuple[bool, Mapping[str, object]]] = [
        (True, {}),
        (True, PROCESSES),
        (False, {}),
    ]
    for number, (library, options) in enumerate(itertools.cycle(forms), 1):
        if kills <= 0:
            return
        crawl = dataclasses.replace(bench.crawl(library=library, **options), every_format=True)
        outcome = _one_job(bench, kills, crawl, f"job {number}")
        kills -= max(1, outcome.kills)
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
        # Of several processes, at times only the one that has everything: the others must not outlive it.
        alone = "processes" in crawl.options and bench.chance.random() < 0.5
        ended = trial.start().kill_at(times[-1], alone=alone)
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


def worker_kills(bench: Bench, jobs: int) -> Iterator[Outcome]:
    """K7: worker processes die, two or three a run; the run goes on and ends well."""
    for number in range(jobs):
        crawl = bench.crawl(library=number % 2 == 1, **PROCESSES)
        trial = Trial(bench, crawl)
        kills = bench.chance.randint(2, 3)
        times = sorted(bench.chance.uniform(0.2, bench.seconds(crawl)) for _ in range(kills))
        began, running = time.monotonic(), trial.start()
        for at in times:
            time.sleep(max(0.0, began + at - time.monotonic()))
            workers = [worker for nursery in _children(running.process.pid) for worker in _children(nursery)]
            if workers:
                os.kill(bench.chance.choice(workers), signal.SIGKILL)
                trial.deaths.append({})
        trial.ended(running.wait())
        when = ", ".join(f"{at:.3f}" for at in times)
        yield trial.outcome("K7", f"seed {bench.seed} job {number + 1}: {crawl.form}, at {when} s")


def _children(process: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it has ended
        return []


def _exactly(trial: Trial, limit: object) -> None:
    """I9: the limit holds over the sum of all runs."""
    trial.checked.add("I9")
    for path in trial.crawl.records:
        fetched = path.read_bytes().count(b'"reason":"fetched"')
        if fetched != limit:
            trial.found.append(f"I9 {path.name}: {fetched} fetched with --limit {limit}")
