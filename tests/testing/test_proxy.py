"""The proxy passes bytes on, and does to them what it was told to: seen by client and server."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from skitter.testing import FaultProxy, Faults, Site

NONE = Faults()
BODY = "x" * 20_000
REQUEST = b"GET /a HTTP/1.1\r\nHost: there\r\n\r\n"


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        running.page("/a", BODY)
        running.page("/short", "y")
        yield running


@contextmanager
def before(site: Site, faults: Faults = NONE, *, seed: int = 1) -> Iterator[FaultProxy]:
    with FaultProxy("127.0.0.1", site.port, faults=faults, seed=seed) as proxy:
        yield proxy


@contextmanager
def connected(proxy: FaultProxy, timeout: float = 10) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=timeout)
    try:
        yield connection
    finally:
        connection.close()


def get(connection: http.client.HTTPConnection, path: str = "/a") -> tuple[int, str]:
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def outcome(proxy: FaultProxy, path: str = "/a") -> str:
    """What a client meets that makes a connection for one request."""
    with connected(proxy) as connection:
        try:
            return str(get(connection, path)[0])
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__


def dialled(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=10)


def read_to_the_end(connection: socket.socket) -> tuple[bytes, type[OSError] | None]:
    """All that comes, and the error that ends it; None for an end in order."""
    came = b""
    try:
        while data := connection.recv(65536):
            came += data
    except OSError as error:
        return came, type(error)
    return came, None


def is_reset_at_once(proxy: FaultProxy) -> bool:
    """On a busy machine the reset may be there before connect() has returned."""
    try:
        with dialled(proxy) as connection:
            return read_to_the_end(connection) == (b"", ConnectionResetError)
    except ConnectionResetError:
        return True


# Without faults


def test_without_faults_everything_passes_as_it_is(site: Site) -> None:
    with before(site) as proxy, connected(proxy) as connection:
        assert [get(connection) for _ in range(3)] == [(200, BODY)] * 3
        assert get(connection, "/nowhere")[0] == 404
        assert proxy.count == {"connections": 1, "exchanges": 4}
    assert [seen.target for seen in site.requests] == ["/a", "/a", "/a", "/nowhere"]


def test_a_large_request_is_one_exchange() -> None:
    """However many pieces it comes in: the next one begins after an answer."""
    size = 3_000_000
    with echo(size) as port, FaultProxy("127.0.0.1", port) as proxy, dialled(proxy) as connection:
        sent = bytes(range(256)) * (size // 256)
        writing = threading.Thread(target=connection.sendall, args=(sent + b"." * (size - len(sent)),))
        writing.start()
        came = b""
        while len(came) < size:
            came += connection.recv(65536)
        writing.join()
        assert came.startswith(sent)
        assert proxy.count["exchanges"] == 1


def test_a_client_that_has_said_all_still_gets_its_answer() -> None:
    """Half a connection may be closed: the end of the client's half reaches the server, not more."""
    with echo(None) as port, FaultProxy("127.0.0.1", port) as proxy, dialled(proxy) as connection:
        connection.sendall(b"all that I say")
        connection.shutdown(socket.SHUT_WR)
        assert read_to_the_end(connection) == (b"all that I say", None)


def test_what_a_server_says_unasked_passes() -> None:
    """As mail servers do; no exchange has begun, so nothing can go wrong with it."""
    with greeting(b"220 hello") as port:
        faults = Faults(reset=1)
        with FaultProxy("127.0.0.1", port, faults=faults) as proxy, dialled(proxy) as connection:
            assert connection.recv(100) == b"220 hello"
            assert proxy.count == {"connections": 1}


def test_a_server_that_is_not_there_is_a_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with FaultProxy("127.0.0.1", port) as proxy:
        assert is_reset_at_once(proxy)


# Faults of connections


def test_down_refuses_connections_and_resets_those_that_there_are(site: Site) -> None:
    with before(site) as proxy, dialled(proxy) as connection:
        connection.sendall(REQUEST)
        assert connection.recv(1)
        port = proxy.port
        proxy.faults = Faults(down=True)
        assert read_to_the_end(connection)[1] is ConnectionResetError
        with pytest.raises(ConnectionRefusedError):
            dialled(proxy)
        proxy.faults = Faults(down=True)  # twice is once
        proxy.faults = Faults()
        assert proxy.port == port
        assert outcome(proxy) == "200"


def test_a_proxy_may_be_down_from_the_start(site: Site) -> None:
    with before(site, Faults(down=True)) as proxy:
        assert outcome(proxy) == "ConnectionRefusedError"
        proxy.faults = Faults()
        assert outcome(proxy) == "200"


def test_a_refused_connection_is_reset_before_the_server_hears_of_it(site: Site) -> None:
    with before(site, Faults(refused=1)) as proxy:
        assert is_reset_at_once(proxy)
        assert proxy.count == {"connections": 1, "refused": 1}
    assert not site.requests


