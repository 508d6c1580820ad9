"""The glance at a document before it is parsed: it must cost nothing."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from skitter.content.weight import LARGE, SLIGHT, is_heavy


def test_size_alone_decides_at_both_ends() -> None:
    assert not is_heavy(b"<b 1>" * (SLIGHT // 5))
    assert not is_heavy(b" " * LARGE)
    assert is_heavy(b" " * (LARGE + 1))


MORE = 128 * 1024


def test_nothing_that_opens_again_and_again_is_missed() -> None:
    """However it is spelt, and wherever in the document: the author knows what we look for."""
    padding = b"<p>text</p>" * (MORE // 11)
    for word in (b"b", b"FONT", b"Code", b"u"):
        for space in (b" ", b"\n", b"\t", b"/", b"\f"):
            hidden = b"".join(b"<%b%b%d>" % (word, space, n) for n in range(60))
            for body in (hidden + padding, padding + hidden, b"</b>" * 100 + hidden + padding):
                assert is_heavy(body), (word, space)
    assert is_heavy(padding + b"".join(b'<b x=">%d">' % n for n in range(60))), "what follows is not seen"
    assert is_heavy((b"<\0b\0 \0" * 40_000)[:MORE]), "UTF-16"


def test_attributes_that_gather_are_not_missed() -> None:
    padding = b"<p>text</p>" * (MORE // 11)
    for word in (b"body", b"HTML", b"bOdY"):
        assert is_heavy(padding + b"".join(b"<%b a%d>" % (word, n) for n in range(20)))


def test_ordinary_markup_is_not_heavy_however_much_there_is_of_it() -> None:
    for tag in (b'<a href="/%d">x</a>', b'<code class="a">%d</code>', b'<li><em class="x">%d</em></li>'):
        body = b"<html><body>" + b"".join(tag % n for n in range(10_000))
        assert not is_heavy(body[: MORE + 1000])


def test_nobody_can_know_where_we_look() -> None:
    """A document of what nests and of filler, in equal parts, is found out more often than not."""
    nested = b"".join(b"<b %d>" % n for n in range(100)) + b"<p>" * 1000
    body = b"".join((nested if n % 2 else b"x" * len(nested)) for n in range(24))
    assert sum(is_heavy(body, at / 100) for at in range(100)) > 50


def test_few_tags_are_never_heavy() -> None:
    tags = b"".join(b"<b x=%d>some text between them</b>" % n for n in range(3_000))
    assert SLIGHT < len(tags) < LARGE
    assert not is_heavy(tags)


@given(st.binary(max_size=100), st.integers(1, 2_000))
def test_any_bytes_are_judged(body: bytes, times: int) -> None:
    assert isinstance(is_heavy(body * times), bool)


def test_it_takes_microseconds() -> None:
    """10 us; ten times that is allowed for, twice."""
    body = b'<li><a href="/x">some text</a></li>\n' * 3_000
    began = time.process_time()
    for _ in range(1_000):
        is_heavy(body)
    assert (time.process_time() - began) / 1_000 < 200e-6
