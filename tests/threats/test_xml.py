"""Threats X1, X2 and X4 at the parser: XML made to hurt, bombs, and entries that are none.

The number in a test's name is that of the threat. Times are bounded with room for a busy machine.
"""

import errno
import gzip
import os
import socket
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from skitter.content.sitemap import MAX_BYTES, Listed, SitemapError, SitemapReader

ENTRY = "<urlset><url><loc>http://h/{}</loc></url></urlset>"


def doctype(subset: str, used: str = "&x;", name: str = "urlset") -> str:
    return f'<?xml version="1.0"?>\n<!DOCTYPE {name} {subset}>\n{ENTRY.format(used)}'


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 30))
# Each is well-formed XML, or would be without its cycle; {file} and {url} are traps.
HOSTILE = {
    "cyclic": doctype('[<!ENTITY x "&y;"><!ENTITY y "&x;">]'),
    "own cycle": doctype('[<!ENTITY x "&x;">]'),
    "laughs": doctype(f'[<!ENTITY l0 "ha">{LAUGHS}]', "&l29;"),
    "laughs of parameters": doctype(
        f'[<!ENTITY % p0 "ha">{LAUGHS.replace("ENTITY l", "ENTITY % p").replace("&l", "&#37;p")}%p29;]'
    ),
    "quadratic": doctype(f'[<!ENTITY x "{"x" * 50_000}">]', "&x;" * 50_000),
    "in an attribute": doctype('[<!ENTITY x "x"><!ATTLIST url y CDATA "&x;&x;">]'),
    "external file": doctype('[<!ENTITY x SYSTEM "{file}">]'),
    "external URL": doctype('[<!ENTITY x SYSTEM "{url}">]'),
    "external public": doctype('[<!ENTITY x PUBLIC "-//X//Y" "{url}">]'),
    "parameter entity": doctype('[<!ENTITY % p SYSTEM "{file}">%p;]'),
    "parameter entity of a URL": doctype('[<!ENTITY % p SYSTEM "{url}">%p;]'),
    "external subset": doctype('SYSTEM "{file}"', ""),
    "external subset of a URL": doctype('PUBLIC "-//X//Y" "{url}"', ""),
    "stylesheet and include": '<?xml-stylesheet href="{url}"?><!DOCTYPE x><x:include href="{file}"/>',
    "unparsed": doctype('[<!NOTATION n SYSTEM "{file}"><!ENTITY x SYSTEM "{url}" NDATA n>]', ""),
    "harmless": doctype("", ""),
    "named html": doctype('[<!ENTITY x SYSTEM "{file}">]', name="html"),
    "before a feed": '<!DOCTYPE rss [<!ENTITY x "y">]><rss><channel><item><link>&x;</link></item></channel>',
    "entity without doctype": ENTRY.format("&x;"),
    "declared outside": '<!ENTITY x "y">' + ENTRY.format("&x;"),
    "declared inside": '<urlset><!ENTITY x "y"><url><loc>&x;</loc></url></urlset>',
    "endless doctype": "<!DOCTYPE urlset [" + "<!-- -->" * 100_000,
    "endless name": "<!DOCTYPE " + "x" * 1_000_000,
}
CODECS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]


def read(reader: SitemapReader, data: bytes) -> list[Listed]:
    found = [entry for at in range(0, len(data), 4096) for entry in reader.feed(data[at : at + 4096])]
    return found + reader.close()


