"""The tables of a SQLite output: one of records, with a column a field, or one of items, whose columns come
with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from skitter.model import Row
from skitter.sinks.columns import MORE, MOST_COLUMNS, Column, Kind, json_text, values_of

__all__ = ["APPLICATION_ID", "ITEMS_KIND", "RECORDS_KIND", "ItemTable", "RecordTable", "Table"]

# What the header of a file of ours says: "skit", and of which kind it is.
APPLICATION_ID, RECORDS_KIND, ITEMS_KIND = 0x736B6974, 1, 2
_SMALLEST, _GREATEST = -(2**63), 2**63 - 1
_TYPES = {Kind.WHOLE: "INTEGER", Kind.REAL: "REAL", Kind.FLAG: "INTEGER"}


class Table(Protocol):
    """One table, and how rows get into it."""

    name: str
    key: str  # its column of numbers from 1, without gaps
    kind: int
    statements: Sequence[str]

    def go_on(self, db: sqlite3.Connection) -> None:
        """Learn what a table that is there already has."""

    def has_content(self, rows: Sequence[Row]) -> bool:
        """Is anything of these to be inserted?"""

    def insert(self, db: sqlite3.Connection, rows: Sequence[Row]) -> None:
        """Insert what is of these, within the transaction under way."""


class RecordTable:
    """A row a record; ``id`` is the number of the record in the job."""

    name, key, kind = "records", "id", RECORDS_KIND

    def __init__(self, columns: Sequence[Column]) -> None:
        self._names = [column.name for column in columns]
        typed = ",\n    ".join(f"{column.name} {_TYPES.get(column.kind, 'TEXT')}" for column in columns)
        self.statements: Sequence[str] = (
            f"CREATE TABLE records (\n    id INTEGER PRIMARY KEY,\n    {typed}\n)",
            *(
                f"CREATE INDEX records_{name} ON records ({name})"
                for name in ("url", "reason")
                if name in self._names
            ),
        )
        self._insert = (
            f"INSERT INTO records ({', '.join(self._names)}) VALUES ({', '.join('?' * len(self._names))})"
        )

    def go_on(self, db: sqlite3.Connection) -> None:
        """Its columns are always the same."""

    def has_content(self, rows: Sequence[Row]) -> bool:
        """Is there any?"""
        return bool(rows)

    def insert(self, db: sqlite3.Connection, rows: Sequence[Row]) -> None:
        """One row each."""
        every = map(values_of, rows)
        db.executemany(
            self._insert, [[_stored(values.get(name)) for name in self._names] for values in every]
        )


class ItemTable:
    """A row an item. Names that come for the first time get a column. What cannot have one is kept in the
    column ``_more``, as a JSON object: names that differ from another one by their case only, and those
    beyond a number."""

    name, key, kind = "items", "_item", ITEMS_KIND
    statements: Sequence[str] = ("CREATE TABLE items (_item INTEGER PRIMARY KEY)",)

    def __init__(self) -> None:
        self._columns = {"_item"}
        self._folded = {"_item", MORE}  # names that no other column may have

    def go_on(self, db: sqlite3.Connection) -> None:
        """Take the columns that are there."""
        self._columns = {name for _, name, *_ in db.execute("PRAGMA table_info(items)")}
        self._folded |= {name.lower() for name in self._columns}

    def has_content(self, rows: Sequence[Row]) -> bool:
        """Has any page an item?"""
        return any(row.items for row in rows)

    def insert(self, db: sqlite3.Connection, rows: Sequence[Row]) -> None:
        """One row for each item."""
        for row in rows:
            for item in row.items:
                self._insert(db, item)

    def _insert(self, db: sqlite3.Connection, item: Mapping[str, Any]) -> None:
        values: dict[str, object] = {}
        more: dict[str, Any] = {}
        for name, value in item.items():
            if self._has(db, name):
                values[name] = _stored(value)
            else:
                more[name] = value
        if more:
            if MORE not in self._columns:
                self._add(db, MORE)
            values[MORE] = json_text(more)
        names, marks = ", ".join(map(_quoted, values)), ", ".join("?" * len(values))
        into = f"({names}) VALUES ({marks})" if values else "DEFAULT VALUES"
        db.execute(f"INSERT INTO items {into}", list(values.values()))

    def _has(self, db: sqlite3.Connection, name: str) -> bool:
        """Is there a column of this name? It is made if it can be."""
        if name in self._columns:
            return name not in (self.key, MORE)
        fits = name and "\0" not in name and name.lower() not in self._folded
        if not fits or len(self._columns) > MOST_COLUMNS:
            return False
        self._add(db, name)
        return True

    def _add(self, db: sqlite3.Connection, name: str) -> None:
        """No type: values stay what they are, be they text in one item and numbers in another."""
        db.execute(f"ALTER TABLE items ADD COLUMN {_quoted(name)}")
        self._columns.add(name)
        self._folded.add(name.lower())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _stored(value: object) -> object:
    """As SQLite has it: true and false as 1 and 0, lists, objects and the largest numbers as JSON."""
    if value is None or isinstance(value, str | float):
        return value
    if isinstance(value, int) and _SMALLEST <= value <= _GREATEST:
        return int(value)
    return json_text(value)
