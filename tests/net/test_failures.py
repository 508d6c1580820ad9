"""aiohttp's exceptions in our words: the reason, whether to try again, and whose fault it was."""

import errno
import socket
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from skitter.model import Failure, Reason
from skitter.net.body import DamagedBody, TooManyCodings
from skitter.net.failures import translate

ADDRESS = "192.0.2.77"
KEY = ConnectionKey("secret-name.example", 8443, False, True, None, None, None)


def os_error(number: int, text: str = f"Connect call failed ('{ADDRESS}', 8443)") -> OSError:
    return OSError(number, text)


def dns(number: int) -> aiohttp.ClientConnectorDNSError:
    return aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(number, "no answer for secret-name.example"))


def request_info() -> aiohttp.RequestInfo:
    url = URL("http://secret-name.example:8443/")
    return aiohttp.RequestInfo(url, "GET", CIMultiDictProxy(CIMultiDict[str]()), url)


TABLE: list[tuple[Exception, Reason, bool, bool]] = [
    # exception, reason, may another try succeed, is it the host
    (dns(socket.EAI_NONAME), Reason.DNS_FAILED, False, True),
    (dns(socket.EAI_AGAIN), Reason.DNS_FAILED, True, True),
    (dns(socket.EAI_FAIL), Reason.DNS_FAILED, True, True),
    (
        aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("self-signed")),
        Reason.TLS_FAILED,
        False,
        True,
    ),
    (aiohttp.ClientConnectorSSLError(KEY, os_error(1)), Reason.TLS_FAILED, False, True),
    (aiohttp.ClientProxyConnectionError(KEY, os_error(errno.ECONNREFUSED)), Reason.PROXY_ERROR, True, True),
    (aiohttp.ClientHttpProxyError(request_info(), (), status=407), Reason.PROXY_ERROR, True, True),
    (aiohttp.ClientConnectorError(KEY, os_error(errno.ECONNREFUSED)), Reason.UNREACHABLE, True, True),
    (aiohttp.ClientConnectorError(KEY, os_error(errno.EHOSTUNREACH)), Reason.UNREACHABLE, True, True),
    (aiohttp.ServerTimeoutError(), Reason.TIMED_OUT, True, False),
    (aiohttp.SocketTimeoutError(), Reason.TIMED_OUT, True, False),
    (TimeoutError(), Reason.TIMED_OUT, True, False),
    (aiohttp.ServerDisconnectedError(), Reason.UNREACHABLE, True, False),
    (aiohttp.ClientOSError(errno.ECONNRESET, "reset"), Reason.UNREACHABLE, True, False),
    (aiohttp.ClientResponseError(request_info(), (), status=400), Reason.MALFORMED, False, False),
    (aiohttp.ClientPayloadError("broken"), Reason.MALFORMED, False, False),
    (aiohttp.InvalidURL("x"), Reason.MALFORMED, False, False),
    (TooManyCodings(), Reason.MALFORMED, False, False),
    (DamagedBody("incorrect header check"), Reason.MALFORMED, False, False),
    (aiohttp.ClientConnectionError("Connector is closed."), Reason.UNREACHABLE, True, False),
    (ConnectionResetError(errno.ECONNRESET, "reset"), Reason.UNREACHABLE, True, False),
    (BrokenPipeError(errno.EPIPE, "pipe"), Reason.UNREACHABLE, True, False),
    (OSError("without a number"), Reason.UNREACHABLE, True, False),
    (ValueError("Newline or carriage return detected in headers"), Reason.MALFORMED, False, False),
]


def name(row: object) -> str | None:
    return type(row).__name__ if isinstance(row, Exception) else None


def told(error: BaseException, *, was_sent: bool = True) -> Failure:
    failure = translate(error, was_sent=was_sent)
    assert failure is not None
    return failure


@pytest.mark.parametrize(("error", "reason", "transient", "host_fault"), TABLE, ids=name)
def test_every_exception_has_its_reason(
    error: Exception, reason: Reason, transient: bool, host_fault: bool
) -> None:
    failure = told(error)
    assert (failure.reason, failure.transient, failure.host_fault) == (reason, transient, host_fault)


@pytest.mark.parametrize("was_sent", [False, True])
@pytest.mark.parametrize("error", [row[0] for row in TABLE], ids=name)
def test_no_text_says_where_we_went(error: Exception, was_sent: bool) -> None:
    """S5: an error text that names addresses or ports is an oracle for what lies behind a firewall."""
    text = told(error, was_sent=was_sent).message
    for secret in (ADDRESS, "8443", "secret-name", "example", "/"):
        assert secret not in text
    assert text
    assert "\n" not in text


@pytest.mark.parametrize(
    "error",
    [KeyError("x"), RuntimeError("bug"), AssertionError(), AttributeError(), LookupError(), MemoryError()],
)
def test_what_is_not_the_networks_is_not_translated(error: Exception) -> None:
    """A bug of ours must stop the run loudly, and not become a page that failed."""
    assert translate(error, was_sent=True) is None
    assert translate(error, was_sent=False) is None


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit()])
def test_being_stopped_is_no_failure(error: BaseException) -> None:
    assert translate(error, was_sent=True) is None


def test_a_time_out_before_sending_is_the_hosts_fault() -> None:
    """Nothing had been asked yet: no URL can be to blame."""
    for error in (TimeoutError(), aiohttp.ServerTimeoutError()):
        assert told(error, was_sent=False).host_fault
        assert "connecting" in told(error, was_sent=False).message
        assert not told(error, was_sent=True).host_fault


@pytest.mark.parametrize(
    ("number", "text"),
    [(errno.ECONNREFUSED, "refused"), (errno.ENETUNREACH, "unreachable"), (errno.ECONNRESET, "reset")],
)
def test_the_systems_own_words_are_kept(number: int, text: str) -> None:
    assert text in told(aiohttp.ClientConnectorError(KEY, os_error(number))).message
    assert text in told(OSError(number, "x")).message


def test_a_failure_starts_without_an_answer() -> None:
    """What had been received is added by the fetcher, which knows."""
    failure = told(TimeoutError())
    assert (failure.status, failure.size, len(failure.headers)) == (None, 0, 0)
