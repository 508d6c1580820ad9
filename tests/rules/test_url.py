"""Canonical URLs are what everything else is keyed by: one page must have one, and keep it for good."""

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skitter.rules.url import (
    MAX_URL,
    authority_of,
    canonical,
    hostname_of,
    key_of,
    keys_of,
    origin_of,
    target_of,
    without_userinfo,
)

DATA = Path(__file__).parent.parent / "data" / "urltestdata.json"
CASES: list[dict[str, Any]] = [case for case in json.loads(DATA.read_text()) if isinstance(case, dict)]

# The Standard has since stopped decoding and validating again the xn-- labels of an all-ASCII host;
# ada-url 4.0 follows today's data, in which these parse.
NO_LONGER_FAILURES = {
    f"http://{head}.{label}"
    for head in ("a.b.c", "10.0.0")
    for label in ("xn--pokxncvks", "XN--pokxncvks", "Xn--pokxncvks", "xN--pokxncvks")
}

UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
HEX = "0123456789abcdefABCDEF"


def with_our_escapes(href: str) -> str:
    """What we do on top of the Standard, said in another way than in the code under test."""
    href = href.split("#")[0]
    start = href.index("/", len("https://") - 1 if href[4] == ":" else len("https://"))
    first, *others = href[start:].split("%")
    escapes = [(piece[:2], piece[2:]) for piece in others]
    clean = all(len(code) == 2 and code[0] in HEX and code[1] in HEX for code, _ in escapes)
    text = first
    for code, rest in escapes:
        if len(code) < 2 or code[0] not in HEX or code[1] not in HEX:
            text += "%" + code + rest
        elif clean and chr(int(code, 16)) in UNRESERVED:
            text += chr(int(code, 16)) + rest
        else:
            text += "%" + code.upper() + rest
    return href[:start] + text


def is_web(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def name(case: dict[str, Any]) -> str:
    return f"{case['input']!r} at {case['base']}"


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_standards_own_cases_are_parsed_as_they_say(case: dict[str, Any]) -> None:
    base = None if case["base"] == "about:blank" else case["base"]
    found = canonical(case["input"], base)
    if case["input"] in NO_LONGER_FAILURES:
        assert case["failure"]
        assert found == f"http://{case['input'][7:].lower()}/"
    elif case.get("failure") or not is_web(case["href"]):
        assert found is None
    else:
        assert found == with_our_escapes(case["href"])


def test_the_cases_are_all_there() -> None:
    """A file that came to be empty would make every case above pass."""
    web = [case for case in CASES if is_web(case.get("href", ""))]
    assert (len(CASES), len(web)) == (687, 211)
    present = {case["input"] for case in CASES if "pokxncvks" in case["input"]}
    assert len(present & NO_LONGER_FAILURES) == 6


# Escapes


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("/%7euser", "/~user"),
        ("/%2f", "/%2F"),
        ("/a%2Fb%2fc", "/a%2Fb%2Fc"),
        ("/%41%5A%61%7a%30%39%2d%2e%5f", "/AZaz09-._"),
        ("/?q=%7e&r=%c3%a9", "/?q=~&r=%C3%A9"),
        ("/%25%37e", "/%257e"),
        ("/é?é", "/%C3%A9?%C3%A9"),
        ("/%3f%23", "/%3F%23"),
        ("/a b", "/a%20b"),
        ("/%2e%2e/a", "/a"),
        ("/a/%2e%2E/b", "/b"),
    ],
)
def test_escapes_have_one_form(written: str, meant: str) -> None:
    assert canonical("http://h" + written) == "http://h" + meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("/%%37e", "/%%37e"),  # decoding would give "%7e", which the next pass would decode again
        ("/%%37%65", "/%%37%65"),
        ("/%2%65", "/%2%65"),
        ("/100%", "/100%"),
        ("/100%?a=%7e", "/100%?a=%7E"),
        ("/%zz%c3", "/%zz%C3"),
    ],
)
def test_a_stray_percent_sign_keeps_its_neighbours_from_being_decoded(written: str, meant: str) -> None:
    """Otherwise canonical URLs would not be fixed points, and one page would have two keys."""
    assert canonical("http://h" + written) == "http://h" + meant
    assert canonical("http://h" + meant) == "http://h" + meant


# What is kept, and what is not


def test_case_of_path_and_query_is_kept_and_that_of_the_host_is_not() -> None:
    assert canonical("HTTP://EXAMPLE.com/Path/?Query=X") == "http://example.com/Path/?Query=X"
    assert key_of("http://h/A") != key_of("http://h/a")


