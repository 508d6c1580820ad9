"""I12: one process a job; but a dead owner is no obstacle."""

from __future__ import annotations

import dataclasses
import signal
import sys
from collections.abc import Iterator

from tests.crash.bench import Bench
from tests.crash.crawls import Running, start
from tests.crash.trial import Outcome, Trial

__all__ = ["two_owners"]

_USAGE = 2


def two_owners(bench: Bench) -> Iterator[Outcome]:
    """A second process on a live job is told whose it is; ``status`` disturbs nobody; after a SIGKILL the
    next one starts at once."""
    quarter = len(bench.oracle.expected) // 4
    for library in (False, True):
        trial = Trial(bench, bench.crawl(library=library))
        owner = trial.start()
        if not owner.wait_until(lambda: len(bench.oracle.requests) > quarter):
            trial.found.append("I12 the crawl did not get under way")
        _second(trial, owner)
        _status(trial, owner)
        owner.send(signal.SIGKILL)
        if owner.wait().killed:
            trial.look()
        trial.finish()
        yield trial.outcome("I12", f"second process on a live job ({trial.crawl.form})")


def _second(trial: Trial, owner: Running) -> None:
    trial.checked.add("I12")
    words = dataclasses.replace(trial.crawl, has_handlers=False).words()
    ended = start(words, trial.crawl.folder).wait(20.0)
    if ended.code != _USAGE or str(owner.process.pid) not in ended.stderr or "Traceback" in ended.stderr:
        trial.found.append(f"I12 the second process ended with {ended.code}: {ended.stderr[-300:]}")


def _status(trial: Trial, owner: Running) -> None:
    words = [sys.executable, "-m", "skitter", "status", str(trial.crawl.job)]
    ended = start(words, trial.crawl.folder).wait(20.0)
    if ended.code or f"process {owner.process.pid}" not in ended.stdout:
        trial.found.append(f"I12 status ended with {ended.code}: {(ended.stdout + ended.stderr)[-300:]}")
