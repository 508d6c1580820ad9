"""The glance at a document before it is parsed: it must cost nothing."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from skitter.content.weight import LARGE, SLIGHT, is_heavy


def test_size_alone_decides_at_both_ends() -> None:
    assert not is_heavy(b"<p>" * (SLIGHT // 3))
    assert is_heavy(b"<p>" * (SLIGHT // 3 + 1))
    assert not is_heavy(b" " * LARGE)
    assert is_heavy(b" " * (LARGE + 1))


def test_end_tags_make_the_difference() -> None:
    assert is_heavy(b"<b><i>" * 5_000)
    assert not is_heavy(b"<b></b>" * 5_000)


@given(st.binary(max_size=100), st.integers(1, 2_000))
def test_any_bytes_are_judged(body: bytes, times: int) -> None:
    assert isinstance(is_heavy(body * times), bool)


def test_it_takes_microseconds() -> None:
    """2 us; ten times that is allowed for, twice."""
    body = b'<li><a href="/x">some text</a></li>\n' * 3_000
    began = time.process_time()
    for _ in range(1_000):
        is_heavy(body)
    assert (time.process_time() - began) / 1_000 < 200e-6
