"""A look at a job's database beside a running owner: read-only, and of one moment."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skitter.errors import JobError
from skitter.frontier.schema import FORMAT, MIGRATIONS

__all__ = ["snapshot"]


@contextmanager
def snapshot(database: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection on which everything is as it was at the first look, whatever the owner commits
    meanwhile. Raises JobError if there is no job, or none that can be read."""
    if not database.is_file():
        raise JobError(f"{database.parent} holds no job; name the folder that crawl made, HOST.crawl")
    try:
        db = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        try:
            db.execute("BEGIN")
            _check_format(db, database)
            yield db
        finally:
            db.close()
    except sqlite3.DatabaseError as error:
        raise JobError(f"{database}: {error}") from None


def _check_format(db: sqlite3.Connection, database: Path) -> None:
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "meta" not in tables:
        raise JobError(f"{database.parent} holds no job; name the folder that crawl made, HOST.crawl")
    row = db.execute("SELECT value FROM meta WHERE name = 'format'").fetchone()
    found = row[0] if row else "?"
    if found in MIGRATIONS:
        raise JobError(
            f"{database} is of format {found}; the job's own command brings it up to date ({FORMAT})"
        )
    if found != FORMAT:
        raise JobError(f"{database} is of format {found}, this skitter knows {FORMAT}; use a newer one")
