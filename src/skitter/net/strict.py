"""What is wrong with the head of an answer that aiohttp lets pass: pure functions over its lines.

aiohttp reads answers leniently, as browsers do, and its two parsers are lenient in different places
(CVE-2026-34520, CVE-2026-69243). Here is refused, with either parser, what no good server sends and what
readers understand in different ways. What the real web does stays: lines that end with LF, no reason,
eight-bit values, folded lines, an equal Content-Length twice, "chunked" twice.
"""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["Fields", "begins_well", "fault", "is_last"]

Fields: TypeAlias = tuple[tuple[bytes, bytes], ...]

# RFC 9110, 5.6.2: what names are made of.
_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# RFC 9110, 5.5: tab, space, visible characters, and whatever is beyond ASCII.
_IN_VALUES = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
# HTTP/2.0 is what some scripts write into the status line of a plain answer; curl and browsers read on.
_VERSIONS = frozenset({(0, 9), (1, 0), (1, 1), (2, 0)})
# What a signed number of 64 bits can count; beyond it, parsers go different ways (RFC 9110, 8.6: overflows).
_MAX_LENGTH_DIGITS = 18
_PROTOCOL = b"HTTP/"
# Beyond this, the parsers' own limit for a line decides.
_MAX_LINE = 8190


def begins_well(data: bytes) -> bool | None:
    """Do the first bytes of an answer begin one? None as long as more must come to tell.

    The pure parser waits for the end of a head even if none has begun (SSH, SMTP), and takes any white space
    between the parts of the first line. The C one drops a space after that line, and takes a line of spaces
    for the end of the head.
    """
    if not data.startswith(_PROTOCOL[: len(data)]):
        return False
    if len(data) > 12 and not (data[8] in b" " and data[9:12].isdigit() and data[12] in b" \r\n"):
        return False  # RFC 9112, 4: "HTTP/1.1 200 OK"
    end = data.find(b"\n") + 1
    cr = data.find(b"\r", 0, end or len(data)) + 1
    if 0 < cr < len(data) and cr != end - 1:
        return False  # RFC 9112, 2.2: CR by itself ends nothing
    if 0 < end < len(data):
        return data[end] not in b" \t"  # RFC 9112, 2.2
    return True if len(data) > _MAX_LINE else None


def fault(version: tuple[int, int], status: int, fields: Fields, *, chunked: bool) -> str | None:
    """What is wrong with a head, in a few words; None if nothing is.

    ``fields`` are names and values as they came; ``chunked`` says whether the parser takes the body for
    chunked.
    """
    if version not in _VERSIONS:
        return "unknown version"  # RFC 9110, 2.5; RFC 9112, 2.3
    if status < 100:
        return "status below 100"  # RFC 9110, 15
    if status == 101:
        return "a switch of protocols that nobody asked for"  # RFC 9110, 15.2.2
    # Once an answer, and there is seldom anything to find: hence all names and all values in one go.
    if b"".join([name for name, _ in fields]).translate(None, _TOKEN):
        return "a field's name is no token"  # RFC 9110, 5.1; RFC 9112, 5.1: also a space before the colon
    if b"".join([value for _, value in fields]).translate(None, _IN_VALUES):
        return "control byte in a field's value"  # RFC 9110, 5.5
    lengths, codings = _values(fields, b"content-length"), _values(fields, b"transfer-encoding")
    if len(lengths) == 1 and not codings and not chunked and _is_length(lengths[0]):
        return None  # as nearly always
    return _framing(lengths, codings, chunked)


def is_last(version: tuple[int, int], status: int, fields: Fields) -> bool:
    """Must the connection be closed after an answer with this head, whatever it says itself?"""
    if version == (1, 1):
        # RFC 9112, 6.1: there is no Transfer-Encoding with 204, and a body may follow that nobody reads.
        return status == 204 and bool(_values(fields, b"transfer-encoding"))
    # RFC 9112, 6.1: its sender or somebody between us may not know of chunks.
    return version != (1, 0) or bool(_values(fields, b"transfer-encoding"))


def _values(fields: Fields, lower_name: bytes) -> list[bytes]:
    size = len(lower_name)
    return [pair[1] for pair in fields if len(pair[0]) == size and pair[0].lower() == lower_name]


def _is_length(value: bytes) -> bool:
    return value.isdigit() and len(value.lstrip(b"0")) <= _MAX_LENGTH_DIGITS


def _framing(lengths: list[bytes], codings: list[bytes], chunked: bool) -> str | None:
    """Where the body ends (RFC 9112, 6.3) must be said in one way."""
    if lengths and codings:
        return "both Content-Length and Transfer-Encoding"
    if len(set(lengths)) > 1:
        return "Content-Length that differs"
    if lengths and not _is_length(lengths[0]):
        return "Content-Length that is no number, or an enormous one"
    names = [name.strip(b" \t").lower() for name in b",".join(codings).split(b",")]
    if set(names) - {b"chunked", b"identity", b""}:
        return "a transfer coding that nobody asked for"  # RFC 9112, 7.4; aiohttp would not undo it
    is_chunked = b"chunked" in names
    if is_chunked and (names[-1] != b"chunked" or not chunked):
        return "chunked, but not last"  # RFC 9112, 6.3: or not to the parser, for a tab after the word
    if chunked and not is_chunked:
        return "chunks without Transfer-Encoding"
    return None
