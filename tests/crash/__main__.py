"""The long run: ``python -m tests.crash`` tries everything, ``--mode K1 --kills 30`` a part of it.

Progress goes to stderr, the table to stdout. Exit code 1 if any invariant was violated.
"""

from __future__ import annotations

import argparse
import queue
import random
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.crash import failpoints, faults, power, random_kills, stopping, syscalls, two_owners
from tests.crash.bench import Bench, say
from tests.crash.table import table
from tests.crash.trial import Outcome

from skitter.testing import Oracle

__all__ = ["main"]

Mode = Callable[[argparse.Namespace, Path], Iterator[Outcome]]


def _k1(found: argparse.Namespace, folder: Path) -> Iterator[Outcome]:
    with Oracle(pages=found.pages, hosts=40) as oracle:
        yield from random_kills.random_kills(Bench(oracle, folder / "k1", found.seed), found.kills)
    with Oracle(pages=min(1000, found.pages), hosts=40) as oracle:
        bench = Bench(oracle, folder / "formats", found.seed)
        yield from random_kills.format_kills(bench, max(8, found.kills // 5))
    with Oracle(pages=60, hosts=20) as oracle:
        bench = Bench(oracle, folder / "delayed", found.seed)
        yield from random_kills.patient_kills(bench, max(2, found.kills // 30))


def _k2(found: argparse.Namespace, folder: Path) -> Iterator[Outcome]:
    """Two side by side: most of the time is spent in waiting for a retry."""
    ended: queue.SimpleQueue[Outcome | BaseException | None] = queue.SimpleQueue()

    def work(half: int) -> None:
        try:
            with Oracle(pages=40, hosts=8) as oracle:
                bench = Bench(oracle, folder / f"k2-{half}", found.seed)
                for call in syscalls.SYSCALLS:
                    first = 1 + half * found.stride
                    for outcome in syscalls.syscall_kills(bench, call, first, 2 * found.stride):
                        ended.put(outcome)
        except BaseException as error:
            ended.put(error)
        ended.put(None)

    workers = [threading.Thread(target=work, args=(half,), daemon=True) for half in (0, 1)]
    for worker in workers:
        worker.start()
    left = len(workers)
    while left:
        outcome = ended.get()
        if isinstance(outcome, BaseException):
            raise outcome
        left -= outcome is None
        if outcome is not None:
            yield outcome


def _k3(found: argparse.Namespace, folder: Path) -> Iterator[Outcome]:
    with Oracle(pages=300, hosts=40) as oracle:
        yield from failpoints.all_points(Bench(oracle, folder / "k3", found.seed), every=True)


def _k4(found: argparse.Namespace, folder: Path) -> Iterator[Outcome]:
    with Oracle(pages=300, hosts=40) as oracle:
        yield from power.power_cuts(Bench(oracle, folder / "k4", found.seed), found.cuts)


def _k5(found: argparse.Namespace, folder: Path) -> Iterator[Outcome]:
    with Oracle(pages=200, hosts=20) as oracle:
        bench = Bench(oracle, folder / "k5", found.seed)
        for call in faults.CALLS:
            for error in ("ENOSPC", "EIO"):
                yield from faults.injected(bench, call, error, found.faults // 2)
        yield from faults.small_files(bench, found.faults)
        yield from faults.few_files(bench, found.faults)
        yield from faults.full_disks(bench, found.faults)


def _k6(found: argparse.Namespace, folder: Path) -> Iterator[Outcome]:
    with Oracle(pages=300, hosts=20) as oracle:
        bench = Bench(oracle, folder / "k6", found.seed)
        yield from stopping.polite_stops(bench, 5)
        yield from stopping.impatient(bench)
        yield from stopping.closed_pipe(bench, 5)
        yield from stopping.frozen(bench, 2.5, 3)
        yield from stopping.frozen(bench, 60.0, 1)
        yield from stopping.starved(bench, 10)
        yield from stopping.shutdowns(bench, 5)
        yield from two_owners.two_owners(bench)


def _k7(found: argparse.Namespace, folder: Path) -> Iterator[Outcome]:
    with Oracle(pages=2000, hosts=40) as oracle:
        yield from random_kills.worker_kills(
            Bench(oracle, folder / "k7", found.seed), max(4, found.kills // 10)
        )


_MODES: dict[str, Mode] = {"K1": _k1, "K2": _k2, "K3": _k3, "K4": _k4, "K5": _k5, "K6": _k6, "K7": _k7}


def main() -> int:
    """Try the modes that were asked for; 1 if anything was violated."""
    found = _options()
    outcomes = []
    folder = Path(tempfile.mkdtemp(prefix="skitter-crash-", dir=found.folder))
    say(f"seed {found.seed}, in {folder}")
    for mode in found.mode or _MODES:
        for outcome in _MODES[mode](found, folder):
            outcomes.append(outcome)
            say(f"{len(outcomes):5} {outcome.mode} {outcome.case}: {outcome.skipped or 'ok'}"
                if not outcome.violations else "\n    ".join(
                    (f"{outcome.mode} {outcome.case}: VIOLATED", *outcome.violations)))  # fmt: skip
    sys.stdout.write(table(outcomes, seed=found.seed) + "\n")
    return int(any(outcome.violations for outcome in outcomes))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--mode", action="append", choices=list(_MODES), help="repeatable; default: all")
    parser.add_argument("--kills", type=int, default=300, help="of K1 (%(default)s)")
    parser.add_argument("--pages", type=int, default=5000, help="of K1's site (%(default)s)")
    parser.add_argument("--stride", type=int, default=1, help="of K2: every so many system calls")
    parser.add_argument("--cuts", type=int, default=200, help="of K4 (%(default)s)")
    parser.add_argument("--faults", type=int, default=20, help="of each kind of K5 (%(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats a former run")
    parser.add_argument("--folder", help="where jobs are made (the system's folder of temporary files)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
