"""The job's database file: one read-write connection, its transactions and its checkpoints."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from skitter.disk import sync_folder
from skitter.errors import JobError, StorageError
from skitter.failpoint import during, reached
from skitter.frontier.schema import FORMAT, MIGRATIONS, PRAGMAS, SCHEMA

__all__ = ["Database"]

# The write-ahead log is folded into the database beyond this size: SQLite's own default of 1000 pages.
# It bounds what the next start has to read after a kill.
_LOG_SIZE = 4 * 1024 * 1024


class Database:
    """The only connection of a job that writes, and the only one that checkpoints (THREATS section 9: two
    that do may corrupt the file in SQLite before 3.51.3). Synchronous; used by one thread at a time."""

    def __init__(self, path: Path, *, durable: bool = False) -> None:
        """Open or make the database; ``durable`` waits for the disk at each commit, so that it survives a
        power cut. Raises JobError if it is none of ours, StorageError."""
        self.path = path
        self._log = Path(f"{path}-wal")
        with self.storage():
            # Made by us first, so that nobody else can read it whatever the umask (F7), nor lead us elsewhere
            # by a link (F1); SQLite opens its own two beside it in the same way.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
            self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(durable=durable)
            except BaseException:
                self.connection.close()
                raise

    def _prepare(self, *, durable: bool) -> None:
        execute = self.connection.execute
        tables = execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        found = self._format() if tables else FORMAT
        for pragma in PRAGMAS:
            execute(pragma)
        if durable:  # the log is on the disk before COMMIT returns
            execute("PRAGMA synchronous=FULL")
        if not tables:
            self.connection.executescript(
                f"BEGIN; {SCHEMA} INSERT INTO meta VALUES ('format', '{FORMAT}'); COMMIT;"
            )
        elif found != FORMAT:
            self._migrate(found)

    def _format(self) -> str:
        try:
            row = self.connection.execute("SELECT value FROM meta WHERE name = 'format'").fetchone()
        except sqlite3.OperationalError:
            row = None
        if row is None:
            raise JobError(f"{self.path} is not a job of skitter's; choose another --job")
        found = str(row[0])
        if found != FORMAT and found not in MIGRATIONS:
            raise JobError(f"{self.path} is of format {found}, this skitter knows {FORMAT}; use a newer one")
        return found

    def _migrate(self, found: str) -> None:
        """Bring a job of an older skitter up to date, in one transaction a format: all of it, or nothing."""
        while found != FORMAT:
            step = MIGRATIONS[found]
            with self.transaction():
                for statement in step.statements:
                    self.connection.execute(statement)
                    reached("mid-migration")
                self.connection.execute("UPDATE meta SET value = ? WHERE name = 'format'", (step.to,))
            found = step.to

    @contextmanager
    def storage(self) -> Iterator[None]:
        """Turn the errors of SQLite and the disk into ours."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if "not a database" in str(error):
                raise JobError(f"{self.path} is not a job of skitter's; choose another --job") from None
            raise StorageError(f"{self.path}: {error}; {_advice(error)}") from error
        except OSError as error:
            raise StorageError(f"{self.path}: {error.strerror}; then run the same command again") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it, or nothing. Raises StorageError when the disk refuses; then it was nothing."""
        with self.storage():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                reached("mid-commit")
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
            if self._log_size() > _LOG_SIZE:
                self._fold()

    def _log_size(self) -> int:
        try:
            return self._log.stat().st_size
        except FileNotFoundError:  # a file system without shared memory has none
            return 0

    def _fold(self) -> None:
        """Fold the log into the database as far as readers allow. Never waits for them."""
        with during("mid-checkpoint"):
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def checkpoint(self) -> None:
        """Wait until everything that was committed is on the disk. Raises StorageError."""
        with self.storage():
            self._fold()
            sync_folder(self.path.absolute().parent)

    def facts(self) -> dict[str, str]:
        """What is remembered of the job itself."""
        with self.storage():
            return dict(self.connection.execute("SELECT name, value FROM meta"))

    def remember(self, facts: Mapping[str, str]) -> None:
        """Add or change facts."""
        with self.transaction():
            self.connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", facts.items())

    def close(self) -> None:
        """Close, with everything folded back into the one file."""
        with self.storage():
            try:
                self._fold()
            finally:
                self.connection.close()


def _advice(error: sqlite3.DatabaseError) -> str:
    if "malformed" in str(error):
        return "the job's database is damaged: --fresh starts over"
    return "free some space or mend the disk, then run the same command"
