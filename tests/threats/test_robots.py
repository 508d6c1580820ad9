"""Files of robots.txt that would hurt us (THREATS, X6, X7). Bounds are ten times the figure that is required,
for busy machines."""

from __future__ import annotations

import asyncio
import threading
import time
import tracemalloc
from collections.abc import Callable

import pytest

from skitter import Crawler, Page
from skitter.clock import SystemClock
from skitter.config import Http, Limits
from skitter.model import Request, Response
from skitter.net import AiohttpFetcher
from skitter.rules.robots import MAX_BYTES, Robots, parse
from skitter.testing import Site

KIB, MIB = 1024, 1024 * 1024
TARGETS = ("/short/target", "/" + "a" * 1_999, "/" + "ab9" * 666, "/" + "1234567890" * 200)


def full(line: Callable[[int], bytes]) -> bytes:
    """A file of as much as is read, of lines by their number."""
    lines = [b"User-agent: *\n"]
    size = number = 0
    while size < MAX_BYTES:
        lines.append(line(number))
        size += len(lines[-1])
        number += 1
    return b"".join(lines)


MANY: dict[str, Callable[[int], bytes]] = {
    "prefixes": lambda n: b"Disallow:/%d\n" % n,
    "one of each length": lambda n: b"Disallow:/%s\n" % (b"a" * n),
    "escapes": lambda n: b"Disallow:/%%41%d\n" % n,
    "beyond ASCII": lambda n: b"Disallow:/\xc3\xa9%d\n" % n,
    "wildcards": lambda n: b"Disallow:/*%d\n" % n,
    "a shared piece": lambda n: b"Disallow:/*aaaaaaaa*%d\n" % n,
    "ends": lambda n: b"Disallow:/*%d$\n" % n,
    "the same": lambda n: b"Disallow:/*\n",
    "40 wildcards": lambda n: b"Disallow:/%s*b%d\n" % (b"*a" * 40, n),
    "index pages": lambda n: b"Allow:/%d/index.htm\n" % n,
    "one agent again and again": lambda n: b"User-agent: *\n" if n < 30_000 else b"Disallow: /%d\n" % n,
    "agents": lambda n: b"User-agent: a%d\n" % n,
    "empty lines": lambda n: b"\n" * 1_000,
    "one line": lambda n: b"Disallow: /" + b"*a" * 600_000,
    "delays": lambda n: b"Crawl-delay: " + b"9" * 16_000 + b"\n",
}


@pytest.mark.parametrize("target", ["/" + "a" * 1_999, "/" + "ab" * 1_000])
@pytest.mark.parametrize(
    "pattern",
    [
        "/" + "*a" * 40 + "*c",
        "/" + "*a" * 40 + "c$",
        "/" + "*ab" * 40 + "*c",
        "/" + "*a" * 1_000 + "*c",
        "/*" + "a" * 1_000 + "c",
    ],
    ids=["40 wildcards", "40 anchored", "40 of two", "1,000 literals", "one literal"],
)
def test_X6_a_rule_cannot_make_matching_slow(pattern: str, target: str) -> None:
    robots = parse(f"User-agent: *\nDisallow: {pattern}\n".encode(), "x")
    began = time.process_time()
    assert robots.judge(target).allowed
    assert time.process_time() - began < 10 * 0.005


@pytest.mark.parametrize("name", MANY)
def test_X6_many_rules_cannot_make_judging_slow(name: str) -> None:
    """Rules that share their longest piece are tried one by one: 50 ms. Others take 10 ms at most."""
    robots = parse(full(MANY[name]), "x")
    for target in TARGETS:
        began = time.process_time()
        robots.judge(target)
        assert time.process_time() - began < 10 * 0.05


def test_X6_the_index_changes_no_verdict() -> None:
    """Against trying every rule in turn, the longest first."""
    body = b"User-agent: *\n" + b"".join(
        b"%s: /%s\n" % (b"Allow" if number % 3 else b"Disallow", text)
        for number, text in enumerate(
            first + rest
            for first in (b"", b"a", b"ab", b"%61", b"b*", b"*a")
            for rest in (b"", b"$", b"a", b"*", b"*b", b"*b$", b"*$", b"a*b*a", b"*ab*a$", b"**", b"\xc3\xa9")
        )
    )
    robots = parse(body, "x")
    ranked = sorted(robots.rules, key=lambda rule: (-_weight(rule.pattern), not rule.allow, rule.line))
    for target in _words("ab", 6):
        expected = next((rule for rule in ranked if rule.matches("/" + target)), None)
        assert robots.judge("/" + target).rule == expected


