"""A job's database as the first release wrote it, to see that it is brought up to date."""

from __future__ import annotations

import sqlite3
from pathlib import Path

__all__ = ["downgrade"]


def downgrade(database: Path) -> None:
    """Turn a database of format 5 into one of format 1: committed lengths only, no marks, and at each key
    the number of its record."""
    db = sqlite3.connect(database, isolation_level=None)
    db.executescript(
        """BEGIN;
        CREATE TABLE former (path TEXT PRIMARY KEY, length INTEGER NOT NULL, upto INTEGER) WITHOUT ROWID;
        INSERT INTO former SELECT path, length, nullif(upto, (SELECT coalesce(max(id), 0) FROM record))
            FROM output JOIN mark ON id = output GROUP BY id HAVING upto = max(upto);
        DROP TABLE mark;
        DROP TABLE pattern;
        ALTER TABLE pending DROP COLUMN reach;
        ALTER TABLE pending DROP COLUMN lastmod;
        ALTER TABLE pending DROP COLUMN sitemap;
        ALTER TABLE pending DROP COLUMN ask;
        DROP TABLE attempt;
        DROP TABLE output;
        ALTER TABLE former RENAME TO output;
        ALTER TABLE seen ADD COLUMN record INTEGER;
        UPDATE seen SET record = (SELECT max(id) FROM record WHERE record.key = seen.key);
        DELETE FROM meta WHERE name = 'stamp';
        UPDATE meta SET value = '1' WHERE name = 'format';
        COMMIT;"""
    )
    db.close()
