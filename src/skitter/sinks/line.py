"""One record, one line of JSON."""

from __future__ import annotations

import msgspec

from skitter.model import Row

__all__ = ["line_of"]

_ENCODER = msgspec.json.Encoder()


def line_of(row: Row) -> bytes:
    """The record, extra fields last, and a newline."""
    record = _ENCODER.encode(row.record)
    if row.extra:
        record = record[:-1] + b"," + _ENCODER.encode(row.extra)[1:]
    return record + b"\n"
