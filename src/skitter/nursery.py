"""Where worker processes come from: a process that was forked early, and forks at demand.

It is made before there are files, threads or connections that a child should not have: a worker that
takes the place of a dead one, hours later, has no more of the crawl's in its hands than the first.
Whatever ends the process that made it ends it, too, and all that came from it.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import signal
import socket
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NoReturn

from skitter.errors import ConfigError
from skitter.escape import printable

__all__ = ["Hired", "Nursery", "Work"]

# What a terminal or a supervisor sends to the whole group is for the owner to decide upon.
_LEFT_TO_THE_OWNER = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")

Work = Callable[[socket.socket, mmap.mmap], None]


class Hired:
    """A worker process, as its owner sees it: a line to it, and memory that outlives it."""

    __slots__ = ("line", "memory")

    def __init__(self, line: socket.socket, memory: mmap.mmap) -> None:
        self.line = line
        self.memory = memory


class Nursery:
    """Forks workers. To be made while this process has as few threads and files as can be."""

    def __init__(self, work: Work, memory: int) -> None:
        """``work`` is called in each worker with its line and ``memory`` bytes that it shares with its owner;
        the process ends with it. Raises ConfigError where processes cannot be forked."""
        if not hasattr(os, "fork") or not hasattr(socket, "send_fds"):
            raise ConfigError("--processes: this platform cannot fork processes; leave it at 1")
        self._size = memory
        self._line, theirs = socket.socketpair()
        self._process = _fork(lambda: _tend(theirs, work, memory), close=(self._line,))
        theirs.close()

    def hire(self) -> Hired:
        """One more worker. Raises OSError if there is none to be had."""
        ours, theirs = socket.socketpair()
        file = _nameless_file()
        try:
            os.ftruncate(file, self._size)
            memory = mmap.mmap(file, self._size)
            socket.send_fds(self._line, [b"."], [theirs.fileno(), file])
        finally:
            os.close(file)
            theirs.close()
        return Hired(ours, memory)

    def close(self) -> None:
        """End all workers that still run, and wait for it: milliseconds."""
        self._line.close()
        if self._process:
            with suppress(ChildProcessError):
                os.waitpid(self._process, 0)
            self._process = 0


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("skitter")
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _fork(child: Callable[[], None], close: tuple[socket.socket, ...]) -> int:
    """Fork; the child does its work and ends. Returns the child's number."""
    with warnings.catch_warnings():
        # Since 3.12 a fork beside threads warns. What the child uses of this process no thread holds.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process:
        return process
    code = 1
    try:
        for each in close:
            each.close()
        _be_a_process_of_its_own()
        child()
        code = 0
    except BaseException:
        for line in traceback.format_exc().splitlines():  # a stranger's text may be in it
            sys.stderr.write(f"{printable(line)}\n")
    finally:
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)


def _be_a_process_of_its_own() -> None:
    """Forget what is the parent's: its event loop, and what it does on signals."""
    asyncio._set_running_loop(None)
    asyncio.set_event_loop(None)
    with suppress(ValueError):
        signal.set_wakeup_fd(-1)
    for name in _LEFT_TO_THE_OWNER:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _tend(line: socket.socket, work: Work, size: int) -> NoReturn:
    """The nursery's own life: a worker for each pair of files that comes, until the owner is gone."""
    children: list[int] = []
    while True:
        files = _receive(line)
        children = [child for child in children if _is_alive(child)]
        if not files:
            break
        children.append(_fork(partial(_work, files, work, size), close=(line,)))
        for file in files:
            os.close(file)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    os._exit(0)


def _receive(line: socket.socket) -> list[int]:
    """The files of the next worker; none when the owner is gone."""
    try:
        message, files, _, _ = socket.recv_fds(line, 1, 2)
    except OSError:
        return []
    return files if message else []


def _is_alive(child: int) -> bool:
    """Is it? If not, it is buried: its number may be another's from now on."""
    return os.waitpid(child, os.WNOHANG) == (0, 0)


def _work(files: list[int], work: Work, size: int) -> None:
    line = socket.socket(fileno=files[0])
    with mmap.mmap(files[1], size) as memory:
        work(line, memory)
