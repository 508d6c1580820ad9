"""K2: SIGKILL at every system call that changes a file, one after the other."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator

from tests.crash.bench import Bench, say
from tests.crash.trial import Outcome, Trial

__all__ = ["SYSCALLS", "syscall_kills", "traced"]

SYSCALLS = ("pwrite64", "write", "fdatasync", "fsync", "ftruncate", "rename", "unlink")
# No crawl of a site as small as this one makes more of a kind.
_MOST = 2000


def traced(call: str, fault: str) -> list[str]:
    """What to run a crawl under, so that ``fault`` befalls a system call; [] without strace."""
    strace = shutil.which("strace")
    if strace is None:
        return []
    # A "?" passes over what a machine has not. No --seccomp-bpf: with it, strace 6.1 counts wrongly.
    return [strace, "-f", "-qq", "-o", "/dev/null", "-e", f"trace=?{call}", "-e", f"inject=?{call}:{fault}"]


def syscall_kills(bench: Bench, call: str, first: int = 1, stride: int = 1) -> Iterator[Outcome]:
    """Kill at the ``first`` call of a kind, ``stride`` later and so on, until a run makes no more of it.

    strace counts the calls of each thread by itself: at N the first thread to come to its N-th is it.
    """
    if not traced(call, "signal=KILL"):
        yield Outcome("K2", call, skipped="strace is not installed")
        return
    for n in itertools.count(first, stride):
        trial = Trial(bench, bench.crawl(library=n % 2 == 0))
        ended = trial.start(traced(call, f"signal=KILL:when={n}"), PYTHONDONTWRITEBYTECODE="1").wait()
        if ended.killed:
            trial.look()
            trial.finish()
        else:
            trial.ended(ended)
        yield trial.outcome("K2", f"{call} {n} ({trial.crawl.form})")
        if not ended.killed or n > _MOST:
            say(f"K2 {call}: no more than {n - 1}")
            return
