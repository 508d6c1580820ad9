"""One record, one line of JSON; one item, one line of JSON."""

from __future__ import annotations

import msgspec

from skitter.model import Row

__all__ = ["item_lines", "line_of"]

_ENCODER = msgspec.json.Encoder()


def line_of(row: Row) -> bytes:
    """The record, extra fields last, and a newline."""
    record = _ENCODER.encode(row.record)
    if row.extra:
        record = record[:-1] + b"," + _ENCODER.encode(row.extra)[1:]
    return record + b"\n"


def item_lines(row: Row) -> bytes:
    """A line for each item that a handler made of the page."""
    return b"".join([_ENCODER.encode(item) + b"\n" for item in row.items])
