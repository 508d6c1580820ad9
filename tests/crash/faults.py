"""K5: the disk is full, the disk is broken, there are no more files: the crawl says so, and goes on later."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.crash.bench import DURABLE, Bench
from tests.crash.crawls import Crawl, Ended
from tests.crash.syscalls import traced
from tests.crash.trial import Outcome, Trial

__all__ = ["CALLS", "few_files", "full_disks", "injected", "small_files"]

CALLS = ("pwrite64", "write", "fsync", "fdatasync", "ftruncate")
_OK, _STORAGE = 0, 7


def injected(bench: Bench, call: str, error: str, number: int) -> Iterator[Outcome]:
    """A system call fails, once or from then on, at ``number`` places spread over the run."""
    if not traced(call, "error=EIO"):
        yield Outcome("K5", f"{call} {error}", skipped="strace is not installed")
        return
    calls = _calls(bench, call)
    for place in range(min(number, calls)):
        n = 1 + place * calls // number + bench.chance.randrange(max(1, calls // number))
        more = "+" if place % 2 else ""
        trial = Trial(bench, _crawl(bench, place))
        ended = _run(trial, traced(call, f"error={error}:when={n}{more}"), call)
        yield _judge(trial, ended, f"{call} {error} at {n}{more} of {calls}")


def _crawl(bench: Bench, place: int) -> Crawl:
    """The forms in turn. Durable ones: without, there would be hardly a sync that can fail."""
    return bench.crawl(library=place % 3 == 2, **DURABLE)


def _paths(crawl: Crawl, call: str) -> list[str]:
    """Only its own files: a `write` that fails on the loop's own pipes is no disk's fault."""
    names = (crawl.job / "job.db", crawl.job / "job.db-wal", crawl.job / "lock", *crawl.outputs)
    return [word for name in names for word in ("-P", str(name))] if call == "write" else []


def _run(trial: Trial, prefix: list[str], call: str) -> Ended:
    prefix = prefix + _paths(trial.crawl, call)
    return trial.start(prefix, PYTHONDONTWRITEBYTECODE="1").wait()


def _calls(bench: Bench, call: str) -> int:
    """How many calls of a kind the busiest thread makes in a clean run: strace counts by thread."""
    trial = Trial(bench, _crawl(bench, 0))
    log = bench.folder / "calls"
    prefix = traced(call, "retval=0:when=65535")  # a fault that never comes
    prefix[prefix.index("/dev/null")] = str(log)
    _run(trial, prefix, call)
    trial.outcome("K5", call)
    threads = Counter(line.split(maxsplit=1)[0] for line in log.read_text().splitlines())
    return max(threads.values(), default=0)


def _judge(trial: Trial, ended: Ended, case: str, codes: tuple[int, ...] = (_OK, _STORAGE)) -> Outcome:
    """Stopped with one clear line, or not bothered; then, without the fault, on to the end."""
    trial.expect(ended, *codes)
    if ended.code == _STORAGE:
        said = ended.stderr.strip().splitlines()
        if sum(line.startswith("skitter: ") for line in said) != 1 or not said[-1].startswith("skitter: "):
            trial.found.append(f"I13 not one line at the end, but: {ended.stderr.strip()[-400:]}")
    trial.look()
    trial.finish()
    return trial.outcome("K5", f"{case} ({trial.crawl.form}): {ended.code}")


# -- limits --------------------------------------------------------------------------------------


def _limited(limit: str) -> list[str]:
    """What runs a command under a limit of the shell's."""
    return ["sh", "-c", f'ulimit {limit}; exec "$@"', "sh"]


def small_files(bench: Bench, number: int) -> Iterator[Outcome]:
    """RLIMIT_FSIZE: no file may grow beyond a few blocks, as on a disk that is full for this one alone."""
    twin = Trial(bench, _crawl(bench, 0))
    twin.finish()
    files = (*twin.crawl.outputs, twin.crawl.job / "job.db")
    largest = max(path.stat().st_size for path in files) // 512
    twin.outcome("K5", "")
    for place in range(number):
        blocks = 1 + place * largest // number
        trial = Trial(bench, _crawl(bench, place))
        ended = trial.start(_limited(f"-f {blocks}")).wait()
        yield _judge(trial, ended, f"RLIMIT_FSIZE {blocks} blocks")


def few_files(bench: Bench, number: int) -> Iterator[Outcome]:
    """RLIMIT_NOFILE: too few files may be open. Not a host's fault: no record may say so."""
    for place in range(number):
        files = 12 + place * 68 // number
        trial = Trial(bench, _crawl(bench, place))
        ended = trial.start(_limited(f"-n {files}")).wait()
        # With fewer than 20 the interpreter, or the loop, may not come up.
        codes = (_OK, _STORAGE) if files >= 20 else (_OK, _STORAGE, 1, 2, -6)
        yield _judge(trial, ended, f"RLIMIT_NOFILE {files}", codes)


# -- a full disk ---------------------------------------------------------------------------------


def full_disks(bench: Bench, number: int) -> Iterator[Outcome]:
    """A volume of its own that is too small, and then is not."""
    disk = bench.folder / "disk"
    disk.mkdir(exist_ok=True)
    for place in range(number):
        size = 64 + place * 1024 // number
        if not _mounted(disk, f"size={size}k"):
            yield Outcome("K5", f"tmpfs of {size} KiB", skipped="no volume can be mounted (needs root)")
            return
        try:
            yield _on_small_disk(bench, disk, place, f"tmpfs of {size} KiB")
        finally:
            subprocess.run(["umount", str(disk)], check=False, timeout=10)


def _on_small_disk(bench: Bench, disk: Path, place: int, case: str) -> Outcome:
    folder = disk / "crawl"
    folder.mkdir()
    trial = Trial(bench, dataclasses.replace(_crawl(bench, place), folder=folder))
    ended = trial.start().wait()
    _mounted(disk, "remount,size=64m")
    return _judge(trial, ended, case)


def _mounted(folder: Path, options: str) -> bool:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    words = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    return subprocess.run(words, check=False, capture_output=True, timeout=10).returncode == 0
