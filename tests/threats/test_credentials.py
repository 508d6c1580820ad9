"""THREATS section 3: what the user gives for one origin is seen by no other. Whole crawls; the servers keep
every byte that they get."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.threats.wiretap import CERTIFICATE, Tap, answer, free_port, html, moved

import skitter
from skitter.events import Ended, Event
from skitter.model import Reason, Record, Summary
from skitter.net.resolver import Resolver

REDIRECTS = (301, 302, 303, 307, 308)
BASIC = base64.b64encode(b"carol:s3cret-pass").decode()
OPTIONS: dict[str, Any] = {
    "auth": "carol:s3cret-pass",
    "header": ("X-Api-Key: s3cret-key", "X-Api-Key: s3cret-key-too"),
    "cookie": ("sid=s3cret-cookie", "theme=s3cret-theme"),
}
# In any spelling: a server that is not meant to have them gets neither names nor values.
SECRETS = (b"s3cret", b"carol", BASIC.encode(), b"authorization", b"x-api-key", b"\r\ncookie")


def crawl(*seeds: str, **options: Any) -> tuple[Summary, dict[str, Record]]:
    """A whole crawl, of everything that is linked; the records by URL."""
    records: dict[str, Record] = {}

    def observe(event: Event) -> None:
        if isinstance(event, Ended):
            records[event.record.url] = event.record

    every = {"scope": "any", "ca_file": str(CERTIFICATE), "timeout": 10, **options}
    return skitter.Crawler(observe=observe, **every).run_sync(list(seeds)), records


def saw_nothing(*taps: Tap) -> None:
    for tap in taps:
        assert tap.heads, "it was asked"
        for secret in SECRETS:
            assert secret not in tap.received.lower(), (tap.origin, secret)


def saw_all(tap: Tap, target: str) -> None:
    fields = tap.fields(target)
    assert ("authorization", f"Basic {BASIC}") in fields
    assert [value for name, value in fields if name == "x-api-key"] == ["s3cret-key", "s3cret-key-too"]
    assert ("cookie", "sid=s3cret-cookie; theme=s3cret-theme") in fields


@pytest.fixture
def others() -> Iterator[dict[str, Tap]]:
    """Origins that differ from http://127.0.0.1:PORT in one thing, and one that differs in all."""
    with ExitStack() as stack:
        made = {
            "port": Tap(),
            "name": Tap(host="localhost"),
            "tls": Tap(tls=True),
            "tls and name": Tap(host="localhost", tls=True),
            **({"six": Tap(host="[::1]")} if _has_six() else {}),
        }
        yield {kind: stack.enter_context(tap) for kind, tap in made.items()}


def _has_six() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def leading_to(others: dict[str, Tap]) -> Callable[[str], bytes]:
    """A site whose pages lead to each of the others in every way that there is."""
    hops = {f"/{status}/{number}": status for status in REDIRECTS for number in range(len(others))}
    refreshes = [f"/refresh/{number}" for number in range(len(others))]
    origins = [tap.origin for tap in others.values()]

    def answers(target: str) -> bytes:
        if target == "/":
            return html(*hops, *refreshes, *(f"{origin}/linked" for origin in origins), "/own", "/user")
        if target in hops:
            return moved(hops[target], f"{origins[int(target[5:])]}/from{target}")
        if target in refreshes:
            to = f"{origins[int(target[9:])]}/from{target}"
            return html(head=f'<meta http-equiv="refresh" content="0; url={to}">')
        if target == "/user":  # whose host is it?
            return moved(302, f"{origins[0].replace('//', '//127.0.0.1:80@')}/from/user")
        return html()

    return answers


@pytest.mark.parametrize("processes", [1, 2])
def test_A1_A2_only_the_exact_origin_gets_what_is_its_own(others: dict[str, Tap], processes: int) -> None:
    with Tap(leading_to(others)) as own:
        _, records = crawl(f"{own.origin}/", **OPTIONS, processes=processes)
        for number, tap in enumerate(others.values()):
            wanted = {f"/from/{status}/{number}" for status in REDIRECTS} | {f"/from/refresh/{number}"}
            assert wanted | {"/linked"} <= set(tap.targets())
        assert "/from/user" in next(iter(others.values())).targets()
        saw_nothing(*others.values())
        for target in own.targets():
            saw_all(own, target)
    assert {record.reason for record in records.values()} == {Reason.FETCHED, Reason.REDIRECTED}
    assert not [url for url in records if "@" in url]


def test_A2_a_way_down_from_https_and_another_name_of_the_same_server(others: dict[str, Tap]) -> None:
    """localhost and 127.0.0.1 are one server here, at one port: two origins all the same."""
    with Tap(tls=True) as own:
        named = own.origin.replace("127.0.0.1", "localhost")
        plain = leading_to(others)
        own.answers = lambda target: html(f"{named}/by-name") if target == "/own" else plain(target)
        crawl(f"{own.origin}/", **OPTIONS)
        saw_nothing(*others.values())
        saw_all(own, "/own")
        assert [
            name for name, _ in own.fields("/by-name") if name in ("authorization", "cookie", "x-api-key")
        ] == []


