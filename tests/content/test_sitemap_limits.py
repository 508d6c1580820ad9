"""Sitemaps that are damaged, none at all, too large, or made to hurt."""

import gzip
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitter.content.sitemap import Listed, SitemapError, SitemapReader


def read_with(reader: SitemapReader, data: str | bytes, step: int = 64 * 1024) -> list[Listed]:
    raw = data.encode() if isinstance(data, str) else data
    found = [entry for at in range(0, len(raw), step) for entry in reader.feed(raw[at : at + step])]
    return found + reader.close()


def url(number: int, more: str = "") -> str:
    return f"<url><loc>http://h/{number}</loc>{more}</url>\n"


SOME = f"<urlset>{''.join(url(number) for number in range(3000))}</urlset>".encode()


def locations(found: list[Listed]) -> list[str]:
    return [entry.url for entry in found]


# Damage, and what is no sitemap at all


@pytest.mark.parametrize(
    ("tail", "why"),
    [
        ("", "the file ends too early, line 1"),
        ("<url><loc>http://h/2", "the file ends too early, line 1"),
        ("\n<url><loc>http://h/2</url>", "mismatched tag, line 2"),
        ("<url><loc>&undefined;</loc></url>", "undefined entity, line 1"),
        ("<url><loc>\x01</loc></url>", "not well-formed (invalid token), line 1"),
        ("<!DOCTYPE x>", "not well-formed (invalid token), line 1"),
        ("</urlset><urlset>", "junk after document element, line 1"),
        ("<x>" * 32, "elements nested more than 32 deep"),
        ("".join(f"<a{number}/>" for number in range(20_000)), "too many different elements"),
        (f"<{'x' * 100_000}/>{' ' * 40_000}", "too many different elements"),
        (f"<!--{'x' * 300_000}", "a tag or comment longer than 256 KiB"),
    ],
    ids=lambda value: value[:20],
)
def test_what_comes_before_the_damage_is_used(tail: str, why: str) -> None:
    reader = SitemapReader(None)
    found = read_with(reader, "<urlset><url><loc>http://h/1</loc></url>" + tail, 1000)
    assert locations(found) == ["http://h/1"]
    assert (reader.note, reader.full) == (f"damaged after 1 URLs: {why}", True)
    assert reader.feed(b"<url><loc>http://h/9</loc></url>") == reader.close() == []
    bare = SitemapReader(None)
    with pytest.raises(SitemapError) as caught:
        read_with(bare, "<urlset>" + tail, 1000)
    assert "\n" not in str(caught.value)
    assert bare.full
    assert bare.feed(b"x") == bare.close() == []


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("<!DOCTYPE html><html><body>Not found", "an HTML page, no sitemap"),
        ("\n <!doctype HTML>", "an HTML page, no sitemap"),
        ("<HTML><head>", "an HTML page, no sitemap"),
        ("<!-- x --><html lang='en'>", "an HTML page, no sitemap"),
        (
            '<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0" "x.dtd"><html/>',
            "an HTML page, ",
        ),
        ('<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>', "an HTML page, no sitemap"),
        ("<svg:svg/>", "no sitemap: the first element is <svg:svg>"),
        (f"<{'x' * 1000}/>", f"no sitemap: the first element is <{'x' * 40}>"),
        ("<", "the file ends too early"),
        ("<a <", "not well-formed"),
        ("<!DOCTYPE urlset><urlset/>", "DOCTYPE is not allowed"),
    ],
    ids=lambda value: value[:30],
)
def test_what_is_no_sitemap_is_refused(document: str, why: str) -> None:
    with pytest.raises(SitemapError, match=why) as caught:
        read_with(SitemapReader("application/xml"), document)
    assert str(caught.value).isprintable()


# Caps


