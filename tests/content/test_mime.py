"""What a body is: the header's word, or, without one, how the body begins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitter.content.mime import is_html, media_type


@pytest.mark.parametrize(
    ("header", "essence", "charset"),
    [
        (None, None, None),
        ("", None, None),
        ("text/html", "text/html", None),
        ("TEXT/HTML", "text/html", None),
        (" text/html ", "text/html", None),
        ("text/html; charset=utf-8", "text/html", "utf-8"),
        ("text/html;charset=UTF-8", "text/html", "UTF-8"),
        ("text/html ; CHARSET = koi8-r", "text/html", "koi8-r"),
        ('text/html; charset="utf-8"', "text/html", "utf-8"),
        ("text/html; x=1; charset=utf-8; y=2", "text/html", "utf-8"),
        ("text/html; charset=", "text/html", None),
        ("text/html; charset", "text/html", None),
        ("text/html;", "text/html", None),
        ("application/xhtml+xml; charset=utf-8", "application/xhtml+xml", "utf-8"),
        ("; charset=utf-8", None, "utf-8"),
    ],
)
def test_type_and_charset(header: str | None, essence: str | None, charset: str | None) -> None:
    assert media_type(header) == (essence, charset)


@pytest.mark.parametrize(
    ("header", "essence", "charset"),
    [
        ("text/html, text/html", "text/html", None),
        ("text/plain, text/html; charset=utf-8", "text/html", "utf-8"),
        ("text/html; charset=utf-8, text/html", "text/html", "utf-8"),
    ],
)
def test_of_a_field_that_was_sent_twice_the_last_type_counts(
    header: str, essence: str, charset: str | None
) -> None:
    """Fetch Standard, "extract a MIME type"; servers behind proxies do send it twice."""
    assert media_type(header) == (essence, charset)


@given(st.one_of(st.text(max_size=40), st.text("texhml/;, =\"'*charset0%\\", max_size=60)))
def test_any_header_is_read_without_complaint(header: str) -> None:
    essence, charset = media_type(header)
    assert essence is None or essence == essence.strip().lower()
    assert charset is None or charset


@pytest.mark.parametrize(
    ("essence", "html"),
    [
        ("text/html", True),
        ("application/xhtml+xml", True),
        ("text/plain", False),
        ("application/xml", False),
        ("application/json", False),
        ("image/svg+xml", False),
        ("text/htmlx", False),
    ],
)
def test_a_type_that_is_given_is_believed(essence: str, html: bool) -> None:
    """Sniffing against the header is how text becomes script elsewhere."""
    assert is_html(essence, b"<!doctype html><html>") is html


@pytest.mark.parametrize(
    ("body", "html"),
    [
        (b"<!DOCTYPE html>", True),
        (b"<!doctype HTML>", True),
        (b"\n\t <html>", True),
        (b"\xef\xbb\xbf<html>", True),
        (b"<HEAD>", True),
        (b"<body x>", True),
        (b"<!-- hello -->", True),
        (b"<title>x</title>", True),
        (b"", False),
        (b"plain text", False),
        (b"text with <html> in it", False),
        (b'{"html": "<html>"}', False),
        (b"%PDF-1.7", False),
        (b"\x89PNG\r\n", False),
    ],
)
def test_without_a_type_the_beginning_decides(body: bytes, html: bool) -> None:
    assert is_html(None, body) is html


@pytest.mark.parametrize("label", ["utf-8\udc80", "ütf-8", "\u202e", '"é"'])
def test_a_label_that_is_not_ascii_is_none(label: str) -> None:
    """No encoding has such a name, and a record could not be written with some of them."""
    assert media_type(f"text/html; charset={label}") == ("text/html", None)
