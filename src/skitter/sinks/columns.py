"""Records as tables have them: a column a field, and of which kind its values are."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from math import isfinite
from typing import Any

import msgspec

from skitter.model import Record, Row

__all__ = ["MORE", "MOST_COLUMNS", "RECORD", "Column", "Kind", "json_text", "record_columns", "values_of"]

# Items may have any names: those beyond so many go together into one more column, as JSON. SQLite takes 2,000
# columns, and 999 values in one statement before 3.32.
MOST_COLUMNS, MORE = 900, "_more"


class Kind(Enum):
    """What a column holds."""

    TEXT = "text"
    WHOLE = "whole number"
    REAL = "real number"
    FLAG = "true or false"
    TIME = "a time, RFC 3339"
    TEXTS = "list of texts"
    PAIRS = "list of pairs of texts"


class Column(msgspec.Struct, frozen=True):
    """One field of a record."""

    name: str
    kind: Kind


_KINDS: dict[object, Kind] = {int: Kind.WHOLE, float: Kind.REAL, bool: Kind.FLAG, int | None: Kind.WHOLE,
                              tuple[str, ...]: Kind.TEXTS}  # fmt: skip
_EXTRA = {"headers": Kind.PAIRS, "outlinks": Kind.TEXTS}

# The fields of every record, in the contract's order.
RECORD = tuple(
    Column(field.name, Kind.TIME if field.name == "fetched_at" else _KINDS.get(field.type, Kind.TEXT))
    for field in msgspec.structs.fields(Record)
)


def record_columns(fields: Sequence[str]) -> tuple[Column, ...]:
    """Those of records with the extra ``fields`` (``--field``), which come last."""
    return (*RECORD, *(Column(name, _EXTRA.get(name, Kind.TEXT)) for name in dict.fromkeys(fields)))


def values_of(row: Row) -> dict[str, Any]:
    """The record, extra fields too, as plain values."""
    values: dict[str, Any] = msgspec.to_builtins(row.record)
    return values | row.extra if row.extra else values


def json_text(value: object) -> str | None:
    """Any value as JSON; None for None, and for a number that JSON does not have."""
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return None
    return msgspec.json.encode(value).decode()
