"""aiohttp's exceptions, translated in one table into reasons."""

from __future__ import annotations

import os
import socket

import aiohttp

from skitter.model import Failure, Reason
from skitter.net.body import DamagedBody, TooManyCodings
from skitter.net.guard import RefusedAddress
from skitter.net.speed import LEAST_SPEED, TooSlow
from skitter.rules.addresses import REFUSED

__all__ = ["translate"]

# The first line that fits decides: subclasses before their bases. (exception, reason, what to say,
# may another try succeed, did no connection come about)
_TABLE: tuple[tuple[type[BaseException], Reason, str, bool, bool], ...] = (
    (RefusedAddress, Reason.REFUSED_ADDRESS, REFUSED, False, False),
    (aiohttp.ClientConnectorDNSError, Reason.DNS_FAILED, "the name cannot be resolved", True, True),
    (aiohttp.ClientConnectorCertificateError, Reason.TLS_FAILED, "certificate not trusted", False, True),
    (aiohttp.ClientSSLError, Reason.TLS_FAILED, "TLS handshake failed (or is it http?)", False, True),
    (aiohttp.ClientProxyConnectionError, Reason.PROXY_ERROR, "cannot connect to the proxy", True, True),
    (aiohttp.ClientHttpProxyError, Reason.PROXY_ERROR, "the proxy refused", True, True),
    (aiohttp.ClientConnectorError, Reason.UNREACHABLE, "cannot connect", True, True),
    (aiohttp.ServerTimeoutError, Reason.TIMED_OUT, "timed out", True, False),
    (TimeoutError, Reason.TIMED_OUT, "timed out", True, False),
    (aiohttp.ServerDisconnectedError, Reason.UNREACHABLE, "connection closed without an answer", True, False),
    (aiohttp.ClientOSError, Reason.UNREACHABLE, "connection lost", True, False),
    (aiohttp.ClientResponseError, Reason.MALFORMED, "not a valid HTTP response", False, False),
    (aiohttp.ClientPayloadError, Reason.MALFORMED, "not a valid HTTP body", False, False),
    (aiohttp.InvalidURL, Reason.MALFORMED, "not a URL that can be requested", False, False),
    (TooSlow, Reason.TOO_SLOW, f"less than {LEAST_SPEED} bytes a second", True, False),
    (TooManyCodings, Reason.MALFORMED, "too many content codings", False, False),
    (DamagedBody, Reason.MALFORMED, "the body is not what Content-Encoding says", False, False),
    (aiohttp.ClientError, Reason.UNREACHABLE, "request failed", True, False),
    (OSError, Reason.UNREACHABLE, "connection lost", True, False),
    (ValueError, Reason.MALFORMED, "not a request that can be sent", False, False),
)  # fmt: skip

# The resolver's final answers: asking again would be the same question (RFC 3493, 6.1).
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


def translate(error: BaseException, *, was_sent: bool) -> Failure | None:
    """The failure that ``error`` means; None if it is not one of the network's.

    The text names neither addresses nor paths (S5). ``was_sent`` says whether the request was on the
    wire already: a time-out before that is the host's fault.
    """
    row = next((row for row in _TABLE if isinstance(error, row[0])), None)
    if row is None:
        return None
    _, reason, text, transient, host_fault = row
    number = error.errno if isinstance(error, OSError) else None
    if reason is Reason.DNS_FAILED and number in _NO_SUCH_NAME:
        transient = False
    if reason is Reason.TIMED_OUT and not was_sent:
        host_fault, text = True, "timed out while connecting"
    if reason is Reason.UNREACHABLE and number and number > 0:
        text = f"{text}: {os.strerror(number).lower()}"
    return Failure(reason, text, transient, host_fault)
