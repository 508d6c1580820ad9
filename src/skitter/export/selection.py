"""Records for which an SQL expression holds, in order of completion. The expression can only read them."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator

from skitter.errors import ConfigError
from skitter.model import Record

__all__ = ["select"]

_INTEGERS = frozenset({"status", "depth", "size", "truncated", "links", "noindex", "nofollow", "attempts"})
_REALS = frozenset({"ttfb", "elapsed"})
_TABLES = frozenset({"record", "json_each", "json_tree"})
# The one function of a plain SQLite that reaches beyond its arguments; those of its shell are not here.
_BANNED = frozenset({"load_extension"})
_NAMES = ", ".join(Record.__struct_fields__)
# Errors of the expression, however far into the table they come; all others are the disk's.
_OF_EXPRESSION = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_TOOBIG,
                            sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE})  # fmt: skip


def select(db: sqlite3.Connection, where: str | None) -> Generator[tuple[int, bytes], None, None]:
    """Number and JSON of each record for which ``where`` is true. The connection can do nothing else from
    here on. Raises ConfigError for an expression that SQLite does not take."""
    _prepare(db)
    if where is None:
        yield from db.execute("SELECT _id, _line FROM record ORDER BY _id")
        return
    # On lines of its own, so that a comment ends there; in two places, so that no bracket that it closes is
    # ours: what is an expression fits in both.
    query = f"SELECT _id, _line FROM record WHERE (\n{where}\n) ORDER BY _id"
    try:
        for each in (f"SELECT (\n{where}\n) FROM record", query):
            db.execute(f"EXPLAIN {each}")
        yield from db.execute(query)
    except (sqlite3.Warning, sqlite3.ProgrammingError, UnicodeError) as error:
        raise _said(str(error)) from None
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode not in _OF_EXPRESSION:
            raise
        raise _said(str(error)) from None


def _said(error: str) -> ConfigError:
    if "not authorized" in error or "prohibited" in error:
        error = "an expression may read the records, and nothing else"
    return ConfigError(f"--where: {error}; text is in 'single quotes', the columns are {_NAMES}")


def _prepare(db: sqlite3.Connection) -> None:
    """Make a view with a typed column for each field, and bind the connection to reading it."""
    columns = ", ".join(
        f"CAST(json_extract(CAST(line AS TEXT), '$.{name}') AS {_type(name)}) AS {name}"
        for name in Record.__struct_fields__
    )
    db.execute(f"CREATE TEMP VIEW record AS SELECT id AS _id, line AS _line, {columns} FROM main.record")
    for table in ("json_each", "json_tree"):  # made at their first use, which is not for the expression to do
        db.execute(f"SELECT 1 FROM {table}('[]')")
    db.execute("PRAGMA query_only=ON")
    db.set_authorizer(_may)


def _type(name: str) -> str:
    return "INTEGER" if name in _INTEGERS else "REAL" if name in _REALS else "TEXT"


def _may(action: int, first: str | None, second: str | None, database: str | None, source: str | None) -> int:
    """Is this part of reading records?"""
    is_ours = (
        action == sqlite3.SQLITE_SELECT
        or (action == sqlite3.SQLITE_READ and first in _TABLES)
        or (action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in _BANNED)
    )
    return sqlite3.SQLITE_OK if is_ours else sqlite3.SQLITE_DENY
