"""Header fields with anything in them."""

from __future__ import annotations

import math

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.hostile import FUZZ, header_text, quick

from skitter.content.mime import is_html, media_type
from skitter.content.read import read
from skitter.content.robots_meta import directives
from skitter.model import Headers, Response
from skitter.rules.backoff import retry_after

CONTENT_TYPES = header_text(
    [
        "text/html; charset=utf-8",
        'text/html;charset="a,b"',
        "text/html, text/plain; charset=x",
        "a/b;c=d;charset=e",
    ],
    ["text/html", "/", ";", ",", '"', "=", "charset", "CHARSET=", " ", "\t", "utf-16", "*/*", "\\", "\u017f"],
)
ROBOTS_TAGS = header_text(
    [
        "noindex, nofollow",
        "googlebot: none",
        "unavailable_after: Wed, 03 Dec 2030 13:09:53 GMT",
        "max-snippet: 20",
    ],
    ["noindex", "nofollow", "none", "skitter", "*", ":", ",", " ", "max-snippet", "\u0130", "\u017f", "all"],
)
MOMENTS = [
    "120", "Wed, 21 Oct 2015 07:28:00 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
    "1, 2", "Wed, 21 Oct 9999 23:59:60 -2400", "1e400", "-1", "+1", "0x10", "\u0663",
]  # fmt: skip
PARTS = [
    "0", "9", "99999999999999999999", ":", ",", " ", "-", "+", "GMT", "Jan", "Dec", "Mon", "AM", "PM", "(",
    ")", "\\", '"', "<", "@", ".", "\u00b2", "\u0660", "+9999", "-2400", "UT", "EST", "y", "0000",
    "24:00:00",
]  # fmt: skip
DATES = header_text(MOMENTS, PARTS)


@FUZZ
@given(CONTENT_TYPES)
def test_content_type(value: str) -> None:
    with quick():
        essence, charset = media_type(value)
    if essence is not None:
        assert essence == essence.lower()
        assert essence.isascii()
        assert essence.isprintable()
        assert essence.count("/") == 1
        assert media_type(essence) == (essence, None)
        assert media_type(essence.upper()) == (essence, None)
    assert charset is None or charset.strip()
    assert is_html(essence, b"") in (True, False)


@FUZZ
@given(CONTENT_TYPES, ROBOTS_TAGS, st.sampled_from([b"", b"<title>x</title>", b"\xff\xfe<", b"PK\3\4"]))
def test_what_fields_say_can_be_stored(kind: str, robots: str, body: bytes) -> None:
    """Every output is JSON or made like it, in UTF-8: what a server sends must not break a record."""
    fields = (("Content-Type", kind), ("X-Robots-Tag", robots))
    with quick():
        reading = read(
            Response("http://h/", 200, Headers(fields), body), "skitter", frozenset({"text", "html"})
        )
    assert msgspec.json.decode(msgspec.json.encode(reading))["noindex"] in (True, False)


@FUZZ
@given(st.lists(ROBOTS_TAGS, max_size=4), st.sampled_from(["skitter", "*", "googlebot", "", "İ"]))
def test_robots_tag(fields: list[str], token: str) -> None:
    with quick():
        said = directives(fields, token)
    assert {*said} <= {True, False}
    assert directives([*fields, "none"], token) == (True, True)
    each = [directives([field], token) for field in fields]
    assert said == (any(no for no, _ in each), any(no for _, no in each))


@FUZZ
@given(st.one_of(DATES, st.none()), st.floats(-1e10, 1e11))
def test_retry_after(value: str | None, now: float) -> None:
    with quick():
        seconds = retry_after(value, now)
    assert seconds is None or 0 <= seconds < math.inf


@FUZZ
@given(st.lists(st.tuples(st.text(max_size=8), ROBOTS_TAGS), max_size=6).map(tuple))
def test_headers(pairs: tuple[tuple[str, str], ...]) -> None:
    headers = Headers(pairs)
    for name, value in pairs:
        assert value in headers[name]
        assert headers.first(name.lower()) is not None
    assert len(headers) == len(list(headers)) <= len(pairs)