def test_a_slow_close_comes_late(site: Site) -> None:
    """The answer is there at once; only its end is not."""
    with before(site, Faults(slow_close=1, close_delay=0.3)) as proxy, dialled(proxy) as connection:
        connection.sendall(REQUEST.replace(b"there", b"there\r\nConnection: close"))
        came = b""
        while BODY.encode() not in came:
            came += connection.recv(65536)
        began = time.monotonic()
        assert read_to_the_end(connection) == (b"", None)
        assert time.monotonic() - began > 0.2
        assert proxy.count["slow_close"] == 1


# Faults of exchanges


def test_a_reset_comes_in_the_middle_of_the_answer(site: Site) -> None:
    with before(site, Faults(reset=1, after=1000)) as proxy, dialled(proxy) as connection:
        connection.sendall(REQUEST)
        came, error = read_to_the_end(connection)
        assert (len(came), error) == (1000, ConnectionResetError)
        assert came.startswith(b"HTTP/1.1 200 OK")
        assert proxy.count["reset"] == 1
    assert [seen.target for seen in site.requests] == ["/a"]


def test_a_cut_answer_ends_in_order(site: Site) -> None:
    with before(site, Faults(cut=1, after=1000)) as proxy, dialled(proxy) as connection:
        connection.sendall(REQUEST)
        came, error = read_to_the_end(connection)
        assert (len(came), error) == (1000, None)
        assert proxy.count["cut"] == 1


def test_what_is_shorter_than_the_limit_is_not_cut(site: Site) -> None:
    """And the limit is that of an answer, not of the connection."""
    with before(site, Faults(cut=1, after=1000)) as proxy, connected(proxy) as connection:
        assert [get(connection, "/short") for _ in range(10)] == [(200, "y")] * 10
        assert proxy.count == {"connections": 1, "exchanges": 10}


def test_a_black_hole_takes_everything_and_gives_nothing(site: Site) -> None:
    with before(site, Faults(black_hole=1)) as proxy, dialled(proxy) as connection:
        connection.settimeout(0.2)
        for _ in range(2):
            connection.sendall(REQUEST)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        assert proxy.count == {"connections": 1, "exchanges": 1, "black_hole": 1}
    assert not site.requests


def test_a_black_hole_never_ends_by_itself() -> None:
    """Not even when the server closes the connection that it hears nothing on."""
    hung_up = threading.Event()
    with (
        greeting(b"", until=hung_up) as port,
        FaultProxy("127.0.0.1", port, faults=Faults(black_hole=1)) as proxy,
        dialled(proxy) as connection,
    ):
        connection.sendall(b"hello?")
        hung_up.set()
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_unavailable_is_an_answer_that_the_server_does_not_give(site: Site) -> None:
    with before(site, Faults(unavailable=1)) as proxy, connected(proxy) as connection:
        connection.request("GET", "/a")
        answer = connection.getresponse()
        assert (answer.status, answer.read(), answer.getheader("Connection")) == (503, b"", "close")
        assert proxy.count["unavailable"] == 1
    assert not site.requests


def test_a_slow_answer_begins_late(site: Site) -> None:
    with before(site, Faults(slow=1, slow_delay=0.2)) as proxy, connected(proxy) as connection:
        began = time.monotonic()
        assert get(connection) == (200, BODY)
        assert time.monotonic() - began > 0.19
        assert proxy.count["slow"] == 1


def test_a_sliced_answer_comes_whole_in_tiny_pieces(site: Site) -> None:
    with before(site, Faults(sliced=1, slice_size=3)) as proxy, dialled(proxy) as connection:
        connection.sendall(REQUEST.replace(b"/a", b"/short").replace(b"there", b"there\r\nConnection: close"))
        pieces = list(iter(lambda: connection.recv(65536), b""))
        assert b"".join(pieces).endswith(b"\r\n\r\ny")
        # The client may be late and find several together, but not many.
        assert len(pieces) > 20
        assert proxy.count["sliced"] == 1


# What every exchange has


def test_latency_and_jitter_come_before_each_answer(site: Site) -> None:
    with before(site, Faults(latency=0.1, jitter=0.05)) as proxy, connected(proxy) as connection:
        for _ in range(2):
            began = time.monotonic()
            get(connection)
            assert time.monotonic() - began > 0.09
        assert proxy.count == {"connections": 1, "exchanges": 2}


def test_a_bandwidth_is_not_exceeded(site: Site) -> None:
    with before(site, Faults(bandwidth=60_000)) as proxy, connected(proxy) as connection:
        began = time.monotonic()
        assert get(connection) == (200, BODY)
        assert time.monotonic() - began > 0.3  # 20 KB of 60 KB/s


# When, and how often


def test_shares_are_kept_and_the_seed_decides(site: Site) -> None:
    """The same seed and the same requests: the same faults, in the same order."""
    faults = Faults(reset=0.2, unavailable=0.2, cut=0.1)

    def outcomes(seed: int) -> tuple[list[str], dict[str, int]]:
        with before(site, faults, seed=seed) as proxy:
            return [outcome(proxy) for _ in range(100)], dict(proxy.count)

    first, count = outcomes(7)
    assert outcomes(7) == (first, count)
    assert outcomes(8)[0] != first
    assert 35 <= first.count("200") <= 65
    assert first.count("503") == count["unavailable"] > 5
    assert first.count("ConnectionResetError") == count["reset"] > 5
    assert first.count("RemoteDisconnected") == count["cut"] > 1


