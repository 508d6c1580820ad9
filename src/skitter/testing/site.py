"""A real web site on the loopback address, for tests and demonstrations."""

import asyncio
import dataclasses
import html
import itertools
import socket
import string
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeAlias, TypeVar
from urllib.parse import quote

from aiohttp import web
from multidict import CIMultiDict

from skitter.testing.server import Handler, ServerThread, listen

__all__ = ["Handler", "Headers", "Seen", "Site"]

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """One request as the server saw it.

    `time` is time.monotonic() in seconds when the request's head had been read; `target` the path
    with its query exactly as on the wire; `host` the Host header ("" without one); `headers` the
    (name, value) pairs in the order and case in which they were sent. `status` is the one
    answered: None until then, and for good if the client left or the path hangs, resets or is raw.
    """

    time: float
    method: str
    target: str
    host: str
    headers: tuple[tuple[str, str], ...]
    status: int | None = None

    def header(self, name: str) -> str | None:
        """Return the first value of the header `name` (in any case), or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Site:
    """A web server in a thread of its own that answers what it was told to, and remembers.

    It has its own event loop, so it serves synchronous and asynchronous tests and subprocesses
    alike, and code under test that blocks does not hold up its answers. Use it with `with` or
    `async with`, or call `start` and `stop`.

    A path is matched with its query first ("/list?page=2"), then without it; a path that ends in
    `*` stands for every path that begins so, and the longest one wins. Registering a path again
    replaces it; everything may be registered before the start and while the site runs. HEAD is
    answered as GET without the body. What is not registered answers 404.

    Starting raises the process's soft limit of open files to the hard one.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, keep_log: bool = True) -> None:
        """Make a site for `host` (any 127.x.y.z) and `port` (0: any free one, anew each start).

        Without `keep_log` requests are not remembered, so that a site may serve for ever.
        """
        self._host = host
        self._wanted_port = port
        self._port: int | None = None
        self._routes: _Routes[Handler] = _Routes()
        self._failures: _Routes[Iterator[Handler]] = _Routes()
        self._log = _Log(keep_log)
        self._thread: ServerThread | None = None

    def start(self) -> None:
        """Start to answer; when this returns, the site can be reached.

        Raises OSError, naming host and port, when the site cannot listen there, and RuntimeError
        when it runs already.
        """
        if self._thread is not None:
            raise RuntimeError("the site runs already")
        listener = listen(self._host, self._wanted_port)
        self._port = listener.getsockname()[1]
        self._thread = ServerThread([listener], self._answer)

    def stop(self) -> None:
        """Stop within about a second, dropping what is unanswered; the log stays readable.

        Does nothing when the site does not run.
        """
        if self._thread is not None:
            self._thread.stop()
            self._thread = None

    def __enter__(self) -> "Site":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> "Site":
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        # In a thread: the answers that stopping waits for may be read by the caller's loop.
        await asyncio.to_thread(self.stop)

    def __repr__(self) -> str:
        where = self.origin if self._thread else "stopped"
        return f"<Site {where}, {len(self._log.seen)} requests>"

    @property
    def port(self) -> int:
        """The port listened on (after a stop: the last one); RuntimeError before any is known."""
        if port := self._port or self._wanted_port:
            return port
        raise RuntimeError("the site has no port before it is started")

    @property
    def origin(self) -> str:
        """Scheme, host and port: "http://127.0.0.1:8000"."""
        return f"http://{self._host}:{self.port}"

    def url(self, path: str = "/") -> str:
        """Return the absolute URL of `path`, which begins with a slash."""
        return self.origin + _wire(path)

    def page(
        self,
        path: str,
        body: str | bytes = "",
        *,
        title: str | None = None,
        links: Iterable[str] = (),
        status: int = 200,
        headers: Headers | None = None,
        content_type: str = "text/html; charset=utf-8",
        delay: float = 0.0,
    ) -> None:
        """Answer `path` with `body`, after `delay` seconds; text is sent as UTF-8.

        With a `title` or `links` an HTML document is built around the body, with one <a href> a
        link. A Content-Type among `headers` goes before `content_type`.
        """
        data = body.encode() if isinstance(body, str) else body
        if title is not None or (links := tuple(links)):
            data = _document(data, title, links)
        fields = CIMultiDict(headers or ())
        fields.setdefault("Content-Type", content_type)
        self.handler(path, _fixed(status, data, fields, delay))

    def redirect(self, path: str, location: str, status: int = 302) -> None:
        """Answer `path` with `status` and this Location, sent as it is."""
        self.page(path, status=status, headers={"Location": location})

    def robots(self, text: str, status: int = 200) -> None:
        """Answer /robots.txt with `text`."""
        self.page("/robots.txt", text, status=status, content_type="text/plain; charset=utf-8")

    def errors(
        self,
        path: str,
        status: int,
        times: int | None = None,
        then: str | bytes | None = None,
        headers: Headers | None = None,
    ) -> None:
        """Answer `status` the first `times` times (None: always), whatever else is registered.

        From then on `path` answers as registered by `page` and the others, before or after this
        call; `then` is a short way to register a page with this body. The count of a `*` path is
        one for all that it matches. The body of the error is empty.
        """
        answer = _fixed(status, b"", CIMultiDict(headers or ()), 0.0)
        answers = itertools.repeat(answer) if times is None else itertools.repeat(answer, times)
        self._failures.add(path, answers)
        if then is not None:
            self.page(path, then)

    def hang(self, path: str) -> None:
        """Accept requests for `path` and never answer them."""
        self.handler(path, _hang)

    def reset(self, path: str) -> None:
        """Reset the connection (TCP RST) of a request for `path` instead of an answer."""
        self.handler(path, _reset)

    def raw(self, path: str, data: bytes) -> None:
        """Answer `path` with exactly these bytes on the wire, then close the connection."""

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            if request.transport is not None:
                request.transport.write(data)
                request.transport.close()
            return web.Response()

        self.handler(path, answer)

    def handler(self, path: str, func: Handler) -> None:
        """Answer `path` with what `func(request)` returns.

        `func` runs on the site's loop, in its thread; it is cancelled when the client goes away.
        What it raises becomes a 500, and is logged by the logger "aiohttp.server".
        """
        self._routes.add(path, func)

    @property
    def requests(self) -> list[Seen]:
        """What was asked so far, in order of arrival: a copy of the log."""
        return list(self._log.seen)

    def targets(self, include_robots: bool = False) -> list[str]:
        """Return the targets asked for, in order of arrival, /robots.txt left out by default."""
        every = [seen.target for seen in self.requests]
        return every if include_robots else [each for each in every if each != "/robots.txt"]

    def count(self, target: str) -> int:
        """Return how often `target` (with its query) was asked for."""
        wanted = _wire(target)
        return sum(seen.target == wanted for seen in self.requests)

    def gaps(self) -> list[float]:
        """Return the seconds between successive requests, in order of arrival."""
        times = [seen.time for seen in self.requests]
        return [after - before for before, after in itertools.pairwise(times)]

    @property
    def max_in_flight(self) -> int:
        """The most requests that were being answered at the same time."""
        return self._log.max_in_flight

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        entry, status = self._log.arrived(request), None
        try:
            response = await self._find(request.raw_path)(request)
            # A handler that closed the connection returns a response only for the form's sake.
            if request.transport is not None and not request.transport.is_closing():
                status = response.status
            return response
        except Exception as error:
            status = error.status if isinstance(error, web.HTTPException) else 500
            raise
        finally:
            self._log.left(entry, status)

    def _find(self, target: str) -> Handler:
        failure = next(self._failures.find(target) or iter(()), None)
        return failure or self._routes.find(target) or _missing


