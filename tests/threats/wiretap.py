"""Servers on loopback that keep every byte they are sent."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

__all__ = ["CERTIFICATE", "Proxy", "Tap", "answer", "family", "free_port", "html", "moved"]

CERTIFICATE = Path(__file__).parent.parent / "data" / "loopback.pem"
Answers = Callable[[str], bytes]


def answer(status: str, body: bytes = b"", *headers: str, content_type: str = "text/html") -> bytes:
    """The bytes of a response; ``status`` is ``200 OK``."""
    fields = (f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers)
    return f"HTTP/1.1 {status}\r\n".encode() + "\r\n".join([*fields, "", ""]).encode() + body


def html(*links: str, head: str = "") -> bytes:
    """A page with these links."""
    anchors = "".join(f'<a href="{link}">x</a>' for link in links)
    return answer("200 OK", f"<!doctype html><head><title>t</title>{head}</head>{anchors}".encode())


def moved(status: int, location: str) -> bytes:
    """A redirect."""
    return answer(f"{status} Moved", b"", f"Location: {location}")


def free_port() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def family(pid: int) -> set[int]:
    """A process and all that came from it, by Linux's /proc."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # one that has ended meanwhile
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found, size = {pid}, 0
    while len(found) > size:
        size = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found


class Tap:
    """Answers what ``answers`` says of a target; nothing at all where it says b"". In a thread of its own."""

    def __init__(
        self, answers: Answers = lambda target: html(), *, host: str = "127.0.0.1", tls: bool = False
    ):
        self.answers = answers
        self.heads: list[bytes] = []
        self.received = b""
        self.connections = 0
        self._tls = tls
        self._address = host.strip("[]") if host != "localhost" else "127.0.0.1"
        self._name = host
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Tap:
        context = None
        if self._tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
        started = self._loop.run_until_complete
        self._server = started(asyncio.start_server(self._serve, self._address, 0, ssl=context))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.origin = f"{'https' if self._tls else 'http'}://{self._name}:{self.port}"
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._talk(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await self._head(reader):
            reply = self.answers(data.split(b" ")[1].decode("ascii"))
            if not reply:
                return
            writer.write(reply)
            await writer.drain()

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        """All that comes up to the end of a head is kept, also when that end never comes."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = await reader.read(1)
            if not byte:
                return b""
            head += byte
            self.received += byte
        self.heads.append(head)
        return head

    def targets(self, *, robots: bool = False) -> list[str]:
        """What was asked for, in order."""
        found = [head.split(b" ")[1].decode("ascii") for head in self.heads]
        return [target for target in found if robots or not target.endswith("/robots.txt")]

    def fields(self, target: str) -> list[tuple[str, str]]:
        """Names (lower-case) and values of the first request for ``target``."""
        head = next(head for head in self.heads if head.split(b" ")[1].decode("ascii") == target)
        lines = head.decode("latin-1").split("\r\n")[1:-2]
        return [(line.partition(":")[0].lower(), line.partition(":")[2].strip()) for line in lines]


class Proxy(Tap):
    """An HTTP proxy: it keeps what it is told itself, and passes on the rest as RFC 9110 says. ``tunnelled``
    is what went through its tunnels, as it came."""

    def __init__(self, *, refuse: bool = False) -> None:
        super().__init__()
        self._refuse = refuse
        self.tunnelled = b""

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await self._head(reader):
            method, target, _ = head.split(b"\r\n")[0].decode("ascii").split(" ")
            if self._refuse:
                writer.write(answer("407 Who are you", b"", 'Proxy-Authenticate: Basic realm="x"'))
            elif method == "CONNECT":
                far, back = await _dial(target)
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await asyncio.gather(
                    self._pass_on(reader, back, keep=True), self._pass_on(far, writer, keep=False)
                )
                return
            else:
                writer.write(await _forwarded(head, target.removeprefix("http://").partition("/")[0]))
            await writer.drain()

    async def _pass_on(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, keep: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if keep:
                    self.tunnelled += data
                target.write(data)
                await target.drain()
        target.close()


async def _dial(authority: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = authority.rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port))


async def _forwarded(head: bytes, authority: str) -> bytes:
    """What the origin says. What is for the next hop alone is taken out (RFC 9110, 7.6.1 and 11.7.1)."""
    lines = [line for line in head.split(b"\r\n")[:-2] if not line.lower().startswith(b"proxy-")]
    lines[0] = lines[0].replace(b"http://" + authority.encode(), b"", 1)
    far, back = await _dial(authority)
    back.write(b"\r\n".join([*lines, b"", b""]))
    reply = await far.readuntil(b"\r\n\r\n")
    length = reply.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    reply += await far.readexactly(int(length))
    back.close()
    return reply
