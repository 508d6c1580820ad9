"""What `skitter serve` shows: the demonstration site and the endpoints, as documented."""

import gzip
import http.client
import json
import re
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import brotli
import pytest

from skitter.testing import Site, demo, endpoints

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


# The demonstration site: as large, and as broken, as its docstring says


class Document(HTMLParser):
    """What one page says: its links, its head, its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []  # (href, rel)
        self.meta: dict[str, str] = {}
        self.language = ""
        self.words: dict[str, str] = {}
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._inside = tag
        if tag in ("a", "link"):
            self.links.append((given["href"], given.get("rel", "")))
        if tag == "meta" and "name" in given:
            self.meta[given["name"]] = given["content"]
        if tag == "html":
            self.language = given["lang"]

    def handle_data(self, data: str) -> None:
        self.words[self._inside] = self.words.get(self._inside, "") + data


class StayHere(urllib.request.HTTPRedirectHandler):
    """Redirects are findings of the walk, so they are not followed unseen."""

    def redirect_request(self, *_: object) -> None:
        return None


@dataclass
class Walk:
    """What a breadth-first walk that obeys no robots.txt has found, by path."""

    documents: dict[str, Document] = field(default_factory=dict)
    redirects: dict[str, tuple[int, str]] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    nofollow: list[str] = field(default_factory=list)
    depth: dict[str, int] = field(default_factory=lambda: {"/": 0})


def walk(site: Site) -> Walk:
    opener = urllib.request.build_opener(StayHere)
    found, queue = Walk(), deque(["/"])
    while queue:
        path = queue.popleft()
        try:
            with opener.open(site.url(path), timeout=10) as response:
                targets = read(found, path, response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                targets = note(found, path, error.code, error.headers.get("Location"))
        for target in targets:
            if target not in found.depth:
                found.depth[target] = found.depth[path] + 1
                queue.append(target)
    return found


def read(found: Walk, path: str, text: str) -> list[str]:
    document = found.documents[path] = Document(text)
    found.nofollow += [href for href, rel in document.links if rel == "nofollow"]
    hrefs = [href for href, rel in document.links if rel != "nofollow"]
    return [urlsplit(urljoin(path, href)).path for href in hrefs]


def note(found: Walk, path: str, status: int, location: str | None) -> list[str]:
    if location is None:
        assert status == 404
        found.dead.add(path)
        return []
    found.redirects[path] = (status, location)
    return [location]


@pytest.fixture(scope="module")
def visited() -> Iterator[tuple[Site, demo.Demo, Walk]]:
    with Site() as site:
        built = demo.build(site, delay=0.0)
        yield site, built, walk(site)


def get(site: Site, path: str) -> str:
    with urllib.request.urlopen(site.url(path), timeout=10) as response:
        text: str = response.read().decode()
        return text


def test_the_walk_finds_what_build_says(visited: tuple[Site, demo.Demo, Walk]) -> None:
    _, built, found = visited
    assert set(found.documents) == {*built.pages, *built.disallowed}
    assert set(found.redirects) == set(built.redirects)
    assert found.dead == set(built.dead)
    assert found.nofollow == list(built.unfollowed)


def test_the_docstring_tells_the_numbers(visited: tuple[Site, demo.Demo, Walk]) -> None:
    _, built, _ = visited
    told = [int(number) for number in re.findall(r"^- (\d+)", demo.__doc__ or "", re.MULTILINE)]
    groups = (built.pages, built.disallowed, built.unfollowed, built.dead, built.redirects)
    assert told == [len(group) for group in groups]
    assert 230 <= len(built.pages) <= 260
    assert f"names the {len(built.pages)} pages" in (demo.__doc__ or "")


def test_the_docstring_tells_the_parts(visited: tuple[Site, demo.Demo, Walk]) -> None:
    _, built, _ = visited
    kinds = {
        "180 species": r"/(birds|mosses|beetles|shells|flowers)/[a-z-]+",
        "20 pages of": r"/(birds|mosses|beetles|shells|flowers)/(page/\d)?",
        "12 months": r"/months/.+",
        "8 habitats": r"/habitats/.+",
        "9 walks": r"/walks/.+",
        "3 indexes": r"/(months|habitats|walks)/",
        "4 others": r"/[a-z]+",
        "the front page": r"/",
    }
    doc = " ".join((demo.__doc__ or "").split())
    total = 0
    for words, pattern in kinds.items():
        count = sum(re.fullmatch(pattern, path) is not None for path in built.pages)
        total += count
        assert words in doc
        assert words.startswith((str(count), "the front")), words
    assert total == len(built.pages)


def test_redirects_are_of_three_kinds_and_one_is_a_chain(
    visited: tuple[Site, demo.Demo, Walk],
) -> None:
    _, built, found = visited
    assert {status for status, _ in found.redirects.values()} == {301, 302, 308}
    chained = {path for path, (_, to) in found.redirects.items() if to in found.redirects}
    assert chained == {"/flora"}
    ends = {location for _, location in found.redirects.values()} - {"/plants"}
    assert ends <= set(built.pages)


def test_every_page_has_a_head_of_its_own(visited: tuple[Site, demo.Demo, Walk]) -> None:
    _, _, found = visited
    documents = found.documents.values()
    assert len({document.words["title"] for document in documents}) == len(documents)
    assert {document.language for document in documents} == {"en"}
    assert all(document.meta["description"] for document in documents)
    assert all("color-scheme:light dark" in document.words["style"] for document in documents)


def test_every_page_leads_home(visited: tuple[Site, demo.Demo, Walk]) -> None:
    _, _, found = visited
    assert all(("/", "") in document.links for document in found.documents.values())


def test_lists_name_their_next_and_previous_pages(
    visited: tuple[Site, demo.Demo, Walk],
) -> None:
    _, _, found = visited
    turns = [link for link in found.documents["/birds/page/2"].links if link[1]]
    assert turns == [("/birds/", "prev"), ("/birds/page/3", "next")] * 2


def test_the_sitemap_names_the_pages_on_the_host_asked(
    visited: tuple[Site, demo.Demo, Walk],
) -> None:
    site, built, _ = visited
    named = re.findall(r"<loc>(.*?)</loc>", get(site, "/sitemap.xml"))
    assert named == [site.url(path) for path in built.pages]


def test_robots_disallows_the_private_pages_only(
    visited: tuple[Site, demo.Demo, Walk],
) -> None:
    site, built, _ = visited
    assert "Disallow: /private/\n" in get(site, "/robots.txt")
    assert all(path.startswith("/private/") for path in built.disallowed)
    assert not any(path.startswith("/private") for path in built.pages)


def test_the_page_behind_nofollow_exists(visited: tuple[Site, demo.Demo, Walk]) -> None:
    site, built, _ = visited
    (path,) = built.unfollowed
    assert "Guestbook" in get(site, path)


def test_it_is_the_same_each_time(visited: tuple[Site, demo.Demo, Walk]) -> None:
    site, built, _ = visited
    with Site() as other:
        assert demo.build(other, delay=0.0) == built
        for path in built.pages[::20]:
            assert get(other, path) == get(site, path)


def test_pages_take_a_moment_by_default() -> None:
    with Site() as site:
        demo.build(site)
        get(site, "/")
        get(site, "/about")
        assert site.gaps()[0] >= 0.018


# The endpoints


class Answer:
    """An answer read by http.client, which follows no redirects and decodes nothing."""

    def __init__(self, site: Site, path: str, method: str = "GET", **headers: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            self.body = response.read()
        finally:
            connection.close()
        self.status = response.status
        self.headers = response.headers


@pytest.fixture(scope="module")
def httpbin() -> Iterator[Site]:
    with Site(keep_log=False) as running:
        endpoints.install(running)
        yield running


def test_the_demonstration_replaces_the_index_of_endpoints() -> None:
    with Site() as site:
        endpoints.install(site)
        demo.build(site)
        assert "Merrow Island" in get(site, "/")
        assert Answer(site, "/status/404").status == 404


def test_delay_waits_and_ignores_the_query(httpbin: Site) -> None:
    before = time.monotonic()
    assert Answer(httpbin, "/delay/0.1?i=5").status == 200
    assert time.monotonic() - before >= 0.09


@pytest.mark.parametrize("code", [200, 204, 301, 304, 404, 500, 599])
def test_status_answers_the_status(httpbin: Site, code: int) -> None:
    answer = Answer(httpbin, f"/status/{code}")
    assert answer.status == code
    assert "Location" not in answer.headers
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize("code", [429, 503])
def test_status_says_when_to_come_back(httpbin: Site, code: int) -> None:
    assert Answer(httpbin, f"/status/{code}").headers["Retry-After"] == "1"


def test_redirects_count_down_to_the_front_page(httpbin: Site) -> None:
    hops = [Answer(httpbin, f"/redirect/{n}").headers["Location"] for n in (3, 2, 1)]
    assert hops == ["/redirect/2", "/redirect/1", "/"]


def test_bytes_are_the_same_each_time(httpbin: Site) -> None:
    first, second = (Answer(httpbin, "/bytes/200001").body for _ in range(2))
    assert first == second
    assert len(first) == 200_001
    assert len(set(first)) == 256
    assert Answer(httpbin, "/bytes/0").body == b""


def test_bytes_are_capped_and_head_sends_none(httpbin: Site) -> None:
    answer = Answer(httpbin, "/bytes/999999999", "HEAD")
    assert (answer.headers["Content-Length"], answer.body) == (str(endpoints.MAX_BYTES), b"")


def test_compressed_pages_say_how_and_decode(httpbin: Site) -> None:
    decoders = {
        "gzip": ("gzip", gzip.decompress),
        "deflate": ("deflate", zlib.decompress),
        "brotli": ("br", brotli.decompress),
        "zstd": ("zstd", zstd.decompress),
    }
    for name, (coding, decode) in decoders.items():
        answer = Answer(httpbin, f"/{name}")
        assert answer.headers["Content-Encoding"] == coding
        assert f"<title>Compressed: {name}</title>".encode() in decode(answer.body)


def test_links_lead_to_leaves_and_back(httpbin: Site) -> None:
    index = Answer(httpbin, "/links/12").body
    assert index.count(b"<a href=") == 12
    assert b'href="/links/12/11"' in index
    assert b'href="/links/12"' in Answer(httpbin, "/links/12/11").body


def test_headers_are_echoed(httpbin: Site) -> None:
    echoed = json.loads(Answer(httpbin, "/headers", "GET", **{"X-Colour": "red"}).body)
    assert echoed["headers"]["X-Colour"] == "red"


def test_robots_names_the_sitemap_of_the_host_asked(httpbin: Site) -> None:
    text = Answer(httpbin, "/robots.txt").body.decode()
    assert "Disallow: /private/" in text
    assert f"Sitemap: {httpbin.url('/sitemap.xml')}" in text


def test_the_index_names_endpoints_that_answer(httpbin: Site) -> None:
    page = Answer(httpbin, "/").body
    assert b'href="/zstd"' in page
    assert b'href="/links/10"' in page


NONSENSE = (
    "/delay/soon /delay/-1 /delay/nan /delay/ /status/99 /status/600 /status/ok /redirect/0"
    " /redirect/x /bytes/-1 /bytes/1e3 /links/x /links/5/5 /links/5/x /links/100001"
)


@pytest.mark.parametrize("path", NONSENSE.split())
def test_a_parameter_without_sense_is_a_400_of_one_line(httpbin: Site, path: str) -> None:
    answer = Answer(httpbin, path)
    assert answer.status == 400
    assert answer.body.count(b"\n") == 1
