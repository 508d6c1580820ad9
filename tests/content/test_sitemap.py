"""Sitemaps as they are found: of every dialect, with every mistake, in any pieces."""

import gzip
import zlib

import pytest

from skitter.content.sitemap import Listed, SitemapError, SitemapReader
from skitter.rules.url import MAX_URL

NS = "http://www.sitemaps.org/schemas/sitemap/0.9"
Entries = list[tuple[str, str | None]]


def read(data: str | bytes, content_type: str | None = None, step: int = 64 * 1024) -> list[Listed]:
    return read_with(SitemapReader(content_type), data, step)


def read_with(reader: SitemapReader, data: str | bytes, step: int = 64 * 1024) -> list[Listed]:
    raw = data.encode() if isinstance(data, str) else data
    found = [entry for at in range(0, len(raw), step) for entry in reader.feed(raw[at : at + step])]
    return found + reader.close()


def entries(data: str | bytes, content_type: str | None = None) -> Entries:
    return [(entry.url, entry.lastmod) for entry in read(data, content_type)]


def urlset(*urls: str, root: str = f'urlset xmlns="{NS}"') -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>{"".join(urls)}</{root.split()[0]}>\n'


def url(loc: str, more: str = "") -> str:
    return f"<url><loc>{loc}</loc>{more}</url>\n"


# The dialects


def test_a_urlset() -> None:
    reader = SitemapReader("application/xml")
    found = read_with(reader, urlset(url("http://h/1", "<lastmod>2024-01-01</lastmod>"), url("http://h/2")))
    assert found == [Listed("http://h/1", "2024-01-01", False), Listed("http://h/2", None, False)]
    assert (reader.kind, reader.note, reader.full) == ("urlset", None, False)


def test_an_index() -> None:
    reader = SitemapReader(None)
    entry = "<sitemap><loc>http://h/1.xml.gz</loc><lastmod>2024-01-01T00:00:00Z</lastmod></sitemap>"
    found = read_with(reader, f'<sitemapindex xmlns="{NS}">{entry}</sitemapindex>')
    assert found == [Listed("http://h/1.xml.gz", "2024-01-01T00:00:00Z", True)]
    assert reader.kind == "sitemapindex"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_plain_text(end: str, mark: str) -> None:
    lines = ["http://h/1", "", "# comment", "  https://h/2\t", "ftp://h/", "/3", "HTTP://h/ü", "http://", "x"]
    reader = SitemapReader("text/plain")
    found = read_with(reader, mark + end.join(lines))
    assert found == [Listed(place, None, False) for place in ("http://h/1", "https://h/2", "HTTP://h/ü")]
    assert (reader.kind, reader.note) == ("text", None)


def test_rss() -> None:
    reader = SitemapReader("application/rss+xml")
    found = read_with(
        reader,
        """<?xml version="1.0"?>
        <rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel>
        <link>http://h/</link><atom:link href="http://h/feed" rel="self"/><pubDate>never</pubDate>
        <image><link>http://h/image</link></image>
        <item><title>A &lt; B</title><pubDate>Mon, 01 Jan 2024 00:00:00 GMT</pubDate><link> http://h/1 </link>
        <atom:link href="http://h/not"/><source><link>http://h/not</link></source></item>
        <item><link>/2</link></item><item><title>none</title></item>
        </channel></rss>""",
    )
    assert found == [Listed("http://h/1", "Mon, 01 Jan 2024 00:00:00 GMT", False), Listed("/2", None, False)]
    assert (reader.kind, reader.note) == ("rss", None)


def test_rss_1_0() -> None:
    found = read("""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
        xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="x"><link>http://h/</link></channel>
        <item rdf:about="http://h/1"><link>http://h/1</link><dc:date>2024-01-01</dc:date></item></rdf:RDF>""")
    assert found == [Listed("http://h/1", "2024-01-01", False)]


def test_atom() -> None:
    reader = SitemapReader("application/atom+xml")
    found = read_with(
        reader,
        """<feed xmlns="http://www.w3.org/2005/Atom"><link href="http://h/"/><updated>now</updated>
        <entry><link rel="edit" href="http://h/edit"/><link href=" http://h/1?a&amp;b "/>
        <link rel="alternate" href="http://h/second"/><updated>2024-01-01T00:00:00Z</updated>
        <published>2020</published></entry>
        <entry><link rel="Alternate" href="2"/><source><updated>2023</updated></source></entry>
        <entry><link rel="self" href="http://h/self"/><link/><link href=""/></entry></feed>""",
    )
    assert found == [Listed("http://h/1?a&b", "2024-01-01T00:00:00Z", False), Listed("2", None, False)]
    assert reader.kind == "atom"


