"""Sitemaps of any bytes, in any pieces."""

from __future__ import annotations

import gzip
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.hostile import FUZZ, mutated, quick, split
from tests.fuzz.test_headers import CONTENT_TYPES
from tests.fuzz.test_urls import assert_canonical

from skitter.content.sitemap import MAX_URLS, Listed, SitemapError, SitemapReader
from skitter.rules.url import MAX_URL, canonical

FILES = [
    b'<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" '
    b'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"><url><loc>http://h/1</loc>'
    b"<lastmod>2024-01-01</lastmod></url>\n<url><!-- c --><loc><![CDATA[http://h/?a&b]]></loc><image:image><image:loc>http://h/i"
    b"</image:loc></image:image></url><url><loc>http://h/&amp;&#50;</loc></url></urlset>",
    b"<sitemapindex><sitemap><loc>http://h/1.xml</loc><lastmod>2024</lastmod></sitemap></sitemapindex>",
    b"\xef\xbb\xbfhttp://h/1\r\nhttps://h/2\rHTTP://h/3\n\nx\n",
    b"<rss><channel><item><link>/1</link><pubDate>M</pubDate></item><item><link>b</link></item></channel></rss>",
    b"<feed><entry><link rel='alternate' href='/1'/><updated>2024</updated></entry></feed>",
    b"<rdf:RDF><item><link>http://h/1</link><dc:date>2024</dc:date></item></rdf:RDF>",
    b'<?xml version="1.0" encoding="iso-8859-1"?><urlset><url><loc>http://h/\xfc</loc></url></urlset>',
    b"<!DOCTYPE html><html><body>http://h/</body></html>",
    b'<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c SYSTEM "file:///x">]><urlset><url><loc>&a;</loc></url></urlset>',
    b"<urlset>"
    + b"".join(b"<url><loc>http://h/%d</loc></url>" % number for number in range(1200))
    + b"</urlset>",
]
FILES += [FILES[0].decode().encode("utf-16"), FILES[0].decode().encode("utf-16-be")]
FILES += [
    gzip.compress(FILES[0]),
    gzip.compress(FILES[0][:200]) + gzip.compress(FILES[0][200:]),
    gzip.compress(FILES[9]),
]
TOKENS = [
    b"<url>", b"</url>", b"<loc>", b"</loc>", b"<lastmod>", b"</lastmod>", b"<urlset>", b"</urlset>",
    b"<sitemap>", b"<loc/>", b"http://h/", b"https://", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?x",
    b"?>", b"<!DOCTYPE x [", b"]>", b"<!ENTITY ", b"%p;", b"&amp;", b"&#0;", b"&#xd800;", b"&#x202e;",
    b"&x;", b" xmlns=''", b" a=''", b":", b"\n", b"\r", b"\0", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf",
    b"\xed\xa0\x80", b"\x1f\x8b\x08\0", b"<html>", b" ", b"\xc2\x85", b"\xe2\x80\xa8", b"x" * 9000,
    b"<x>" * 20, b" encoding='utf-16'", b"<", b">", b"&",
]  # fmt: skip
DOCUMENTS = mutated(FILES, TOKENS, size=60_000)
PACKED = st.one_of(DOCUMENTS, DOCUMENTS.map(gzip.compress))

Outcome = tuple[list[Listed], str | None, str | None, str | None, bool]


def outcome(reader: SitemapReader, pieces: Sequence[bytes]) -> Outcome:
    """The entries, what was raised, and what the reader says of itself."""
    found: list[Listed] = []
    raised = None
    try:
        for piece in pieces:
            found += reader.feed(piece)
        found += reader.close()
    except SitemapError as error:
        raised = str(error)
    assert reader.feed(b"<urlset>") == reader.close() == []
    return found, raised, reader.kind, reader.note, reader.full


@FUZZ
@given(PACKED, st.lists(st.floats(0, 1), max_size=8), st.one_of(st.none(), CONTENT_TYPES))
def test_any_file_has_entries_or_an_error_whatever_its_pieces(
    data: bytes, cuts: list[float], kind: str | None
) -> None:
    with quick():
        found, raised, dialect, note, full = outcome(SitemapReader(kind), [data])
    assert outcome(SitemapReader(kind), split(data, cuts)) == (found, raised, dialect, note, full)
    assert dialect in (None, "urlset", "sitemapindex", "text", "rss", "atom")
    assert len(found) <= MAX_URLS
    for line in (raised, note):
        assert line is None or (line.isprintable() and 0 < len(line) < 200)
    assert raised is None or (not found and full)
    for entry in found:
        assert entry.url == entry.url.strip()
        assert 0 < len(entry.url) <= MAX_URL
        assert entry.sitemap == (dialect == "sitemapindex")
        assert entry.url.lower().startswith(("http://", "https://")) or dialect in ("rss", "atom")
        assert entry.lastmod is None or (entry.lastmod.isprintable() and 0 < len(entry.lastmod) <= 64)
        url = canonical(entry.url, "http://h/sitemap.xml")
        if url is not None:
            assert_canonical(url)


@FUZZ
@given(PACKED, st.integers(0, 30), st.integers(0, 3000))
def test_caps_give_the_beginning_of_what_there_is(data: bytes, urls: int, size: int) -> None:
    whole = outcome(SitemapReader(None), [data])[0]
    few = outcome(SitemapReader(None, max_urls=urls), [data])
    assert few[0] == whole[:urls]
    start = outcome(SitemapReader(None, max_bytes=size), [data])[0]
    assert start == whole[: len(start)]  # a line that is cut is none


@FUZZ
@given(DOCUMENTS)
def test_gzip_makes_no_difference(data: bytes) -> None:
    if not data.startswith(b"\x1f\x8b"):
        assert outcome(SitemapReader(None), [gzip.compress(data)]) == outcome(SitemapReader(None), [data])
