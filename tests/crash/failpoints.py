"""K3: SIGKILL at each named place in the code, where a kill would hurt most; and I11, also in a recovery."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterator

from tests.crash.bench import DURABLE, Bench
from tests.crash.trial import Outcome, Trial
from tests.frontier.format1 import downgrade

from skitter.failpoint import FAILPOINT, NAMES, TRACE
from skitter.job import DATABASE

__all__ = ["NAMES", "all_points", "failpoint_kills"]

_BEFORE_RECOVERY, _RECOVERY, _MIGRATION = "after-append-before-commit", "inside-recovery", "mid-migration"
# Where each format does something of its own.
_OF_FORMATS = ("mid-record", _RECOVERY, "mid-finish")


def failpoint_kills(bench: Bench, point: str, *, library: bool, every: bool) -> Iterator[Outcome]:
    """Kill at the first time that a point is reached; with ``every`` also in the middle and at the last."""
    hits = _hits(bench, point, library=library) if every else 1
    if not hits:
        yield Outcome("K3", point, violations=(f"K3 {point} is never reached",))
        return
    for n in sorted({1, (hits + 1) // 2, hits}):
        yield _one_kill(bench, point, n, library=library)


def _prepare(bench: Bench, point: str, *, library: bool) -> Trial:
    """A job that is brought to where the point can be reached at all."""
    crawl = bench.crawl(library=library, **DURABLE)
    trial = Trial(bench, dataclasses.replace(crawl, every_format=point in _OF_FORMATS))
    if point not in (_RECOVERY, _MIGRATION):
        return trial
    ended = trial.start(**{FAILPOINT: f"{_BEFORE_RECOVERY}:5"}).wait()
    if not ended.killed:
        trial.found.append(f"K3 {_BEFORE_RECOVERY}:5 was not reached")
    trial.look()
    if point == _MIGRATION:
        downgrade(trial.crawl.job / DATABASE)
    return trial


def _hits(bench: Bench, point: str, *, library: bool) -> int:
    """How often a run without kills reaches the point."""
    trial = _prepare(bench, point, library=library)
    trace = bench.folder / "trace"
    trial.start(**{TRACE: str(trace)}).wait()
    reached: Counter[str] = Counter()
    with contextlib.suppress(FileNotFoundError):
        reached.update(trace.read_text().split())
        trace.unlink()
    trial.outcome("K3", point)
    return reached[point]


def _one_kill(bench: Bench, point: str, n: int, *, library: bool) -> Outcome:
    """How many commits a run has is a matter of time: where this one has fewer than the one that was counted,
    its end is sought a little earlier, in a new job."""
    for earlier in (n, n * 9 // 10, n * 8 // 10):
        outcome, reached = _kill_at(bench, point, max(1, earlier), library=library)
        if reached or n == 1:
            break
    return outcome


def _kill_at(bench: Bench, point: str, n: int, *, library: bool) -> tuple[Outcome, bool]:
    trial = _prepare(bench, point, library=library)
    reached = False
    # What recovers a killed recovery, or migration, may be killed as well.
    for again in range(2 if point in (_RECOVERY, _MIGRATION) else 1):
        ended = trial.start(**{FAILPOINT: f"{point}:{n}"}).wait()
        reached |= ended.killed
        if not ended.killed and not again:
            trial.found.append(f"K3 {point}:{n} was not reached; it ended with {ended.code}")
        trial.look()
    trial.finish()
    _nothing_new(trial)
    return trial.outcome("K3", f"{point}:{n} ({trial.crawl.form})"), reached


def _nothing_new(trial: Trial) -> None:
    """I11: the same command on a finished job asks for nothing and changes nothing."""
    trial.checked.add("I11")
    before = [path.read_bytes() for path in trial.crawl.outputs], len(trial.bench.oracle.requests)
    ended = trial.start().wait()
    after = [path.read_bytes() for path in trial.crawl.outputs], len(trial.bench.oracle.requests)
    if ended.code or before != after:
        trial.found.append(f"I11 a finished job was not left as it was; exit code {ended.code}")


def all_points(bench: Bench, *, every: bool) -> Iterator[Outcome]:
    """Each point, the command and the library in turn, or with ``every`` each of them."""
    for number, point in enumerate(NAMES):
        for library in (False, True) if every else (number % 2 == 1,):
            yield from failpoint_kills(bench, point, library=library, every=every)