class Trap:
    """A file and a URL that tell whether somebody came."""

    def __init__(self, folder: Path) -> None:
        self._fifo = folder / "fifo"
        os.mkfifo(self._fifo)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)

    @property
    def file(self) -> str:
        return self._fifo.as_uri()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/x.dtd"

    def assert_untouched(self) -> None:
        """A pipe without a reader cannot be opened for writing at once (and whoever had opened it for
        reading would still be waiting)."""
        with pytest.raises(OSError) as caught:  # noqa: PT011
            os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK)
        assert caught.value.errno == errno.ENXIO
        with pytest.raises(BlockingIOError):
            self._listener.accept()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Trap]:
    made = Trap(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("name", HOSTILE)
def test_X1_declarations_are_refused_before_they_do_anything(name: str, codec: str, trap: Trap) -> None:
    """Whatever it declares, in every encoding in which expat would understand it."""
    text = HOSTILE[name].replace("{file}", trap.file).replace("{url}", trap.url)
    data = text.encode(codec)
    start = time.process_time()
    with pytest.raises(SitemapError) as caught:
        read(SitemapReader("application/xml"), data)
    assert time.process_time() - start < 1  # ten times the 100 ms of the plan
    assert len(str(caught.value)) < 100
    assert str(caught.value).isprintable()
    trap.assert_untouched()


@pytest.mark.parametrize("size", [1, 10, 100])
def test_X1_the_size_of_a_bomb_does_not_matter(size: int) -> None:
    """The declaration is never read to its end."""
    data = doctype(f'[<!ENTITY x "{"x" * 10_000 * size}">]', "&x;" * 10_000 * size).encode()
    start = time.process_time()
    with pytest.raises(SitemapError, match="DOCTYPE is not allowed"):
        read(SitemapReader(None), data)
    assert time.process_time() - start < 0.1


@pytest.mark.parametrize("prefix", ["http://h/before", "http://h/&amp;"])
def test_X1_an_entity_that_nobody_declared_adds_nothing(prefix: str) -> None:
    reader = SitemapReader(None)
    found = read(
        reader, f"<urlset><url><loc>http://h/1</loc></url><url><loc>{prefix}&x;</loc></url></urlset>".encode()
    )
    assert [entry.url for entry in found] == ["http://h/1"]
    assert reader.note == "damaged after 1 URLs: undefined entity, line 1"


# Encodings are warmed up first: the import of a codec opens a file.
WATCHER = """
import sys
from skitter.content.sitemap import SitemapError, SitemapReader

def read(data):
    reader = SitemapReader("application/xml")
    try:
        return reader.feed(data) + reader.close()
    except SitemapError as error:
        return str(error)

touched = []
def watch(event, arguments):
    if watching and event.startswith(("open", "os.", "socket.", "urllib", "import", "exec", "subprocess")):
        touched.append((event, arguments))

documents = [bytes.fromhex(line) for line in sys.stdin]
codecs = sys.argv[1:]
watching = False
warm = ["<urlset><url><loc>http://h/</loc></url></urlset>".encode(codec) for codec in codecs]
assert all(len(read(document)) == 1 for document in warm)
sys.addaudithook(watch)
watching = True
results = [read(document) for document in documents]
watching = False
assert all(isinstance(result, str) for result in results), results
print(len(results), touched)
"""


def test_X1_nothing_is_opened_imported_or_dialled(trap: Trap) -> None:
    """Python's own audit events, of a process that reads all of the above."""
    texts = [text.replace("{file}", trap.file).replace("{url}", trap.url) for text in HOSTILE.values()]
    lines = [text.encode(codec).hex() for text in texts for codec in CODECS]
    done = subprocess.run(
        [sys.executable, "-c", WATCHER, *CODECS],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"{len(lines)} []\n", "")
    trap.assert_untouched()


# Bombs


def bomb(unit: bytes, times: int) -> Iterator[bytes]:
    """``unit`` so many times, gzipped."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    many = max(1, 1_000_000 // len(unit))
    for _ in range(0, times, many):
        yield packer.compress(unit * many)
    yield packer.flush()


@pytest.mark.parametrize(
    ("start", "unit", "urls"),
    [
        (b"", b" ", 0),
        (b"", b"x", 0),
        (b"<urlset>", b"<!---->", 0),
        (b"<urlset>", b"<url><loc>http://h/</loc></url>", 50_000),
        (b"<urlset><url><loc>", b"x", 0),
        (b"", b"http://h/\n", 50_000),
    ],
    ids=["blanks", "one line", "comments", "entries", "one entry", "lines"],
)
def test_X2_a_compressed_bomb_ends_at_the_cap(start: bytes, unit: bytes, urls: int) -> None:
    """100 MB of it in 3 MB of memory, and what the entries themselves take."""
    pieces = [gzip.compress(start), *bomb(unit, 100_000_000 // len(unit))]
    reader = SitemapReader("application/x-gzip")
    number = read_until_full(reader, pieces)
    assert number == urls
    cap = "50,000 URLs" if urls else f"{MAX_BYTES:,} bytes"
    assert (reader.note, reader.full) == (f"only the first {cap} were read", True)
    tracemalloc.start()
    read_until_full(SitemapReader(None, max_bytes=3_000_000), pieces)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3_000_000 + 200 * urls


def read_until_full(reader: SitemapReader, pieces: list[bytes]) -> int:
    number = 0
    for data in pieces:
        for at in range(0, len(data), 4096):
            start = time.process_time()
            number += len(reader.feed(data[at : at + 4096]))
            assert time.process_time() - start < 1
            if reader.full:
                return number
    raise AssertionError("it was read to its end")


def test_X2_a_bomb_in_a_bomb_is_not_opened() -> None:
    """Only one layer is undone: what is inside is no sitemap."""
    inner = b"".join(bomb(b"<urlset>", 10_000_000))
    reader = SitemapReader(None)
    assert read(reader, gzip.compress(inner)) == []
    assert reader.kind == "text"


def test_X2_a_thousand_empty_members_are_no_trouble() -> None:
    data = gzip.compress(b"") * 50_000 + gzip.compress(b"http://h/1")
    start = time.process_time()
    assert [entry.url for entry in read(SitemapReader(None), data)] == ["http://h/1"]
    assert time.process_time() - start < 3


# Entries that are none


def test_X4_nothing_of_an_entry_gets_into_the_next() -> None:
    """Empty, missing, late and double values; each entry has its own and no other."""
    document = """<?xml version="1.0" encoding="UTF-8"?>
    <urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
    <url><loc>http://h/1</loc><lastmod>2001</lastmod></url>
    <url><loc/><lastmod>2002</lastmod></url>
    <url><loc>http://h/3</loc></url>
    <url><loc></loc></url>
    <url><lastmod>2005</lastmod></url>
    <url><loc>http://h/6</loc></url>
    <url><lastmod>2007</lastmod><loc>http://h/7</loc></url>
    <url></url>
    <url/>
    <url><loc>http://h/10</loc><lastmod/></url>
    <url><loc>http://h/11</loc><loc>http://h/not</loc><lastmod>2011</lastmod><lastmod>1999</lastmod></url>
    <url><loc> </loc><loc>http://h/12</loc></url>
    <url><loc>http://h/13</loc><url><loc>http://h/not</loc><lastmod>1999</lastmod></url></url>
    <lastmod>1999</lastmod>
    <url><loc>file:///etc/passwd</loc><lastmod>2014</lastmod></url>
    <url><loc>http://h/15</loc></url>
    <url>http://h/not<changefreq>daily</changefreq><priority>http://h/not</priority></url>
    <url><loc><![CDATA[ http://h/17?a&b ]]></loc><lastmod><!-- 1999 -->2017</lastmod></url>
    <url><loc>http://h/18
    </loc></url></urlset>"""
    reader = SitemapReader("text/xml")
    assert [(entry.url, entry.lastmod, entry.sitemap) for entry in read(reader, document.encode())] == [
        ("http://h/1", "2001", False),
        ("http://h/3", None, False),
        ("http://h/6", None, False),
        ("http://h/7", "2007", False),
        ("http://h/10", None, False),
        ("http://h/11", "2011", False),
        ("http://h/12", None, False),
        ("http://h/13", None, False),
        ("http://h/15", None, False),
        ("http://h/17?a&b", "2017", False),
        ("http://h/18", None, False),
    ]
    assert reader.note == "1 left out: too long or no http(s) URL"


def test_X4_entries_of_an_index_do_not_leak_either() -> None:
    document = b"""<sitemapindex><sitemap><loc/><lastmod>2001</lastmod></sitemap>
    <sitemap><loc>http://h/2.xml</loc></sitemap><url><loc>http://h/not</loc></url></sitemapindex>"""
    assert read(SitemapReader(None), document) == [Listed("http://h/2.xml", None, True)]


def test_X4_entries_of_feeds_do_not_leak_either() -> None:
    rss = b"""<rss><channel><item><pubDate>2001</pubDate></item><item><link>http://h/2</link></item>
    <item><link/><pubDate>2003</pubDate></item><item><link>http://h/4</link></item></channel></rss>"""
    assert read(SitemapReader(None), rss) == [
        Listed("http://h/2", None, False),
        Listed("http://h/4", None, False),
    ]
    atom = b"""<feed><entry><updated>2001</updated></entry><entry><link href="http://h/2"/></entry></feed>"""
    assert read(SitemapReader(None), atom) == [Listed("http://h/2", None, False)]


@pytest.mark.parametrize("content_type", ["text/html", "application/xml", "text/plain", None])
@pytest.mark.parametrize(
    "page",
    [
        "<!DOCTYPE html><html><head><title>Not found</title></head><body><a href=http://h/>x</a></body></html>",
        "\ufeff\r\n<!doctype HTML>\n<p>http://h/",
        "<HTML><BODY>\nhttp://h/1\n",
        '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body>http://h/</body></html>',
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/xhtml1.dtd"><html/>',
    ],
)
def test_X4_a_page_of_html_is_no_sitemap(page: str, content_type: str | None) -> None:
    for data in (page.encode(), gzip.compress(page.encode())):
        with pytest.raises(SitemapError, match="an HTML page, no sitemap"):
            read(SitemapReader(content_type), data)