def test_A1_where_a_seed_leads_is_a_seed_but_not_one_that_was_given() -> None:
    with Tap() as other, Tap() as own:
        own.answers = lambda target: moved(301, f"{other.origin}/home") if target == "/" else html()
        summary, _ = crawl(f"{own.origin}/", **OPTIONS, scope="host")
        assert summary.seed_fetched
        assert other.targets() == ["/home"]
        saw_nothing(other)
        saw_all(own, "/")


def test_A1_it_is_so_after_a_restart_too(tmp_path: Path) -> None:
    """A job that goes on knows whose the secrets are: not of all that it has in store."""
    with Tap() as other, Tap() as own:
        links = [f"/{n}" for n in range(3)] + [f"{other.origin}/{n}" for n in range(3)]
        own.answers = lambda target: html(*links) if target == "/" else html()
        for limit in (1, 100):
            crawl(f"{own.origin}/", **OPTIONS, limit=limit, job=str(tmp_path / "j"))
        assert sorted(other.targets()) == ["/0", "/1", "/2"]
        saw_nothing(other)
        for target in own.targets():
            saw_all(own, target)
    with Tap() as last:  # the same job, seeds of another origin: both are given now
        crawl(f"{last.origin}/", **OPTIONS, job=str(tmp_path / "j"))
        saw_all(last, "/")


def test_A3_two_authorizations_arrive_and_none_elsewhere() -> None:
    with Tap() as other, Tap(lambda target: moved(302, f"{other.origin}/x")) as own:
        crawl(f"{own.origin}/", header=("Authorization: Bearer s3cret1", "Authorization: Bearer s3cret2"))
        values = [value for name, value in own.fields("/") if name == "authorization"]
        assert values == ["Bearer s3cret1", "Bearer s3cret2"]
        saw_nothing(other)


def test_A4_every_way_to_another_origin_is_without() -> None:
    """By a link, by robots.txt that has moved there, when it is asked again, after an error."""
    tries: list[str] = []

    def unwilling(target: str) -> bytes:
        tries.append(target)
        if target == "/again" and tries.count(target) == 1:
            return answer("503 Busy", b"", "Retry-After: 1")
        if target == "/401":
            return answer("401 Unauthorized", b"", 'WWW-Authenticate: Basic realm="x"')
        if target == "/robots.txt":
            return moved(302, "/elsewhere.txt")
        return answer("200 OK", b"User-agent: *\nAllow: /\n", content_type="text/plain")

    with Tap(unwilling) as other:

        def answers(target: str) -> bytes:
            if target == "/robots.txt":
                return moved(301, f"{other.origin}/moved-robots.txt")
            return html(f"{other.origin}/again", f"{other.origin}/401", "/own")

        with Tap(answers) as own:
            crawl(f"{own.origin}/", **OPTIONS)
            assert sorted(tries) == [
                "/401",
                "/again",
                "/again",
                "/elsewhere.txt",
                "/moved-robots.txt",
                "/robots.txt",
            ]
            saw_nothing(other)
            saw_all(own, "/own")


def test_A5_global_credentials_are_for_the_seeds_alone() -> None:
    with Tap() as other, Tap(lambda target: html(f"{other.origin}/")) as own:
        crawl(f"{own.origin}/", **OPTIONS)
        assert other.targets(robots=True) == ["/robots.txt", "/"]
        saw_nothing(other)
        saw_all(own, "/")
        for name, _ in own.fields("/robots.txt"):  # which everybody may read
            assert name not in ("authorization", "cookie", "x-api-key")


def test_A4_tasks_and_requests_of_handlers_obey_the_same_rule() -> None:
    async def main(own: Tap, other: Tap) -> None:
        async with skitter.Crawler(**OPTIONS) as crawler:
            await crawler.fetch_all([f"{own.origin}/moved", f"{own.origin}/own"])
        handled = skitter.Crawler(**OPTIONS, scope="any")

        @handled.on("*/")
        async def lead(page: skitter.Page) -> AsyncIterator[object]:
            yield page.follow(f"{other.origin}/followed")
            yield page.follow("/followed")

        await handled.run([f"{own.origin}/"])

    with Tap() as other, Tap() as own:
        own.answers = lambda target: moved(302, f"{other.origin}/there") if target == "/moved" else html()
        asyncio.run(main(own, other))
        assert other.targets() == ["/there", "/followed"]
        saw_nothing(other)
        for target in ("/moved", "/own", "/", "/followed"):
            saw_all(own, target)