def test_each_request_on_a_kept_connection_has_its_chance(site: Site) -> None:
    with before(site, Faults(slow=0.3, slow_delay=0.05), seed=3) as proxy, connected(proxy) as connection:
        slow = 0
        for _ in range(40):
            began = time.monotonic()
            get(connection, "/short")
            slow += time.monotonic() - began > 0.045
        assert proxy.count["connections"] == 1
        assert 4 <= proxy.count["slow"] <= 22
        assert slow >= proxy.count["slow"]


def test_one_fault_more_does_not_change_the_others(site: Site) -> None:
    """What an exchange draws does not depend on what there is to draw, so a failure can be narrowed down."""

    def failed(faults: Faults) -> list[int]:
        with before(site, faults) as proxy:
            found = [outcome(proxy, "/short") for _ in range(60)]
        return [number for number, each in enumerate(found) if each == "ConnectionResetError"]

    assert failed(Faults(reset=0.2)) == failed(Faults(reset=0.2, unavailable=0.3, latency=0.001)) != []


def test_faults_may_change_while_it_runs(site: Site) -> None:
    with before(site) as proxy, connected(proxy) as connection:
        assert get(connection)[0] == 200
        proxy.faults = Faults(unavailable=1)
        assert proxy.faults.unavailable == 1
        assert get(connection)[0] == 503  # on the connection that there is
        proxy.faults = Faults()
        assert get(connection)[0] == 200


def test_a_seed_is_made_up_and_told(site: Site) -> None:
    with FaultProxy("127.0.0.1", site.port) as one, FaultProxy("127.0.0.1", site.port) as other:
        assert one.seed != other.seed
        assert f"seed {one.seed}" in repr(one)


# Start and stop


def test_a_stopped_proxy_keeps_its_port_and_its_counts(site: Site) -> None:
    proxy = FaultProxy("127.0.0.1", site.port)
    with pytest.raises(RuntimeError, match="before it is started"):
        _ = proxy.port
    with proxy:
        port = proxy.port
        assert outcome(proxy) == "200"
        with pytest.raises(RuntimeError, match="runs already"):
            proxy.start()
    assert outcome(proxy) == "ConnectionRefusedError"
    proxy.stop()
    assert "stopped" in repr(proxy)
    with proxy:
        assert proxy.origin == f"http://127.0.0.1:{port}"
        assert outcome(proxy) == "200"
        assert proxy.count["connections"] == 2


def test_a_stop_does_not_wait_for_anybody(site: Site) -> None:
    site.hang("/never")
    faults = Faults(slow=1, slow_delay=60, slow_close=1, close_delay=60)
    with before(site, faults) as proxy, dialled(proxy) as one, dialled(proxy) as other:
        one.sendall(REQUEST)
        other.sendall(REQUEST.replace(b"/a", b"/never"))
        while proxy.count["slow"] < 1 or len(site.requests) < 2:
            time.sleep(0.01)
        began = time.monotonic()
        proxy.stop()
        assert time.monotonic() - began < 5
        assert read_to_the_end(one) == (b"", ConnectionResetError)
        assert read_to_the_end(other) == (b"", ConnectionResetError)


def test_a_taken_port_raises_in_the_caller(site: Site) -> None:
    with before(site) as proxy:
        other = FaultProxy("127.0.0.1", site.port, listen_port=proxy.port)
        with pytest.raises(OSError, match=str(proxy.port)):
            other.start()


@pytest.mark.parametrize(
    "wrong",
    [{"reset": -0.1}, {"refused": 1.1}, {"reset": 0.6, "cut": 0.6}, {"slice_size": 0}, {"latency": -1}],
)
def test_impossible_faults_are_errors(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"negative|share|slice"):
        Faults(**wrong)  # type: ignore[arg-type]


# Servers that are no web sites


@contextmanager
def echo(size: int | None) -> Iterator[int]:
    """Answers once, with the ``size`` bytes that it has read; None: with all, to the client's end."""

    def serve(connection: socket.socket) -> None:
        came = bytearray()
        while (size is None or len(came) < size) and (data := connection.recv(65536)):
            came += data
        connection.sendall(came)

    with serving(serve) as port:
        yield port


@contextmanager
def greeting(text: bytes, until: threading.Event | None = None) -> Iterator[int]:
    """Speaks first and reads nothing; closes when the event is set, or with the test."""
    over = until or threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.sendall(text)
        over.wait(10)

    with serving(serve) as port:
        try:
            yield port
        finally:
            over.set()


@contextmanager
def serving(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A thread that serves one connection."""

    def accept() -> None:
        connection, _ = listener.accept()
        with connection:
            serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)
