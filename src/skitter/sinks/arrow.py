"""Records and items as Arrow tables: which type a column has, and batches of a bounded size.

pyarrow is an extra: it is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from skitter.sinks.columns import MORE, MOST_COLUMNS, Column, Kind, json_text

__all__ = ["ItemShape", "RecordShape", "Shape", "batches"]

# A row group: as many rows as pay for a scan, and no more bytes than memory is to be taken for; pages with
# all their HTML come in smaller groups.
_ROWS, _BYTES = 20_000, 16 * 1024 * 1024
# As objects of Python, rows take several times their bytes: so many at once.
_AT_ONCE = 1000
_SMALLEST, _GREATEST = -(2**63), 2**63 - 1

_OBJECT = msgspec.json.Decoder(dict[str, Any])


class Shape:
    """The columns of a file, each with its Arrow type and what makes its values."""

    def __init__(self, columns: Mapping[str, Kind | None], *, has_more: bool = False) -> None:
        """Of a column without a kind the values are JSON. ``has_more``: what has no column of its own goes
        into one more."""
        self._columns = columns
        self._has_more = has_more

    def schema(self, metadata: Mapping[bytes, bytes]) -> Any:
        """The Arrow schema."""
        import pyarrow as pa

        fields = [(name, _type(pa, kind)) for name, kind in self._columns.items()]
        if self._has_more:
            fields.append((MORE, pa.string()))
        return pa.schema(fields, metadata=metadata)

    def table(self, schema: Any, lines: Sequence[bytes]) -> Any:
        """An Arrow table of these JSON lines."""
        import pyarrow as pa

        parts = [lines[start : start + _AT_ONCE] for start in range(0, len(lines), _AT_ONCE)]
        return pa.concat_tables([self._part(schema, list(map(_OBJECT.decode, part))) for part in parts])

    def _part(self, schema: Any, rows: Sequence[Mapping[str, Any]]) -> Any:
        import pyarrow as pa

        columns = [[_value(row.get(name), kind) for row in rows] for name, kind in self._columns.items()]
        if self._has_more:
            columns.append([self._more(row) for row in rows])
        arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        return pa.Table.from_arrays(arrays, schema=schema)

    def _more(self, row: Mapping[str, Any]) -> str | None:
        return json_text({name: value for name, value in row.items() if name not in self._columns} or None)


class RecordShape:
    """Records always have the same columns."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns

    def of(self, lines: Iterable[bytes]) -> Shape:
        """No need to look at them."""
        return Shape({column.name: column.kind for column in self._columns})


class ItemShape:
    """Items have the columns that all of them together have."""

    def of(self, lines: Iterable[bytes]) -> Shape:
        """One pass over them: numbers that are whole in all items are integers, what is of more than one kind
        is JSON, and so is what is an object."""
        kinds: dict[str, Kind | None] = {}
        unknown: dict[str, None] = {}  # every value so far was null
        has_more = False
        for line in lines:
            for name, value in _OBJECT.decode(line).items():
                if name not in kinds and name not in unknown:
                    if len(kinds) + len(unknown) >= MOST_COLUMNS or name == MORE:
                        has_more = True
                        continue
                    unknown[name] = None
                if value is not None:
                    kinds[name] = _common(kinds[name], value) if name in kinds else _kind(value)
        columns = {name: kinds.get(name, Kind.TEXT) for name in unknown}
        return Shape(columns, has_more=has_more)


def _kind(value: object) -> Kind | None:
    match value:
        case bool():
            return Kind.FLAG
        case int():
            return Kind.WHOLE if _SMALLEST <= value <= _GREATEST else None
        case float():
            return Kind.REAL
        case str():
            return Kind.TEXT
        case list() if value and all(isinstance(each, str) for each in value):
            return Kind.TEXTS
    return None


def _common(former: Kind | None, value: object) -> Kind | None:
    kind = _kind(value)
    if former is kind or (former is Kind.TEXTS and value == []):
        return former
    return Kind.REAL if {former, kind} == {Kind.WHOLE, Kind.REAL} else None


def _type(pa: Any, kind: Kind | None) -> Any:
    pair = pa.struct([("name", pa.string()), ("value", pa.string())])
    types = {
        Kind.WHOLE: pa.int64(),
        Kind.REAL: pa.float64(),
        Kind.FLAG: pa.bool_(),
        Kind.TIME: pa.timestamp("us", tz="UTC"),
        Kind.TEXTS: pa.list_(pa.string()),
        Kind.PAIRS: pa.list_(pair),
    }
    return pa.string() if kind is None else types.get(kind, pa.string())


def _value(value: Any, kind: Kind | None) -> Any:
    if value is None:
        return None
    match kind:
        case None:
            return json_text(value)
        case Kind.TIME:
            return datetime.fromisoformat(value)
        case Kind.REAL:
            return float(value)
        case Kind.PAIRS:
            return [{"name": name, "value": text} for name, text in value]
        case Kind.TEXT if not isinstance(value, str):
            return json_text(value)
    return value


def batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """JSON lines, a row group at a time."""
    group: list[bytes] = []
    size = 0
    for line in lines:
        if group and (len(group) == _ROWS or size + len(line) > _BYTES):
            yield group
            group, size = [], 0
        group.append(line)
        size += len(line)
    if group:
        yield group
