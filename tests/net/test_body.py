"""Content codings: byte-exact whatever the chunks, never silently short, and never all at once."""

import contextlib
import gzip
import itertools
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitter.net.body import MAX_CODINGS, BodyDecoder, DamagedBody, TooManyCodings

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE = 64 * 1024
MIB = 1024 * 1024


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-15)


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "x-gzip": lambda data: gzip.compress(data, mtime=0),
    "deflate": zlib.compress,
    "br": lambda data: bytes(brotli.compress(data, quality=4)),
    "zstd": zstd.compress,
}
# Some servers send bare deflate under the name "deflate"; browsers take both.
FORMATS = [*ENCODERS.items(), ("deflate", raw_deflate)]
FORMAT_NAMES = [*ENCODERS, "raw deflate"]
each_format = pytest.mark.parametrize(("coding", "encode"), FORMATS, ids=FORMAT_NAMES)

TEXT = "".join(f"<p>Line {number} of a page.</p>\n" for number in range(400)).encode()


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def decode(coding: str | None, *parts: bytes) -> tuple[bytes, bool]:
    decoder = BodyDecoder(coding)
    decoded = b"".join(piece for part in parts for piece in decoder.feed(part))
    return decoded, decoder.complete()


# Byte-exact


@each_format
@pytest.mark.parametrize("size", [1, 2, 7, 1000, 10**9])
def test_whatever_the_chunks_the_body_is_the_same(
    coding: str, encode: Callable[[bytes], bytes], size: int
) -> None:
    assert decode(coding, *chunks(encode(TEXT), size)) == (TEXT, True)


@each_format
def test_an_empty_body_that_was_encoded_is_complete(coding: str, encode: Callable[[bytes], bytes]) -> None:
    assert decode(coding, encode(b"")) == (b"", True)


@each_format
def test_nothing_at_all_is_not_complete(coding: str, encode: Callable[[bytes], bytes]) -> None:
    assert decode(coding) == (b"", False)


@each_format
def test_an_empty_chunk_changes_nothing(coding: str, encode: Callable[[bytes], bytes]) -> None:
    data = encode(TEXT)
    assert decode(coding, b"", data[:100], b"", data[100:], b"") == (TEXT, True)


@given(st.binary(max_size=3000), st.sampled_from(FORMATS), st.lists(st.integers(0, 4000), max_size=6))
def test_any_bytes_cut_anywhere_come_back(
    body: bytes, coded: tuple[str, Callable[[bytes], bytes]], cuts: list[int]
) -> None:
    coding, encode = coded
    data = encode(body)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parts = [data[start:end] for start, end in itertools.pairwise(edges)]
    assert decode(coding, *parts) == (body, True)


@pytest.mark.parametrize("members", [1, 2, 3, 4, 5])
def test_B4_all_members_of_a_gzip_body_at_every_chunk_boundary(members: int) -> None:
    """B4: aiohttp before 3.14 lost everything after the first member, without a word."""
    parts = [f"member {number} ".encode() * 3 for number in range(members)]
    data = b"".join(gzip.compress(part, mtime=0) for part in parts)
    for cut in range(len(data) + 1):
        assert decode("gzip", data[:cut], data[cut:]) == (b"".join(parts), True)


def test_B4_all_frames_of_a_zstd_body_at_every_chunk_boundary() -> None:
    parts = [f"frame {number} ".encode() * 3 for number in range(3)]
    data = b"".join(zstd.compress(part) for part in parts)
    for cut in range(len(data) + 1):
        assert decode("zstd", data[:cut], data[cut:]) == (b"".join(parts), True)


@pytest.mark.parametrize("padding", [b"\0", b"\0" * 1000, b"junk", b"\r\n"])
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_padding_after_the_end_is_not_part_of_the_body(coding: str, padding: bytes) -> None:
    """Old servers pad gzip bodies; browsers ignore what follows."""
    data = ENCODERS[coding](TEXT)
    assert decode(coding, data + padding) == (TEXT, True)
    assert decode(coding, data, padding, padding) == (TEXT, True)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_what_junk_after_the_end_means_does_not_depend_on_the_chunks(coding: str) -> None:
    """How TCP cut the stream is chance; the same answer must not end in two ways."""
    data = ENCODERS[coding](TEXT)

    def ending(*parts: bytes) -> object:
        try:
            return decode(coding, *parts)
        except DamagedBody:
            return DamagedBody

    assert ending(data, b"junk") == ending(data + b"junk") == ending(data + b"ju", b"nk")