@pytest.mark.parametrize("data", [b"", b"\n \t\r\n", b"\xef\xbb\xbf", b"\xff\xfe", gzip.compress(b"")])
def test_an_empty_file_has_no_entries(data: bytes) -> None:
    reader = SitemapReader("application/xml")
    assert (read_with(reader, data), reader.kind, reader.note) == ([], None, None)


# Namespaces and extensions


@pytest.mark.parametrize(
    "document",
    [
        urlset(url("http://h/1"), root="urlset"),
        urlset(url("http://h/1"), root='urlset xmlns="http://www.google.com/schemas/sitemap/0.84"'),
        f'<s:urlset xmlns:s="{NS}"><s:url><s:loc>http://h/1</s:loc></s:url></s:urlset>',
        "<s:urlset><s:url><s:loc>http://h/1</s:loc></s:url></s:urlset>",  # undeclared
        urlset('<url xmlns=""><loc>http://h/1</loc></url>'),
        urlset(f'<url xmlns="{NS}"><loc xmlns="{NS}">http://h/1</loc></url>'),
        "\n\n" + urlset(url("http://h/1")),
        "\ufeff" + urlset(url("http://h/1")),
    ],
)
def test_any_namespace_will_do(document: str) -> None:
    assert entries(document) == [("http://h/1", None)]


EXTENSIONS = """
<image:image><image:loc>http://h/i.png</image:loc></image:image>
<image xmlns="http://image"><loc>http://h/i.png</loc><lastmod>1999</lastmod></image>
<video:video><video:content_loc>http://h/v</video:content_loc><video:loc>http://h/w</video:loc></video:video>
<xhtml:link rel="alternate" hreflang="de" href="http://h/de"/>
<image:loc>http://h/direct.png</image:loc>
<loc xmlns="http://image">http://h/direct2.png</loc>
<news:lastmod>1999</news:lastmod>
"""


def test_extensions_are_no_entries() -> None:
    before = urlset(
        f"<url>{EXTENSIONS}<loc>http://h/1</loc></url>", f"<url>{EXTENSIONS}</url>", url("http://h/2")
    )
    after = urlset(f"<url><loc>http://h/1</loc>{EXTENSIONS}</url>", url("http://h/2", EXTENSIONS))
    assert entries(before) == entries(after) == [("http://h/1", None), ("http://h/2", None)]


@pytest.mark.parametrize(
    "inside",
    [
        "<loc>http://h/1</loc>",  # outside of an entry
        "<x><url><loc>http://h/1</loc></url></x>",
        "<url><x><loc>http://h/1</loc></x></url>",
        "<sitemap><loc>http://h/1</loc></sitemap>",
        "<x:url><x:loc>http://h/1</x:loc></x:url>",
        "<!-- <url><loc>http://h/1</loc></url> -->",
        "<![CDATA[<url><loc>http://h/1</loc></url>]]>",
        "<?x <url><loc>http://h/1</loc></url> ?>",
    ],
)
def test_what_is_elsewhere_does_not_count(inside: str) -> None:
    assert entries(urlset(inside)) == []


# Texts


@pytest.mark.parametrize(
    ("loc", "place"),
    [
        ("http://h/?a=1&amp;b=&lt;&#50;&#x33;", "http://h/?a=1&b=<23"),
        ("<![CDATA[http://h/?a=1&b=2]]>", "http://h/?a=1&b=2"),
        ("<![CDATA[http://h/]]>x<![CDATA[y]]>", "http://h/xy"),
        ("\n   http://h/1\r\n\t", "http://h/1"),
        ("http://h<!-- a -->/1<!-- <loc>b</loc> -->", "http://h/1"),
        ("http://h/<?x y?>1", "http://h/1"),
        ("HTTPS://H/ü%41", "HTTPS://H/ü%41"),
        ("http://h/a b", "http://h/a b"),
        ("http://h/" + "x" * (MAX_URL - 9), "http://h/" + "x" * (MAX_URL - 9)),
    ],
)
def test_text_is_put_together(loc: str, place: str) -> None:
    assert entries(urlset(url(loc))) == [(place, None)]