class _Log:
    """What was asked, written by the server's thread alone and read by any."""

    def __init__(self, keep: bool) -> None:
        self.seen: list[Seen] = []
        self.max_in_flight = 0
        self._keep = keep
        self._in_flight = 0

    def arrived(self, request: web.BaseRequest) -> int:
        now = time.monotonic()
        self._in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self._in_flight)
        if self._keep:
            pairs = ((k.decode("latin-1"), v.decode("latin-1")) for k, v in request.raw_headers)
            host = request.headers.get("Host", "")
            self.seen.append(Seen(now, request.method, request.raw_path, host, tuple(pairs)))
        return len(self.seen) - 1

    def left(self, entry: int, status: int | None) -> None:
        self._in_flight -= 1
        if self._keep and status is not None:
            self.seen[entry] = dataclasses.replace(self.seen[entry], status=status)


class _Routes(Generic[T]):
    """Values by path: with the query, without it, then by the longest prefix."""

    def __init__(self) -> None:
        self._exact: dict[str, T] = {}
        self._prefixes: dict[str, T] = {}

    def add(self, path: str, value: T) -> None:
        wire = _wire(path)
        if not wire.endswith("*"):
            self._exact[wire] = value
            return
        # A new dict, longest first: the server's thread may be reading the old one.
        found = {**self._prefixes, wire[:-1]: value}
        self._prefixes = dict(sorted(found.items(), key=lambda item: -len(item[0])))

    def find(self, target: str) -> T | None:
        for path in (target, target.partition("?")[0]):
            if path in self._exact:
                return self._exact[path]
        return next((v for k, v in self._prefixes.items() if target.startswith(k)), None)


def _fixed(status: int, body: bytes, headers: CIMultiDict[str], delay: float) -> Handler:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if delay:
            await asyncio.sleep(delay)
        # A copy each: aiohttp adds to the mapping that it is given.
        return web.Response(status=status, body=body, headers=headers.copy())

    return answer


async def _missing(request: web.BaseRequest) -> web.StreamResponse:
    body = _document(b"<h1>Not Found</h1><p>There is no such page here.", "404 Not Found", ())
    return web.Response(status=404, body=body, content_type="text/html", charset="utf-8")


async def _hang(request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets this event")


async def _reset(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        # Lingering for no time turns the close into a reset; else it would be an orderly end.
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()


def _document(body: bytes, title: str | None, links: Iterable[str]) -> bytes:
    head = f"<!doctype html>\n<html lang=en><meta charset=utf-8><title>{html.escape(title or '')}"
    anchors = (f'\n<a href="{html.escape(link)}">{html.escape(link)}</a>' for link in links)
    return head.encode() + b"</title>\n" + body + "".join(anchors).encode()


def _wire(path: str) -> str:
    if not path.startswith(("/", "*")):
        raise ValueError(f"a path begins with a slash: {path!r}")
    # Only spaces, controls and non-ASCII are escaped: what is escaped already is left alone.
    return quote(path, safe=string.punctuation)
