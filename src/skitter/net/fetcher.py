"""One hop over aiohttp: capped, timed, and with the body decoded by us."""

from __future__ import annotations

import asyncio
import base64
import errno
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp
from aiohttp.http import HttpProcessingError
from msgspec.structs import replace
from multidict import CIMultiDict
from yarl import URL

from skitter.config import Http, Limits
from skitter.errors import ConfigError, StorageError
from skitter.model import Failure, Headers, Reason, Request, Response
from skitter.net.body import BodyDecoder
from skitter.net.connection import Connector
from skitter.net.failures import translate
from skitter.net.guard import Guard, RefusedAddress
from skitter.net.patience import Patience
from skitter.net.resolver import Resolver
from skitter.net.speed import Speed
from skitter.net.tape import ACCEPT_ENCODING, Tape, early_end
from skitter.ports import Clock, Take
from skitter.rules.ask import SAFE
from skitter.rules.groups import literal_address
from skitter.rules.url import authority_of, hostname_of
from skitter.rules.verdict import REDIRECTS

__all__ = ["AiohttpFetcher"]

# THREATS section 2: aiohttp's own defaults of 3.14, set by name so that they cannot change unseen.
_MAX_LINE = 8190
_MAX_FIELD = 8190
_MAX_HEADERS = 128
# Long enough for a host that is asked once in a few seconds; short enough that a broad crawl does
# not collect idle sockets.
_KEEPALIVE = 15.0
_READ_BUFFER = 256 * 1024
_ACCEPT = "text/html,application/xhtml+xml,*/*;q=0.8"
_ACCEPT_ENCODING = "gzip, deflate, br, zstd"


