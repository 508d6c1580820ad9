"""The crawl as users start it: a process of its own that is killed, and started again with the same words."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ["PATIENCE", "Crawl", "Ended", "Running", "start"]

PROGRAM = Path(__file__).with_name("items_program.py")
# No run may take longer, whatever is done to it: a run that hangs is a finding, not a hanging harness.
PATIENCE = 120.0
_ENDINGS = (".jsonl.zst", ".csv", ".sqlite", ".parquet", ".warc.gz")
_ENVIRONMENT = ("PATH", "PYTHONPATH", "HOME", "LANG")


@dataclasses.dataclass(frozen=True, slots=True)
class Crawl:
    """One job, and the command or the program that makes or continues it; all of it in ``folder``.

    ``has_handlers`` is a program with handlers, which writes items and records; else it is the command,
    which writes two outputs of records. ``options`` are those of the library, by name. With
    ``every_format`` there is an output of each other format besides, also of items.
    """

    folder: Path
    seeds: tuple[str, ...]
    has_handlers: bool = False
    options: Mapping[str, object] = dataclasses.field(default_factory=dict)
    every_format: bool = False

    @property
    def job(self) -> Path:
        """The job's folder."""
        return self.folder / "job"

    @property
    def records(self) -> tuple[Path, ...]:
        """The outputs that get a line a record: one within the job's folder, one beside it."""
        more = tuple(self.folder / f"b{ending}" for ending in _ENDINGS) if self.every_format else ()
        if self.has_handlers:
            return (self.folder / "b.jsonl", *more)
        return (self.job / "a.jsonl", self.folder / "b.jsonl", *more)

    @property
    def items(self) -> Path | None:
        """The output of what handlers make."""
        return self.job / "items.jsonl" if self.has_handlers else None

    @property
    def more_items(self) -> tuple[Path, ...]:
        """The same in other formats."""
        if not (self.has_handlers and self.every_format):
            return ()
        return tuple(self.job / f"items{ending}" for ending in _ENDINGS if ending != ".warc.gz")

    @property
    def outputs(self) -> tuple[Path, ...]:
        """All outputs."""
        return (*self.records, *([self.items] if self.items else []), *self.more_items)

    @property
    def form(self) -> str:
        """For the table and for messages."""
        words = ["library" if self.has_handlers else "command"]
        words += ["every format"] if self.every_format else []
        words += [name if value is True else f"{name}={value}" for name, value in self.options.items()]
        return " ".join(words)

    def words(self) -> list[str]:
        """The command line: the same one makes the job and continues it."""
        if self.items is not None:
            items, records = map(_joined, ((self.items, *self.more_items), self.records))
            paths = [str(self.job), items, records]
            return [sys.executable, str(PROGRAM), *paths, json.dumps(self.options), *self.seeds]
        words = [sys.executable, "-m", "skitter", "crawl", *self.seeds, "--scope", "any"]
        words += ["--job", str(self.job)]
        for output in self.records:
            words += ["-o", str(output)]
        return words + _flags(self.options)


def _joined(paths: Sequence[Path]) -> str:
    return os.pathsep.join(map(str, paths))


def _flags(options: Mapping[str, object]) -> list[str]:
    """Options of the library as flags of the command."""
    words = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            words.append(flag)
        else:
            for each in value if isinstance(value, list | tuple) else [value]:
                words += [flag, str(each)]
    return words


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit code, or the negative number of the signal that killed it.

    ``stuck``: it had to be killed because it did not end within the time that it had.
    """

    code: int
    stdout: str
    stderr: str
    seconds: float
    stuck: bool = False

    @property
    def killed(self) -> bool:
        """Was it a SIGKILL (that of a failpoint or strace too), not the end of its own will?"""
        return self.code == -signal.SIGKILL and not self.stuck


class Running:
    """A started process, the first of a group of its own."""

    def __init__(self, process: subprocess.Popen[str], began: float) -> None:
        self.process = process
        self._began = began

    def send(self, number: int) -> None:
        """A signal to the whole group, as a terminal and `kill -- -PID` do it."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def wait(self, patience: float = PATIENCE) -> Ended:
        """Its end; killed, and called stuck, after ``patience`` seconds."""
        stuck = False
        try:
            stdout, stderr = self.process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            stuck = True
            self.send(signal.SIGKILL)
            stdout, stderr = self.process.communicate()
        taken = time.monotonic() - self._began
        return Ended(self.process.returncode, stdout, stderr, taken, stuck)

    def wait_until(self, reached: Callable[[], bool], patience: float = PATIENCE) -> bool:
        """Wait for something outside of it to come about, as long as it runs."""
        deadline = time.monotonic() + patience
        while not reached():
            if self.process.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.005)  # polled: the oracle's log and files have no event to wait for
        return True

    def kill_at(self, seconds: float, number: int = signal.SIGKILL, *, alone: bool = False) -> Ended:
        """A signal to the group so many seconds after the start, if it has not ended before; then its end.
        ``alone``: to the first process only. The end is that of all, as they share its pipes."""
        try:
            self.process.wait(max(0.0, self._began + seconds - time.monotonic()))
        except subprocess.TimeoutExpired:
            if alone:
                self.process.send_signal(number)
            else:
                self.send(number)
        return self.wait()


def start(
    words: Sequence[str],
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> Running:
    """Start it in ``folder``; ``prefix`` is what it runs under: strace, or a shell that sets limits."""
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    began = time.monotonic()
    process = subprocess.Popen(
        [*prefix, *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**kept, "TERM": "dumb", **(environment or {})},
        start_new_session=True,
    )
    return Running(process, began)
