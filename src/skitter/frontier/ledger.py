"""What the job has written to its outputs, and the records that they were made of."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from skitter.frontier.database import Database
from skitter.frontier.pending import INSERT_PENDING, values_of
from skitter.model import Entry, Mark, Reason, Record, Row
from skitter.rules.addresses import ANY, PUBLIC
from skitter.rules.url import key_of, origin_of

__all__ = ["Ledger"]

_RECORD = msgspec.json.Decoder(Record)
_MARK = "upto, length, size, crc"


class Ledger:
    """The tables ``output``, ``mark`` and ``record``, as a start needs them. Raises StorageError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._db = database.connection

    def ended(self) -> int:
        """How many records there are; they are numbered from 1 without gaps."""
        with self._database.storage():
            return int(self._db.execute("SELECT coalesce(max(id), 0) FROM record").fetchone()[0])

    def rows(self, after: int = 0, most: int = -1) -> list[Row]:
        """Committed records in order of completion, without the first ``after``; ``most`` of them."""
        with self._database.storage():
            lines = self._db.execute(
                "SELECT line FROM record WHERE id > ? ORDER BY id LIMIT ?", (after, most)
            ).fetchall()
        return [Row(_RECORD.decode(line)) for (line,) in lines]

    # -- outputs -----------------------------------------------------------------------------

    def outputs(self) -> tuple[str, ...]:
        """All outputs that the job ever wrote, by the names that it knows them by."""
        with self._database.storage():
            return tuple(path for (path,) in self._db.execute("SELECT path FROM output"))

    def head(self, path: str) -> bytes:
        """How the output begins; nothing if nothing was ever committed to it."""
        with self._database.storage():
            row = self._db.execute("SELECT head FROM output WHERE path = ?", (path,)).fetchone()
        return bytes(row[0]) if row else b""

    def marks(self, path: str) -> Iterator[Mark]:
        """What the output held after each commit, newest first."""
        with self._database.storage():
            for row in self._db.execute(
                f"SELECT {_MARK} FROM mark JOIN output ON id = output WHERE path = ? ORDER BY upto DESC",
                (path,),
            ):
                yield Mark(*row)

    def mark_at(self, path: str, upto: int) -> Mark | None:
        """What the output held with just so many records; nothing before its first mark; None in between."""
        with self._database.storage():
            row = self._db.execute(
                f"SELECT {_MARK} FROM mark JOIN output ON id = output WHERE path = ? AND upto = ?",
                (path, upto),
            ).fetchone()
            first = self._db.execute(
                "SELECT min(upto) FROM mark JOIN output ON id = output WHERE path = ?", (path,)
            ).fetchone()[0]
        if row:
            return Mark(*row)
        return Mark(upto) if first is None or upto < first else None

    def keep(self, path: str, mark: Mark) -> None:
        """The output holds this much; what was noted beyond it is no longer true."""
        with self._database.transaction():
            self._db.execute("INSERT OR IGNORE INTO output (path) VALUES (?)", (path,))
            (number,) = self._db.execute("SELECT id FROM output WHERE path = ?", (path,)).fetchone()
            self._db.execute("DELETE FROM mark WHERE output = ? AND upto >= ?", (number, mark.upto))
            self._db.execute(
                "INSERT INTO mark VALUES (?, ?, ?, ?, ?)",
                (number, mark.upto, mark.length, mark.size, mark.crc),
            )

    def begin(self, path: str, head: bytes) -> None:
        """The output is going to begin so. That is on the disk before a byte is in it: whatever happens, it
        does not look like somebody else's."""
        with self._database.transaction():
            self._db.execute("UPDATE output SET head = ? WHERE path = ?", (head, path))
        self._database.checkpoint()

    # -- back to pending ---------------------------------------------------------------------

    def give_back(self, after: int) -> int:
        """Records beyond number ``after`` are lost with the end of an output that cannot be written again
        from records: their URLs are pending once more. Returns how many. One transaction.

        A URL goes back as it was when it was first met: its tries are not counted twice.
        """
        with self._database.transaction():
            lost = self._db.execute(
                "SELECT host, reason, line FROM record WHERE id > ? ORDER BY id", (after,)
            ).fetchall()
            if not lost:
                return 0
            (most,) = self._db.execute("SELECT value FROM meta WHERE name = 'seq'").fetchone()
            again = []
            for place, (host, reason, line) in enumerate(lost, int(most) + 1):
                record = _RECORD.decode(line)
                again.append(values_of(host, place, _entry_of(record)))
                self._db.execute(
                    "UPDATE tally SET n = n - 1, size = size - ? WHERE reason = ?", (record.size, reason)
                )
            self._db.executemany(INSERT_PENDING, again)
            self._db.execute("DELETE FROM tally WHERE n = 0")
            self._db.execute("DELETE FROM record WHERE id > ?", (after,))
            self._db.execute("DELETE FROM mark WHERE upto > ?", (after,))
            # An output of which nothing counts any more is still ours, and known by its head.
            self._db.execute(
                "INSERT INTO mark SELECT id, ?, 0, 0, 0 FROM output"
                " WHERE id NOT IN (SELECT output FROM mark)",
                (after,),
            )
            self._db.execute(
                "UPDATE meta SET value = value + ? WHERE name IN ('seq', 'pending')", (len(lost),)
            )
        return len(lost)


def _was_open(record: Record) -> bool:
    """Was the address judged, and found open? That comes before all other ends; a name that was not resolved
    may be anywhere by now, unless the user named it."""
    if record.reason is Reason.DNS_FAILED:
        return record.depth == 0
    return record.reason is not Reason.REFUSED_ADDRESS


def _entry_of(record: Record) -> Entry:
    return Entry(
        record.url,
        key_of(record.url),
        origin_of(record.url),
        record.depth,
        record.referrer,
        tuple(record.redirected_from),
        seed=record.depth == 0,  # only seeds, and what they redirect to, are no link away from a seed
        reach=ANY if _was_open(record) else PUBLIC,
        lastmod=record.lastmod,
    )
