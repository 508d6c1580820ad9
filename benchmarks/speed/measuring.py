"""Programs as whole processes: wall time from start to exit, CPU seconds and memory with all its children."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Outcome", "run"]

_EVERY = 0.1  # seconds between two looks at the memory
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MIB = 1024 * 1024
_TAIL = 2000  # characters of what a program said that are kept


@dataclass(frozen=True)
class Outcome:
    """`ended` is "exit N" or "timed out"; seconds, and MiB of all its processes together."""

    ended: str
    wall: float
    cpu: float
    rss: float
    said: str


def run(
    command: Sequence[str],
    folder: Path,
    limit: float,
    core: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Outcome:
    """Run a program in a folder, pinned to a core if one is given, for `limit` seconds at most."""
    pinned = ["taskset", "-c", str(core), *command] if core is not None else list(command)
    said = folder / "said.txt"
    with said.open("wb") as sink:
        began = time.perf_counter()
        process = subprocess.Popen(
            pinned,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
        watch = _Watch(process.pid, began + limit)
        try:
            # Not Popen.wait: of all that ended below this process, only this call has the CPU seconds.
            _, status, used = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            watch.stop()
            _kill_group(process.pid)
    text = said.read_text(errors="replace")[-_TAIL:]
    ended = "timed out" if watch.late else f"exit {process.returncode}"
    rss = max(watch.most * _PAGE, used.ru_maxrss * 1024) / _MIB
    return Outcome(ended, wall, used.ru_utime + used.ru_stime, rss, text)


class _Watch:
    """A thread that adds up the memory of a process and all below it, and ends them when time is up.

    The sum counts pages that several of them share once for each.
    """

    def __init__(self, pid: int, until: float) -> None:
        self.most = 0  # pages
        self.late = False
        self._pid = pid
        self._until = until
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(_EVERY):
            self.most = max(self.most, sum(_pages(pid) for pid in _family(self._pid)))
            if time.perf_counter() > self._until:
                self.late = True
                _kill_group(self._pid)
                return


def _family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        # Only the main thread's children: none of the contenders starts processes from another.
        try:
            children = Path(f"/proc/{found[-1]}/task/{found[-1]}/children").read_text()
        except OSError:  # it has ended
            continue
        waiting += [int(child) for child in children.split()]
    return found


def _pages(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0


def _kill_group(pid: int) -> None:
    """End what is left of the session that the program led."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