# Which codings


@pytest.mark.parametrize("header", [None, "", " ", "identity", "identity, Identity", ",,", "utf-8", "none"])
def test_without_a_known_coding_bytes_pass_as_they_are(header: str | None) -> None:
    decoder = BodyDecoder(header)
    assert decoder.transparent
    assert list(decoder.feed(b"\x1f\x8bx")) == [b"\x1f\x8bx"]
    assert decoder.complete()


@pytest.mark.parametrize("header", ["GZIP", " gzip ", "x-gzip", "identity, gzip", "gzip,", "X-GZip"])
def test_names_are_read_leniently(header: str) -> None:
    assert decode(header, gzip.compress(TEXT)) == (TEXT, True)


def test_an_unknown_coding_is_named_and_skipped() -> None:
    """As browsers do; the record says so."""
    decoder = BodyDecoder("gzip, utf-8")
    assert decoder.unknown == "utf-8"
    assert b"".join(decoder.feed(gzip.compress(TEXT))) == TEXT
    assert BodyDecoder("gzip").unknown is None


@given(st.binary(max_size=500), st.lists(st.sampled_from(sorted(ENCODERS)), max_size=MAX_CODINGS))
def test_a_chain_is_undone_from_its_end(body: bytes, codings: list[str]) -> None:
    """RFC 9110, 8.4: the codings are listed in the order in which they were applied."""
    data = body
    for coding in codings:
        data = ENCODERS[coding](data)
    assert decode(", ".join(codings), *chunks(data, 37)) == (body, True)


def test_B3_five_codings_are_undone_and_six_refused_before_decoding() -> None:
    data = TEXT
    for _ in range(MAX_CODINGS):
        data = gzip.compress(data)
    assert decode(", ".join(["gzip"] * MAX_CODINGS), data) == (TEXT, True)
    for header in (", ".join(["gzip"] * (MAX_CODINGS + 1)), "a,b,c,d,e,f", "gzip," * 10_000):
        with pytest.raises(TooManyCodings):
            BodyDecoder(header)


# Truncation and damage


