"""Bodies: compressed, HTML, robots.txt; of any bytes."""

from __future__ import annotations

import gzip
import math
import sys
import zlib
from collections.abc import Sequence
from urllib.parse import quote

import brotli
import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.hostile import FUZZ, header_text, mutated, mutated_text, quick, split
from tests.fuzz.test_headers import CONTENT_TYPES
from tests.fuzz.test_urls import assert_canonical

from skitter.content.charset import decode
from skitter.content.read import read
from skitter.model import Headers, Response
from skitter.net.body import MAX_CODINGS, BodyDecoder, DamagedBody, TooManyCodings
from skitter.rules.robots import parse

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Content-Encoding

PLAIN = b"<p>Some text, some text.</p>" * 20
PACKED = [
    gzip.compress(PLAIN),
    gzip.compress(PLAIN) + gzip.compress(b"x"),
    zlib.compress(PLAIN),
    zlib.compress(PLAIN)[2:-4],
    brotli.compress(PLAIN),
    zstd.compress(PLAIN),
    gzip.compress(bytes(3_000_000)),
    brotli.compress(bytes(3_000_000)),
    zstd.compress(bytes(3_000_000)),
    brotli.compress(gzip.compress(zlib.compress(PLAIN))),
    PLAIN,
]
CODING_PARTS = ["gzip", "deflate", "br", "zstd", "identity", ",", " ", "\t", "GZIP", ";q=1", "x-"]
CODINGS = st.one_of(
    st.sampled_from(["gzip", "deflate", "br", "zstd", "x-gzip", "deflate, gzip, br", "identity", "", None]),
    header_text(["gzip, br"], CODING_PARTS),
)
_CAP = 1_000_000


def unpacked(coding: str | None, pieces: Sequence[bytes]) -> tuple[bytes, bool, bool]:
    """What comes out (up to a cap), whether it is damaged, and whether it is complete."""
    decoder = BodyDecoder(coding)
    found = bytearray()
    try:
        for data in pieces:
            for piece in decoder.feed(data):
                assert len(piece) <= 65536 or decoder.transparent
                found += piece
                if len(found) >= _CAP:
                    return bytes(found[:_CAP]), False, False
    except DamagedBody:
        return bytes(found), True, False
    return bytes(found), False, decoder.complete()


