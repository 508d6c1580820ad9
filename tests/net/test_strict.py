"""Heads that aiohttp lets pass: which are refused, and that what the web does is not."""

from __future__ import annotations

import pytest

from skitter.net.strict import Fields, begins_well, fault, is_last

HTTP_1_0, HTTP_1_1 = (1, 0), (1, 1)


def names(*fields: tuple[bytes, bytes]) -> Fields:
    return fields


def lengths(*values: bytes) -> Fields:
    return tuple([(b"Content-Length", value) for value in values])


def codings(*values: bytes) -> Fields:
    return tuple([(b"transfer-encoding", value) for value in values])


@pytest.mark.parametrize("status", [100, 103, 199, 200, 204, 304, 404, 599, 600, 999])
@pytest.mark.parametrize("version", [(0, 9), (1, 0), (1, 1), (2, 0)])
def test_a_plain_head_is_fine(version: tuple[int, int], status: int) -> None:
    assert fault(version, status, (), chunked=False) is None
    assert fault(version, status, names((b"Server", b"x"), (b"X-A", b"")), chunked=False) is None


@pytest.mark.parametrize("version", [(0, 0), (1, 2), (1, 9), (2, 1), (3, 0), (9, 9)])
def test_unknown_versions(version: tuple[int, int]) -> None:
    """The C parser knows four, the pure one any two digits."""
    assert fault(version, 200, (), chunked=False) == "unknown version"


@pytest.mark.parametrize("status", [0, 20, 99, 101])
def test_statuses_that_are_none(status: int) -> None:
    assert fault(HTTP_1_1, status, (), chunked=False) is not None


@pytest.mark.parametrize("byte", [*range(0x21), *b'"(),/:;<=>?@[\\]{}', *range(0x7F, 0x100)])
def test_a_name_is_a_token(byte: int) -> None:
    """The C parser lets a space pass before the colon, but only after names that it knows."""
    for name in (b"%cX", b"X%c", b"X%cY"):
        fields = names((b"Server", b"x"), (name % byte, b"a"))
        assert fault(HTTP_1_1, 200, fields, chunked=False) == "a field's name is no token"


@pytest.mark.parametrize("byte", range(0x100))
def test_a_value_has_no_control_bytes(byte: int) -> None:
    """Tab, and everything beyond ASCII, are what servers really send."""
    wrong = (byte < 0x20 and byte != 0x09) or byte == 0x7F
    for value in (b"%c", b"a%cb", b"a%c"):
        fields = names((b"X", value % byte), (b"Y", b"a"))
        assert (fault(HTTP_1_1, 200, fields, chunked=False) is not None) == wrong


@pytest.mark.parametrize(
    "fields",
    [lengths(), lengths(b"0"), lengths(b"5", b"5"), lengths(b"000000000000000000000005"), lengths(b"9" * 18)],
)
def test_one_length_is_fine(fields: Fields) -> None:
    """The same one twice is common, and no matter."""
    assert fault(HTTP_1_1, 200, fields, chunked=False) is None


