"""Blocks: of one size, however the bytes come, and never more than 64 KiB of a bomb at a time."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitter.content.blocks import Blocks, Gunzip, codec_of


@given(st.lists(st.binary(max_size=30), max_size=20), st.integers(1, 12))
def test_blocks_have_one_size(pieces: list[bytes], size: int) -> None:
    blocks = Blocks(size)
    cut = [block for piece in pieces for block in blocks.cut(piece, last=False)]
    assert {len(block) for block in cut} <= {size}
    rest = blocks.rest()
    assert len(rest) < size
    assert b"".join([*cut, rest]) == b"".join(pieces)
    assert blocks.rest() == b""


def test_the_last_block_is_what_is_left_over() -> None:
    blocks = Blocks(4)
    assert list(blocks.cut(b"abc", last=False)) == []
    assert list(blocks.cut(b"def", last=True)) == [b"abcd", b"ef"]
    assert list(blocks.cut(b"", last=True)) == []


def inflated(*blocks: bytes) -> tuple[bytes, str | None]:
    gunzip = Gunzip()
    found = b"".join(piece for block in blocks for piece in gunzip.pieces(block))
    return found, gunzip.damage(last=True)


@pytest.mark.parametrize("step", [2, 3, 100, 100_000])
def test_members_follow_each_other_and_padding_is_nothing(step: int) -> None:
    data = gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two") + bytes(500)
    blocks = [data[start : start + step] for start in range(0, len(data), step)]
    assert inflated(*blocks) == (b"one two", None)


def test_what_does_not_begin_like_gzip_passes_as_it_is() -> None:
    assert inflated(b"<urlset>", gzip.compress(b"x")) == (b"<urlset>" + gzip.compress(b"x"), None)
    assert inflated(zlib.compress(b"x")) == (zlib.compress(b"x"), None)
    assert inflated() == (b"", None)


def test_damage_ends_the_pieces_and_is_told() -> None:
    packed = gzip.compress(b"x" * 1000)
    assert inflated(packed[:-1]) == (b"x" * 1000, "the gzip data end too early")
    wrong = packed[:-8] + bytes(8)
    assert inflated(wrong, packed)[1] == "damaged gzip data"
    assert inflated(packed, b"\x1f no member") == (b"x" * 1000, "damaged gzip data")


def test_no_piece_is_larger_than_64_kib() -> None:
    gunzip = Gunzip()
    sizes = [len(piece) for piece in gunzip.pieces(gzip.compress(bytes(10_000_000)))]
    assert max(sizes) == 65536
    assert sum(sizes) == 10_000_000


@pytest.mark.parametrize(
    ("head", "charset", "codec"),
    [
        (b"<urlset>", None, "utf-8"),
        (b"\xef\xbb\xbf<", "iso-8859-1", "utf-8"),
        (b"\xff\xfe<\0", "utf-8", "utf-16-le"),
        (b"\0<\0?", None, "utf-16-be"),
        (b"<urlset>", "ISO-8859-1", "cp1252"),
        (b"<?xml version='1.0' encoding='Shift_JIS' ?>", None, "cp932"),
        (b"<?xml version='1.0' encoding='Shift_JIS' ?>", "windows-1251", "cp1251"),
        (b"<?xml version='1.0' encoding='Shift_JIS' ?>", "zip", "cp932"),
        (b"<?xml version='1.0' encoding='rot13' ?>", "utf-7", "utf-8"),
        (b"<?xml" + b" " * 100_000 + b"encoding='koi8-r'", None, "utf-8"),
    ],
    ids=str,
)
def test_encodings_are_those_of_a_list(head: bytes, charset: str | None, codec: str) -> None:
    """B14: the codecs of Python are not for strangers to choose from."""
    assert codec_of(head, charset) == codec
