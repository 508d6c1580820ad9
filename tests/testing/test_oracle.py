"""The oracle answers as it says, says what a crawl finds, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import html
import http.client
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from statistics import median
from urllib.parse import urlsplit

import pytest

import skitter
from skitter.model import Record
from skitter.rules.url import canonical
from skitter.testing import Expected, Oracle
from skitter.testing.pages import draw
from skitter.testing.web import Kind, Stumble, Web, make_web

ORIGINS = [f"http://127.0.0.1:{port}" for port in range(8000, 8050)]


def small(pages: int = 60, hosts: int = 6, seed: int = 1) -> Oracle:
    return Oracle(pages=pages, hosts=hosts, seed=seed, latency=0.0)


def web_of(pages: int, hosts: int, seed: int = 1, retry_after: bool = True) -> Web:
    return make_web(pages=pages, hosts=hosts, seed=seed, retry_after=retry_after)


class Answer:
    """An answer read by http.client, which follows no redirects."""

    def __init__(self, url: str, method: str = "GET") -> None:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        try:
            connection.request(method, parts.path + ("?" + parts.query if parts.query else ""))
            response = connection.getresponse()
            self.body = response.read()
        finally:
            connection.close()
        self.status = response.status
        self.headers = response.headers


def failing(oracle: Oracle) -> dict[str, tuple[int, str | None]]:
    """URLs that fail at first: status and Retry-After, found by asking for everything."""
    answers = {url: Answer(url) for url in oracle.expected}
    return {url: (a.status, a.headers["Retry-After"]) for url, a in answers.items() if a.status >= 500}


@pytest.fixture
def oracle() -> Iterator[Oracle]:
    with small() as running:
        yield running


# The web


@pytest.mark.parametrize("hosts", [1, 2, 3, 4, 5, 17, 40])
def test_a_web_of_forty_pages_has_one_of_each_kind_on_any_number_of_hosts(hosts: int) -> None:
    for seed in range(5):
        web = web_of(40, hosts, seed)
        assert {place.kind for place in web.places} == set(Kind)
        assert {place.first for place in web.places} == {None, (500, None), (503, None), (503, 1)}
        assert {place.host for place in web.places} == set(range(hosts))
        assert all(p.host in web.private_hosts for p in web.places if p.kind is Kind.PRIVATE)


@pytest.mark.parametrize(("pages", "hosts"), [(1, 1), (2, 1), (3, 3), (12, 4), (39, 39)])
def test_even_a_tiny_web_holds_together(pages: int, hosts: int) -> None:
    answers = draw(web_of(pages, hosts), ORIGINS[:hosts], seed=1, latency=0.0)
    assert len(answers) == pages + hosts + 1


@pytest.mark.parametrize(("pages", "hosts"), [(0, 0), (5, 0), (3, 4)])
def test_a_host_without_a_page_is_refused(pages: int, hosts: int) -> None:
    with pytest.raises(ValueError, match="at least one page for each host"):
        Oracle(pages=pages, hosts=hosts)


def test_the_shares_of_a_large_web() -> None:
    web = web_of(5000, 40)
    kinds = Counter(place.kind for place in web.places)
    assert (kinds[Kind.REDIRECT], kinds[Kind.DEAD], kinds[Kind.PRIVATE]) == (200, 150, 100)
    firsts = Counter(place.first for place in web.places if place.first)
    assert sum(firsts.values()) == 187
    assert firsts[Stumble(503, 1)] == 1
    refusing = [place.host for place in web.places if place.first and place.first.status == 503]
    assert len(set(refusing)) == len(refusing), "a host refuses once at most"
    assert len(web.delayed_hosts) == 3
    assert all(sum(p.host == host for p in web.places) == 20 for host in web.delayed_hosts)


def test_redirects_end_after_two_hops_and_some_lead_to_other_hosts() -> None:
    places = web_of(1000, 10).places
    chains = 0
    redirects = [place for place in places if place.kind is Kind.REDIRECT]
    for place in redirects:
        assert place.target is not None
        target = places[place.target]
        if target.kind is Kind.REDIRECT:
            chains += 1
            assert target.target is not None
            target = places[target.target]
        assert target.kind is Kind.PAGE
    assert chains == 10
    assert {place.status for place in redirects} == {301, 302, 303, 307, 308}
    assert any(place.host != places[place.target or 0].host for place in redirects)


def test_without_retry_after_nobody_asks_to_wait() -> None:
    assert all(not p.first or p.first.retry_after is None for p in web_of(300, 5, retry_after=False).places)


def hrefs(body: bytes) -> list[str]:
    return [html.unescape(href) for href in re.findall('href="([^"]*)"', body.decode("latin-1"))]


def test_every_page_can_be_reached_by_links_that_mean_urls_of_the_web_in_many_spellings() -> None:
    hosts = 8
    answers = draw(web_of(800, hosts), ORIGINS[:hosts], seed=1, latency=0.0)
    pages = set(list(answers)[:800])
    waiting, reached, spellings = [f"{ORIGINS[0]}/"], set[str](), set[str]()
    while waiting:
        url = waiting.pop()
        if url in reached:
            continue
        reached.add(url)
        assert canonical(url) == url
        spellings.update(hrefs(answers[url].body))
        waiting += [canonical(href, url) or href for href in hrefs(answers[url].body)]
    assert reached == pages
    for part in ("#", "/../", "/./", "%7e", "%2d", "HTTP://", "&", "../"):
        assert any(part in spelling for spelling in spellings), part


def test_a_page_has_a_twin_with_the_same_body_that_names_it() -> None:
    web = web_of(200, 8)
    answers = list(draw(web, ORIGINS[:8], seed=1, latency=0.0).items())
    twins = [number for number, place in enumerate(web.places) if place.kind is Kind.TWIN]
    for number in twins:
        target = web.places[number].target
        assert target is not None
        (url, twin), (original_url, original) = answers[number], answers[target]
        assert url != original_url
        assert twin.body == original.body
        assert f'<link rel="canonical" href="{html.escape(original_url)}">'.encode() in twin.body
    assert len(twins) == 2


def test_the_same_arguments_and_ports_make_the_same_web() -> None:
    first, second = (draw(web_of(200, 5), ORIGINS[:5], seed=1, latency=0.01) for _ in range(2))
    assert first == second
    assert draw(web_of(200, 5, seed=2), ORIGINS[:5], seed=2, latency=0.01) != first


def test_a_web_of_five_thousand_pages_is_made_at_once() -> None:
    start = time.perf_counter()
    answers = draw(web_of(5000, 40), ORIGINS[:40], seed=1, latency=0.01)
    assert time.perf_counter() - start < 1.0  # 0.15 s on the machine it was written on
    latencies = [answer.latency for answer in answers.values()]
    assert 0.0 <= min(latencies) < max(latencies) < 0.02


# The server


def matches(url: str, expected: Expected) -> bool:
    answer = Answer(url)
    if expected.reason == "robots_denied":
        return urlsplit(url).path.startswith("/private/")
    digest = sha256(answer.body).hexdigest() if answer.body else None
    return (answer.status, digest, answer.headers["Location"]) == (
        expected.status,
        expected.sha256,
        expected.location,
    )


def test_every_url_answers_as_expected_once_it_has_failed(oracle: Oracle) -> None:
    assert len(oracle.expected) == 60
    assert set(failing(oracle).values()) == {(500, None), (503, None), (503, "1")}
    assert all(matches(url, expected) for url, expected in oracle.expected.items())
    assert not oracle.strays
    assert max(oracle.counts().values()) == 2


def test_a_page_fails_once_and_again_after_forget(oracle: Oracle) -> None:
    failed = failing(oracle)
    assert {Answer(url).status for url in failed} == {200}
    oracle.forget()
    assert not oracle.requests
    assert failing(oracle) == failed
    assert {Answer(url).status for url in failed} == {200}


def test_requests_are_logged_in_order_with_time_url_and_status(oracle: Oracle) -> None:
    seed, robots = oracle.seeds[0], f"{oracle.origins[1]}/robots.txt"
    start = time.monotonic()
    for url in (seed, robots, seed):
        Answer(url)
    first, second, third = oracle.requests
    assert [first.url, second.url, third.url] == [seed, robots, seed]
    assert [first.status, second.status, third.status] == [200, 404, 200]
    assert start <= first.time <= second.time <= third.time <= time.monotonic()
    assert oracle.counts() == {seed: 2, robots: 1}
    assert oracle.gaps(oracle.origins[0]) == [third.time - first.time]


def test_what_the_web_does_not_have_is_a_stray(oracle: Oracle) -> None:
    for origin in oracle.origins:
        Answer(f"{origin}/robots.txt")
        Answer(f"{origin}/sitemap.xml")
    assert not oracle.strays
    assert Answer(f"{oracle.origins[2]}/nothing?here=1").status == 404
    assert [stray.url for stray in oracle.strays] == [f"{oracle.origins[2]}/nothing?here=1"]


def test_a_client_that_leaves_has_no_status_and_has_had_its_failure() -> None:
    with Oracle(pages=40, hosts=1, latency=0.2) as oracle:
        places = zip(web_of(40, 1).places, oracle.expected, strict=True)
        url = next(url for place, url in places if place.first and place.pace > 0.5)
        parts = urlsplit(url)
        with socket.create_connection(("127.0.0.1", parts.port or 0)) as connection:
            target = parts.path + ("?" + parts.query if parts.query else "")
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            deadline = time.monotonic() + 10
            while not oracle.requests and time.monotonic() < deadline:
                time.sleep(0.005)
        assert Answer(url).status == 200
        assert [asked.status for asked in oracle.requests] == [None, 200]


def test_robots_and_sitemap(oracle: Oracle) -> None:
    answers = {origin: Answer(f"{origin}/robots.txt") for origin in oracle.origins}
    assert [answer.status for answer in answers.values()] == [200, 404, 200, 200, 200, 200]
    texts = {origin: answer.body.decode() for origin, answer in answers.items()}
    assert f"Sitemap: {oracle.origins[0]}/sitemap.xml" in texts[oracle.origins[0]]
    assert [origin for origin, text in texts.items() if "Crawl-delay: 0.05" in text] == list(oracle.delays)
    assert set(oracle.delays.values()) == {0.05}
    denied = [url for url, expected in oracle.expected.items() if expected.reason == "robots_denied"]
    assert all("Disallow: /private/" in texts[url.partition("/private/")[0]] for url in denied)
    sitemap = Answer(f"{oracle.origins[0]}/sitemap.xml").body.decode()
    listed = [html.unescape(url) for url in re.findall("<loc>(.*?)</loc>", sitemap)]
    assert oracle.seeds[0] in listed
    assert all(oracle.expected[url].reason == "fetched" for url in listed)


def test_a_restart_keeps_ports_log_and_what_has_failed(oracle: Oracle) -> None:
    failed, origins, expected = failing(oracle), oracle.origins, dict(oracle.expected)
    oracle.stop()
    oracle.stop()
    assert len(oracle.requests) == 60
    with pytest.raises(ConnectionError):
        Answer(oracle.seeds[0])
    oracle.start()
    assert oracle.origins == origins
    assert oracle.expected == expected
    assert {Answer(url).status for url in failed} == {200}


def test_it_starts_once_and_says_where_it_is() -> None:
    oracle = small(5, 1)
    assert repr(oracle) == "<Oracle stopped, 0 requests>"
    for name in ("origins", "seeds", "expected", "delays"):
        with pytest.raises(RuntimeError, match="before it is started"):
            getattr(oracle, name)
    with oracle:
        with pytest.raises(RuntimeError, match="runs already"):
            oracle.start()
        assert repr(oracle) == f"<Oracle {oracle.origins[0]}, 0 requests>"


def test_a_taken_port_is_said_and_leaves_nothing_behind() -> None:
    oracle = small(5, 2)
    oracle.start()
    port = urlsplit(oracle.origins[1]).port
    oracle.stop()
    with socket.create_server(("127.0.0.1", port or 0)), pytest.raises(OSError, match=str(port)):
        oracle.start()
    with oracle:
        assert Answer(oracle.seeds[0]).status == 200


# A crawl


async def records_of(oracle: Oracle) -> list[Record]:
    found: list[Record] = []

    async def keep(page: skitter.Page) -> None:
        found.append(page.record)

    summary = await skitter.Crawler(scope="any").run(oracle.seeds, deliver=keep)
    assert summary.finish_reason == "done"
    return found


@pytest.mark.parametrize(("pages", "hosts"), [(200, 8), (40, 1)])
def test_a_complete_crawl_gives_exactly_what_is_expected(pages: int, hosts: int) -> None:
    with Oracle(pages=pages, hosts=hosts) as oracle:
        records = asyncio.run(records_of(oracle))
        found = {r.url: Expected(r.reason.value, r.status, r.sha256, r.location) for r in records}
        assert len(found) == len(records)
        assert found == oracle.expected
        assert not oracle.strays
        denied = {url for url, expected in oracle.expected.items() if expected.reason == "robots_denied"}
        assert denied
        assert not denied & oracle.counts().keys()
        for origin, delay in oracle.delays.items():
            # On a busy machine the server may read a request late, which makes one gap short and another
            # one long: one by one they prove nothing, together they do.
            gaps = oracle.gaps(origin)
            assert sum(gaps) >= 0.9 * delay * len(gaps)
            assert median(gaps) >= 0.9 * delay
