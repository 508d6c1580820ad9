"""Where a crawl may be led: schemes, addresses, names (THREATS section 7)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.threats.world import FORBIDDEN, PUBLIC, World, world

import skitter
from skitter.clock import SystemClock
from skitter.config import Http, Limits
from skitter.model import Failure, Reason, Request, Response, Summary
from skitter.net import AiohttpFetcher
from skitter.rules.addresses import kind_of
from skitter.rules.url import canonical, hostname_of, origin_of
from skitter.testing import Site

DATA = Path(__file__).parent.parent / "data"
SEED = "public.test"


@pytest.fixture
def net() -> Iterator[World]:
    with world() as made:
        made.name(SEED, [PUBLIC])
        yield made


@pytest.fixture
def site() -> Iterator[Site]:
    """A site at the public address; it serves every host that leads there."""
    with Site(PUBLIC) as running:
        yield running


def seed_of(site: Site, path: str = "/") -> str:
    return f"http://{SEED}:{site.port}{path}"


def crawl(*seeds: str, **options: Any) -> tuple[Summary, dict[str, skitter.Page]]:
    pages: dict[str, skitter.Page] = {}

    async def deliver(page: skitter.Page) -> None:
        assert page.url not in pages
        pages[page.url] = page

    options = {"scope": "any", "retries": 0, "timeout": 5.0, **options}
    return asyncio.run(skitter.Crawler(**options).run(seeds, deliver=deliver)), pages


def literal(address: str, path: str = "/") -> str:
    return f"http://[{address}]{path}" if ":" in address else f"http://{address}{path}"


def refused(pages: dict[str, skitter.Page], urls: list[str]) -> bool:
    assert set(urls) <= set(pages), set(urls) - set(pages)
    return all(pages[url].reason is Reason.REFUSED_ADDRESS for url in urls)


def urls_of(addresses: list[str], path: str = "/") -> list[str]:
    found = [canonical(literal(address, path)) for address in addresses]
    return [url for url in found if url is not None]


# S1


BAD_SCHEMES = (
    "file:///etc/passwd", "FILE:///etc/passwd", "data:text/html,<a href=/x>x</a>", "javascript:alert(1)",
    "ftp://127.0.0.1/x", "gopher://127.0.0.1:70/_x", "s3://bucket/key", "blob:http://h/x", "view-source:http://h/",
    "jar:file:///x!/y", "dict://127.0.0.1:11211/stats", "ws://127.0.0.1/", "about:blank", "mailto:a@b.c",
)  # fmt: skip


def test_S1_other_schemes_are_followed_from_nowhere(net: World, site: Site, tmp_path: Path) -> None:
    """Redirect, meta refresh, base, anchor, canonical, Link header, robots, sitemap."""
    planted = tmp_path / "planted.html"
    planted.write_text("<a href=/found-in-file>x</a>")
    bad = [*BAD_SCHEMES, planted.as_uri()]
    anchors = "".join(f'<a href="{url}">x</a><iframe src="{url}"></iframe>' for url in bad)
    site.page("/", f'<link rel=canonical href="{bad[0]}"><link rel=next href="{bad[-1]}">{anchors}',
              links=[f"/{kind}/{n}" for n in range(len(bad)) for kind in ("redirect", "refresh", "base")],
              headers={"Link": f"<{bad[-1]}>; rel=canonical"})  # fmt: skip
    for n, url in enumerate(bad):
        site.redirect(f"/redirect/{n}", url)
        site.page(f"/refresh/{n}", f'<meta http-equiv=refresh content="0; url={url}">')
        site.page(f"/base/{n}", f'<base href="{url}"><a href="found-by-base">x</a>')
    site.robots("\n".join(f"Sitemap: {url}" for url in [*bad, f"http://{SEED}:{site.port}/map.xml"]))
    site.page("/map.xml", "<urlset>" + "".join(f"<url><loc>{url}</loc></url>" for url in bad) + "</urlset>")
    summary, pages = crawl(seed_of(site), sitemaps=True)
    assert {host for host, _ in net.dials} == {PUBLIC}
    assert all(url.startswith(f"http://{SEED}:{site.port}/") for url in pages)
    assert not any("found-in-file" in url for url in pages)
    assert summary.by_reason[Reason.REDIRECTED] == len(bad)
    assert site.count("/map.xml") == 1


# S2


PUBLIC_ONES = """
8.8.8.8 1.1.1.1 93.184.216.34 192.0.1.1 172.32.0.1 2606:4700:4700::1111 2a00:1450::1
64:ff9b::808:808 2002:808:808::1 ::ffff:8.8.8.8
"""


def test_S2_the_table_has_them_all() -> None:
    assert len(FORBIDDEN) >= 60
    assert [address for address in FORBIDDEN if not kind_of(address)] == []
    for public in PUBLIC_ONES.split():
        assert kind_of(public) == "", public


def test_S2_no_link_redirect_or_refresh_leads_there(net: World, site: Site) -> None:
    targets = urls_of(FORBIDDEN)
    site.page("/", links=[*targets, *(f"/{kind}/{n}" for n in range(len(FORBIDDEN)) for kind in "rm")])
    for n, address in enumerate(FORBIDDEN):
        site.redirect(f"/r/{n}", literal(address, f"/redirected/{n}"), 307)
        site.page(
            f"/m/{n}", f'<meta http-equiv=refresh content="0; url={literal(address, f"/refreshed/{n}")}">'
        )
    _, pages = crawl(seed_of(site))
    every = targets + [
        url
        for n, address in enumerate(FORBIDDEN)
        for path in (f"/redirected/{n}", f"/refreshed/{n}")
        if (url := canonical(literal(address, path))) is not None
    ]
    assert refused(pages, every)
    assert net.strangers == []


def test_S2_no_name_leads_there(net: World, site: Site) -> None:
    """Also beside a public answer, in either order (S4)."""
    hosts = []
    for n, address in enumerate(FORBIDDEN):
        for kind, answer in (("one", [address]), ("after", [PUBLIC, address]), ("before", [address, PUBLIC])):
            net.name(f"{kind}{n}.test", answer)
            hosts.append(f"http://{kind}{n}.test:{site.port}/")
    site.page("/", links=hosts)
    _, pages = crawl(seed_of(site))
    assert refused(pages, hosts)
    assert net.strangers == []
    assert {seen.host for seen in site.requests} == {f"{SEED}:{site.port}"}


def test_S2_no_robots_txt_or_sitemap_leads_there(net: World, site: Site) -> None:
    for n in range(len(FORBIDDEN)):
        net.name(f"r{n}.test", [PUBLIC])
        net.name(f"s{n}.test", [PUBLIC])

    async def robots(request: web.BaseRequest) -> web.StreamResponse:
        kind, number = request.host[0], request.host.partition(".")[0][1:]
        if kind == "r":
            raise web.HTTPFound(literal(FORBIDDEN[int(number)], "/robots.txt"))
        if kind == "s":
            bad = FORBIDDEN[int(number)]
            own = f"Sitemap: http://{request.host}/own.xml"
            return web.Response(text=f"Sitemap: {literal(bad, '/map.xml')}\n{own}\n")
        return web.Response(status=404)

    async def sitemap(request: web.BaseRequest) -> web.StreamResponse:
        bad = FORBIDDEN[int(request.host.partition(".")[0][1:])]
        listed = f"<url><loc>{literal(bad, '/listed')}</loc></url>"
        return web.Response(text=f"<urlset>{listed}</urlset>", content_type="application/xml")

    site.handler("/robots.txt", robots)
    site.handler("/own.xml", sitemap)
    hosts = [f"http://{kind}{n}.test:{site.port}/" for n in range(len(FORBIDDEN)) for kind in "rs"]
    site.page("/", links=hosts)
    _, pages = crawl(seed_of(site), sitemaps=True)
    assert net.strangers == []
    assert refused(pages, [host for host in hosts if host.startswith("http://r")])
    assert refused(pages, urls_of(FORBIDDEN, "/listed"))
    assert site.count("/own.xml") == len(FORBIDDEN)


def test_S2_a_retry_is_judged_again(net: World, site: Site) -> None:
    """The name is public as long as the engine asks, and private when the second try connects."""
    net.name("turns.test", [PUBLIC], [PUBLIC], [PUBLIC], ["10.0.0.1"])
    site.page("/", links=[f"http://turns.test:{site.port}/x"])
    site.handler("/x", _closing(503))
    _, pages = crawl(seed_of(site), retries=3)
    assert net.strangers == []
    assert pages[f"http://turns.test:{site.port}/x"].reason is Reason.REFUSED_ADDRESS


def _closing(status: int) -> Any:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, headers={"Connection": "close"})

    return answer


class Proxy(socketserver.ThreadingTCPServer):
    """Answers every request itself, and keeps the request lines."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, page: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.page = page
        self.lines: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(socketserver.StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        line = self.rfile.readline().decode().strip()
        while self.rfile.readline().strip():
            pass
        self.server.lines.append(line)
        body = self.server.page if "robots.txt" not in line else b""
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"
        self.wfile.write(head.encode() + b"Connection: close\r\n\r\n" + body)


def test_S2_a_proxy_is_asked_for_none_of_them(net: World) -> None:
    """Names are the proxy's to resolve; addresses, and names that stand for some, are ours to judge."""
    names = ["http://localhost/", "http://a.localhost./", "http://metadata.google.internal/"]
    targets = urls_of(FORBIDDEN) + names
    page = "".join(f'<a href="{url}">x</a>' for url in [*targets, "http://elsewhere.test/"]).encode()
    net.ours.add("127.0.0.1")
    with Proxy(page) as proxy:
        _, pages = crawl("http://public.test/", proxy=proxy.url)
        asked = {line.split()[1] for line in proxy.lines}
        port = proxy.server_address[1]
        proxy.shutdown()
    assert refused(pages, targets)
    assert asked == {f"http://{host}/{path}" for host in ("public.test", "elsewhere.test")
                     for path in ("", "robots.txt")}  # fmt: skip
    assert set(net.dials) == {("127.0.0.1", port)}
    assert net.asked == [], "it resolves no name itself"


def test_S2_a_metadata_address_is_opened_by_nothing(net: World) -> None:
    seeds = urls_of([address for address in FORBIDDEN if kind_of(address) == "metadata"])
    assert len(seeds) > 5
    _, pages = crawl(*seeds, allow_private=True)
    assert refused(pages, seeds)
    assert net.dials == []


# S3


_DISGUISES = """
http://2130706433/ http://0x7f000001/ http://0x7f.1/ http://017700000001/ http://0177.0.0.1/ http://127.1/
http://127.0.1/ http://127.0.0.1./ http://0/ http://0x0/ http://[::ffff:7f00:1]/ http://[::ffff:127.0.0.1]/
http://[0:0:0:0:0:ffff:7f00:0001]/ http://１２７.０.０.１/ http://①②⑦.０.０.１/ http://127。0。0。1/
http://0xA9FEA9FE/ http://2852039166/ http://169.254.43518/ http://[64:ff9b::169.254.169.254]/
http://%31%32%37.0.0.1/ http://127.0.0.1%2e/ http:\\\\127.0.0.1\\ http:/127.0.0.1/ http:////127.0.0.1/
http://user:pass@127.0.0.1/ http://public.test@127.0.0.1/ http://127.0.0.1#@public.test/
"""  # noqa: RUF001
DISGUISES = _DISGUISES.split()


@pytest.mark.parametrize("disguise", DISGUISES)
def test_S3_a_disguise_is_seen_through(disguise: str) -> None:
    url = canonical(disguise, "https://public.test/")
    if url is not None:
        host = hostname_of(url.replace("user:pass@", "").replace("public.test@", ""))
        assert kind_of(host.strip("[]")) != "", url


def test_S3_disguises_lead_nowhere(net: World, site: Site) -> None:
    site.page("/", "".join(f'<a href="{disguise}">x</a>' for disguise in DISGUISES))
    _, pages = crawl(seed_of(site))
    assert net.strangers == []
    others = [page for url, page in pages.items() if SEED not in url]
    assert len(others) >= 5
    assert {page.reason for page in others} == {Reason.REFUSED_ADDRESS}


# S4


def test_S4_a_name_that_turns_private_is_not_followed_there(net: World, site: Site) -> None:
    """Public when it is judged, private when it is dialled; also for a seed, whose first answer counts."""
    net.name("rebinds.test", [PUBLIC], ["127.0.0.1"])
    net.name(SEED, [PUBLIC], [PUBLIC], [PUBLIC], ["192.168.0.1"])
    site.page("/", links=[f"http://rebinds.test:{site.port}/", "/later"])
    _, pages = crawl(seed_of(site))
    assert net.strangers == []
    assert pages[f"http://rebinds.test:{site.port}/"].reason is Reason.REFUSED_ADDRESS


def test_S4_mixed_answers_refuse_a_seed_too(net: World, site: Site) -> None:
    net.name("mixed.test", [PUBLIC, "10.0.0.1"])
    _, pages = crawl(f"http://mixed.test:{site.port}/")
    assert refused(pages, [f"http://mixed.test:{site.port}/"])
    assert net.dials == []


# S5


def test_S5_the_error_tells_neither_address_nor_reason(net: World, site: Site) -> None:
    """Open or closed port, loopback or metadata, literal or name: one text."""
    net.name("inside.test", ["10.1.2.3"])
    net.name("mixed.test", [PUBLIC, "10.0.0.1"])
    with Site() as open_port:
        targets = ["http://127.0.0.1:1/", open_port.url("/"), "http://169.254.169.254/", "http://inside.test/",
                   "http://mixed.test/", "http://[::1]/"]  # fmt: skip
        site.page("/", links=targets)
        _, pages = crawl(seed_of(site))
        assert open_port.requests == []
    assert {pages[url].error for url in targets} == {"this address is not contacted"}


# S6


def cases() -> list[str]:
    """Every http(s) URL of the URL Standard's data, in our canonical form."""
    found = set()
    for case in json.loads((DATA / "urltestdata.json").read_text(encoding="utf-8")):
        if isinstance(case, dict):
            with contextlib.suppress(ValueError):
                base = case.get("base")
                url = canonical(case["input"], None if base in (None, "about:blank") else base)
                if url is not None:
                    start = url.index("//") + 2
                    found.add(url[:start] + url[start:].rpartition("@")[2] if "@" in origin_of(url) else url)
    return sorted(found)


def test_S6_scope_wire_and_guard_see_the_same_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The canonical URL's host, the Host field and the name that is looked up or dialled are one."""
    every = [url for url in cases() if url.startswith("http://")]
    assert len(every) > 100
    with world() as net, Site(PUBLIC) as site:
        monkeypatch.setattr("skitter.net.guard.kind_of", lambda address: "")  # to see what would be dialled
        monkeypatch.setattr("skitter.net.guard.kind_of_all", lambda addresses: "")
        monkeypatch.setattr("skitter.net.resolver.Resolver.resolve", _always(net, site.port))

        async def main() -> None:
            for url in every:
                fetcher = AiohttpFetcher(Http(), Limits(timeout=5.0), SystemClock())
                net.dials.clear()
                net.asked.clear()
                try:
                    answer = await fetcher.fetch(Request(url, 1000), lambda: None)
                finally:
                    await fetcher.close()
                host = hostname_of(url)
                if ".." in host:  # the URL Standard lets it be, DNS does not
                    assert isinstance(answer, Failure)
                    assert not net.asked, url
                    assert not net.dials, url
                elif net.asked:
                    assert net.asked == [host], url
                    assert isinstance(answer, Response), (url, answer)
                    assert site.requests[-1].host == origin_of(url).partition("//")[2], url
                else:
                    assert [dial for dial, _ in net.dials] == [host.strip("[]")], (url, answer)

        asyncio.run(main())


def _always(net: World, port: int) -> Any:
    async def resolve(self: object, host: str, _port: int = 0, family: int = 0) -> Any:
        net.asked.append(host)
        return [{"hostname": host, "host": PUBLIC, "port": port, "proto": 0, "flags": 0, "family": 2}]

    return resolve


# S7


def test_S7_a_public_page_leads_nowhere_private_whatever_other_seeds_are(net: World, site: Site) -> None:
    net.ours.add("127.0.0.1")
    net.name("inside.test", ["127.0.0.1"])
    with Site() as private:
        private.page("/", links=["/own", f"http://127.0.0.1:{private.port}/other"])
        private.page("/own", "own")
        private.page("/other", "other")
        here = f"http://127.0.0.1:{private.port}"
        bad = [
            f"{here}/linked",
            f"http://inside.test:{private.port}/named",
            f"{here}/redirected",
            f"{here}/listed",
        ]
        site.page("/", links=[*bad[:2], "/r"])
        site.redirect("/r", bad[2])
        site.page("/sitemap.xml", f"<urlset><url><loc>{bad[3]}</loc></url></urlset>")
        _, pages = crawl(seed_of(site), private.url("/"), sitemaps=True)
        assert set(private.targets()) == {"/", "/own", "/other", "/sitemap.xml"}
    assert refused(pages, bad)


def test_S7_a_private_page_leads_to_its_own_kind_and_to_the_public(net: World, site: Site) -> None:
    net.ours.add("127.0.0.1")
    site.page("/", links=["http://10.0.0.1/from-public"])
    with Site() as one, Site() as other:
        one.page("/", links=[other.url("/"), seed_of(site), "http://10.0.0.1/from-private"])
        other.page("/", "other")
        _, pages = crawl(one.url("/"))
        assert pages[other.url("/")].ok
    assert pages[seed_of(site)].ok
    assert refused(pages, ["http://10.0.0.1/from-public", "http://10.0.0.1/from-private"])
    assert net.strangers == []


def test_S7_with_the_option_public_pages_may_lead_there(net: World, site: Site) -> None:
    net.ours.add("127.0.0.1")
    with Site() as private:
        private.page("/", "private")
        site.page("/", links=[private.url("/"), "http://169.254.169.254/"])
        _, pages = crawl(seed_of(site), allow_private=True)
        assert pages[private.url("/")].ok
    assert refused(pages, ["http://169.254.169.254/"])


def test_S7_a_kept_connection_is_no_way_in(net: World) -> None:
    """The connection is there already, made for someone who was allowed to."""
    net.ours.add("127.0.0.1")
    with Site() as private:
        private.page("/*", "private")
        net.name("inside.test", ["127.0.0.1"])

        async def main() -> list[Response | Failure]:
            fetcher = AiohttpFetcher(Http(), Limits(timeout=5.0), SystemClock())
            try:
                url = f"http://inside.test:{private.port}/"
                return [
                    await fetcher.fetch(Request(url + path, 1000, reach=reach), lambda: None)
                    for path, reach in (("a", "loopback"), ("b", ""), ("c", "private"))
                ]
            finally:
                await fetcher.close()

        first, second, third = asyncio.run(main())
        assert isinstance(first, Response)
        assert isinstance(second, Failure)
        assert isinstance(third, Failure)
        assert second.reason is third.reason is Reason.REFUSED_ADDRESS
        assert private.targets() == ["/a"]
