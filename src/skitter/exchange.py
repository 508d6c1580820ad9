"""What one hop said and was told, as it went over the wire."""

from __future__ import annotations

import msgspec

__all__ = ["Exchange"]


class Exchange(msgspec.Struct, frozen=True):
    """Request and answer of one hop, for archives. Heads are whole: first line, fields in their order and
    case, the empty line.

    ``request`` holds no credentials, and no body. ``body`` is without its transfer coding and still
    content-encoded; a head that spoke of chunks says ``Content-Length`` instead.
    """

    request: bytes
    head: bytes
    body: bytes = b""
    cut: str = (
        ""  # why the body ends early, if it does (WARC 1.1, 5.13): length, time, disconnect, unspecified
    )
    address: str = ""  # of the server; unknown behind a proxy