class AiohttpFetcher:
    """The Fetcher of a crawl: one pooled session, no cookie jar, nothing taken from the environment."""

    def __init__(
        self,
        http: Http,
        limits: Limits,
        clock: Clock,
        lag: Callable[[float], float] = lambda waited: 0.0,
        *,
        archives: bool = False,
    ) -> None:
        """``lag`` says how many of the last so many seconds the loop's present turn comes late: first bytes
        came so much earlier than they are seen. ``archives``: answers to visits come with what went over
        the wire.

        Raises ConfigError if the certificate authority's file cannot be used.
        """
        self._http = http
        self._patience = Patience(limits.timeout)
        self._clock = clock
        self._lag = lag
        self._ssl = _tls(http)
        self._archives = archives
        self._guard = Guard(http.proxy, private=http.allow_private)
        self._plain = {
            "User-Agent": http.user_agent,
            "Accept": _ACCEPT,
            "Accept-Encoding": ACCEPT_ENCODING if archives else _ACCEPT_ENCODING,
        }
        self._own = _with_credentials(self._plain, http)
        self._session: aiohttp.ClientSession | None = None
        self._resolver: Resolver | None = None

    async def fetch(
        self, request: Request, sent: Callable[[], None], take: Take | None = None
    ) -> Response | Failure:
        """Make one hop. Everything that goes wrong on the way is a Failure."""
        trip = _Trip(self._clock, self._lag, sent, request.reach, take)
        if self._archives and request.visit is not None and take is None:
            trip.tape = Tape(request, self._http)
        try:
            self._guard.admit(request.url, trip)
            with self._patience.turn():
                answer = await self._with_a_file(request, trip)
        except Exception as error:
            failure = translate(
                RefusedAddress() if trip.refused else error, was_sent=trip.sent_at is not None
            )
            if failure is None:
                raise
            answer = replace(failure, status=trip.status, headers=trip.headers)
            if trip.tape is not None:
                trip.tape.cut = trip.tape.cut or early_end(failure.reason)
        return replace(
            answer,
            sent_at=trip.sent_at or trip.start,
            ttfb=trip.ttfb,
            elapsed=self._clock.now() - trip.start,
            exchange=trip.tape.exchange() if trip.tape is not None else None,
        )

    async def _with_a_file(self, request: Request, trip: _Trip) -> Response | Failure:
        """Idle connections may have used up the files that we may open: then they are closed. Raises
        StorageError if that was not it: a limit of ours is no host's fault, and no URL's end."""
        try:
            return await self._on_a_live_connection(request, trip)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self._drop_idle()
            await asyncio.sleep(0)  # they are closed in the loop's next turn
        try:
            return await self._on_a_live_connection(request, trip)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            raise StorageError(
                "too many open files: lower --concurrency or raise the limit (ulimit -n), "
                "then run the same command again"
            ) from error

    def _drop_idle(self) -> None:
        """Close the connections that are kept for later. aiohttp offers only to close all."""
        assert self._session is not None
        assert self._session.connector is not None
        for connections in self._session.connector._conns.values():
            for connection, _ in connections:
                connection.close()
        self._session.connector._conns.clear()

    async def _on_a_live_connection(self, request: Request, trip: _Trip) -> Response | Failure:
        """A kept connection may have been closed by the server just now: then a new one is tried, once
        (RFC 9112, 9.3.1). A new connection that is lost is an answer."""
        try:
            return await self._fetch(request, trip)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            if not trip.reused or trip.status is not None or request.method not in SAFE:
                raise
            trip.reused = False
            return await self._fetch(request, trip)

    async def _fetch(self, request: Request, trip: _Trip) -> Response | Failure:
        session = self._session or self._open()
        async with session.request(
            request.method,
            _wire_url(request.url),
            data=request.body or None,
            headers=self._fields(request),
            allow_redirects=False,
            proxy=self._http.proxy,
            ssl=self._ssl,
            trace_request_ctx=trip,
        ) as response:
            trip.first_byte()
            trip.status = response.status
            trip.headers = _headers(response.raw_headers)
            if trip.tape is not None:
                trip.tape.head(response)
            if response.status in REDIRECTS:
                # B2: the body of a redirect is neither decoded nor drained.
                if response.content_length != 0:
                    response.close()
                    trip.cut("unspecified")
                return Response(request.url, response.status, trip.headers)
            return await self._body(request, response, trip)

    def _fields(self, request: Request) -> CIMultiDict[str] | None:
        """What is sent beside the session's own fields: credentials, and the host's name as it is. Of a name
        that ends in a dot aiohttp would send another one than it looks up."""
        authority = authority_of(request.url)
        own = self._own if request.credentials else None
        if authority.partition(":")[0].endswith(".") and (own is None or "Host" not in own):
            own = CIMultiDict(own or ())
            own["Host"] = authority
        if request.headers:
            own = CIMultiDict(own or ())
            for name, value in request.headers.items():
                own[name] = value
        return own

    async def _body(
        self, request: Request, response: aiohttp.ClientResponse, trip: _Trip
    ) -> Response | Failure:
        decoder = BodyDecoder(trip.headers.get("content-encoding"))
        take = trip.take if response.status < 300 else None
        pieces: list[bytes] = []
        size, whole, came = 0, True, False
        speed = Speed(self._clock.now())
        try:
            async for chunk in response.content.iter_any():
                came = came or bool(chunk)
                speed.came(len(chunk), self._clock.now())
                if trip.tape is not None:
                    trip.tape.body(chunk)
                for piece in decoder.feed(chunk):
                    size += len(piece)
                    if take is None:
                        pieces.append(piece)
                    if size > request.max_body or (take and not await take(trip.headers, piece)):
                        response.close()
                        trip.cut("length")
                        return _too_large(request, trip, b"".join(pieces))
        except (aiohttp.ClientPayloadError, aiohttp.ClientOSError, HttpProcessingError):
            whole = False  # shorter than announced: what came is kept, and marked
            trip.cut("disconnect")
        truncated = not whole or (came and not decoder.transparent and not decoder.complete())
        note = f"unknown Content-Encoding {decoder.unknown!r} ignored" if decoder.unknown else None
        return Response(request.url, trip.status or 0, trip.headers, b"".join(pieces), truncated, note=note)

    def _open(self) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_on_headers_sent)
        trace.on_connection_reuseconn.append(_on_reused)
        self._session = aiohttp.ClientSession(
            headers=self._plain,
            # The engine counts requests in flight; a second limit would make them wait in a slot.
            connector=Connector(
                limit=0,
                keepalive_timeout=_KEEPALIVE,
                resolver=self._names(),
                use_dns_cache=False,
                socket_factory=self._guard.socket,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=_READ_BUFFER,
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_FIELD,
            max_headers=_MAX_HEADERS,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
            trace_configs=[trace],
        )
        # Else aiohttp sends a request again, unseen, when even a new connection is lost: the server would
        # get more than the pace allows and the record says.
        self._session._retry_connection = False
        return self._session

    def _names(self) -> Resolver:
        if self._resolver is None:
            self._resolver = Resolver(self._guard.judge)
        return self._resolver

    async def addresses(self, origin: str) -> Sequence[str]:
        """The addresses of an origin's host; none if there are none, or a proxy knows them."""
        if self._http.proxy is not None:
            return ()
        if (literal := literal_address(origin)) is not None:
            return (literal,)
        return await self._names().addresses(hostname_of(f"{origin}/"))

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._resolver is not None:
            await self._resolver.close()
            self._resolver = None


class _Trip:
    """Times and heads of one hop, as they become known."""

    __slots__ = (
        "_clock",
        "_lag",
        "_sent",
        "headers",
        "reach",
        "refused",
        "reused",
        "sent_at",
        "start",
        "status",
        "take",
        "tape",
        "ttfb",
    )

    def __init__(
        self,
        clock: Clock,
        lag: Callable[[float], float],
        sent: Callable[[], None],
        reach: str,
        take: Take | None,
    ) -> None:
        self._clock = clock
        self._lag = lag
        self._sent = sent
        self.start = clock.now()
        self.reach = reach
        self.take = take
        self.refused = False  # by the guard
        self.reused = False  # on a kept connection
        self.sent_at: float | None = None
        self.ttfb = 0.0
        self.status: int | None = None
        self.headers = Headers()
        self.tape: Tape | None = None  # for archives

    def on_the_wire(self) -> None:
        """The request has gone out; again if a kept connection was dead."""
        first = self.sent_at is None
        self.sent_at = self._clock.now()
        if first:
            self._sent()

    def cut(self, why: str) -> None:
        """The body ends early in archives, too (:class:`skitter.exchange.Exchange`)."""
        if self.tape is not None:
            self.tape.cut = why

    def first_byte(self) -> None:
        waited = self._clock.now() - (self.sent_at or self.start)
        self.ttfb = max(0.0, waited - self._lag(waited))


async def _on_headers_sent(_session: object, context: Any, parameters: Any) -> None:
    trip = context.trace_request_ctx
    if trip.tape is not None:
        trip.tape.sent(parameters.method, parameters.url, parameters.headers)
    trip.on_the_wire()


async def _on_reused(_session: object, context: Any, _parameters: object) -> None:
    context.trace_request_ctx.reused = True


def _too_large(request: Request, trip: _Trip, came: bytes) -> Response | Failure:
    if request.cut:
        body = came[: request.max_body]
        return Response(request.url, trip.status or 0, trip.headers, body, truncated=True)
    text = f"the body is larger than {request.max_body} bytes"
    return Failure(
        Reason.TOO_LARGE,
        text,
        transient=False,
        status=trip.status,
        headers=trip.headers,
        size=request.max_body,
    )


def _wire_url(url: str) -> URL:
    """The canonical URL for aiohttp, as it is: yarl's own parsing would lose the bare "?" of "/?"."""
    scheme, _, rest = url.partition("://")
    authority, slash, target = rest.partition("/")
    if ".." in authority:  # an empty label is no name (RFC 1035, 2.3.4); aiohttp would look up another one
        raise aiohttp.InvalidURL(url)
    return URL.build(scheme=scheme, authority=authority, path=slash + target, encoded=True)


def _headers(raw: tuple[tuple[bytes, bytes], ...]) -> Headers:
    # Field values are octets; anything beyond ASCII is nearly always UTF-8 (RFC 9110, 5.5).
    return Headers(tuple([(name.decode("latin-1"), value.decode("utf-8", "replace")) for name, value in raw]))


def _with_credentials(plain: Mapping[str, str], http: Http) -> CIMultiDict[str]:
    """What the user wants sent to the seeds' origins, and nowhere else; a header may come twice."""
    own = CIMultiDict(plain)
    if http.auth:
        own["Authorization"] = "Basic " + base64.b64encode(http.auth.encode()).decode()
    if http.cookie:
        own["Cookie"] = "; ".join(http.cookie)
    pairs = [line.split(": ", 1) for line in http.header]
    for name, _ in pairs:  # as in curl, -H takes the place of what would be sent otherwise
        own.popall(name, None)
    for name, value in pairs:
        # aiohttp takes one spelling of a name for all that it sends.
        own.add(next((known for known in own if known.lower() == name.lower()), name), value)
    return own


def _tls(http: Http) -> ssl.SSLContext | bool:
    if http.insecure:
        return False
    if http.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=http.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"--ca-file: {http.ca_file!r} cannot be used: {error}") from None
