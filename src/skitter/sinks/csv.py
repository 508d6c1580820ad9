"""CSV (RFC 4180) in UTF-8: a header that never changes, then a row a record, or a row an item.

Lists are JSON, None is an empty cell. Rows end with CR LF, as the RFC has it; then the csv module also
quotes a cell with either of them alone in it, which some readers would take for a row's end.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any, BinaryIO

from skitter.model import Row
from skitter.sinks.columns import MORE, MOST_COLUMNS, RECORD, Column, json_text, values_of

__all__ = ["CsvItems", "CsvRecords", "begins_with_records", "harmless", "original"]

# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection; the wide ones in Japanese
# Excel), behind what we put before it.
_BEGINNINGS = "[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
_FORMULA = re.compile(f"'*{_BEGINNINGS}")
_MADE_HARMLESS = re.compile(f"'+{_BEGINNINGS}")


def harmless(text: str) -> str:
    """Text that no spreadsheet computes (F2): what it would take for a formula gets a ``'`` before it."""
    return f"'{text}" if _FORMULA.match(text) else text


def original(cell: str) -> str:
    """The text that :func:`harmless` made a cell of."""
    return cell[1:] if _MADE_HARMLESS.match(cell) else cell


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, float):
        return value if isfinite(value) else ""
    return value if isinstance(value, int) else json_text(value)


def _lines(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _header(file: BinaryIO) -> list[str]:
    """The first row of a CSV file; nothing if it has none."""
    with io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        return [original(cell) for cell in next(csv.reader(text), [])]


def begins_with_records(file: BinaryIO) -> bool:
    """Is the file's header that of records? Raises what its reading raises."""
    names = [column.name for column in RECORD]
    return _header(file)[: len(names)] == names


class CsvRecords:
    """A row a record."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._names = [column.name for column in columns]
        self._has_header = False

    def begin(self, former: BinaryIO | None) -> None:
        """A new file gets a header with its first row."""
        self._has_header = former is not None

    def encode(self, rows: Sequence[Row]) -> bytes:
        """The rows of these records."""
        header = [] if self._has_header or not rows else [self._names]
        self._has_header |= bool(rows)
        every = map(values_of, rows)
        return _lines([*header, *([values.get(name) for name in self._names] for values in every)])


class CsvItems:
    """A row an item. The first one names the columns; what later ones have besides goes into the last column,
    as a JSON object."""

    def __init__(self) -> None:
        self._header: list[str] = []
        self._names: dict[str, None] = {}  # of the columns but the last

    def begin(self, former: BinaryIO | None) -> None:
        """Go on with the columns that the file has."""
        self._use(_header(former) if former is not None else [])

    def _use(self, header: list[str]) -> None:
        self._header, self._names = header, dict.fromkeys(header[:-1])

    def encode(self, rows: Sequence[Row]) -> bytes:
        """The rows of all items of these pages."""
        items = [item for row in rows for item in row.items]
        if not items:
            return b""
        lines: list[list[Any]] = []
        if not self._header:
            names = list(items[0])[:MOST_COLUMNS]
            self._use([*names, _free_name(names)])
            lines.append(self._header)
        return _lines(lines + [self._row(item) for item in items])

    def _row(self, item: dict[str, Any]) -> list[Any]:
        more = {name: value for name, value in item.items() if name not in self._names}
        return [*(item.get(name) for name in self._names), more or None]


def _free_name(names: Sequence[str]) -> str:
    name = MORE
    while name in names:
        name = f"_{name}"
    return name