@pytest.mark.parametrize(
    "loc",
    [
        "/relative", "//h/x", "ftp://h/", "file:///etc/passwd", "javascript:x", "http://", "http:///x", "x",
        "http://h/" + "x" * (MAX_URL - 8), "http://h/" + "x" * 100_000, "http://h/<b>1</b>",
        "http://h/\ufffd",
    ],
    ids=lambda loc: loc[:20],
)  # fmt: skip
def test_what_is_no_url_is_left_out_and_counted(loc: str) -> None:
    reader = SitemapReader(None)
    found = read_with(reader, urlset(url(loc), url(" "), url("http://h/1")))
    assert [entry.url for entry in found] == ["http://h/1"]
    assert reader.note == "1 left out: too long or no http(s) URL"
    assert not reader.full


@pytest.mark.parametrize(
    ("lastmod", "value"),
    [
        (" \n2024-01-01 ", "2024-01-01"),
        ("", None),
        (" ", None),
        ("x" * 65, "x" * 64),
        ("2024\n01", None),
        ("2024&#x202e;01", None),
        ("<b>2024</b>", None),
        ("x" * 100_000, None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_lastmod(lastmod: str, value: str | None) -> None:
    found = entries(urlset(url("http://h/1", f"<lastmod>{lastmod}</lastmod>"), url("http://h/2")))
    assert found == [("http://h/1", value), ("http://h/2", None)]


# Encodings


@pytest.mark.parametrize(
    ("codec", "content_type", "declared"),
    [
        ("utf-8", None, None),
        ("utf-8-sig", "text/xml; charset=iso-8859-1", "iso-8859-1"),
        ("utf-16", None, "utf-16"),
        ("utf-16-le", None, None),
        ("utf-16-be", None, None),
        ("utf-8", "text/xml; charset=utf-8", "iso-8859-1"),  # RFC 7303, 3.2: the header goes before
        ("utf-8", None, "utf-16"),  # obviously not
        ("utf-8", None, "rot13"),
        ("utf-8", "text/xml; charset=zip", "no-such-encoding"),
        ("latin-1", "application/xml; charset=ISO-8859-1", None),
        ("latin-1", None, "ISO-8859-1"),
        ("cp1252", None, "windows-1252"),
        ("gb18030", None, "gb2312"),
    ],
)
def test_encodings(codec: str, content_type: str | None, declared: str | None) -> None:
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    document = f"{head}<urlset><url><loc>http://h/ü</loc></url></urlset>".encode(codec)
    assert entries(document, content_type) == [("http://h/ü", None)]


def test_bytes_that_are_no_text_spoil_their_own_entry_only() -> None:
    document = urlset(url("http://h/1"), url("http://h/@"), url("http://h/2")).encode().replace(b"@", b"\xfc")
    assert entries(document) == [("http://h/1", None), ("http://h/2", None)]


# gzip


SOME = urlset(*(url(f"http://h/{number}") for number in range(3000))).encode()
EXPECTED = [(f"http://h/{number}", None) for number in range(3000)]


@pytest.mark.parametrize("step", [1, 7, 4096, 65536])
@pytest.mark.parametrize("content_type", [None, "application/xml", "application/x-gzip", "text/html"])
def test_gzip_is_told_by_its_bytes(step: int, content_type: str | None) -> None:
    members = gzip.compress(SOME[:5000]) + gzip.compress(SOME[5000:]) + b"\0" * 9000
    found = read(members, content_type, step)
    assert [(entry.url, entry.lastmod) for entry in found] == EXPECTED


def test_gzip_of_text() -> None:
    assert entries(gzip.compress(b"http://h/1\nhttp://h/2")) == [("http://h/1", None), ("http://h/2", None)]


def test_gzip_that_is_cut_off() -> None:
    reader = SitemapReader(None)
    found = read_with(reader, gzip.compress(SOME)[:-3000])
    assert 0 < len(found) < 3000
    assert [(entry.url, entry.lastmod) for entry in found] == EXPECTED[: len(found)]
    assert reader.note == f"damaged after {len(found):,} URLs: the gzip data end too early"
    with pytest.raises(SitemapError, match="the gzip data end too early"):
        read(gzip.compress(b"http://h/1")[:-1])  # whose last line may be half a line


def test_gzip_that_is_damaged() -> None:
    packed = bytearray(gzip.compress(SOME))
    packed[-2000:-1990] = bytes(10)
    reader = SitemapReader(None)
    found = read_with(reader, bytes(packed))
    assert 0 < len(found) <= 3000
    assert (reader.note or "").startswith(f"damaged after {len(found):,} URLs: ")
    with pytest.raises(SitemapError, match="damaged gzip data"):
        read(b"\x1f\x8b" + b"x" * 100)


def test_raw_zlib_is_no_sitemap() -> None:
    assert entries(zlib.compress(SOME)) == []
