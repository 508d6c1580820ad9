"""A web server in a thread of its own: what the sites of this package run on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from aiohttp import web

__all__ = ["Handler", "ServerThread", "listen"]

Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

# Of the loop, from a connection's acceptance until its protocol knows of it: three, and one to spare.
_TURNS = 4
# A crawler may open all its connections at once; the kernel caps this at net.core.somaxconn.
_BACKLOG = 8192
# A stopping site waits this long for answers to end, and again for their cancellation.
_GRACE_SECONDS = 0.2
# Far above aiohttp's 8,190: how long a URL or a cookie may be is for the crawler to decide.
_MAX_LINE_BYTES = 256 * 1024


def listen(host: str, port: int) -> socket.socket:
    """A listening socket at ``host`` and ``port`` (0: any free one) for :class:`ServerThread`.

    It is bound here, not in the thread: a port that is taken raises in the caller (OSError, naming host
    and port), and connections queue in the kernel from now on, so there is nothing to wait for. Raises
    the process's soft limit of open files to the hard one.
    """
    _raise_open_files_limit()
    return socket.create_server((host, port), backlog=_BACKLOG)


class ServerThread:
    """The thread, its loop and the server on it, from construction to :meth:`stop`.

    All ``listeners`` are served by the one coroutine function ``answer``. It runs on the thread's loop and
    is cancelled when the client goes away; what it raises becomes a 500, and is logged by the logger
    "aiohttp.server".
    """

    def __init__(self, listeners: Sequence[socket.socket], answer: Handler) -> None:
        self._listeners = listeners
        self._answer = answer
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        # A daemon, so that a test that dies without stop() does not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="skitter-site", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the sockets, drop what is unanswered, and wait for the thread's end (under a second)."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = web.Server(
            self._answer,
            handler_cancellation=True,
            access_log=None,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_LINE_BYTES,
        )
        listening = [
            await self._loop.create_server(server, sock=listener, backlog=_BACKLOG)
            for listener in self._listeners
        ]
        await self._stopping.wait()
        # First no more connections, then time for those that were accepted just now to join the server:
        # asyncio loses what has not yet done so when its server is closed.
        for listener in self._listeners:
            with contextlib.suppress(NotImplementedError):  # Windows
                self._loop.remove_reader(listener)
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        for each in listening:
            each.close()
        await server.shutdown(_GRACE_SECONDS)
        await asyncio.sleep(0)  # and one for the transports that the shutdown closed


def _raise_open_files_limit() -> None:
    # Windows has no such limit; macOS may report one, "unlimited", that cannot be asked for.
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