@FUZZ
@given(
    mutated(PACKED, [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x78\x9c", b"\0"]),
    CODINGS,
    st.lists(st.floats(0, 1)),
)
def test_any_body_is_decoded_or_damaged(data: bytes, coding: str | None, cuts: list[float]) -> None:
    try:
        with quick():
            whole, damaged, complete = unpacked(coding, [data])
    except TooManyCodings:
        assert (coding or "").count(",") >= MAX_CODINGS
        return
    in_pieces, damaged_too, complete_too = unpacked(coding, split(data, cuts))
    # With damage, how much comes before it depends on the pieces; and so, whether the cap comes before it.
    length = min(len(whole), len(in_pieces))
    assert whole[:length] == in_pieces[:length]
    if _CAP not in (len(whole), len(in_pieces)):
        assert (damaged_too, complete_too) == (damaged, complete)
        assert damaged or whole == in_pieces


# HTML

PAGES = [
    b"<!doctype html><html lang=en><head><base href=/x/><title>T &amp; U</title><meta charset=utf-8>"
    b"<meta name=robots content=nofollow><meta name=description content='d'><link rel=canonical href=/c>"
    b"</head><body><p>text<a href=/a rel=nofollow>a</a><a href='?b#c'>b</a>"
    b"<iframe src=//h/></iframe></body></html>",
    "<meta charset=windows-1251><title>Привет</title><a href='/ё'>".encode("cp1251"),
    "\ufeff<title>日本語</title><a href=日本>".encode("utf-16-le"),
    "<title>漢字</title>".encode("iso2022_jp"),
    b"<svg><title>x</title><a href=/x></svg><table><a href=/y><template><a href=/z></template><select><p>",
    b"<html><meta http-equiv=refresh content='0; url=/r'><frameset><frame src=/f></frameset>",
    b"<?xml version='1.0' encoding='utf-16'?><html xmlns='http://www.w3.org/1999/xhtml'>"
    b"<a href='&#x10ffff;'/>",
]
TAGS = [
    b"<a href=", b"<base href=", b"<title>", b"</title>", b"<meta charset=", b"<meta name=robots content=",
    b"<p>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<script>", b"</script>", b"<plaintext>", b"<svg>",
    b"<math>", b"\0", b"<template>", b"<select>", b"<table>", b"&#0;", b"&#xD800;", b"&#x110000;", b"&amp",
    b"'", b'"', b"=", b">", b"http://", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80",
    b"\x1b$B", b"\x1b(B", b"utf-7", b"utf-16", b"x-user-defined", b"replacement", b"hz-gb-2312",
    b"\xf0\x9f\x98", b"<link rel=canonical href=", b"<noscript>",
]  # fmt: skip
LABELS = st.sampled_from(["utf-8", "utf-16", "zip", "idna", "iso-2022-jp", "gb18030", "x-user-defined"])
TYPES = st.one_of(st.none(), LABELS.map("text/html; charset={}".format), CONTENT_TYPES)
ALL = frozenset({"text", "html"})


@FUZZ
@given(mutated(PAGES, TAGS), TYPES)
def test_any_page_has_a_reading_that_can_be_stored(body: bytes, kind: str | None) -> None:
    fields = () if kind is None else (("Content-Type", kind),)
    with quick():
        found = read(Response("http://h/a/b", 200, Headers(fields), body), "skitter", ALL)
    assert len({link.url for link in found.links}) == len(found.links)
    for link in found.links:
        assert_canonical(link.url)
    if found.canonical is not None:
        assert_canonical(found.canonical)
    for text, most in ((found.title, 2000), (found.description, 2000), (found.lang, 64)):
        assert text is None or (0 < len(text) <= most and text == text.strip())
    assert msgspec.json.decode(msgspec.json.encode(found))["text"] == found.text


# Every name that the Encoding Standard has for an encoding; a parser reports no other.
ENCODINGS = [
    "UTF-8", "IBM866", *(f"ISO-8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)),
    "ISO-8859-8-I", "KOI8-R", "KOI8-U", "macintosh", "windows-874",
    *(f"windows-125{page}" for page in range(9)), "x-mac-cyrillic", "GBK", "gb18030", "Big5", "EUC-JP",
    "ISO-2022-JP", "Shift_JIS", "EUC-KR", "replacement", "UTF-16BE", "UTF-16LE", "x-user-defined",
]  # fmt: skip


@FUZZ
@given(mutated(PAGES, TAGS), st.one_of(st.none(), st.sampled_from(ENCODINGS)))
def test_any_bytes_are_text_in_any_encoding(body: bytes, encoding: str | None) -> None:
    with quick():
        text = decode(body, encoding)
    assert len(text.encode()) <= 4 * len(body) + 4  # no lone surrogate in it


# robots.txt

FILES = [
    b"User-agent: *\nDisallow: /private\nAllow: /private/x$\nCrawl-delay: 2\nSitemap: http://h/s.xml\n",
    b"\xef\xbb\xbfUser-agent: skitter\r\nUser-agent: o\r\nDisallow: /*.pdf$\r\n\r\nUser-agent: *\rAllow\r",
    "user-agent: skitter/1.0 # c\nallow /ü*%C3%BC\ndisallow: /%2a/*/*?*=\nallow: /index.html".encode(),
    b"Disallow: /" + b"*a" * 500 + b"$\n",
    b"User-agent: *\n" + b"Disallow: /a\n" * 300,
]
LINES = [
    b"User-agent: ", b"skitter", b"*", b"\n", b"\r\n", b"\r", b"Disallow: ", b"Allow: ", b"/", b"$", b"%2F",
    b"%zz", b"#", b":", b"Crawl-delay: ", b"1e400", b"nan", b"-1", b"1,5", b"1_0", b"Sitemap: ", b"\xff",
    b"\0", b"/robots.txt", b"*a" * 50, b"index.html", b"\xc2\xb2",
]  # fmt: skip
PATHS = ["/private/x?y=z", "/a.pdf", "/ü/%C3%BC", "/" + "a" * 2000, "/robots.txt"]
TARGETS = mutated_text(PATHS, ["%2F", "a", "$", "*"]).map(lambda text: "/" + text)
ROBOT_NAMES = st.sampled_from(["skitter", "Skitter", "other", "*", "", "third-party_bot"])


@FUZZ
@given(mutated(FILES, LINES), st.lists(TARGETS, max_size=4), ROBOT_NAMES)
def test_any_robots_txt_rules_on_any_path(body: bytes, targets: list[str], token: str) -> None:
    targets = [
        target.encode("utf-8", "surrogateescape").decode("utf-8", "replace")[:2000] for target in targets
    ]
    with quick():
        robots = parse(body, token)
        rulings = [robots.judge(target) for target in targets]
    assert 0 <= robots.crawl_delay < math.inf
    assert robots.agent in (token.lower(), "*")
    assert parse(body, token.upper()) == parse(body, token.lower()) == robots
    assert robots.judge("/robots.txt").allowed
    for target, ruling in zip(targets, rulings, strict=True):
        assert ruling.rule is None or ruling.rule in robots.rules
        assert ruling.allowed == (ruling.rule is None or ruling.rule.allow)
        if "%" not in target:  # an octet and its escape are the same (2.2.2)
            escaped = "/" + quote(target[1:], safe="")
            assert target == "/robots.txt" or robots.judge(escaped).allowed == ruling.allowed


@FUZZ
@given(mutated(FILES, LINES), TARGETS)
def test_a_rule_more_never_allows_what_was_refused(body: bytes, text: str) -> None:
    """Disallow lines only take away; and what stands behind the file changes nothing before it."""
    target = text.encode("utf-8", "replace").decode()[:500]
    before = parse(body, "skitter")
    after = parse(body + b"\nUser-agent: *\nUser-agent: skitter\nDisallow: /private\n", "skitter")
    if not before.judge(target).allowed and before.agent == "skitter":
        assert not after.judge(target).allowed
