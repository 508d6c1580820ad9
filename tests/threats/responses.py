"""Raw answers that no good server gives, and what becomes of each: the table of THREATS B7.

A row has what the server writes, what it does then, and the verdict, which is the same with aiohttp's C
parser and with its pure one unless the row says how they differ and why that is harmless. As a program
(``python -m tests.threats.responses``) it plays the whole table and prints what came, as JSON: so that it
can be run with ``AIOHTTP_NO_EXTENSIONS=1``, which is read when aiohttp is first imported.

Sections are of RFC 9112 (HTTP/1.1) where no RFC is named.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gzip
import json
import socket
import struct
import sys
import zlib
from collections.abc import AsyncIterator
from typing import Literal

import aiohttp.http

from skitter.clock import SystemClock
from skitter.config import Http, Limits
from skitter.model import Failure, Request, Response
from skitter.net import AiohttpFetcher

__all__ = ["ROWS", "Came", "Row", "parser_in_use", "play"]

MIB = 1024 * 1024
# Nobody waits so long: a row that ends by the time-out is a row that hangs.
PATIENCE = 20.0
# For rows in which the server is silent for ever: waiting is the right verdict, but not for long here.
IMPATIENCE = 1.0
# Between two parts, and before the second request: what is written by then has also been read.
PAUSE = 0.05

Then = Literal["keep", "close", "reset", "hang"]


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One answer. ``verdict`` is what ``verdict()`` below makes of it with either parser; if ``pure`` is
    given, that is the pure parser's, and ``why`` says why the difference does no harm.

    ``then``: "keep" waits for the next request on the same connection, "hang" does so too, but the verdict is
    the time-out's. ``kept`` says that the connection is used again, as after any good answer;
    ``pure_kept`` the same for the pure parser, if it differs.
    """

    name: str
    rfc: str
    verdict: str
    parts: tuple[bytes, ...]
    then: Then = "keep"
    kept: bool = False
    pure: str | None = None
    pure_kept: bool | None = None
    why: str = ""
    early: bool = False  # written before the request has come

    def expected(self, parser: str) -> tuple[str, bool]:
        """The verdict, and whether the connection is kept."""
        if parser == "c":
            return self.verdict, self.kept
        kept = self.kept if self.pure_kept is None else self.pure_kept
        return self.pure or self.verdict, kept


@dataclasses.dataclass(frozen=True, slots=True)
class Came:
    """What a row brought: of the first request and of the second one after it."""

    verdict: str
    kept: bool
    seconds: float
    second: str
    requests: int


def row(
    name: str,
    rfc: str,
    verdict: str,
    *parts: bytes,
    then: Then = "keep",
    kept: bool = False,
    pure: str | None = None,
    pure_kept: bool | None = None,
    why: str = "",
    early: bool = False,
) -> Row:
    return Row(name, rfc, verdict, parts, then, kept, pure, pure_kept, why, early)


# Why a difference between the parsers does no harm.
FOLDS = "the pure parser counts each folded line as a field; the limit of bytes is the same"
EQUAL_LENGTHS = "RFC 9112, 6.3 leaves the choice; the length is the same"
CR_CR = "the pure parser takes any number of CR for part of a line's end; no line ends elsewhere"
TAB = "the C parser does not know the word before a tab, and then nothing is guessed"
SAME_READ = "the pure parser gives up what came in the same read as the damage; cut it is with both"
LAX_SIZE = "the pure parser takes white space around a size; the size is the same to all who take it"
LAX_LF = "the pure parser takes LF for CRLF in chunks, too; what is between is the same"
LAX_EXTENSION = "the pure parser ignores whatever is in an extension; the size is the same"
LONG_SIZE = "the C parser has no limit for a size's line, and keeps nothing of it"
BIG_SIZE = "the pure parser counts beyond 64 bits; no body is so large, so that it ends as cut"
TRAILER = "the C parser reads a trailer's names as a head's; nobody uses trailers"
LAST_TRAILER = "the C parser does not look at the last trailer's value; nobody uses trailers"
CLOSES = (
    "the C parser takes nothing after a head that closes, the pure one goes on to the answer; closed it is"
)
EMPTY_LINE = "the pure parser takes an empty line for a broken head, and the connection is given up"
PROXY = "only the C parser knows this name of Connection; either way the answer is the first one's own"
UPGRADED = "the pure parser leaves HTTP for WebSocket without 101, and the connection is not used again"


def dripped(data: bytes) -> tuple[bytes, ...]:
    return tuple([data[start : start + 1] for start in range(len(data))])


OK = b"HTTP/1.1 200 OK\r\n"
FIVE = b"Content-Length: 5\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
HELLO = OK + FIVE + b"\r\nhello"
CHUNKED = OK + TE + b"\r\n"
WORLD = b"5\r\nhello\r\n0\r\n\r\n"
SMUGGLED = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"
REDIRECT = b"HTTP/1.1 302 Found\r\n"
PACKED = gzip.compress(b"hello", mtime=0)


def line(status_line: bytes, end: bytes = b"\r\n") -> bytes:
    """A good answer but for its status line."""
    return status_line + end + FIVE + b"\r\nhello"


def field(field_line: bytes, end: bytes = b"\r\n") -> bytes:
    """A good answer with one more field line before the one that gives the length."""
    return OK + field_line + end + FIVE + b"\r\nhello"


def coded(coding: bytes, body: bytes) -> bytes:
    return OK + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (coding, len(body)) + body


def length(value: bytes, body: bytes = b"hello") -> bytes:
    return OK + b"Content-Length:" + value + b"\r\n\r\n" + body


def transfer(value: bytes, body: bytes = WORLD) -> bytes:
    return OK + b"Transfer-Encoding:" + value + b"\r\n\r\n" + body


GOOD = "200 'hello'"
EMPTY = "200 ''"
BAD = "malformed"