@pytest.mark.parametrize(
    "challenge", ['Basic realm="x"', 'Digest realm="x", nonce="n", qop="auth"', "Negotiate"]
)
def test_A6_nobodys_challenge_is_answered(challenge: str) -> None:
    def refuses(target: str) -> bytes:
        return answer("401 Unauthorized", b"", f"WWW-Authenticate: {challenge}")

    with Tap(refuses) as other, Tap(lambda target: html(f"{other.origin}/shut", "/shut")) as own:
        pages = own.answers
        own.answers = lambda target: refuses(target) if target == "/shut" else pages(target)
        crawl(f"{own.origin}/", **OPTIONS)
        assert other.targets() == ["/shut"]
        assert own.targets() == ["/", "/shut"], "nor is a digest made for the origin itself"
        saw_nothing(other)


def test_A7_nothing_comes_from_netrc_or_the_environment(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(
        "machine 127.0.0.1 login s3cret password s3cret\ndefault login carol password x\n"
    )
    (tmp_path / ".netrc").chmod(0o600)
    with Tap() as decoy, Tap(tls=True) as secure, Tap(lambda target: html(f"{secure.origin}/")) as own:
        names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
        result = subprocess.run(
            [sys.executable, "-m", "skitter", "crawl", f"{own.origin}/", "--scope", "any", "--insecure"],
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
            env={
                **os.environ,
                **dict.fromkeys(names, decoy.origin),
                "NO_PROXY": "",
                "no_proxy": "",
                "HOME": str(tmp_path),
                "NETRC": str(tmp_path / ".netrc"),
            },
        )
        assert result.returncode == 0, result.stderr
        assert decoy.connections == 0
        assert secure.targets() == ["/"]
        saw_nothing(own, secure)


@pytest.mark.parametrize("status", REDIRECTS)
def test_A10_only_gets_are_sent_and_they_have_no_body(status: int) -> None:
    with Tap() as other, Tap(lambda target: moved(status, f"{other.origin}/x")) as own:
        crawl(f"{own.origin}/", **OPTIONS)
        for tap in (own, other):
            for head in tap.heads:
                assert head.startswith(b"GET /")
                assert b"\r\ncontent-" not in head.lower()
                assert b"\r\ntransfer-encoding" not in head.lower()
            assert b"".join(tap.heads) == tap.received, "nothing follows a head"


def test_A9_a_dead_proxy_never_means_a_direct_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []

    async def resolve(self: Resolver, host: str, *_: object) -> list[Any]:
        looked_up.append(host)
        raise OSError("nobody is to be asked")

    monkeypatch.setattr(Resolver, "resolve", resolve)
    with Tap() as decoy, Tap(tls=True) as secure:
        named = decoy.origin.replace("127.0.0.1", "localhost")
        seeds = [f"{decoy.origin}/", f"{secure.origin}/", f"{named}/"]
        proxy = f"http://carol:s3cret-pass@127.0.0.1:{free_port()}"
        _, records = crawl(*seeds, proxy=proxy, retries=0)
        assert {url: record.reason for url, record in records.items()} == dict.fromkeys(
            seeds, Reason.PROXY_ERROR
        )
        assert (decoy.connections, secure.connections, looked_up) == (0, 0, [])
        assert not [record for record in records.values() if "s3cret" in repr(record)]


# C3, C4: no jar, no pickle


def test_C3_there_is_no_jar_and_what_servers_want_kept_is_not() -> None:
    cookies = [f"Set-Cookie: c{n}=s3cret-{'x' * 50}; Path=/; Max-Age=99999" for n in range(100)]
    pages = [f"/{n}" for n in range(10)]

    def answers(target: str) -> bytes:
        anchors = "".join(f'<a href="{page}">x</a>' for page in pages).encode()
        return answer("200 OK", anchors, *cookies)

    with Tap(answers) as own:
        summary, _ = crawl(f"{own.origin}/")
        assert summary.by_reason == {Reason.FETCHED: 11}, "1,100 cookies"
        assert b"cookie" not in own.received.lower()


def test_C3_the_jar_does_not_grow() -> None:
    from skitter.clock import SystemClock
    from skitter.config import Http, Limits
    from skitter.model import Request, Response
    from skitter.net import AiohttpFetcher

    async def main(tap: Tap) -> int:
        fetcher = AiohttpFetcher(Http(), Limits(), SystemClock())
        for n in range(5):
            got = await fetcher.fetch(Request(f"{tap.origin}/{n}", 1000, reach="loopback"), lambda: None)
            assert isinstance(got, Response)
        assert fetcher._session is not None
        kept = len(list(fetcher._session.cookie_jar))
        await fetcher.close()
        return kept

    with Tap(lambda target: answer("200 OK", b"", *(f"Set-Cookie: c{n}=x" for n in range(100)))) as own:
        assert asyncio.run(main(own)) == 0