def test_no_more_urls_than_the_cap() -> None:
    lines = b"".join(b"http://h/%d\n" % number for number in range(50_000))
    exact = SitemapReader(None)
    assert len(read_with(exact, lines)) == 50_000
    assert (exact.note, exact.full) == (None, False)
    more = SitemapReader(None)
    assert len(read_with(more, lines + b"http://h/more\n")) == 50_000
    assert (more.note, more.full) == ("only the first 50,000 URLs were read", True)
    few = SitemapReader(None, max_urls=2)
    assert locations(read_with(few, SOME)) == ["http://h/0", "http://h/1"]
    assert (few.note, few.full) == ("only the first 2 URLs were read", True)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_no_more_bytes_than_the_cap(pack: Callable[[bytes], bytes]) -> None:
    exact = SitemapReader(None, max_bytes=len(SOME))
    assert len(read_with(exact, pack(SOME))) == 3000
    assert (exact.note, exact.full) == (None, False)
    cap = SOME.index(b"</url>", 50_000) + 6
    less = SitemapReader(None, max_bytes=cap)
    assert locations(read_with(less, pack(SOME))) == [
        f"http://h/{n}" for n in range(SOME.count(b"</url>", 0, cap))
    ]
    assert (less.note, less.full) == (f"only the first {cap:,} bytes were read", True)


# Pieces and figures


def outcome(data: bytes, pieces: Iterable[bytes]) -> object:
    reader = SitemapReader(None)
    found: list[Listed] = []
    try:
        for piece in pieces:
            found += reader.feed(piece)
        found += reader.close()
    except SitemapError as error:
        return str(error), reader.note, reader.full
    return found, reader.note, reader.full, reader.kind


@given(
    st.sampled_from(
        [SOME, gzip.compress(SOME), SOME[:70_000], gzip.compress(SOME)[:9000], SOME + b"<", b"x" * 9000]
    ),
    st.lists(st.integers(0, 100_000), max_size=10),
)
def test_pieces_do_not_matter(data: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(places)]
    assert outcome(data, pieces) == outcome(data, [data])


def large_file() -> Iterator[bytes]:
    """50 MiB with 50,000 entries."""
    image = f"<image:image><image:loc>http://h/{'x' * 950}</image:loc></image:image>"
    yield b"<urlset>"
    for _ in range(500):
        yield "".join(url(number, image) for number in range(100)).encode()
    yield b"</urlset>"


def test_a_large_file_in_little_time() -> None:
    """The bounds are ten times what is usual."""
    reader = SitemapReader(None)
    number, spent, worst = 0, 0.0, 0.0
    for piece in large_file():
        start = time.process_time()
        number += len(reader.feed(piece))
        seconds = time.process_time() - start
        spent, worst = spent + seconds, max(worst, seconds)
    assert (number + len(reader.close()), reader.note) == (50_000, None)
    assert spent < 8
    assert worst < 0.1


def test_a_large_file_in_little_memory() -> None:
    reader = SitemapReader(None)
    tracemalloc.start()
    assert sum(len(reader.feed(piece)) for piece in large_file()) + len(reader.close()) == 50_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


GIANTS = {
    "loc": b"<url><loc>", "title": b"<url><title>", "cdata": b"<url><loc><![CDATA[", "comment": b"<!--",
    "attribute": b"<url x='", "name": b"<", "instruction": b"<?x ", "end tag": b"</urlset", "reference": b"&",
    "text": b"</urlset>",
}  # fmt: skip


@pytest.mark.parametrize("start", GIANTS.values(), ids=GIANTS.keys())
@pytest.mark.parametrize("filler", [b"x", b"<", b"]", b" ", b"&amp;", b"<!---->", b"a='' "])
def test_no_giant_is_kept_or_read_again_and_again(start: bytes, filler: bytes) -> None:
    """expat before 2.6 would read 20 MB of one tag again for every piece of it."""
    piece = filler * (65536 // len(filler))
    reader = SitemapReader(None)
    reader.feed(b"<urlset><url><loc>http://h/1</loc></url>" + start)
    before = time.process_time()
    for _ in range(20):
        reader.feed(piece)
    assert time.process_time() - before < 1
    tracemalloc.start()
    again = SitemapReader(None)
    again.feed(b"<urlset><url><loc>http://h/1</loc></url>" + start)
    for _ in range(20):
        again.feed(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000
