"""The site answers what it was told to and remembers what it was asked."""

import asyncio
import contextlib
import gc
import http.client
import socket
import sys
import threading
import time
from collections.abc import Iterator

import aiohttp
import pytest
from aiohttp import web

from skitter.testing import Site


class Answer:
    """An answer read by http.client, which follows no redirects and decodes nothing."""

    def __init__(self, site: Site, path: str, method: str = "GET", **headers: str) -> None:
        connection = http.client.HTTPConnection(site.origin.removeprefix("http://"), timeout=10)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            self.body = response.read()
        finally:
            connection.close()
        self.status = response.status
        self.headers = response.headers


def exchange(site: Site, sent: bytes) -> bytes:
    """Send bytes as they are and read to the end of the connection."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def wait_until_seen(site: Site, requests: int) -> None:
    deadline = time.monotonic() + 10
    while len(site.requests) < requests and time.monotonic() < deadline:
        time.sleep(0.005)


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


# What it answers


def test_a_page_is_answered_as_it_was_given(site: Site) -> None:
    site.page("/a", "<p>grüße", status=201, headers={"X-Colour": "red"})
    answer = Answer(site, "/a")
    assert (answer.status, answer.body.decode()) == (201, "<p>grüße")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["X-Colour"] == "red"


def test_bytes_and_their_type_are_sent_untouched(site: Site) -> None:
    site.page("/b", b"\xff\x00", content_type="image/x-odd")
    site.page("/c", "{}", headers={"content-type": "application/json"})
    assert Answer(site, "/b").body == b"\xff\x00"
    assert Answer(site, "/b").headers["Content-Type"] == "image/x-odd"
    assert Answer(site, "/c").headers.get_all("Content-Type") == ["application/json"]


def test_a_page_answers_the_same_way_twice(site: Site) -> None:
    """The headers given are shared by all answers, and none of them may add to them."""
    site.page("/a", "x", headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    first, second = Answer(site, "/a"), Answer(site, "/a")
    assert first.headers.keys() == second.headers.keys()
    assert second.headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_links_and_a_title_make_a_document(site: Site) -> None:
    site.page("/", "<p>body", title="Fish & chips", links=["/a?x=1&y=2", "http://other/"])
    text = Answer(site, "/").body.decode()
    assert "<title>Fish &amp; chips</title>" in text
    assert '<a href="/a?x=1&amp;y=2">' in text
    assert '<a href="http://other/">' in text
    assert "<p>body" in text


def test_a_delay_holds_the_answer_back(site: Site) -> None:
    site.page("/slow", "x", delay=0.1)
    before = time.monotonic()
    Answer(site, "/slow")
    assert time.monotonic() - before >= 0.09


def test_an_unknown_path_is_a_404_page(site: Site) -> None:
    answer = Answer(site, "/nowhere")
    assert answer.status == 404
    assert b"<title>404 Not Found</title>" in answer.body


def test_head_is_answered_as_get_without_the_body(site: Site) -> None:
    site.page("/a", "12345")
    answer = Answer(site, "/a", "HEAD")
    assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, "5", b"")


def test_a_redirect_sends_its_location_as_given(site: Site) -> None:
    site.redirect("/old", "../new?a=b#c", status=308)
    answer = Answer(site, "/old")
    assert (answer.status, answer.headers["Location"]) == (308, "../new?a=b#c")


def test_robots_is_plain_text(site: Site) -> None:
    site.robots("User-agent: *\nDisallow: /x")
    answer = Answer(site, "/robots.txt")
    assert answer.body == b"User-agent: *\nDisallow: /x"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_errors_come_first_and_then_the_page(site: Site) -> None:
    site.errors("/a", 503, times=2, headers={"Retry-After": "7"})
    site.page("/a", "at last")
    answers = [Answer(site, "/a") for _ in range(3)]
    assert [answer.status for answer in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "7"
    assert answers[2].body == b"at last"


def test_errors_may_bring_the_page_along(site: Site) -> None:
    site.errors("/a", 500, times=1, then="recovered")
    assert [Answer(site, "/a").status, Answer(site, "/a").body] == [500, b"recovered"]


def test_errors_without_a_number_never_end(site: Site) -> None:
    site.page("/a", "never seen")
    site.errors("/a", 429)
    assert {Answer(site, "/a").status for _ in range(5)} == {429}


def test_reset_resets_the_connection(site: Site) -> None:
    site.reset("/r")
    with pytest.raises(ConnectionResetError):
        Answer(site, "/r")
    assert [seen.status for seen in site.requests] == [None]


def test_raw_bytes_are_all_that_is_written(site: Site) -> None:
    site.raw("/raw", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort")
    sent = b"GET /raw HTTP/1.1\r\nHost: x\r\n\r\n"
    assert exchange(site, sent) == b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"
    assert [seen.status for seen in site.requests] == [None]


def test_hang_never_answers_and_does_not_delay_the_end() -> None:
    with Site() as site:
        site.hang("/h")
        connection = socket.create_connection(("127.0.0.1", site.port), timeout=0.1)
        connection.sendall(b"GET /h HTTP/1.1\r\nHost: x\r\n\r\n")
        with connection, pytest.raises(TimeoutError):
            connection.recv(1)
        before = time.monotonic()
    assert time.monotonic() - before < 10
    assert [seen.status for seen in site.requests] == [None]


def test_open_requests_do_not_delay_the_end() -> None:
    with Site() as site:
        site.hang("/h")
        connection = socket.create_connection(("127.0.0.1", site.port), timeout=10)
        connection.sendall(b"GET /h HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until_seen(site, 1)
        before = time.monotonic()
    assert time.monotonic() - before < 10
    with connection:
        assert connection.recv(1) == b""


def test_a_handler_is_cancelled_when_the_client_goes_away(site: Site) -> None:
    cancelled = threading.Event()

    async def wait(request: web.BaseRequest) -> web.StreamResponse:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return web.Response()

    site.handler("/wait", wait)
    with socket.create_connection(("127.0.0.1", site.port)) as connection:
        connection.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until_seen(site, 1)
    assert cancelled.wait(10)


def test_a_handler_answers_anything_else(site: Site) -> None:
    async def echo(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=await request.text())

    site.handler("/echo", echo)
    sent = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
    assert exchange(site, sent).endswith(b"hi")


def test_a_handler_that_raises_is_a_500(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(request: web.BaseRequest) -> web.StreamResponse:
        raise LookupError("a mistake in the test")

    async def forbid(request: web.BaseRequest) -> web.StreamResponse:
        raise web.HTTPForbidden

    site.handler("/fail", fail)
    site.handler("/forbid", forbid)
    assert [Answer(site, "/fail").status, Answer(site, "/forbid").status] == [500, 403]
    assert [seen.status for seen in site.requests] == [500, 403]
    assert "a mistake in the test" in caplog.text


# How it matches


def test_a_query_matches_before_the_path_alone(site: Site) -> None:
    site.page("/list", "any")
    site.page("/list?page=2", "second")
    bodies = [Answer(site, target).body for target in ("/list?page=2", "/list?page=3", "/list")]
    assert bodies == [b"second", b"any", b"any"]


def test_the_longest_prefix_wins_and_an_exact_path_before_it(site: Site) -> None:
    site.page("/a/b/*", "long")
    site.page("/a/*", "short")
    site.page("/a/b/c", "exact")
    bodies = [Answer(site, target).body for target in ("/a/x", "/a/b/x", "/a/b/c")]
    assert bodies == [b"short", b"long", b"exact"]


def test_prefixes_work_for_redirects_and_errors(site: Site) -> None:
    site.redirect("/old/*", "/")
    site.errors("/bad/*", 500)
    assert [Answer(site, "/old/1").status, Answer(site, "/bad/1").status] == [302, 500]


def test_a_path_with_letters_beyond_ascii_is_matched_as_on_the_wire(site: Site) -> None:
    site.page("/käse brot", "x")
    assert site.url("/käse brot").endswith("/k%C3%A4se%20brot")
    assert Answer(site, "/k%C3%A4se%20brot").status == 200
    assert site.count("/käse brot") == 1


def test_a_path_without_a_slash_is_refused() -> None:
    with pytest.raises(ValueError, match="begins with a slash: 'a'"):
        Site().page("a")


# What it remembers


def test_a_request_is_remembered_as_it_was_sent(site: Site) -> None:
    site.page("/a", status=202)
    before = time.monotonic()
    Answer(site, "/a?b=%7e&c", "GET", **{"X-MiXed": "1"})
    (seen,) = site.requests
    assert (seen.method, seen.target, seen.status) == ("GET", "/a?b=%7e&c", 202)
    assert seen.host == f"127.0.0.1:{site.port}"
    assert ("X-MiXed", "1") in seen.headers
    assert (seen.header("x-mixed"), seen.header("x-none")) == ("1", None)
    assert before <= seen.time <= time.monotonic()


def test_targets_leave_robots_out_unless_asked(site: Site) -> None:
    for target in ("/robots.txt", "/a", "/b", "/a"):
        Answer(site, target)
    assert site.targets() == ["/a", "/b", "/a"]
    assert site.targets(include_robots=True)[0] == "/robots.txt"
    assert (site.count("/a"), site.count("/b"), site.count("/c")) == (2, 1, 0)


def test_gaps_are_the_times_between_arrivals(site: Site) -> None:
    assert site.gaps() == []
    for wait in (0.0, 0.05, 0.0):
        time.sleep(wait)
        Answer(site, "/")
    first, second = site.gaps()
    assert first >= 0.045
    assert second >= 0


def test_without_a_log_nothing_is_kept() -> None:
    with Site(keep_log=False) as site:
        assert Answer(site, "/").status == 404
        assert (site.requests, site.max_in_flight) == ([], 1)


def test_requests_in_flight_are_counted_at_their_highest(site: Site) -> None:
    site.page("/slow", "x", delay=0.2)
    asyncio.run(fetch_all(site, [f"/slow?{n}" for n in range(20)]))
    asyncio.run(fetch_all(site, ["/slow"]))
    assert site.max_in_flight == 20


async def fetch_all(site: Site, targets: list[str]) -> list[int]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def fetch(target: str) -> int:
            async with session.get(site.url(target)) as response:
                await response.read()
                return response.status

        return await asyncio.gather(*map(fetch, targets))


# How it runs


def test_it_serves_the_loop_that_entered_it() -> None:
    async def visit() -> list[int]:
        async with Site() as site:
            site.page("/", "x")
            return await fetch_all(site, ["/", "/none"])

    assert asyncio.run(visit()) == [200, 404]


def test_many_connections_at_once_are_accepted(site: Site) -> None:
    site.page("/slow", "x", delay=0.5)
    statuses = asyncio.run(fetch_all(site, [f"/slow?{n}" for n in range(300)]))
    assert statuses == [200] * 300
    assert len(site.requests) == 300


def test_a_port_that_is_taken_is_the_callers_error(site: Site) -> None:
    with pytest.raises(OSError, match=str(site.port)):
        Site(port=site.port).start()


def test_it_listens_on_any_loopback_address() -> None:
    with Site("127.0.0.9") as site:
        assert site.url("/a").startswith("http://127.0.0.9:")
        assert Answer(site, "/a").status == 404


def test_it_may_be_stopped_twice_and_started_again() -> None:
    site = Site()
    site.page("/", "x")
    for _ in range(2):
        site.start()
        assert Answer(site, "/").status == 200
        site.stop()
        site.stop()
    assert len(site.requests) == 2
    with pytest.raises(ConnectionRefusedError):
        Answer(site, "/")


def test_a_second_start_and_an_early_port_are_mistakes(site: Site) -> None:
    with pytest.raises(RuntimeError, match="runs already"):
        site.start()
    with pytest.raises(RuntimeError, match="no port"):
        Site().url("/")


def test_a_connection_that_comes_while_it_stops_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """asyncio forgets those that its server has accepted and not yet made known."""
    lost: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: lost.append(what.object))
    for _ in range(20):
        site = Site()
        site.start()
        connections: list[socket.socket] = []
        begun = threading.Event()
        flood = threading.Thread(target=_dial, args=(site.port, connections, begun))
        flood.start()
        begun.wait(10)
        site.stop()
        flood.join()
        for connection in connections:
            connection.close()
    gc.collect()
    assert lost == []


def _dial(port: int, connections: list[socket.socket], begun: threading.Event) -> None:
    begun.set()
    with contextlib.suppress(OSError):
        for _ in range(30):
            connections.append(socket.create_connection(("127.0.0.1", port), 0.5))
