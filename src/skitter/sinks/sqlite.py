"""A SQLite database with one table, of records or of items: a transaction a commit of the job.

It is cut back by deleting the rows behind the last committed one. The write-ahead log lets others read while
it grows, and a power cut takes back whole transactions at most; when the run ends the file is alone again.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from zlib import crc32

import msgspec

from skitter.disk import sync_folder
from skitter.errors import JobError, StorageError
from skitter.failpoint import ARMED, reached
from skitter.lock import hold
from skitter.model import Held, Mark, Row
from skitter.sinks.tables import APPLICATION_ID, Table

__all__ = ["SqliteSink", "is_of_kind"]

# How every SQLite file begins, and where it says whose it is and of which kind (fileformat2.html, 1.3).
_HEAD, _HEADER, _KIND, _APPLICATION = b"SQLite format 3\0", 100, 60, 68
_PATIENCE = 10.0  # seconds that somebody else's lock is waited for


def is_of_kind(header: bytes, kind: int) -> bool:
    """Does a file that begins so hold such a table of ours?"""
    return (
        header.startswith(_HEAD)
        and header[_APPLICATION : _APPLICATION + 4] == APPLICATION_ID.to_bytes(4, "big")
        and header[_KIND : _KIND + 4] == kind.to_bytes(4, "big")
    )


class SqliteSink:
    """One table in one file. Of a :class:`~skitter.model.Mark`, ``length`` is the number of the last row, and
    ``size`` and ``crc`` are those of its content."""

    def __init__(self, path: str, name: str | None, table: Table, *, private: bool = False) -> None:
        """``name`` is what the job knows the output by, if not by its path; ``private`` is for files of the
        job's own folder: nobody else may read them, and their names are no links (F1, F7)."""
        self.name = name or path
        self._path = path
        self._table = table
        self._private = private
        self._lock: int | None = None
        self._db: sqlite3.Connection | None = None
        self._began: Callable[[bytes], None] | None = None
        self._length = 0
        self._has_log = False
        self._is_named = False  # the names in the folder are on the disk

    # -- what is there -----------------------------------------------------------------------

    def held(self, mark: Mark, head: bytes) -> Held:
        """Is what ``mark`` stands for there? ``head`` is empty where nothing was begun.

        Raises StorageError.
        """
        path = Path(self._path)
        with self._storage():
            try:
                if not stat.S_ISREG(path.stat().st_mode):
                    return Held.OTHER
                with path.open("rb") as file:
                    start = file.read(_HEADER)
                    size = file.seek(0, os.SEEK_END)
            except FileNotFoundError:
                return Held.GONE
        if not start.rstrip(b"\0"):  # it was made, and not begun; or that is what a power cut has left
            return Held.SHORT if mark.length else Held.WHOLE
        if not head or not is_of_kind(start, self._table.kind):
            return Held.OTHER
        if not mark.length:
            return Held.WHOLE
        has_log = Path(f"{path.resolve()}-wal").exists()
        if size < _announced(start) and not has_log:
            return Held.SHORT  # SQLite itself would not see a page of which only a part is there
        found = self._holds(mark)
        return self._checked(mark) if has_log and found is Held.WHOLE else found

    def _checked(self, mark: Mark) -> Held:
        """The same, when its log has been folded back: now the file itself must be whole."""
        path = Path(self._path)
        with self._storage():
            with path.open("rb") as file:
                start = file.read(_HEADER)
                size = file.seek(0, os.SEEK_END)
            return Held.SHORT if size < _announced(start) else self._holds(mark)

    def _holds(self, mark: Mark) -> Held:
        uri = f"{Path(self._path).resolve().as_uri()}?mode=rw"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE)) as db:
                if self._last(db) < mark.length:
                    return Held.SHORT
                found = self._mark(db, mark.length)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                return Held.SHORT  # it lost its end, or more: it is made anew
            raise StorageError(f"{self._path}: {error}") from error
        return Held.WHOLE if (found.size, found.crc) == (mark.size, mark.crc) else Held.OTHER

    def _last(self, db: sqlite3.Connection) -> int:
        query = f"SELECT coalesce(max({self._table.key}), 0) FROM {self._table.name}"
        return int(db.execute(query).fetchone()[0])

    def _mark(self, db: sqlite3.Connection, number: int) -> Mark:
        """What says that row ``number`` is the last one; columns that came later are not in it."""
        rows = db.execute(f"SELECT * FROM {self._table.name} WHERE {self._table.key} = ?", (number,))
        names = [column[0] for column in rows.description]
        values = rows.fetchone() or ()
        content = msgspec.json.encode(
            {name: value for name, value in zip(names, values, strict=False) if value is not None}
        )
        return Mark(0, number, len(content), crc32(content))

    # -- writing -----------------------------------------------------------------------------

    def open(self, offset: int | None, began: Callable[[bytes], None] | None = None) -> None:
        """Make the file (``offset`` None or 0), or delete the rows behind number ``offset`` and go on.
        ``began`` is told how the file begins, before its first byte is written.

        Raises JobError if another process writes it, StorageError.
        """
        self._began = began
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        if self._private:
            flags |= getattr(os, "O_NOFOLLOW", 0)
        with self._storage():
            # Held as long as the connection: closing any descriptor of the file gives up SQLite's own locks.
            self._lock = os.open(self._path, flags, 0o600 if self._private else 0o666)
            if not stat.S_ISREG(os.fstat(self._lock).st_mode):
                raise JobError(f"-o {self._path}: a database has to be a regular file")
            hold(self._lock, self._path)
            self._length = offset or 0
            if self._length:
                self._db = self._connect()
                if self._last(self._db) > self._length:
                    self._db.execute(f"DELETE FROM {self._table.name} WHERE {self._table.key} > ?", (offset,))
                self._table.go_on(self._db)
            else:
                self._clear()

    def _clear(self) -> None:
        assert self._lock is not None
        for ending in ("-wal", "-shm", "-journal"):  # of a file that was killed, and of no other
            Path(os.path.realpath(self._path) + ending).unlink(missing_ok=True)
        os.ftruncate(self._lock, 0)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=_PATIENCE)

    def _prepared(self) -> sqlite3.Connection:
        """The connection, ready for many small transactions. A file that gets no more rows stays as it is."""
        db = self._db = self._db or self._begin()
        if not self._has_log:
            self._has_log = True
            if db.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",):
                # Like the job's own database: a power cut may take back transactions, and never tears one.
                # Where the file system has no shared memory each one waits for the disk.
                db.execute("PRAGMA synchronous=NORMAL")
        return db

    def _begin(self) -> sqlite3.Connection:
        """Make the table, in one transaction with whose it is, so that a part of it is never taken for a
        stranger's."""
        if self._began is not None:
            self._began(_HEAD)
        with closing(sqlite3.connect(self._path, isolation_level=None, timeout=_PATIENCE)) as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            db.execute(f"PRAGMA user_version={self._table.kind}")
            for statement in self._table.statements:
                db.execute(statement)
            db.execute("COMMIT")
        return self._connect()

    def write(self, rows: Sequence[Row]) -> Mark:
        """Insert, in one transaction; what the table holds now. Raises StorageError."""
        if not self._table.has_content(rows):
            return Mark(0, self._length)
        with self._storage():
            db = self._prepared()
            db.execute("BEGIN IMMEDIATE")
            try:
                mark = self._insert(db, rows)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        self._length = mark.length
        return mark

    def _insert(self, db: sqlite3.Connection, rows: Sequence[Row]) -> Mark:
        half = len(rows) // 2 if ARMED else 0
        if ARMED:
            self._table.insert(db, rows[:half])
            reached("mid-record")
        self._table.insert(db, rows[half:])
        return self._mark(db, self._last(db))

    def sync(self) -> None:
        """Wait until the disk has it all. Raises StorageError."""
        path = Path(os.path.realpath(self._path))
        with self._storage():
            with suppress(FileNotFoundError):  # then all of it is in the database
                _sync(Path(f"{path}-wal"))
            if self._lock is not None:
                os.fsync(self._lock)
            if not self._is_named:
                sync_folder(path.parent)
                self._is_named = True

    def finish(self) -> None:
        """One file, with no log beside it, also while somebody only reads it. Raises StorageError."""
        with self._storage():
            if self._db is not None and self._db.execute("PRAGMA journal_mode").fetchone() == ("wal",):
                # Whoever reads it now keeps the log until he is done; that does no harm.
                self._db.execute("PRAGMA busy_timeout=0")
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                try:
                    self._db.execute("PRAGMA journal_mode=DELETE")
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                        raise

    def close(self) -> None:
        """Release the file."""
        try:
            if self._db is not None:
                self._db.close()
        finally:
            self._db = None
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    @contextmanager
    def _storage(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: {error}") from error
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}") from error


def _announced(header: bytes) -> int:
    """How long the file is by its own word, in bytes."""
    page = int.from_bytes(header[16:18], "big")
    return (page if page > 1 else 65536) * int.from_bytes(header[28:32], "big")


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)