def _weight(pattern: str) -> int:
    return sum(1 if char.isascii() else 6 for char in pattern)


def _words(letters: str, length: int) -> list[str]:
    words = [""]
    for _ in range(length):
        words += [word + letter for word in words for letter in letters]
    return sorted(set(words))


def padded(size: int) -> bytes:
    line = b"# " + b"x" * 97 + b"\n"
    return (line * (size // len(line) + 1))[: size - 1] + b"\n"


def test_X7_a_rule_at_499_kib_of_600_applies() -> None:
    body = b"User-agent: *\n" + padded(499 * KIB) + b"Disallow: /late\n" + padded(100 * KIB)
    assert not parse(body, "x").judge("/late").allowed


@pytest.mark.parametrize("name", MANY)
def test_X7_a_file_costs_bounded_time_and_memory(name: str) -> None:
    """A quarter of a second, in a thread if the file is long, and 17 MB."""
    body = full(MANY[name])
    began = time.process_time()
    parse(body, "x")
    assert time.process_time() - began < 10 * 0.5
    tracemalloc.start()
    try:
        robots = parse(body, "x")
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 25 * MIB
    assert most < 50 * MIB
    assert len(robots.rules) < 200_000


def test_X7_a_giant_line_is_cut_and_the_next_one_read() -> None:
    body = b"User-agent: *\nDisallow: /" + b"a" * 500_000 + b"\nDisallow: /b\n"
    robots = parse(body, "x")
    assert not robots.judge("/b").allowed
    assert max(len(rule.pattern) for rule in robots.rules) < 16_664


def test_X7_half_a_line_at_the_cap_is_no_rule() -> None:
    """ "Disallow: /private", cut after the slash, would deny everything."""
    head = b"User-agent: *\nDisallow: /early\n"
    for line in (b"Disallow: /private\n", b"Allow: /private\r"):
        for shown in range(1, len(line)):
            body = head + padded(MAX_BYTES - len(head) - shown) + line
            robots = parse(body, "x")
            assert [rule.pattern for rule in robots.rules] == ["/early"]
            assert robots == parse(body[:MAX_BYTES], "x")


def test_X7_of_100_mb_no_more_is_fetched_than_the_cap() -> None:
    """At the fetcher: a server that would send it all."""
    sent = b"User-agent: *\nDisallow: /early\n" + b"# filler\n" * (100 * MIB // 9)

    async def main(site: Site) -> Response:
        fetcher = AiohttpFetcher(Http(), Limits(), SystemClock())
        try:
            answer = await fetcher.fetch(
                Request(site.url("/robots.txt"), MAX_BYTES, cut=True, reach="loopback"), lambda: None
            )
        finally:
            await fetcher.close()
        assert isinstance(answer, Response)
        return answer

    with Site() as site:
        site.page("/robots.txt", sent, headers={"Content-Type": "text/plain"})
        began = time.perf_counter()
        answer = asyncio.run(main(site))
        assert time.perf_counter() - began < 10
    assert len(answer.body) == MAX_BYTES
    assert answer.truncated
    assert not parse(answer.body, "x").judge("/early").allowed


def test_X7_a_long_file_is_read_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a quarter of a second."""
    threads: list[threading.Thread] = []

    def spied(body: bytes, token: str) -> Robots:
        threads.append(threading.current_thread())
        return parse(body, token)

    monkeypatch.setattr("skitter.rules.robots.parse", spied)
    found: dict[str, str] = {}

    async def crawl(site: Site) -> None:
        async def keep(page: Page) -> None:
            found[page.url.removeprefix(site.origin)] = page.reason

        await Crawler().run([site.url("/1"), site.url("/x")], deliver=keep)

    with Site() as site:
        site.robots(full(MANY["wildcards"]).decode())
        site.page("/x", "fine")
        asyncio.run(crawl(site))
    assert found == {"/1": "robots_denied", "/x": "fetched"}
    assert threads
    assert threading.main_thread() not in threads