STATUS_LINES = [
    row("good", "4", GOOD, HELLO, kept=True),
    row("good, byte by byte", "2.2", GOOD, *dripped(HELLO), kept=True),
    row("version 1.0", "2.3", GOOD, line(b"HTTP/1.0 200 OK")),
    row("version 0.9 in a status line", "2.3", GOOD, line(b"HTTP/0.9 200 OK")),
    row("version 1.2", "RFC 9110, 2.5", BAD, line(b"HTTP/1.2 200 OK")),
    row("version 2.0", "2.3", GOOD, line(b"HTTP/2.0 200 OK")),
    row("version 3.0", "2.3", BAD, line(b"HTTP/3.0 200 OK")),
    row("version 9.9", "2.3", BAD, line(b"HTTP/9.9 200 OK")),
    row("version 1", "2.3", BAD, line(b"HTTP/1 200 OK")),
    row("version 2, as in HTTP/2", "2.3", BAD, line(b"HTTP/2 200 OK")),
    row("version 11", "2.3", BAD, line(b"HTTP/11 200 OK")),
    row("version 1.10", "2.3", BAD, line(b"HTTP/1.10 200 OK")),
    row("version 01.1", "2.3", BAD, line(b"HTTP/01.1 200 OK")),
    row("version 1,1", "2.3", BAD, line(b"HTTP/1,1 200 OK")),
    row("version of letters", "2.3", BAD, line(b"HTTP/a.b 200 OK")),
    row("version of Arabic digits", "2.3", BAD, line("HTTP/\u0661.\u0661 200 OK".encode())),
    row("version in small letters", "2.3", BAD, line(b"http/1.1 200 OK")),
    row("version with a space", "2.3", BAD, line(b"HTTP/ 1.1 200 OK")),
    row("version negative", "2.3", BAD, line(b"HTTP/-1.1 200 OK")),
    row("no version", "4", BAD, line(b"HTTP/ 200 OK")),
    row("another protocol's name", "2.3", BAD, line(b"HTTPS/1.1 200 OK")),
    row("ICY", "4", BAD, line(b"ICY 200 OK")),
    row("RTSP", "4", BAD, line(b"RTSP/1.0 200 OK")),
    row("Status: of CGI", "4", BAD, line(b"Status: 200 OK")),
    row("no reason", "4", GOOD, line(b"HTTP/1.1 200 "), kept=True),
    row("no reason and no space", "4", GOOD, line(b"HTTP/1.1 200"), kept=True),
    row("no status", "4", BAD, line(b"HTTP/1.1")),
    row("no status but a space", "4", BAD, line(b"HTTP/1.1 ")),
    row("no status but a reason", "4", BAD, line(b"HTTP/1.1 OK")),
    row("status 000", "4", BAD, line(b"HTTP/1.1 000 x")),
    row("status 099", "RFC 9110, 15", BAD, line(b"HTTP/1.1 099 x")),
    row("status 99", "4", BAD, line(b"HTTP/1.1 99 x")),
    row("status 2", "4", BAD, line(b"HTTP/1.1 2 x")),
    row("status 1000", "4", BAD, line(b"HTTP/1.1 1000 x")),
    row("status 2000", "4", BAD, line(b"HTTP/1.1 2000 x")),
    row("status 00200", "4", BAD, line(b"HTTP/1.1 00200 x")),
    row("status abc", "4", BAD, line(b"HTTP/1.1 abc x")),
    row("status 20x", "4", BAD, line(b"HTTP/1.1 20x x")),
    row("status negative", "4", BAD, line(b"HTTP/1.1 -20 x")),
    row("status with a plus", "4", BAD, line(b"HTTP/1.1 +20 x")),
    row("status with a point", "4", BAD, line(b"HTTP/1.1 200.1 x")),
    row("status in hex", "4", BAD, line(b"HTTP/1.1 0xC8 x")),
    row("status of wide digits", "4", BAD, line("HTTP/1.1 \uff12\uff10\uff10 x".encode())),
    row("status glued to the reason", "4", BAD, line(b"HTTP/1.1 200OK")),
    row("status in two", "4", BAD, line(b"HTTP/1.1 2 00 OK")),
    row("status huge", "4", BAD, line(b"HTTP/1.1 " + b"2" * 3000 + b" OK")),
    row("status 600", "RFC 9110, 15", "600 'hello'", line(b"HTTP/1.1 600 x"), kept=True),
    row("status 999", "RFC 9110, 15", "999 'hello'", line(b"HTTP/1.1 999 x"), kept=True),
    row("two spaces before the status", "4", BAD, line(b"HTTP/1.1  200 OK")),
    row("two spaces after the status", "4", GOOD, line(b"HTTP/1.1 200  OK"), kept=True),
    row("tab before the status", "4", BAD, line(b"HTTP/1.1\t200 OK")),
    row("tab after the status", "4", BAD, line(b"HTTP/1.1 200\tOK")),
    row("space before the line", "4", BAD, line(b" HTTP/1.1 200 OK")),
    row("space after the version's slash", "4", BAD, line(b"HTTP /1.1 200 OK")),
    row("byte order mark", "4", BAD, line(b"\xef\xbb\xbfHTTP/1.1 200 OK")),
    row("NUL before the line", "4", BAD, line(b"\0HTTP/1.1 200 OK")),
    row("NUL in the version", "4", BAD, line(b"HTTP/1.1\0 200 OK")),
    row("NUL in the reason", "4", GOOD, line(b"HTTP/1.1 200 O\0K"), kept=True),
    row("control byte in the reason", "4", GOOD, line(b"HTTP/1.1 200 O\x1bK"), kept=True),
    row("eight-bit reason", "4", GOOD, line(b"HTTP/1.1 200 d\xe9j\xe0 vu"), kept=True),
    row("CR in the reason", "2.2", BAD, line(b"HTTP/1.1 200 O\rK")),
    row("reason of 8,000 bytes", "RFC 9110, 2.3", GOOD, line(b"HTTP/1.1 200 " + b"x" * 8000), kept=True),
    row("reason of 9,000 bytes", "RFC 9110, 2.3", BAD, line(b"HTTP/1.1 200 " + b"x" * 9000)),
    row("status line ends with LF", "2.2", GOOD, line(b"HTTP/1.1 200 OK", b"\n"), kept=True),
    row("status line ends with CR", "2.2", BAD, line(b"HTTP/1.1 200 OK", b"\r")),
    row("status line ends with CR CR LF", "2.2", BAD, line(b"HTTP/1.1 200 OK", b"\r\r\n")),
    row("all lines end with LF", "2.2", GOOD, HELLO.replace(b"\r\n", b"\n"), kept=True),
    row("all lines end with CR", "2.2", BAD, HELLO.replace(b"\r\n", b"\r")),
    row("all lines end with LF CR", "2.2", BAD, HELLO.replace(b"\r\n", b"\n\r"), then="close"),
    row("status line twice", "5", BAD, OK + HELLO),
    row("an empty line before", "2.2", GOOD, b"\r\n" + HELLO, kept=True),
    row("three empty lines before", "2.2", GOOD, b"\r\n" * 3 + HELLO, kept=True),
    row("an empty line of LF before", "2.2", GOOD, b"\n" + HELLO, kept=True),
    row("ten thousand empty lines before", "2.2", GOOD, b"\r\n" * 10_000 + HELLO, kept=True),
    row("only empty lines", "4", "unreachable", b"\r\n" * 10, then="close"),
    row("only empty lines, and silence", "4", "timed_out", b"\r\n" * 10, then="hang"),
    row("nothing", "4", "unreachable", then="close"),
    row("nothing but a reset", "4", "unreachable", then="reset"),
    row("half a status line", "8", "unreachable", b"HTTP/1.1 20", then="close"),
    row("half a status line, and silence", "8", "timed_out", b"HTTP/1.1 20", then="hang"),
    row("one letter", "8", "unreachable", b"H", then="close"),
    row("a line without end", "RFC 9110, 2.3", BAD, b"HTTP/1.1 200 " + b"x" * 100_000),
]

