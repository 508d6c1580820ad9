"""Heavy documents are read in a process of their own: it may take long, run out of memory or crash.

The parser keeps the interpreter while it works, so a thread would not free the event loop; and what a
document makes it allocate cannot be bounded within our own process. The child is started when the first such
document comes, reads one at a time, and ends with its pipe: it cannot outlive the process that has it.
Both ends are one program of one version: the form of what they say is nobody else's.
"""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from skitter.content.hrefs import Hrefs
from skitter.content.read import Unreadable, read
from skitter.model import Headers, Link, Reading, Response
from skitter.rules.url import origin_of

__all__ = ["MEMORY", "SECONDS", "Aside", "main"]

# Time for one document, on the wall. The slowest of 10 MiB that we could make (nested <math>) takes 3 s.
SECONDS = 10.0
# Memory of the child beyond what it has when it starts. 10 MiB, the largest body by default, of nothing but
# <font><p> are 600 MB.
MEMORY = 1024 * 1024 * 1024
# A child that has grown beyond is replaced: the allocator gives back little of what it once had.
_TIRED = 256 * 1024 * 1024
# With the modules of this process, wherever they lie; -I: nothing of the current folder is taken for one.
_START = (
    "import sys; sys.path[:] = sys.argv[3:]; from skitter.aside import main; main(*map(float, sys.argv[1:3]))"
)
# What a terminal or a supervisor sends to the whole group is for the parent to decide upon.
_LEFT_TO_THE_PARENT = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
# Bytes that a pipe holds; Linux gives it 64 KiB, and 1 MiB at most.
_PIPE = 1024 * 1024
_LENGTH = struct.Struct(">Q")


class _Ask(msgspec.Struct, array_like=True):
    """To the child; the body follows."""

    url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    token: str
    fields: tuple[str, ...]
    size: int


class _Answer(msgspec.Struct, array_like=True):
    """From the child: a reading, with its links packed, or why there is none (``broke``: an exception's
    text); ``tired``: it ends now."""

    reading: Reading | None
    urls: list[str] = []
    keys: bytes = b""
    unfollowed: list[int] = []  # places of those with rel=nofollow
    broke: str = ""
    tired: bool = False


_ENCODER = msgspec.msgpack.Encoder()
_ASKED = msgspec.msgpack.Decoder(_Ask)
_ANSWERED = msgspec.msgpack.Decoder(_Answer)


