"""Which documents may cost more than an event loop can bear.

The parser gives the interpreter back when it is done, and not before. What it needs is linear in all but two
cases, both found by measuring. Formatting elements that are never closed (``<b 1><b 2>...``) are made anew
in every following block, up to 512 of them, the depth at which the parser stops: 8 KB and 4 us for each byte
of input. Attributes of repeated ``<body>`` and ``<html>`` tags are gathered on one element, at the square of
their number. A look for both costs half a parse, so only documents of many tags get it.
"""

from __future__ import annotations

import re

__all__ = ["LARGE", "SLIGHT", "is_heavy"]

# At worst, measured: 16 KiB take 0.1 s and 130 MB, 128 KiB 0.7 s and 1 GB. An ordinary document takes 7 to 10
# ns a byte, 5 ms for 512 KiB; the slowest that is linear, a tenth of a second. The plan draws the line at 256
# KiB; with a manual of Python's that cost a tenth of all CPU more (docs/decisions.md).
SLIGHT = 16 * 1024
LARGE = 512 * 1024
# Places that are looked at, and how long each is: a sample of what most documents are.
_PLACES, _GLANCE = 12, 512
# Steps of this share of the whole spread evenly, and in no period that a document could have, too.
_GOLDEN = 0.6180339887498949
# With fewer start tags than this, the worst that they can be takes 0.14 s and 200 MB. Of 12,600 documents of
# Python, PostgreSQL, SQLite and Java one in two hundred has more.
_MANY_TAGS = 8_000
# Of <body> and <html>, with or without attributes.
_MOST_ROOTS = 8
# So many different formatting elements may stand open: then a block costs less than 10 KB.
_MOST_OPEN = 120
# The same attributes again count three times at most (HTML Standard, "Noah's Ark clause").
_ARK = 3
# The parser's own spellings of a space in a tag, and of its letters, as one.
_ONE_SPELLING = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ\t\n\f\r/", b"abcdefghijklmnopqrstuvwxyz" + b" " * 5
)
_WORDS = (
    b"b",
    b"big",
    b"code",
    b"em",
    b"font",
    b"i",
    b"nobr",
    b"s",
    b"small",
    b"strike",
    b"strong",
    b"tt",
    b"u",
)
# Tags up to the first ">", formatting elements only with attributes: of one with a quotation mark left open
# more may follow.
_START = re.compile(b"<(?:body|html|(?:" + b"|".join(_WORDS) + b") )[^>]{0,1000}")


def is_heavy(body: bytes, at: float = 0.5) -> bool:
    """May this document, as HTML, hold the loop for long, or need much memory?

    True above 512 KiB; up to 16 KiB it may not, whatever it is. Between, how many tags there are is guessed
    by a few places that depend on ``at``, from 0 to 1, which its author should not know; where they are many,
    all are looked at. That takes half a parse, the guess some 10 us.
    """
    size = len(body)
    if size <= SLIGHT or size > LARGE:
        return size > LARGE
    starts = 0
    for _ in range(_PLACES):
        at = (at + _GOLDEN) % 1.0
        start = int(at * (size - _GLANCE))
        starts += body.count(b"<", start, start + _GLANCE) - body.count(b"</", start, start + _GLANCE)
    if starts * size < _MANY_TAGS * _GLANCE * _PLACES:
        return False
    return _gathers_or_reopens(body.translate(_ONE_SPELLING))


def _gathers_or_reopens(plain: bytes) -> bool:
    """``plain`` is the body in one spelling."""
    if b"\0" in plain:  # UTF-16, perhaps: the tags are spelt otherwise
        return True
    tags = _START.findall(plain)
    if len(tags) <= _MOST_ROOTS:
        return False
    if sum(tag.startswith((b"<body", b"<html")) for tag in tags) > _MOST_ROOTS:
        return True
    kinds = set(tags)
    if len(kinds) * _ARK > _MOST_OPEN:
        return True
    return any(kind.count(b'"') % 2 or kind.count(b"'") % 2 or len(kind) > 1000 for kind in kinds)