STRANGERS = [
    row("HTML", "4", BAD, b"<!doctype html><title>x</title>\r\n", then="close"),
    row("HTML without a line end", "4", BAD, b"<html>hello</html>", then="close"),
    row("HTML, and silence", "4", BAD, b"<html>hello</html>\n"),
    row("HTML after empty lines", "4", BAD, b"\r\n\r\n<html>hello</html>", then="close"),
    row("SSH", "4", BAD, b"SSH-2.0-OpenSSH_9.6\r\n"),
    row("SMTP", "4", BAD, b"220 mail.example ESMTP\r\n"),
    row("FTP", "4", BAD, b"220-Welcome\r\n220 ready\r\n"),
    row("POP3", "4", BAD, b"+OK ready\r\n"),
    row("IMAP", "4", BAD, b"* OK IMAP4rev1 ready\r\n"),
    row("Redis", "4", BAD, b"-ERR unknown command 'GET'\r\n"),
    row("MySQL", "4", BAD, b"\x4a\0\0\0\x0a8.0.36\0", then="close"),
    row("a TLS alert", "4", BAD, b"\x15\x03\x01\x00\x02\x02\x46", then="close"),
    row("a TLS greeting", "4", BAD, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", then="close"),
    row("HTTP/2 settings", "RFC 9113, 3.4", BAD, b"\0\0\0\x04\0\0\0\0\0", then="close"),
    row("HTTP/2 preface", "RFC 9113, 3.4", BAD, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    row("a request", "4", BAD, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    row("our request back", "4", BAD, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + HELLO),
    row("NUL bytes", "4", BAD, b"\0" * 100),
    row("gzip without a head", "4", BAD, PACKED, then="close"),
    row("JSON", "4", BAD, b'{"error": "not found"}\n'),
    row("an answer after junk", "4", BAD, b"junk\r\n" + HELLO),
]

NAMES = [
    row("space before the colon", "5.1", BAD, field(b"X : a")),
    row("tab before the colon", "5.1", BAD, field(b"X\t: a")),
    row("space before the colon of a length", "5.1", BAD, OK + b"Content-Length : 5\r\n\r\nhello"),
    row("space before the colon of chunked", "5.1", BAD, OK + b"Transfer-Encoding : chunked\r\n\r\n" + WORLD),
    row("no colon", "5", BAD, field(b"hello")),
    row("no name", "5", BAD, field(b": a")),
    row("colon only", "5", BAD, field(b":")),
    row("space in a name", "RFC 9110, 5.6.2", BAD, field(b"X Y: a")),
    row("NUL in a name", "RFC 9110, 5.6.2", BAD, field(b"X\0: a")),
    row("NUL in the name of the length", "RFC 9110, 5.6.2", BAD, OK + b"Content\0-Length: 5\r\n\r\nhello"),
    row("control byte in a name", "RFC 9110, 5.6.2", BAD, field(b"X\x01: a")),
    row("DEL in a name", "RFC 9110, 5.6.2", BAD, field(b"X\x7f: a")),
    row("CR in a name", "2.2", BAD, field(b"X\rY: a")),
    row("eight-bit name", "RFC 9110, 5.6.2", BAD, field(b"X\xe9: a")),
    row("name in UTF-8", "RFC 9110, 5.6.2", BAD, field("Größe: a".encode())),
    row("Kelvin sign in Keep-Alive", "RFC 9110, 5.6.2", BAD, field("\u212aeep-Alive: a".encode())),
    *[
        row(f"{chr(delimiter)} in a name", "RFC 9110, 5.6.2", BAD, field(b"X%cY: a" % delimiter))
        for delimiter in b'"(),/;<=>?@[\\]{}'
    ],
    row("every sign of a token", "RFC 9110, 5.6.2", GOOD, field(b"!#$%&'*+-.^_`|~09azAZ: a"), kept=True),
    row(
        "underscore for the hyphen of a length",
        "6.2",
        GOOD,
        OK + b"Content_Length: 9\r\n" + HELLO[17:],
        kept=True,
    ),
    row("name of 8,000 bytes", "RFC 9110, 5.4", GOOD, field(b"X-" + b"x" * 8000 + b": a"), kept=True),
    row("name of 9,000 bytes", "RFC 9110, 5.4", BAD, field(b"X-" + b"x" * 9000 + b": a")),
    row("space before the first field", "2.2", BAD, field(b" X: a")),
    row("tab before the first field", "2.2", BAD, field(b"\tX: a")),
    row(
        "a line of a space after a field",
        "5.2",
        GOOD + " X='a'",
        OK + b"X: a\r\n \r\n" + FIVE + b"\r\nhello",
        kept=True,
    ),
    row("space before the first field, byte by byte", "2.2", BAD, *dripped(field(b" X: a"))),
    row("length after a line of a space", "2.2", BAD, OK + b" \r\n" + FIVE + b"\r\nhello"),
]

VALUES = [
    row("no value", "5", GOOD + " X=''", field(b"X:"), kept=True),
    row("value of spaces", "5.1", GOOD + " X=''", field(b"X: \t "), kept=True),
    row("spaces around a value", "5.1", GOOD + " X='a b'", field(b"X: \t a b \t "), kept=True),
    row("no space before a value", "5.1", GOOD + " X='a'", field(b"X:a"), kept=True),
    row("colons in a value", "5", GOOD + " X=': a:b'", field(b"X:: a:b"), kept=True),
    row("NUL in a value", "RFC 9110, 5.5", BAD, field(b"X: a\0b")),
    row("NUL at the end of a value", "RFC 9110, 5.5", BAD, field(b"X: a\0")),
    row("NUL in the length", "RFC 9110, 5.5", BAD, length(b" 5\0")),
    row("CR in a value", "RFC 9110, 5.5", BAD, field(b"X: a\rb")),
    row("CR before a field", "RFC 9110, 5.5", BAD, field(b"X: a\rContent-Length: 0")),
    row(
        "CR CR LF after a value",
        "2.2",
        BAD,
        field(b"X: a\r"),
        pure=GOOD + " X='a'",
        pure_kept=True,
        why=CR_CR,
    ),
    row("LF within a value is a line's end", "2.2", GOOD + " X='a' Y='b'", field(b"X: a\nY: b"), kept=True),
    *[
        row(f"control byte {byte:#04x} in a value", "RFC 9110, 5.5", BAD, field(b"X: a%cb" % byte))
        for byte in (0x01, 0x07, 0x08, 0x0B, 0x0C, 0x1B, 0x1F, 0x7F)
    ],
    row("tab in a value", "RFC 9110, 5.5", GOOD + r" X='a\tb'", field(b"X: a\tb"), kept=True),
    row("Latin-1 in a value", "RFC 9110, 5.5", GOOD + " X='caf\ufffd'", field(b"X: caf\xe9"), kept=True),
    row("UTF-8 in a value", "RFC 9110, 5.5", GOOD + " X='café'", field("X: café".encode()), kept=True),
    row("C1 controls in a value", "RFC 9110, 5.5", GOOD + r" X='\x85'", field(b"X: \xc2\x85"), kept=True),
    row(
        "line separator in a value",
        "RFC 9110, 5.5",
        GOOD + r" X='a\u2028b'",
        field("X: a\u2028b".encode()),
        kept=True,
    ),
    row("value of 8,000 bytes", "RFC 9110, 5.4", GOOD + " X=8000", field(b"X: " + b"x" * 8000), kept=True),
    row("value of 9,000 bytes", "RFC 9110, 5.4", BAD, field(b"X: " + b"x" * 9000)),
    row("value of 100,000 bytes", "RFC 9110, 5.4", BAD, field(b"X: " + b"x" * 100_000)),
    row("line folded", "5.2", GOOD + " X='a b'", field(b"X: a\r\n b"), kept=True),
    row("line folded with a tab", "5.2", GOOD + r" X='a\tb'", field(b"X: a\r\n\tb"), kept=True),
    row("line folded twice", "5.2", GOOD + " X='a b c'", field(b"X: a\r\n b\r\n c"), kept=True),
    row("line folded onto a field", "5.2", GOOD + " X='a Y: b'", field(b"X: a\r\n Y: b"), kept=True),
    row("length on a folded line", "5.2", GOOD, length(b"\r\n 5"), kept=True),
    row("length folded apart", "5.2", BAD, length(b" 5\r\n 5")),
    row("chunked on a folded line", "5.2", GOOD, transfer(b"\r\n chunked"), kept=True),
    row(
        "line folded 3,000 times",
        "RFC 9110, 5.4",
        GOOD + " X=5999",
        field(b"X: " + b"a\r\n " * 3000),
        kept=True,
        pure=BAD,
        pure_kept=False,
        why=FOLDS,
    ),
    row(
        "line folded beyond the limit",
        "RFC 9110, 5.4",
        BAD,
        field(b"X: " + b"a" * 99 + b"\r\n a" * 100 + b"a" * 8000),
    ),
    row("folded lines without end", "RFC 9110, 5.4", BAD, OK + b"X: a\r\n" + b" a\r\n" * 30_000),
    row("128 fields", "RFC 9110, 5.4", GOOD, OK + FIVE + b"Z: a\r\n" * 120 + b"\r\nhello", kept=True),
    row("129 fields", "RFC 9110, 5.4", BAD, OK + FIVE + b"Z: a\r\n" * 128 + b"\r\nhello"),
    row("10,000 fields", "RFC 9110, 5.4", BAD, OK + b"Z: a\r\n" * 10_000 + b"\r\nhello"),
    row("a field twice", "RFC 9110, 5.3", GOOD + " X='a, b'", field(b"X: a\r\nX: b"), kept=True),
    row(
        "Content-Type twice",
        "RFC 9110, 5.3",
        GOOD,
        field(b"Content-Type: a/b\r\nContent-Type: c/d"),
        kept=True,
    ),
    row("Set-Cookie twice", "RFC 6265, 3", GOOD, field(b"Set-Cookie: a=1\r\nSet-Cookie: b=2"), kept=True),
    row("Set-Cookie with a control byte", "RFC 6265, 4.1.1", BAD, field(b"Set-Cookie: a=\x01")),
    row("Set-Cookie with CR", "RFC 6265, 4.1.1", BAD, field(b"Set-Cookie: a=1\rSet-Cookie: b=2")),
    row("Sec-WebSocket-Key1", "RFC 9110, 7.8", BAD, field(b"Sec-WebSocket-Key1: a")),
    row("head without end, closed", "8", "unreachable", OK + FIVE, then="close"),
    row("head without end, reset", "8", "unreachable", OK + FIVE, then="reset"),
    row("head without end, and silence", "8", "timed_out", OK + FIVE, then="hang"),
    row("head ends in a name", "8", "unreachable", OK + b"Content-Le", then="close"),
    row("head ends in a value", "8", "unreachable", OK + b"X: a", then="close"),
    row("head ends in a CR", "8", "unreachable", OK + FIVE + b"\r", then="close"),
]

LENGTHS = [
    row("length 0", "6.2", EMPTY, length(b" 0", b""), kept=True),
    row("length 00000005", "RFC 9110, 8.6", GOOD, length(b" 00000005"), kept=True),
    row("length negative", "RFC 9110, 8.6", BAD, length(b" -5")),
    row("length -0", "RFC 9110, 8.6", BAD, length(b" -0", b"")),
    row("length with a plus", "RFC 9110, 8.6", BAD, length(b" +5")),
    row("length in hex", "RFC 9110, 8.6", BAD, length(b" 0x5")),
    row("length of hex digits", "RFC 9110, 8.6", BAD, length(b" A", b"hellohello")),
    row("length with a point", "RFC 9110, 8.6", BAD, length(b" 5.0")),
    row("length with an exponent", "RFC 9110, 8.6", BAD, length(b" 5e0")),
    row("length with an underscore", "RFC 9110, 8.6", BAD, length(b" 1_0", b"hellohello")),
    row("length of Arabic digits", "RFC 9110, 8.6", BAD, length(" \u0665".encode())),
    row("length of wide digits", "RFC 9110, 8.6", BAD, length(" \uff15".encode())),
    row("length with superscript", "RFC 9110, 8.6", BAD, length(" 5²".encode())),
    row("length in two words", "RFC 9110, 8.6", BAD, length(b" 5 5")),
    row("length with a unit", "RFC 9110, 8.6", BAD, length(b" 5 bytes")),
    row("length with a semicolon", "RFC 9110, 8.6", BAD, length(b" 5;a=b")),
    row("length in quotes", "RFC 9110, 8.6", BAD, length(b' "5"')),
    row("length abc", "RFC 9110, 8.6", BAD, length(b" abc")),
    row("length with a vertical tab", "RFC 9110, 8.6", BAD, length(b" \x0b5")),
    row("length with a no-break space", "RFC 9110, 8.6", BAD, length(b" \xa05")),
    row("length in spaces", "5.1", GOOD, length(b" \t 5 \t "), kept=True),
    row("length of no bytes", "RFC 9110, 8.6", BAD, length(b""), then="close"),
    row("length of spaces", "RFC 9110, 8.6", BAD, length(b"  "), then="close"),
    row("length 2^31", "RFC 9110, 8.6", "200 'hello' cut", length(b" 2147483648"), then="close"),
    row("length 2^63-1", "RFC 9110, 8.6", BAD, length(b" 9223372036854775807"), then="close"),
    row("length 2^63", "RFC 9110, 8.6", BAD, length(b" 9223372036854775808"), then="close"),
    row("length 2^64-2", "RFC 9110, 8.6", BAD, length(b" 18446744073709551614"), then="close"),
    row("length 2^64-1", "RFC 9110, 8.6", BAD, length(b" 18446744073709551615"), then="close"),
    row("length 2^64", "RFC 9110, 8.6", BAD, length(b" 18446744073709551616"), then="close"),
    row("length 2^64+5", "RFC 9110, 8.6", BAD, length(b" 18446744073709551621"), then="close"),
    row("length of 5,000 digits", "RFC 9110, 8.6", BAD, length(b" " + b"9" * 5000), then="close"),
    row("length 5, 5 in a list", "6.3", BAD, length(b" 5, 5")),
    row("length 5, 6 in a list", "6.3", BAD, length(b" 5, 6", b"hello!")),
    row("length 5, and an empty item", "6.3", BAD, length(b" 5,")),
    row(
        "length twice, equal",
        "6.3",
        BAD,
        OK + FIVE + FIVE + b"\r\nhello",
        pure=GOOD,
        pure_kept=True,
        why=EQUAL_LENGTHS,
    ),
    row("length twice, different", "6.3", BAD, OK + FIVE + b"Content-Length: 6\r\n\r\nhello!"),
    row("length twice, the shorter second", "6.3", BAD, OK + b"Content-Length: 6\r\n" + FIVE + b"\r\nhello!"),
    row("length twice, 5 and 05", "6.3", BAD, OK + FIVE + b"Content-Length: 05\r\n\r\nhello"),
    row("length twice, the second empty", "6.3", BAD, OK + FIVE + b"Content-Length:\r\n\r\nhello"),
    row("length twice, the second 0", "6.3", BAD, OK + FIVE + b"Content-Length: 0\r\n\r\nhello"),
    row("length and chunked", "6.3", BAD, OK + FIVE + TE + b"\r\n" + WORLD),
    row("chunked and length", "6.3", BAD, OK + TE + FIVE + b"\r\n" + WORLD),
    row("chunked and length 0", "6.3", BAD, OK + TE + b"Content-Length: 0\r\n\r\n" + WORLD),
    row(
        "length and an unknown transfer coding", "6.3", BAD, OK + FIVE + b"Transfer-Encoding: x\r\n\r\nhello"
    ),
    row(
        "length and transfer coding identity",
        "6.3",
        BAD,
        OK + FIVE + b"Transfer-Encoding: identity\r\n\r\nhello",
    ),
    row("length and an empty transfer coding", "6.3", BAD, OK + FIVE + b"Transfer-Encoding:\r\n\r\nhello"),
    row("length in small letters", "5", GOOD, OK + b"content-length: 5\r\n\r\nhello", kept=True),
    row("body shorter, closed", "8", "200 'hell' cut", OK + FIVE + b"\r\nhell", then="close"),
    row("body shorter, reset", "8", "200 'hell' cut", OK + FIVE + b"\r\n", b"hell", then="reset"),
    row("body shorter, and silence", "8", "timed_out", OK + FIVE + b"\r\nhell", then="hang"),
    row("no body, closed", "8", "200 '' cut", OK + FIVE + b"\r\n", then="close"),
    row("bytes after the body", "9.2", GOOD, HELLO + b"junk"),
    row("one byte after the body", "9.2", GOOD, HELLO + b"!"),
    row(
        "an empty line after the body",
        "2.2",
        GOOD,
        HELLO + b"\r\n",
        kept=True,
        pure_kept=False,
        why=EMPTY_LINE,
    ),
    row("bytes after no body", "9.2", EMPTY, length(b" 0", b"junk")),
    row("bytes after the body, later", "9.2", GOOD, HELLO, b"junk"),
    row("no length", "6.3", GOOD, OK + b"\r\nhello", then="close"),
    row("no length and no body", "6.3", EMPTY, OK + b"\r\n", then="close"),
    row("no length and a reset", "8", "200 'hello' cut", OK + b"\r\n", b"hello", then="reset"),
    row("no length, and silence", "6.3", "timed_out", OK + b"\r\nhello", then="hang"),
    row("no length but keep-alive", "6.3", GOOD, OK + b"Connection: keep-alive\r\n\r\nhello", then="close"),
    row("no length, in it another answer", "6.3", "200 <46 bytes>", OK + b"\r\n" + SMUGGLED, then="close"),
    row("beyond the cap", "RFC 9110, 2.3", "too_large", length(b" 3000000", b"x" * 3_000_000)),
]

TRANSFER_CODINGS = [
    row("chunked", "7.1", GOOD, CHUNKED + WORLD, kept=True),
    row("chunked, byte by byte", "7.1", GOOD, *dripped(CHUNKED + WORLD), kept=True),
    row("CHUNKED", "7", GOOD, transfer(b" CHUNKED"), kept=True),
    row("chunked in spaces", "5.1", GOOD, transfer(b" \t chunked  "), kept=True),
    row("chunked before a tab", "5.1", BAD, transfer(b" chunked\t"), pure=GOOD, pure_kept=True, why=TAB),
    row("chunked without a space", "5.1", GOOD, transfer(b"chunked"), kept=True),
    row("chunked twice in a list", "7.1", GOOD, transfer(b" chunked, chunked"), kept=True),
    row("chunked twice", "7.1", GOOD, OK + TE + TE + b"\r\n" + WORLD, kept=True),
    row("gzip, chunked", "6.1", BAD, transfer(b" gzip, chunked")),
    row("identity, chunked", "6.1", GOOD, transfer(b" identity, chunked"), kept=True),
    row(
        "gzip and chunked on two lines",
        "6.1",
        BAD,
        OK + b"Transfer-Encoding: gzip\r\n" + TE + b"\r\n" + WORLD,
    ),
    row("chunked and gzip on two lines", "6.1", BAD, OK + TE + b"Transfer-Encoding: gzip\r\n\r\n" + WORLD),
    row(
        "chunked and identity on two lines",
        "6.1",
        BAD,
        OK + TE + b"Transfer-Encoding: identity\r\n\r\n" + WORLD,
    ),
    row("chunked, gzip", "6.1", BAD, transfer(b" chunked, gzip"), then="close"),
    row("chunked, identity", "6.1", BAD, transfer(b" chunked, identity"), then="close"),
    row("xchunked", "7", BAD, transfer(b" xchunked"), then="close"),
    row("chunkedx", "7", BAD, transfer(b" chunkedx"), then="close"),
    row("chunked in quotes", "7", BAD, transfer(b' "chunked"'), then="close"),
    row("chunked;a=b", "7", BAD, transfer(b" chunked;a=b"), then="close"),
    row("chunked,", "7", BAD, transfer(b" chunked,")),
    row(",chunked", "RFC 9110, 5.6.1.2", GOOD, transfer(b" ,chunked"), kept=True),
    row("chunked with a vertical tab", "RFC 9110, 5.5", BAD, transfer(b" \x0bchunked"), then="close"),
    row("chunked with a form feed", "RFC 9110, 5.5", BAD, transfer(b" chunked\x0c"), then="close"),
    row("chunked with a no-break space", "7", BAD, transfer(b" \xa0chunked"), then="close"),
    row("chunked with a NUL", "RFC 9110, 5.5", BAD, transfer(b" chunked\0"), then="close"),
    row("chunked with a Kelvin sign", "7", BAD, transfer(" chun\u212aed".encode()), then="close"),
    row("ch unked", "7", BAD, transfer(b" ch unked"), then="close"),
    row("transfer coding unknown", "6.1", BAD, transfer(b" x", b"hello"), then="close"),
    row("transfer coding identity", "7", GOOD, transfer(b" identity", b"hello"), then="close"),
    row("transfer coding gzip", "6.3", BAD, transfer(b" gzip", PACKED), then="close"),
    row("transfer coding of no bytes", "RFC 9110, 5.6.1.2", GOOD, transfer(b"", b"hello"), then="close"),
    row(
        "Transfer_Encoding",
        "6.1",
        GOOD,
        OK + b"Transfer_Encoding: chunked\r\n" + FIVE + b"\r\nhello",
        kept=True,
    ),
    row("chunked in 204", "6.1", "204 ''", b"HTTP/1.1 204 x\r\n" + TE + b"\r\n"),
    row("chunked in 304", "6.1", "304 ''", b"HTTP/1.1 304 x\r\n" + TE + b"\r\n", kept=True),
    row("chunked in HTTP/1.0", "6.1", GOOD, b"HTTP/1.0 200 OK\r\n" + TE + b"\r\n" + WORLD),
    row(
        "chunked in HTTP/1.0 kept alive",
        "6.1",
        GOOD,
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + TE + b"\r\n" + WORLD,
    ),
]


def chunks(
    name: str,
    rfc: str,
    verdict: str,
    body: bytes,
    *more: bytes,
    then: Then = "close",
    kept: bool = False,
    pure: str | None = None,
    pure_kept: bool | None = None,
    why: str = "",
) -> Row:
    """A row about the body of a chunked answer."""
    return row(
        f"chunks: {name}",
        rfc,
        verdict,
        CHUNKED + body,
        *more,
        then=then,
        kept=kept,
        pure=pure,
        pure_kept=pure_kept,
        why=why,
    )


HELL = "200 '' cut"
CUT = "200 'hello' cut"
CHUNKS = [
    chunks(
        "two", "7.1", "200 'helloworld'", b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n", then="keep", kept=True
    ),
    chunks("none", "7.1", EMPTY, b"0\r\n\r\n", then="keep", kept=True),
    chunks("many zeros", "7.1", GOOD, b"0000000005\r\nhello\r\n0000\r\n\r\n", then="keep", kept=True),
    chunks(
        "capital digits", "7.1", "200 'hellohello'", b"A\r\nhellohello\r\n0\r\n\r\n", then="keep", kept=True
    ),
    chunks("size 0x5", "7.1", HELL, b"0x5\r\nhello\r\n0\r\n\r\n"),
    chunks("size negative", "7.1", HELL, b"-5\r\nhello\r\n0\r\n\r\n"),
    chunks("size +5", "7.1", HELL, b"+5\r\nhello\r\n0\r\n\r\n"),
    chunks("size with an underscore", "7.1", HELL, b"0_5\r\nhello\r\n0\r\n\r\n"),
    chunks("size zz", "7.1", HELL, b"zz\r\nhello\r\n0\r\n\r\n"),
    chunks("size 5h", "7.1", HELL, b"5h\r\nhello\r\n0\r\n\r\n"),
    chunks("size of Arabic digits", "7.1", HELL, "\u0665\r\nhello\r\n0\r\n\r\n".encode()),
    chunks("size of no digits", "7.1", HELL, b"\r\nhello\r\n0\r\n\r\n"),
    chunks("size in quotes", "7.1", HELL, b'"5"\r\nhello\r\n0\r\n\r\n'),
    chunks("size with a NUL", "7.1", HELL, b"5\0\r\nhello\r\n0\r\n\r\n"),
    chunks("size after a space", "7.1", HELL, b" 5\r\nhello\r\n0\r\n\r\n", pure=GOOD, why=LAX_SIZE),
    chunks("size before a space", "7.1", GOOD, b"5 \r\nhello\r\n0 \r\n\r\n", then="keep", kept=True),
    chunks("size before many spaces", "7.1", GOOD, b"5     \r\nhello\r\n0\r\n\r\n", then="keep", kept=True),
    chunks("size before a tab", "7.1", GOOD, b"5\t\r\nhello\r\n0\r\n\r\n", then="keep", kept=True),
    chunks(
        "size before a vertical tab", "7.1", HELL, b"5\x0b\r\nhello\r\n0\r\n\r\n", pure=GOOD, why=LAX_SIZE
    ),
    chunks("size of 16 digits", "7.1", CUT, b"ffffffffffffffff\r\nhello"),
    chunks("size of 15 digits", "7.1", CUT, b"fffffffffffffff\r\nhello"),
    chunks(
        "size beyond 64 bits",
        "7.1",
        HELL,
        b"10000000000000005\r\nhello\r\n0\r\n\r\n",
        pure="200 'hello\\r\\n0\\r\\n\\r\\n' cut",
        why=BIG_SIZE,
    ),
    chunks("size of 1,000 digits", "7.1", HELL, b"f" * 1000 + b"\r\nhello", pure=CUT, why=BIG_SIZE),
    chunks("size of 100,000 digits", "7.1", HELL, b"f" * 100_000 + b"\r\nhello"),
    chunks(
        "size line of 100,000 zeros",
        "7.1",
        GOOD,
        b"0" * 100_000 + b"5\r\nhello\r\n0\r\n\r\n",
        pure=HELL,
        why=LONG_SIZE,
    ),
    chunks("data longer than its size", "7.1", CUT, b"5\r\nhello", b"!\r\n0\r\n\r\n"),
    chunks("data shorter than its size", "7.1", "200 'hell\\r'", b"5\r\nhell\r\n0\r\n\r\n"),
    chunks("no CRLF after the data", "7.1", CUT, b"5\r\nhello", b"0\r\n\r\n"),
    chunks("XX for CRLF after the data", "7.1", CUT, b"5\r\nhello", b"XX0\r\n\r\n"),
    chunks("damage in the same read", "7.1", CUT, b"5\r\nhelloXX0\r\n\r\n", pure=HELL, why=SAME_READ),
    chunks(
        "damage in the same read, kept open",
        "7.1",
        CUT,
        b"5\r\nhello\r\nzz\r\n",
        then="keep",
        pure=HELL,
        why=SAME_READ,
    ),
    chunks("damage in a later read, kept open", "7.1", CUT, b"5\r\nhello\r\n", b"zz\r\n", then="keep"),
    chunks("LF after the data", "7.1", GOOD, b"5\r\nhello\n0\r\n\r\n"),
    chunks("CR after the data", "7.1", CUT, b"5\r\nhello", b"\r0\r\n\r\n"),
    chunks("CR CR LF after the data", "7.1", CUT, b"5\r\nhello", b"\r\r\n0\r\n\r\n"),
    chunks("two CRLF after the data", "7.1", CUT, b"5\r\nhello", b"\r\n\r\n0\r\n\r\n"),
    chunks("LF after a size", "7.1", HELL, b"5\nhello\r\n0\n\r\n", pure=GOOD, why=LAX_LF),
    chunks("CR after a size", "7.1", HELL, b"5\rhello\r\n0\r\n\r\n"),
    chunks("LF only", "7.1", HELL, b"5\nhello\n0\n\n", pure=GOOD, why=LAX_LF),
    chunks("CR CR LF after a size", "7.1", HELL, b"5\r\r\nhello\r\n0\r\n\r\n", pure=GOOD, why=CR_CR),
    chunks("extension", "7.1.1", GOOD, b"5;a=b\r\nhello\r\n0;c\r\n\r\n", then="keep", kept=True),
    chunks("extension in quotes", "7.1.1", GOOD, b'5;a="b;c"\r\nhello\r\n0\r\n\r\n', then="keep", kept=True),
    chunks("extension after a space", "7.1.1", GOOD, b"5 ;a=b\r\nhello\r\n0\r\n\r\n", then="keep", kept=True),
    chunks(
        "extension without a name", "7.1.1", HELL, b"5;\r\nhello\r\n0\r\n\r\n", pure=GOOD, why=LAX_EXTENSION
    ),
    chunks(
        "extension with a NUL", "7.1.1", HELL, b"5;a\0b\r\nhello\r\n0\r\n\r\n", pure=GOOD, why=LAX_EXTENSION
    ),
    chunks(
        "extension with a CR", "7.1.1", HELL, b"5;a\rb\r\nhello\r\n0\r\n\r\n", pure=GOOD, why=LAX_EXTENSION
    ),
    chunks("extension with an LF", "7.1.1", GOOD, b"5;a\nhello\r\n0\r\n\r\n"),
    chunks("extension with an LF in quotes", "7.1.1", HELL, b'5;a="\nb"\r\nhello\r\n0\r\n\r\n'),
    chunks(
        "extension of 4,000 bytes",
        "7.1.1",
        GOOD,
        b"5;" + b"a" * 4000 + b"\r\nhello\r\n0\r\n\r\n",
        then="keep",
        kept=True,
    ),
    chunks(
        "extension of 100,000 bytes",
        "7.1.1",
        GOOD,
        b"5;" + b"a" * 100_000 + b"\r\nhello\r\n0\r\n\r\n",
        pure=HELL,
        why=LONG_SIZE,
    ),
    chunks("trailer", "7.1.2", GOOD, b"5\r\nhello\r\n0\r\nX: a\r\n\r\n", then="keep", kept=True),
    chunks(
        "trailer that gives a length",
        "RFC 9110, 6.5.1",
        CUT,
        b"5\r\nhello\r\n",
        b"0\r\nContent-Length: 9\r\n\r\n",
        then="keep",
        pure=GOOD,
        pure_kept=True,
        why=TRAILER,
    ),
    chunks(
        "trailer that chunks",
        "RFC 9110, 6.5.1",
        GOOD,
        b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        then="keep",
        kept=True,
    ),
    chunks(
        "trailer that redirects",
        "RFC 9110, 6.5.1",
        GOOD,
        b"5\r\nhello\r\n0\r\nLocation: /x\r\n\r\n",
        then="keep",
        kept=True,
    ),
    chunks("trailer without a colon", "7.1.2", CUT, b"5\r\nhello\r\n", b"0\r\nhello\r\n\r\n"),
    chunks(
        "trailer with a NUL",
        "7.1.2",
        GOOD,
        b"5\r\nhello\r\n",
        b"0\r\nX: a\0\r\n\r\n",
        then="keep",
        kept=True,
        pure=CUT,
        pure_kept=False,
        why=LAST_TRAILER,
    ),
    chunks("trailer with a space before the colon", "7.1.2", CUT, b"5\r\nhello\r\n", b"0\r\nX : a\r\n\r\n"),
    chunks(
        "trailer of 9,000 bytes", "7.1.2", CUT, b"5\r\nhello\r\n", b"0\r\nX: " + b"a" * 9000 + b"\r\n\r\n"
    ),
    chunks("10,000 trailers", "7.1.2", CUT, b"5\r\nhello\r\n", b"0\r\n" + b"X: a\r\n" * 10_000 + b"\r\n"),
    chunks("a status line for a trailer", "7.1.2", CUT, b"5\r\nhello\r\n", b"0\r\n" + SMUGGLED),
    chunks("ends before a size", "8", HELL, b""),
    chunks("ends in a size", "8", HELL, b"5"),
    chunks("ends after a size", "8", HELL, b"5\r\n"),
    chunks("ends in a size's CRLF", "8", HELL, b"5\r"),
    chunks("ends in an extension", "8", HELL, b"5;a"),
    chunks("ends in the data", "8", "200 'hell' cut", b"5\r\nhell"),
    chunks("ends after the data", "8", CUT, b"5\r\nhello"),
    chunks("ends in the data's CRLF", "8", CUT, b"5\r\nhello\r"),
    chunks("ends before the last chunk", "8", CUT, b"5\r\nhello\r\n"),
    chunks("ends in the last chunk", "8", CUT, b"5\r\nhello\r\n0"),
    chunks("ends after the last chunk's size", "8", CUT, b"5\r\nhello\r\n0\r\n"),
    chunks("ends in the last CRLF", "8", CUT, b"5\r\nhello\r\n0\r\n\r"),
    chunks("ends in a trailer", "8", CUT, b"5\r\nhello\r\n0\r\nX: a"),
    chunks("ends after a trailer", "8", CUT, b"5\r\nhello\r\n0\r\nX: a\r\n"),
    chunks("no last chunk, and silence", "8", "timed_out", b"5\r\nhello\r\n", then="hang"),
    chunks("no last CRLF, and silence", "8", "timed_out", b"5\r\nhello\r\n0\r\n", then="hang"),
    chunks("none at all, but a body", "7.1", HELL, b"hello world"),
    chunks("bytes after the last", "9.2", GOOD, WORLD + b"junk", then="keep"),
    chunks("an answer after the last", "9.2", GOOD, WORLD + SMUGGLED, then="keep"),
    chunks("an answer after the last, later", "9.2", GOOD, WORLD, SMUGGLED, then="keep"),
    chunks("last chunk twice", "9.2", GOOD, WORLD + b"0\r\n\r\n", then="keep"),
    chunks("broken, then an answer", "7.1", CUT, b"5\r\nhello\r\n", b"zz\r\n" + SMUGGLED, then="keep"),
    chunks(
        "20,000 of a byte",
        "7.1",
        "200 <20000 bytes>",
        b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n",
        then="keep",
        kept=True,
    ),
]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
INTERIM = [
    row("100, then the answer", "RFC 9110, 15.2", GOOD, CONTINUE + HELLO, kept=True),
    row("100, and later the answer", "RFC 9110, 15.2", GOOD, CONTINUE, HELLO, kept=True),
    row("100, and silence", "RFC 9110, 15.2", "timed_out", CONTINUE, then="hang"),
    row("100, and the end", "RFC 9110, 15.2", "unreachable", CONTINUE, then="close"),
    row(
        "103 with fields",
        "RFC 8297, 2",
        GOOD,
        b"HTTP/1.1 103 x\r\nLink: </a>\r\nX: no\r\n\r\n" + HELLO,
        kept=True,
    ),
    row("102", "RFC 9110, 15.2", GOOD, b"HTTP/1.1 102 x\r\n\r\n" + HELLO, kept=True),
    row("199", "RFC 9110, 15.2", GOOD, b"HTTP/1.1 199 x\r\n\r\n" + HELLO, kept=True),
    row("five 100", "RFC 9110, 15.2", GOOD, CONTINUE * 5 + HELLO, kept=True),
    row("a hundred 100", "RFC 9110, 15.2", BAD, CONTINUE * 100 + HELLO),
    row("ten thousand 100", "RFC 9110, 15.2", BAD, CONTINUE * 10_000),
    row(
        "100 with a length and no body",
        "6.3",
        GOOD,
        b"HTTP/1.1 100 x\r\nContent-Length: 5\r\n\r\n" + HELLO,
        kept=True,
    ),
    row(
        "100 with a length and a body",
        "6.3",
        BAD,
        b"HTTP/1.1 100 x\r\nContent-Length: 5\r\n\r\nhello" + HELLO,
    ),
    row("100 with chunked and a body", "6.3", BAD, b"HTTP/1.1 100 x\r\n" + TE + b"\r\n" + WORLD + HELLO),
    row("100 with a body", "6.3", BAD, CONTINUE + b"hello" + HELLO),
    row(
        "100 that closes",
        "9.6",
        BAD,
        b"HTTP/1.1 100 x\r\nConnection: close\r\n\r\n" + HELLO,
        pure=GOOD,
        why=CLOSES,
    ),
    row("100 in HTTP/1.0", "RFC 9110, 15.2", BAD, b"HTTP/1.0 100 x\r\n\r\n" + HELLO, pure=GOOD, why=CLOSES),
    row("100 with a damaged field", "5", BAD, b"HTTP/1.1 100 x\r\nhello\r\n\r\n" + HELLO),
    row(
        "101, unasked",
        "RFC 9110, 15.2.2",
        BAD,
        b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    ),
    row(
        "101, unasked, to websocket",
        "RFC 9110, 7.8",
        BAD,
        b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ),
    row(
        "101, unasked, and an answer",
        "RFC 9110, 15.2.2",
        BAD,
        b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + SMUGGLED,
    ),
    row("101 without Upgrade", "RFC 9110, 15.2.2", BAD, b"HTTP/1.1 101 x\r\n\r\n" + SMUGGLED),
    row("101 with a length", "6.3", BAD, b"HTTP/1.1 101 x\r\nContent-Length: 5\r\n\r\nhello"),
]

BODILESS = [
    row("204", "6.3", "204 ''", b"HTTP/1.1 204 x\r\n\r\n", kept=True),
    row(
        "204 with a length and no body",
        "RFC 9110, 8.6",
        "204 ''",
        b"HTTP/1.1 204 x\r\n" + FIVE + b"\r\n",
        kept=True,
    ),
    row("204 with a body", "6.3", "204 ''", b"HTTP/1.1 204 x\r\n" + FIVE + b"\r\nhello"),
    row("204 with a body and no length", "6.3", "204 ''", b"HTTP/1.1 204 x\r\n\r\nhello"),
    row("204 with a chunked body", "6.3", "204 ''", b"HTTP/1.1 204 x\r\n" + TE + b"\r\n" + WORLD),
    row(
        "204 with an answer for a body",
        "6.3",
        "204 ''",
        b"HTTP/1.1 204 x\r\nContent-Length: 46\r\n\r\n" + SMUGGLED,
    ),
    row("204 with a body, later", "6.3", "204 ''", b"HTTP/1.1 204 x\r\n" + FIVE + b"\r\n", b"hello"),
    row("304", "6.3", "304 ''", b"HTTP/1.1 304 x\r\n\r\n", kept=True),
    row(
        "304 with a length and no body",
        "RFC 9110, 8.6",
        "304 ''",
        b"HTTP/1.1 304 x\r\n" + FIVE + b"\r\n",
        kept=True,
    ),
    row("304 with a body", "6.3", "304 ''", b"HTTP/1.1 304 x\r\n" + FIVE + b"\r\nhello"),
    row("304 with a chunked body", "6.3", "304 ''", b"HTTP/1.1 304 x\r\n" + TE + b"\r\n" + WORLD),
    row(
        "304 with an answer for a body",
        "6.3",
        "304 ''",
        b"HTTP/1.1 304 x\r\nContent-Length: 46\r\n\r\n" + SMUGGLED,
    ),
    row("205", "RFC 9110, 15.3.6", "205 ''", b"HTTP/1.1 205 x\r\nContent-Length: 0\r\n\r\n", kept=True),
    row(
        "205 with a body",
        "RFC 9110, 15.3.6",
        "205 'hello'",
        b"HTTP/1.1 205 x\r\n" + FIVE + b"\r\nhello",
        kept=True,
    ),
    row(
        "205 without a length",
        "RFC 9110, 15.3.6",
        "205 'hello'",
        b"HTTP/1.1 205 x\r\n\r\nhello",
        then="close",
    ),
]

SECOND_ANSWERS = [
    row("two answers", "9.2", GOOD, HELLO + SMUGGLED),
    row("two answers, the second later", "9.2", GOOD, HELLO, SMUGGLED),
    row("two answers, byte by byte", "9.2", GOOD, *dripped(HELLO + SMUGGLED)),
    row("two answers, the second cut", "9.2", GOOD, HELLO + SMUGGLED[:-3]),
    row("two answers, the second's head only", "9.2", GOOD, HELLO, SMUGGLED[:40]),
    row("two answers, the second's half line", "9.2", GOOD, HELLO, SMUGGLED[:12]),
    row("two answers, the second with the body's end", "9.2", GOOD, OK + FIVE + b"\r\nhel", b"lo" + SMUGGLED),
    row("two answers, a part with the body's end", "9.2", GOOD, OK + FIVE + b"\r\nhel", b"loHTTP/1.1 2"),
    row("two answers, a letter of the second", "9.2", GOOD, HELLO + b"H"),
    row("two answers, the second one's rest later", "9.2", GOOD, HELLO + SMUGGLED[:12], SMUGGLED[12:]),
    row("two answers, an empty line between", "9.2", GOOD, HELLO + b"\r\n" + SMUGGLED),
    row("three answers", "9.2", GOOD, HELLO + SMUGGLED + SMUGGLED),
    row("an answer and a 100", "9.2", GOOD, HELLO + CONTINUE),
    row("an answer and a 100, later", "9.2", GOOD, HELLO, CONTINUE),
    row(
        "an answer and a request time-out, later",
        "RFC 9110, 15.5.9",
        GOOD,
        HELLO,
        b"HTTP/1.1 408 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ),
    row(
        "an answer that closes, and another",
        "9.6",
        GOOD,
        OK + b"Connection: close\r\n" + FIVE + b"\r\nhello" + SMUGGLED,
    ),
    row("an answer of length 0 and another", "9.2", EMPTY, length(b" 0", SMUGGLED)),
    row("an answer of length 0 and another, later", "9.2", EMPTY, length(b" 0", b""), SMUGGLED),
    row("204 and another", "9.2", "204 ''", b"HTTP/1.1 204 x\r\n\r\n" + SMUGGLED),
    row("204 and another, later", "9.2", "204 ''", b"HTTP/1.1 204 x\r\n\r\n", SMUGGLED),
    row("304 and another, later", "9.2", "304 ''", b"HTTP/1.1 304 x\r\n\r\n", SMUGGLED),
    row(
        "redirect and another",
        "9.2",
        "302 '' -> '/a'",
        REDIRECT + b"Location: /a\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
    ),
    row(
        "redirect and another, later",
        "9.2",
        "302 '' -> '/a'",
        REDIRECT + b"Location: /a\r\nContent-Length: 0\r\n\r\n",
        SMUGGLED,
    ),
    row(
        "response splitting in a redirect",
        "11.1",
        "302 '' -> '/a'",
        REDIRECT
        + b"Location: /a\r\nContent-Length: 0\r\n\r\n"
        + SMUGGLED
        + b"\r\nContent-Length: 5\r\n\r\nhello",
    ),
    row("an answer before the request", "9.2", GOOD, HELLO, kept=True, early=True),
    row("two answers before the request", "9.2", GOOD, HELLO + SMUGGLED, early=True),
    row("a greeting before the request", "4", BAD, b"220 mail.example ESMTP\r\n", early=True),
    row("broken head, then an answer", "2.2", BAD, OK + b"hello\r\n\r\n" + SMUGGLED),
    row("bytes on an idle connection", "9.2", GOOD, HELLO, b"H"),
    row(
        "an empty line on an idle connection",
        "9.2",
        GOOD,
        HELLO,
        b"\r\n",
        kept=True,
        pure_kept=False,
        why=EMPTY_LINE,
    ),
    row("a TLS alert on an idle connection", "9.2", GOOD, HELLO, b"\x15\x03\x03\x00\x02\x01\x00"),
]

CONNECTIONS = [
    row("close", "9.6", GOOD, field(b"Connection: close")),
    row("Close, keep-alive", "9.6", GOOD, field(b"Connection: Close, keep-alive")),
    row("keep-alive, and then close", "9.6", GOOD, field(b"Connection: keep-alive\r\nConnection: close")),
    row("closed", "9.3", GOOD, field(b"Connection: closed"), kept=True),
    row("connection of no bytes", "RFC 9110, 7.6.1", GOOD, field(b"Connection:"), kept=True),
    row("connection of commas", "RFC 9110, 7.6.1", GOOD, field(b"Connection: ,,"), kept=True),
    row(
        "keep-alive in HTTP/1.0",
        "9.3",
        GOOD,
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + FIVE + b"\r\nhello",
        kept=True,
    ),
    row("close in HTTP/1.0", "9.3", GOOD, b"HTTP/1.0 200 OK\r\nConnection: close\r\n" + FIVE + b"\r\nhello"),
    row("says that it keeps, and closes", "9.6", GOOD, field(b"Connection: keep-alive"), then="close"),
    row(
        "Proxy-Connection: close", "C.2.2", GOOD, field(b"Proxy-Connection: close"), pure_kept=True, why=PROXY
    ),
    row("Upgrade without 101", "RFC 9110, 7.8", GOOD, field(b"Upgrade: h2c"), kept=True),
    row(
        "Upgrade with Connection, without 101",
        "RFC 9110, 7.8",
        GOOD,
        field(b"Connection: Upgrade\r\nUpgrade: h2, h2c"),
        kept=True,
    ),
    row(
        "Upgrade to websocket, without 101",
        "RFC 9110, 7.8",
        GOOD,
        field(b"Connection: Upgrade\r\nUpgrade: websocket"),
        kept=True,
        pure_kept=False,
        why=UPGRADED,
    ),
    row(
        "Upgrade to websocket, without 101 or a body",
        "RFC 9110, 7.8",
        EMPTY,
        OK + b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
        kept=True,
        pure_kept=False,
        why=UPGRADED,
    ),
    row(
        "426 with Upgrade",
        "RFC 9110, 15.5.22",
        "426 'hello'",
        b"HTTP/1.1 426 x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n" + FIVE + b"\r\nhello",
        kept=True,
    ),
    row("Keep-Alive: timeout=0", "C.2.2", GOOD, field(b"Keep-Alive: timeout=0"), kept=True),
]

REDIRECTS = [
    row(
        "two Locations",
        "RFC 9110, 10.2.2",
        "302 '' -> '/a'",
        REDIRECT + b"Location: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
        kept=True,
    ),
    row("no Location", "RFC 9110, 15.4", "302 ''", REDIRECT + b"Content-Length: 0\r\n\r\n", kept=True),
    row(
        "Location of no bytes",
        "RFC 9110, 10.2.2",
        "302 '' -> ''",
        REDIRECT + b"Location:\r\nContent-Length: 0\r\n\r\n",
        kept=True,
    ),
    row(
        "Location with a NUL",
        "RFC 9110, 5.5",
        BAD,
        REDIRECT + b"Location: /a\0b\r\nContent-Length: 0\r\n\r\n",
    ),
    row(
        "Location with a CR",
        "11.1",
        BAD,
        REDIRECT + b"Location: /a\rSet-Cookie: a\r\nContent-Length: 0\r\n\r\n",
    ),
    row(
        "Location with a control byte",
        "RFC 9110, 5.5",
        BAD,
        REDIRECT + b"Location: /a\x01b\r\nContent-Length: 0\r\n\r\n",
    ),
    row(
        "Location in UTF-8",
        "RFC 9110, 5.5",
        "302 '' -> '/é'",
        REDIRECT + "Location: /é\r\nContent-Length: 0\r\n\r\n".encode(),
        kept=True,
    ),
    row(
        "Location on a folded line",
        "5.2",
        "302 '' -> '/a b'",
        REDIRECT + b"Location: /a\r\n b\r\nContent-Length: 0\r\n\r\n",
        kept=True,
    ),
    row(
        "redirect with length and chunked",
        "6.3",
        BAD,
        REDIRECT + b"Location: /a\r\n" + FIVE + TE + b"\r\n" + WORLD,
    ),
    row(
        "redirect with a broken body",
        "7.1",
        "302 '' -> '/a'",
        REDIRECT + b"Location: /a\r\n" + TE + b"\r\nzz\r\n",
    ),
    row(
        "redirect with a body",
        "9.3",
        "302 '' -> '/a'",
        REDIRECT + b"Location: /a\r\n" + FIVE + b"\r\nhello",
        kept=True,
    ),
]

CODINGS = [
    row("gzip", "RFC 9110, 8.4", GOOD, coded(b"gzip", PACKED), kept=True),
    row("GZIP", "RFC 9110, 8.4.1", GOOD, coded(b"GZIP", PACKED), kept=True),
    row("x-gzip", "RFC 9110, 8.4.1.3", GOOD, coded(b"x-gzip", PACKED), kept=True),
    row("coding unknown", "RFC 9110, 8.4", GOOD + " note", coded(b"x", b"hello"), kept=True),
    row("coding of no bytes", "RFC 9110, 8.4", GOOD, coded(b"", b"hello"), kept=True),
    row("coding identity", "RFC 9110, 8.4.1", GOOD, coded(b"identity", b"hello"), kept=True),
    row("coding chunked", "RFC 9110, 8.4.1", GOOD + " note", coded(b"chunked", b"hello"), kept=True),
    row("coding of commas", "RFC 9110, 5.6.1", GOOD, coded(b", ,gzip,,", PACKED), kept=True),
    row("gzip twice", "RFC 9110, 8.4", GOOD, coded(b"gzip, gzip", gzip.compress(PACKED)), kept=True),
    row(
        "gzip on two lines",
        "RFC 9110, 5.3",
        GOOD,
        OK + b"Content-Encoding: gzip\r\n" + coded(b"gzip", gzip.compress(PACKED))[17:],
        kept=True,
    ),
    row("six codings", "RFC 9110, 8.4", BAD, coded(b"a, b, c, d, e, f", b"hello"), kept=True),
    row("gzip that is none", "RFC 1952, 2.3.1", BAD, coded(b"gzip", b"hello"), kept=True),
    row(
        "gzip with a wrong checksum",
        "RFC 1952, 2.3.1",
        BAD,
        coded(b"gzip", PACKED[:-8] + b"\0" * 8),
        kept=True,
    ),
    row("gzip, damaged", "RFC 1951, 3.2.3", BAD, coded(b"gzip", PACKED[:10] + b"\xff" * 20), kept=True),
    row("gzip, cut", "RFC 1952, 2.3.1", CUT, coded(b"gzip", PACKED[:-8]), kept=True),
    row("gzip, and padding", "RFC 1952, 2.2", GOOD, coded(b"gzip", PACKED + b"\0" * 10), kept=True),
    row("gzip of no bytes", "RFC 1952, 2.2", EMPTY, coded(b"gzip", b""), kept=True),
    row("deflate", "RFC 9110, 8.4.1.2", GOOD, coded(b"deflate", zlib.compress(b"hello")), kept=True),
    row(
        "deflate without zlib's head",
        "RFC 9110, 8.4.1.2",
        GOOD,
        coded(b"deflate", zlib.compress(b"hello")[2:-4]),
        kept=True,
    ),
    row("deflate that is gzip", "RFC 1950, 2.2", BAD, coded(b"deflate", PACKED), kept=True),
    row("gzip that is deflate", "RFC 1952, 2.3.1", BAD, coded(b"gzip", zlib.compress(b"hello")), kept=True),
    row("br that is none", "RFC 7932, 10", BAD, coded(b"br", b"\xff\xff\xff\xff"), kept=True),
    row("zstd that is none", "RFC 8878, 3.1", BAD, coded(b"zstd", b"hello"), kept=True),
    row(
        "zstd with a window of 2 GiB",
        "RFC 9659, 3",
        BAD,
        coded(b"zstd", b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00"),
        kept=True,
    ),
    row(
        "gzip and broken chunks",
        "7.1",
        "200 '' cut",
        OK + b"Content-Encoding: gzip\r\n" + TE + b"\r\n" + b"zz\r\n",
    ),
]

ROWS = tuple(
    STATUS_LINES + STRANGERS + NAMES + VALUES + LENGTHS + TRANSFER_CODINGS + CHUNKS + INTERIM + BODILESS
    + SECOND_ANSWERS + CONNECTIONS + REDIRECTS + CODINGS
)  # fmt: skip


class _Server:
    """Gives a row's answer to the first request, on every connection a good one to each later request."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._tasks: set[asyncio.Task[None]] = set()
        self.written = asyncio.Event()
        self.connections = 0
        self.requests = 0
        self.origin = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[_Server]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
                if self._row.early and self.connections == 1:
                    await self._say(writer)
                while True:
                    await reader.readuntil(b"\r\n\r\n")
                    self.requests += 1
                    await self._answer(writer)
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        if self.requests > 1:
            body = f"own answer to request {self.requests}".encode()
            writer.write(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            return
        if not self._row.early:
            await self._say(writer)
        if self._row.then == "reset":
            await asyncio.sleep(PAUSE)  # else the bytes before it would be lost, too
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if self._row.then in ("close", "reset"):
            writer.close()

    async def _say(self, writer: asyncio.StreamWriter) -> None:
        """The row's answer, part by part."""
        try:
            for number, part in enumerate(self._row.parts):
                # Bytes of a dripped answer need not be far apart, only in many reads.
                await asyncio.sleep(0.0 if len(part) == 1 else PAUSE if number else 0.0)
                writer.write(part)
                await writer.drain()
        finally:
            self.written.set()


def verdict(answer: Response | Failure) -> str:
    """What came of a request, in short; of fields only those that rows are about."""
    if isinstance(answer, Failure):
        return answer.reason.value
    body = answer.body.decode("latin-1")
    words = [str(answer.status), repr(body) if len(body) <= 40 else f"<{len(body)} bytes>"]
    if (location := answer.headers.first("location")) is not None:
        words.append(f"-> {location!r}")
    for name in ("X", "Y"):
        if (value := answer.headers.get(name)) is not None:
            words.append(f"{name}={len(value) if len(value) > 100 else repr(value)}")
    if answer.truncated:
        words.append("cut")
    if answer.note:
        words.append("note")
    return " ".join(words)


async def _ask(fetcher: AiohttpFetcher, origin: str) -> tuple[str, float]:
    loop = asyncio.get_running_loop()
    start = loop.time()
    try:
        text = verdict(await fetcher.fetch(Request(f"{origin}/", MIB, reach="loopback"), lambda: None))
    except (
        Exception
    ) as error:  # a fetch never raises: a bug is a verdict here, so that the table names the row
        text = f"raised {error!r}"
    return text, loop.time() - start


async def _play(row: Row, fetcher: AiohttpFetcher) -> Came:
    async with _Server(row).running() as server:
        text, seconds = await _ask(fetcher, server.origin)
        if row.then == "keep" or row.parts:
            with contextlib.suppress(
                TimeoutError
            ):  # a server that was refused in the middle may write no more
                await asyncio.wait_for(server.written.wait(), 2.0)
        await asyncio.sleep(PAUSE)
        second, _ = await _ask(fetcher, server.origin)
        return Came(text, server.connections == 1, seconds, second, server.requests)


async def play(rows: tuple[Row, ...] = ROWS) -> dict[str, Came]:
    """Every row with its own server; a few dozen at a time, those that wait for a time-out all at once."""
    patient, impatient = (
        AiohttpFetcher(Http(), Limits(timeout=seconds), SystemClock()) for seconds in (PATIENCE, IMPATIENCE)
    )
    turns = asyncio.Semaphore(40)

    async def one(row: Row) -> Came:
        if row.then == "hang":
            return await _play(row, impatient)
        async with turns:
            return await _play(row, patient)

    try:
        came = await asyncio.gather(*[one(row) for row in rows])
    finally:
        await patient.close()
        await impatient.close()
    return {row.name: result for row, result in zip(rows, came, strict=True)}


def parser_in_use() -> str:
    """ "c" or "pure": the one that this process' client has."""
    pure = aiohttp.http.HttpResponseParser.__module__ == "aiohttp.http_parser"
    return "pure" if pure else "c"


if __name__ == "__main__":
    answers = {name: dataclasses.asdict(came) for name, came in asyncio.run(play()).items()}
    json.dump({"parser": parser_in_use(), "came": answers}, sys.stdout)
