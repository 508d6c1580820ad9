"""Keeps what goes over the wire in one hop, for archives. Nobody makes one where none is written."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
from yarl import URL

from skitter.config import Http
from skitter.exchange import Exchange
from skitter.model import Reason, Request

__all__ = ["ACCEPT_ENCODING", "Tape", "early_end"]

# What every reader of archives undoes: warcio knows no zstd, and br only by a library that nobody keeps up.
ACCEPT_ENCODING = "gzip, deflate"
# Fields that are our own words. All others are the user's, and may be secrets: no archive has them (A4).
_OUR_OWN = frozenset({"host", "user-agent", "accept", "accept-encoding", "connection"})
_TRANSFER_ENCODING = b"transfer-encoding"


class Tape:
    """Runs along with one hop; a request that is sent again begins it anew."""

    __slots__ = (
        "_address",
        "_fields",
        "_http",
        "_left",
        "_line",
        "_most",
        "_pieces",
        "_request",
        "_sent",
        "cut",
    )

    def __init__(self, request: Request, http: Http) -> None:
        self._request = request
        self._http = http
        self._most = request.max_body
        self._sent = b""
        self._begin()

    def _begin(self) -> None:
        self._line = b""
        self._fields: tuple[tuple[bytes, bytes], ...] = ()
        self._address = ""
        self._pieces: list[bytes] = []
        self._left = self._most
        self.cut = ""  # Exchange.cut

    def sent(self, method: str, url: URL, fields: Mapping[str, str]) -> None:
        """A head has gone out."""
        self._begin()
        hidden = {line.partition(":")[0].lower() for line in self._http.header}
        hidden.update(name.lower() for name in self._request.headers)
        shown = _OUR_OWN - hidden
        absolute = self._http.proxy is not None and url.scheme == "http"  # RFC 9112, 3.2.2
        lines = [f"{method} {url if absolute else url.raw_path_qs} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in fields.items() if name.lower() in shown]
        self._sent = "\r\n".join([*lines, "", ""]).encode()

    def head(self, response: aiohttp.ClientResponse) -> None:
        """The head of the answer has come.

        Archives know two versions: what some scripts write into the first line of a plain answer
        (``HTTP/2.0``) makes warcio refuse the file.
        """
        version = response.version
        name = "HTTP/1.0" if version is not None and version < (1, 1) else "HTTP/1.1"
        line = f"{name} {response.status} {response.reason or ''}\r\n"
        self._line = line.encode("utf-8", "surrogateescape")
        self._fields = response.raw_headers
        if self._http.proxy is None:
            self._address = _address(response)

    def body(self, chunk: bytes) -> None:
        """A part of the body, content-encoded."""
        if len(chunk) > self._left:
            self.cut = "length"
            chunk = chunk[: self._left]
        self._left -= len(chunk)
        self._pieces.append(chunk)

    def exchange(self) -> Exchange | None:
        """What there is; None if no answer began."""
        if not self._line:
            return None
        body = b"".join(self._pieces)
        head = [self._line]
        for name, value in self._fields:
            if name.lower() == _TRANSFER_ENCODING:
                name = b"X-Archive-Orig-" + name
                head.append(b"Content-Length: %d\r\n" % len(body))
            head.append(b"%b: %b\r\n" % (name, value))
        return Exchange(self._sent, b"".join([*head, b"\r\n"]), body, self.cut, self._address)


def early_end(reason: Reason) -> str:
    """Why the body of a hop that failed ends where it does."""
    return "time" if reason in (Reason.TIMED_OUT, Reason.TOO_SLOW) else "unspecified"


def _address(response: aiohttp.ClientResponse) -> str:
    """The server's, from the connection; the response has let go of that if the body is there already."""
    peer = getattr(response._protocol, "peer", None)
    return str(peer[0]).partition("%")[0] if peer else ""