def test_the_order_of_the_query_is_kept() -> None:
    """Servers are free to give order a meaning; sorting would merge pages that differ."""
    assert canonical("http://h/?b=2&a=1&b=1&&") == "http://h/?b=2&a=1&b=1&&"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http://h", "http://h/"),
        ("http://h:80/", "http://h/"),
        ("https://h:443/", "https://h/"),
        ("https://h:80/", "https://h:80/"),
        ("http://h?", "http://h/?"),
        ("http://h/#fragment", "http://h/"),
        ("http://h/?a#b#c", "http://h/?a"),
        ("http://h/a/../b/./c", "http://h/b/c"),
        ("http://h//a//", "http://h//a//"),
        ("http://user:pw@h/", "http://user:pw@h/"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://[::1]:80/", "http://[::1]/"),
        ("http://h./", "http://h./"),
        (" http://h/a\n\tb ", "http://h/ab"),
        ("http:\\\\h\\a", "http://h/a"),
    ],
)
def test_spellings_of_one_url_become_one(written: str, meant: str) -> None:
    assert canonical(written) == meant


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "/relative", "//h/", "mailto:a@b", "ftp://h/", "file:///etc/passwd", "javascript:x()",
        "data:text/html,x", "ws://h/", "http://", "http://[::1", "http://a b/", "http://h:65536/",
        "http://\ud800/", "http://h/\udfff", "httpx://h/", "about:blank", "view-source:http://h/",
    ],
)  # fmt: skip
def test_anything_else_is_none(text: str) -> None:
    found = canonical(text)
    # Lone surrogates cannot be encoded: either no URL, or one that is plain ASCII.
    assert found is None or (text == "http://h/\udfff" and found.isascii())


def test_relative_references_are_resolved_against_the_base() -> None:
    base = "http://h/a/b?q"
    assert canonical("c", base) == "http://h/a/c"
    assert canonical("?x", base) == "http://h/a/b?x"
    assert canonical("", base) == base
    assert canonical("//other/x", base) == "http://other/x"
    assert canonical("https://other/", base) == "https://other/"
    assert canonical("mailto:a@b", base) is None
    assert canonical("c", "mailto:a@b") is None


def test_a_url_that_is_too_long_is_refused_before_and_after_parsing() -> None:
    """A short spelling may become a long URL: "é" is six characters once it is escaped."""
    fits = "http://h/" + "a" * (MAX_URL - 9)
    assert canonical(fits) == fits
    assert canonical(fits + "a") is None
    assert canonical("http://h/" + "é" * 2000) is None
    assert canonical("a" * 4000, "http://h/" + "b" * 4000 + "/" + "c" * 100) is not None
    assert canonical("a" * 5000, "http://h/" + "b" * 4000 + "/") is None
    assert canonical("http://h/" + "./" * 5000) is None  # short once parsed, but nobody should have to


# Properties

LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=8).map(lambda text: "x" + text)
HOST = st.one_of(
    st.lists(LABEL, min_size=1, max_size=4).map(".".join),
    st.sampled_from(["127.0.0.1", "[::1]", "[2001:db8::1]", "example.com.", "xn--bcher-kva.example"]),
)
PORT = st.one_of(st.none(), st.integers(min_value=1, max_value=65535).filter(lambda n: n not in (80, 443)))
SEGMENT = st.text("abcXYZ0189-._~!$&'()*+,;=:@%é \\", max_size=8)
PATH = st.lists(SEGMENT, max_size=5).map(lambda parts: "/" + "/".join(parts))
QUERY = st.one_of(st.none(), st.text("abcXYZ019-._~&=/?:@%'é ", max_size=20))


@st.composite
def spelled_urls(draw: st.DrawFn) -> str:
    """URLs as people and programs write them: odd, but meant to be some."""
    scheme = draw(st.sampled_from(["http", "https", "HTTP", "hTTps"]))
    user = draw(st.sampled_from(["", "", "user@", "user:p%40w@", ":@"]))
    port = draw(PORT)
    query = draw(QUERY)
    fragment = draw(st.sampled_from(["", "#", "#top", "#a#b"]))
    tail = draw(PATH) + ("" if query is None else "?" + query) + fragment
    return f"{scheme}://{user}{draw(HOST)}{'' if port is None else f':{port}'}{tail}"


CANONICAL = spelled_urls().map(canonical).filter(lambda url: url is not None)
ADMITTED = CANONICAL.map(lambda url: without_userinfo(str(url)))


@given(spelled_urls())
@example("http://h/%%37e")
@example("http://h/%%37%65?%%%41")
@example("http://h/%2%35%32e")
def test_canonical_is_a_fixed_point(text: str) -> None:
    once = canonical(text)
    assert once is not None
    assert canonical(once) == once


@given(st.text(max_size=60), st.one_of(st.none(), spelled_urls()))
def test_any_text_is_a_fixed_point_or_no_url(text: str, base: str | None) -> None:
    """Pages contain everything; none of it may raise, and nothing may change at the second look."""
    found = canonical(text, base)
    assert found is None or (is_web(found) and canonical(found) == found)


@given(spelled_urls())
def test_a_canonical_url_is_ascii_without_fragment_or_white_space(text: str) -> None:
    """It goes into a request line as it stands."""
    found = canonical(text)
    assert found is not None
    assert found.isascii()
    assert found.isprintable()
    assert not set(' #"<>\\') & set(found)