@pytest.mark.parametrize(
    "fields",
    [
        lengths(b"5", b"6"),
        lengths(b"5", b"05"),
        lengths(b"5", b""),
        lengths(b""),
        lengths(b"-5"),
        lengths(b"+5"),
        lengths(b"5, 5"),
        lengths(b"5,"),
        lengths(b"0x5"),
        lengths(b"1_0"),
        lengths(b"5 5"),
        lengths("\u0665".encode()),
        lengths("\uff15".encode()),
        lengths(b"\xb2"),
        lengths(b"9" * 19),
        lengths(b"18446744073709551615"),  # the C parser takes it for no length
        lengths(b"18446744073709551616"),
        lengths(b"9" * 5000),
        lengths(b"5") + codings(b"chunked"),
        codings(b"identity") + lengths(b"5"),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_length_that_is_none_or_two(fields: Fields, chunked: bool) -> None:
    assert fault(HTTP_1_1, 200, fields, chunked=chunked) is not None


@pytest.mark.parametrize(
    ("fields", "chunked"),
    [
        (codings(b"chunked"), True),
        (codings(b"Chunked"), True),
        (codings(b"chunked", b"chunked"), True),
        (codings(b"chunked, chunked"), True),
        (codings(b"identity, chunked"), True),
        (codings(b", chunked"), True),
        (codings(b"identity"), False),
        (codings(b""), False),
    ],
)
def test_transfer_codings_that_are_fine(fields: Fields, chunked: bool) -> None:
    """Frameworks behind proxies say it twice; it was done once."""
    assert fault(HTTP_1_1, 200, fields, chunked=chunked) is None


@pytest.mark.parametrize(
    "value",
    [
        b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked, identity", b"chunked,", b"xchunked",
        b"chunkedx", b"chunked;a=b", b'"chunked"', b"ch unked", b"chunked chunked", b"x", b"\xa0chunked",
        "chun\u212aed".encode(),
    ],
)  # fmt: skip
@pytest.mark.parametrize("chunked", [False, True])
def test_transfer_codings_that_nobody_asked_for(value: bytes, chunked: bool) -> None:
    assert fault(HTTP_1_1, 200, codings(value), chunked=chunked) is not None


def test_the_parser_must_see_the_chunks_that_we_see() -> None:
    assert fault(HTTP_1_1, 200, codings(b"chunked"), chunked=False) is not None
    assert fault(HTTP_1_1, 200, codings(b"chunked", b"identity"), chunked=True) is not None
    assert fault(HTTP_1_1, 200, codings(b"identity"), chunked=True) is not None
    assert fault(HTTP_1_1, 200, (), chunked=True) is not None


def test_after_which_answers_a_connection_is_closed() -> None:
    assert not is_last(HTTP_1_1, 200, codings(b"chunked"))
    assert not is_last(HTTP_1_0, 200, lengths(b"5"))
    assert not is_last(HTTP_1_1, 304, codings(b"chunked"))
    assert is_last(HTTP_1_0, 200, codings(b"chunked"))
    assert is_last(HTTP_1_1, 204, codings(b"chunked"))
    assert is_last((2, 0), 200, lengths(b"5"))
    assert is_last((0, 9), 200, lengths(b"5"))


GOOD_LINES = [
    b"HTTP/1.1 200 OK\r\nX",
    b"HTTP/1.1 200 OK\nX",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\n\n",
    b"HTTP/1.1 200\r\n\r",
    b"HTTP/1.1 200\n\n",
    b"HTTP/1.0 404 d\xe9j\xe0 vu\r\nX",
    b"HTTP/1.1 200 " + b"x" * 9000,
]


@pytest.mark.parametrize("data", GOOD_LINES)
def test_an_answer_begins_well_at_the_latest_with_its_second_line(data: bytes) -> None:
    assert begins_well(data) is True
    line, _, _ = data.partition(b"\n")
    for end in range(min(len(line) + 2, 8000)):
        assert begins_well(data[:end]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"220 mail.example ESMTP\r\n", b"SSH-2.0", b"<", b"\0", b"h", b"HTTPS", b" HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1  200 OK", b"HTTP/1.1\t200 OK", b"HTTP/1.1 200\tOK", b"HTTP/1.1 2000 ",
        b"HTTP/1.1 20 OK\r\n", b"HTTP/1.1 +20 OK", b"HTTP/1.1 200 OK\rX", b"HTTP/1.1 200 OK\r\r\n",
        b"HTTP/1.1 200 O\rK\r\nX", b"HTTP/1.1 200 OK\r\n X: a", b"HTTP/1.1 200 OK\n\tX",
        b"HTTP/1.1 200 OK\r\n \r\n",
    ],
)  # fmt: skip
def test_what_is_no_answer_is_known_early(data: bytes) -> None:
    assert begins_well(data) is False
    assert begins_well(data + b"anything") is False
