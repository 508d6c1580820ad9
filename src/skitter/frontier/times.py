"""Times in the database, after the system's date was changed between two runs (THREATS G6)."""

from __future__ import annotations

from skitter.frontier.database import Database

__all__ = ["shift"]


def shift(database: Database, seconds: float, stamp: str) -> None:
    """Move everything that waits for a time by so many seconds; ``stamp`` is the moment by the new date.

    One transaction: a crash does it not at all or once. Raises StorageError.
    """
    with database.transaction():
        execute = database.connection.execute
        execute("UPDATE pending SET due = max(due + ?, 1) WHERE due > 0", (seconds,))
        execute("UPDATE host SET robots_at = robots_at + ? WHERE robots_at IS NOT NULL", (seconds,))
        execute(
            """UPDATE host SET state = json_set(CAST(state AS TEXT),
                   '$.gate', json_extract(CAST(state AS TEXT), '$.gate') + ?1,
                   '$.asked', coalesce(json_extract(CAST(state AS TEXT), '$.asked'), 0) + ?1)
               WHERE json_extract(CAST(state AS TEXT), '$.gate') > 0""",
            (seconds,),
        )
        execute("INSERT OR REPLACE INTO meta VALUES ('stamp', ?)", (stamp,))