@each_format
def test_B4_a_body_that_is_cut_is_never_complete(coding: str, encode: Callable[[bytes], bytes]) -> None:
    """B4: at fifty positions, the last byte and all of the last bytes among them."""
    data = encode(TEXT)
    positions = {len(data) * step // 40 for step in range(40)} | {len(data) - step for step in range(1, 13)}
    assert len(positions) >= 50
    for position in positions:
        body, complete = decode(coding, data[:position])
        assert not complete, position
        assert TEXT.startswith(body)


def test_B4_a_cut_in_a_later_member_is_noticed_too() -> None:
    first, second = gzip.compress(TEXT, mtime=0), gzip.compress(b"second", mtime=0)
    for cut in range(1, len(second)):
        body, complete = decode("gzip", first + second[:cut])
        assert not complete, cut
        assert body.startswith(TEXT)


def test_a_cut_in_any_link_of_a_chain_is_noticed() -> None:
    """The outer coding is whole here; what it holds is not."""
    assert decode("gzip, br", ENCODERS["br"](gzip.compress(TEXT)[:-1])) == (TEXT, False)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_what_is_something_else_is_damaged(coding: str) -> None:
    """Servers announce gzip and send HTML. With brotli, "<" alone could begin a stream."""
    with pytest.raises(DamagedBody):
        decode(coding, b"<!doctype html><html><head><title>Not compressed at all</title></head>" * 20)


@pytest.mark.parametrize(("coding", "from_end"), [("gzip", 8), ("gzip", 4), ("deflate", 4)])
def test_a_wrong_checksum_or_length_is_damage(coding: str, from_end: int) -> None:
    data = bytearray(ENCODERS[coding](TEXT))
    data[-from_end] ^= 0xFF
    with pytest.raises(DamagedBody):
        decode(coding, bytes(data))


@each_format
def test_flipped_bits_are_damage_or_at_least_bounded(coding: str, encode: Callable[[bytes], bytes]) -> None:
    """Nothing but DamagedBody may come out, whatever the libraries think of the bytes."""
    data = encode(TEXT)
    for position in range(0, len(data), max(1, len(data) // 100)):
        spoilt = bytearray(data)
        spoilt[position] ^= 0x55
        decoder = BodyDecoder(coding)
        size = 0
        try:
            for piece in decoder.feed(bytes(spoilt)):
                size += len(piece)
                if size > 10 * MIB:
                    break
        except DamagedBody:
            continue


@given(
    st.sampled_from(["gzip", "deflate", "br", "zstd", "gzip, br", "zstd, deflate"]), st.binary(max_size=300)
)
def test_any_bytes_are_decoded_or_damaged(coding: str, data: bytes) -> None:
    with contextlib.suppress(DamagedBody):
        decode(coding, data[:150], data[150:])


def test_a_zstd_window_beyond_eight_mib_is_refused() -> None:
    """RFC 9659: otherwise 20 bytes of a frame's head would reserve gigabytes."""
    parameters = {int(zstd.CompressionParameter.window_log): 27}
    compressor = zstd.ZstdCompressor(options=parameters)
    data = compressor.compress(b"x" * 1000) + compressor.flush()
    with pytest.raises(DamagedBody):
        decode("zstd", data)


# Bombs


def bombs() -> dict[str, tuple[str, bytes]]:
    """A gibibyte of zeros in each coding; made by repeating what may be repeated."""
    zeros = bytes(16 * MIB)
    flushed = zlib.compressobj(wbits=-15)
    block = flushed.compress(zeros) + flushed.flush(zlib.Z_FULL_FLUSH)  # stands on its own
    head = zlib.compress(b"")[:2]
    compressor = brotli.Compressor(quality=1)
    stream = b"".join(bytes(compressor.process(zeros)) for _ in range(64)) + bytes(compressor.finish())
    gz = gzip.compress(zeros, mtime=0)
    return {
        "gzip members": ("gzip", gz * 64),
        "one deflate stream": ("deflate", head + block * 64),
        "one raw stream": ("deflate", block * 64),
        "br": ("br", stream),
        "zstd": ("zstd", zstd.compress(zeros) * 64),
        "gzip in gzip": ("gzip, gzip", gzip.compress(gz * 64)),
        "deflate in br": ("deflate, br", bytes(brotli.compress(head + block * 64, quality=1))),
    }


@pytest.fixture(scope="module")
def made() -> dict[str, tuple[str, bytes]]:
    return bombs()


@pytest.mark.parametrize(
    "name",
    ["gzip members", "one deflate stream", "one raw stream", "br", "zstd", "gzip in gzip", "deflate in br"],
)
def test_B1_a_bomb_goes_off_piece_by_piece(name: str, made: dict[str, tuple[str, bytes]]) -> None:
    """B1: whoever stops at his cap has paid for his cap, not for the bomb."""
    coding, data = made[name]
    assert len(data) < 2 * MIB
    decoder = BodyDecoder(coding)
    tracemalloc.start()
    start = time.process_time()
    size = 0
    for piece in decoder.feed(data):
        assert 0 < len(piece) <= PIECE
        size += len(piece)
        if size >= MIB:
            break
    assert time.process_time() - start < 0.5
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size >= MIB
    assert peak < 6 * MIB


@each_format
def test_pieces_are_never_larger_than_64_kib(coding: str, encode: Callable[[bytes], bytes]) -> None:
    body = bytes(3 * MIB + 17)
    decoder = BodyDecoder(coding)
    sizes = [len(piece) for part in chunks(encode(body), 500) for piece in decoder.feed(part)]
    assert sum(sizes) == len(body)
    assert max(sizes) <= PIECE
    assert decoder.complete()


@pytest.mark.parametrize("size", [PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 1, 5 * MIB])
@each_format
def test_bodies_about_the_size_of_a_piece(coding: str, encode: Callable[[bytes], bytes], size: int) -> None:
    """The last bytes may still be in the library's own hands when all of its input has been read."""
    body = bytes(size)
    for parts in ([encode(body)], chunks(encode(body), 1), chunks(encode(body), 1000)):
        decoded, complete = decode(coding, *parts)
        assert (len(decoded), complete) == (size, True)
