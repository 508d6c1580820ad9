"""Which documents may cost more than an event loop can bear.

The parser gives the interpreter back when it is done, and not before. What it needs is linear in all but two
cases, both found by measuring. Formatting elements that are never closed (``<b 1><b 2>...``) are made anew
in every following block, up to 512 of them, the depth at which the parser stops: 8 KB and 4 us for each byte
of input. Attributes of repeated ``<body>`` and ``<html>`` tags are gathered on one element, at the square of
their number. An exact look for either costs a tenth of the parse itself, so there is none: what a document
of each size can do at most decides, and a glance for what is plainly nesting.
"""

from __future__ import annotations

__all__ = ["LARGE", "SLIGHT", "is_heavy"]

# At worst, measured: 16 KiB take 0.1 s and 130 MB, 128 KiB 0.7 s and 1 GB, 256 KiB 3 s and 4 GB. An ordinary
# document takes 7 to 10 ns a byte: 1 ms for 128 KiB.
SLIGHT = 16 * 1024
LARGE = 128 * 1024
_GLANCE = 256
# More than a tag in 16 bytes, of which fewer than two in five are end tags.
_DENSE = _GLANCE // 16


def is_heavy(body: bytes) -> bool:
    """May this document, as HTML, hold the loop for long, or need much memory?

    True above 128 KiB; above 16 KiB if it consists of start tags at a quarter, a half or three quarters of
    its length. Takes less than 2 us, whatever the size.
    """
    size = len(body)
    if size <= SLIGHT or size > LARGE:
        return size > LARGE
    for start in (size // 4, size // 2, size // 4 * 3):
        tags = body.count(b"<", start, start + _GLANCE)
        if tags > _DENSE and 5 * body.count(b"</", start, start + _GLANCE) < 2 * tags:
            return True
    return False