class Aside:
    """Reads responses in a child process, one at a time. May be used by threads; must be closed."""

    def __init__(self, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        """``seconds`` for a document, ``memory`` in bytes for the child. Starts nothing yet."""
        self._seconds = seconds
        self._memory = memory
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_closed = False

    def read(
        self, response: Response, token: str, fields: frozenset[str] = frozenset()
    ) -> Reading | Unreadable:
        """As :func:`skitter.content.read.read`, for as long as it takes. What breaks the child, or takes it
        too long, is unreadable. Where no process can be started, the document is read in this one."""
        with self._lock:
            if self._is_closed:
                return Unreadable("the crawl has ended")
            try:
                process = self._started()
            except OSError:
                return read(response, token, fields)
            return self._ask(process, response, token, fields)

    def close(self) -> None:
        """End the child, whatever it is at: milliseconds."""
        self._is_closed = True
        process = self._process
        if process is not None:
            process.kill()  # a thread that waits for its answer gets the end of the pipe
        with self._lock:
            self._drop()

    def _started(self) -> subprocess.Popen[bytes]:
        """The child. Raises OSError if there is none to be had."""
        if self._process is not None and self._process.poll() is not None:
            self._drop()  # somebody else has ended it
        if self._process is None:
            if not sys.executable or getattr(sys, "frozen", False):
                raise OSError("no interpreter to start")
            path = [str(Path(folder).absolute()) for folder in sys.path]
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and paths
                [sys.executable, "-I", "-c", _START, str(self._seconds), str(self._memory), *path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            _widen(self._process.stdin, self._process.stdout)
        return self._process

    def _ask(
        self, process: subprocess.Popen[bytes], response: Response, token: str, fields: frozenset[str]
    ) -> Reading | Unreadable:
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self._seconds, give_up)
        timer.daemon = True
        timer.start()
        try:
            answer = _converse(process, response, token, fields)
        finally:
            timer.cancel()
            timer.join()
        if answer is None or answer.tired or late.is_set():
            code = self._drop()
        if answer is not None:
            return _unpacked(answer)
        if late.is_set():
            return Unreadable(f"the document takes longer than {self._seconds:g} s to parse")
        return Unreadable(f"the document broke the process that parsed it ({_ending(code)})")

    def _drop(self) -> int:
        """Be rid of the child; says how it ended."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what could not be written any more
                    pipe.close()
        return process.wait()


def _widen(*pipes: Any) -> None:
    """Pages then go through in few pieces. A user may have only so many large pipes: it works without."""
    try:
        from fcntl import F_SETPIPE_SZ, fcntl
    except ImportError:
        return
    for pipe in pipes:
        with suppress(OSError):
            fcntl(pipe, F_SETPIPE_SZ, _PIPE)


def _converse(
    process: subprocess.Popen[bytes], response: Response, token: str, fields: frozenset[str]
) -> _Answer | None:
    """Ask and hear; None if the child has died over it."""
    assert process.stdin is not None
    assert process.stdout is not None
    named = tuple(
        pair for pair in response.headers.pairs if pair[0].lower() in ("content-type", "x-robots-tag")
    )
    ask = _Ask(response.url, response.status, named, token, tuple(fields), len(response.body))
    try:
        _send(process.stdin, _ENCODER.encode(ask), response.body)
        data = _receive(process.stdout)
    except OSError:
        return None
    return None if data is None else _ANSWERED.decode(data)


def _unpacked(answer: _Answer) -> Reading | Unreadable:
    if answer.reading is None:
        return Unreadable(answer.broke)
    keys = struct.unpack(f">{len(answer.urls)}q", answer.keys)
    unfollowed = set(answer.unfollowed)
    links = tuple(
        Link(url, key, sys.intern(origin_of(url)), place not in unfollowed)
        for place, (url, key) in enumerate(zip(answer.urls, keys, strict=True))
    )
    return replace(answer.reading, links=links)


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _send(pipe: Any, *parts: bytes) -> None:
    pipe.write(_LENGTH.pack(len(parts[0])))
    for part in parts:
        pipe.write(part)
    pipe.flush()


def _receive(pipe: Any) -> bytes | None:
    """What was sent; None at the end of the pipe."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data: bytes = pipe.read(length)
    return data if len(data) == length else None


# -- the child -----------------------------------------------------------------------------------


def main(seconds: float = SECONDS, memory: float = MEMORY) -> None:
    """The child's life: read what comes, until the parent is gone."""
    for name in _LEFT_TO_THE_PARENT:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    _limit(int(memory))
    hrefs = Hrefs()
    tired = False
    while not tired and (asked := _receive(sys.stdin.buffer)) is not None:
        ask = _ASKED.decode(asked)
        body = sys.stdin.buffer.read(ask.size)
        if len(body) < ask.size:
            break
        # Nobody is there to end us if the parent dies meanwhile, and the pipe is not looked at.
        _end_after(seconds + 1)
        answer = _answer(ask, body, hrefs, int(memory))
        _end_after(0)
        del body
        answer.tired = tired = answer.tired or _memory_now()[1] > _TIRED
        with suppress(BrokenPipeError):
            _send(sys.stdout.buffer, _ENCODER.encode(answer))
    os._exit(0)  # freeing a large document takes as long as it takes


def _answer(ask: _Ask, body: bytes, hrefs: Hrefs, memory: int) -> _Answer:
    response = Response(ask.url, ask.status, Headers(ask.headers), body)
    try:
        reading = read(response, ask.token, frozenset(ask.fields), hrefs)
        unfollowed = [place for place, link in enumerate(reading.links) if not link.follow]
        keys = struct.pack(f">{len(reading.links)}q", *[link.key for link in reading.links])
        return _Answer(replace(reading, links=()), [link.url for link in reading.links], keys, unfollowed)
    except MemoryError:
        why = f"the document needs more memory than {memory / 1024**2:,.0f} MiB to parse"
        return _Answer(None, broke=why, tired=True)
    except Exception as error:  # whatever a parser trips over
        return _Answer(None, broke=f"{type(error).__name__}: {error}"[:500])


def _limit(memory: int) -> None:
    """Bound our memory, where the platform can. A crash leaves no core file of somebody's page."""
    try:
        import resource
    except ImportError:
        return
    for kind, most in ((resource.RLIMIT_AS, _memory_now()[0] + memory), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _memory_now() -> tuple[int, int]:
    """Bytes of address space, and of memory that is held; 0 where it cannot be known. Not from getrusage:
    there Linux counts what the parent held when it started us."""
    try:
        space, held = Path("/proc/self/statm").read_text().split()[:2]
    except OSError:
        return 0, 0
    page = os.sysconf("SC_PAGE_SIZE")
    return int(space) * page, int(held) * page


def _end_after(seconds: float) -> None:
    """Let the system end this process then, even in the midst of parsing; 0 for not at all."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)