@given(ADMITTED)
def test_the_parts_are_those_that_another_parser_finds(url: str) -> None:
    """S6: if scope, robots and wire disagreed on the host, one of them could be deceived."""
    parts = urlsplit(url)
    assert origin_of(url) == f"{parts.scheme}://{parts.netloc}"
    assert authority_of(url) == parts.netloc
    assert hostname_of(url).strip("[]") == parts.hostname
    assert target_of(url) == url[len(origin_of(url)) :]
    assert target_of(url).startswith("/")
    assert target_of(url).partition("?")[0] == parts.path
    assert origin_of(url) + target_of(url) == url


@given(CANONICAL)
def test_user_information_is_dropped_and_nothing_else(url: str) -> None:
    parts = urlsplit(url)
    bare = without_userinfo(url)
    assert bare == url.replace(parts.netloc, parts.netloc.rpartition("@")[2], 1)
    assert urlsplit(bare).username is None
    assert urlsplit(bare).hostname == parts.hostname
    assert without_userinfo(bare) == bare


def test_an_at_sign_in_the_path_is_no_user_information() -> None:
    assert without_userinfo("http://h/@user") == "http://h/@user"
    assert without_userinfo("http://h/?mail=a@b") == "http://h/?mail=a@b"
    assert without_userinfo("http://a@h/b@c") == "http://h/b@c"


@pytest.mark.parametrize(
    ("url", "authority", "hostname"),
    [
        ("http://h/", "h", "h"),
        ("https://h/", "h", "h"),
        ("https://h:80/", "h:80", "h"),
        ("http://[::1]/", "[::1]", "[::1]"),
        ("http://[2001:db8::1]:8080/", "[2001:db8::1]:8080", "[2001:db8::1]"),
        ("http://127.0.0.1:8/", "127.0.0.1:8", "127.0.0.1"),
    ],
)
def test_host_and_port_come_apart(url: str, authority: str, hostname: str) -> None:
    assert (authority_of(url), hostname_of(url)) == (authority, hostname)


# Keys


@given(ADMITTED)
def test_a_key_is_a_signed_64_bit_integer(url: str) -> None:
    """SQLite's integers are; anything wider would be stored as a float, and lose bits."""
    assert -(2**63) <= key_of(url) < 2**63


@given(ADMITTED, PATH)
def test_urls_of_an_origin_are_neighbours(url: str, path: str) -> None:
    other = canonical(origin_of(url) + path)
    assert other is not None
    assert key_of(url) >> 48 == key_of(other) >> 48
    assert (key_of(url) == key_of(other)) == (url == other)


def test_keys_never_change() -> None:
    """They are on disk: another function would make every resumed job forget what it has seen."""
    assert key_of("http://example.com/") == 7684022922714796951
    assert key_of("https://example.com/a?b=c") == -2522139415131322447


def test_keys_are_spread() -> None:
    """Both signs occur among origins, and a hundred thousand URLs of one do not collide."""
    origins = [f"http://host{number}.example/" for number in range(2000)]
    assert {key_of(url) < 0 for url in origins} == {True, False}
    assert len({key_of(url) >> 48 for url in origins}) > 1900
    assert len({key_of(f"http://h/{number}") for number in range(20_000)}) == 20_000


@given(st.lists(ADMITTED, max_size=4))
def test_many_keys_are_eight_bytes_each(urls: list[str]) -> None:
    packed = keys_of(urls)
    numbers = [int.from_bytes(packed[start : start + 8], signed=True) for start in range(0, len(packed), 8)]
    assert numbers == [key_of(url) for url in urls]


# X8: THREATS allows 10 ms; ten times that leaves room for a busy machine


@pytest.mark.parametrize(
    "text",
    [
        "http://h/" + "a" * 1_000_000,
        "http://h/" + "%7e" * 330_000,
        "http://" + "@" * 10_000 + "h/",
        "http://" + "@" * 8_000 + "h/",
        "http://" + "a@" * 4_000 + "h/",
        "http://" + "ü" * 2_000 + "/",
        "http://" + "ü" * 1_000_000 + "/",
        "http://xn--" + "a" * 8_000 + "/",
        "http://" + "xn--0." * 1_300 + "/",
        "http://" + "\u0300" * 2_500 + "/",
        "http://h/" + "../" * 2_700,
        "http://h/" + "%" * 8_000,
        "http://[" + ":" * 8_000 + "]/",
        "http://" + "1." * 4_000 + "/",
    ],
    ids=lambda text: f"{text[:14]}x{len(text)}",
)
def test_a_hostile_url_costs_next_to_nothing(text: str) -> None:
    start = time.process_time()
    found = canonical(text)
    again = canonical(text, "http://h/")
    assert time.process_time() - start < 0.1
    assert all(url is None or len(url) <= MAX_URL for url in (found, again))
