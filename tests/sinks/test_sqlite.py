"""SQLite: a schema that is documented, one file in the end, readable by others while it grows."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from skitter.errors import StorageError
from skitter.model import Held, Reason, Record, Row
from skitter.sinks import Form, sink_for

RECORD = Record(url="http://a.test/", reason=Reason.FETCHED, depth=0, fetched_at="2026-01-01T00:00:00.000Z")
REFERENCE = Path(__file__).parents[2] / "docs/reference.md"


def query(path: Path, text: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(text).fetchall()


def written(path: Path, *rows: Row, form: Form | None = None) -> Path:
    sink = sink_for(str(path), form=form)
    sink.open(None)
    sink.write(rows)
    sink.finish()
    sink.close()
    return path


def test_the_schema_is_the_one_that_the_reference_shows(tmp_path: Path) -> None:
    path = written(tmp_path / "a.sqlite", Row(RECORD))
    documented = REFERENCE.read_text(encoding="utf-8").partition("```sql\n")[2].partition("```")[0]
    statements = [sql for (sql,) in query(path, "SELECT sql FROM sqlite_master")]
    assert [line.strip() for line in documented.splitlines() if line.strip()] == [
        line.strip() for line in ";\n".join([*statements, ""]).splitlines() if line.strip()
    ]
    assert query(path, "PRAGMA application_id") == [(0x736B6974,)]


def test_values_are_typed(tmp_path: Path) -> None:
    record = Row(RECORD, {"headers": [["A", "b"]], "text": "t"})
    path = written(tmp_path / "a.sqlite", record, form=Form(fields=("headers", "text")))
    found = query(
        path, "SELECT id, status, truncated, typeof(ttfb), redirected_from, headers, text FROM records"
    )
    assert found == [(1, None, 0, "real", "[]", '[["A","b"]]', "t")]


def test_the_shell_reads_it(tmp_path: Path) -> None:
    if not (shell := shutil.which("sqlite3")):
        pytest.skip("no sqlite3 shell here")
    path = written(tmp_path / "a.sqlite", Row(RECORD), Row(RECORD))
    ended = subprocess.run(
        [shell, str(path), "SELECT count(*), min(url) FROM records; PRAGMA integrity_check"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ended.stdout == "2|http://a.test/\nok\n"


def test_items_are_kept_as_they_are(tmp_path: Path) -> None:
    items: tuple[dict[str, Any], ...] = (
        {"price": 5, "id": "x"},
        {"price": "five", "on": True, "tags": ["a"], "Price": 6, "_item": 7},
        {"price": 2.5, "big": 2**64, "none": None, "a\"b'; DROP TABLE items; --": 1, "nul\0": 2},
        {},
    )
    path = written(tmp_path / "a.sqlite", Row(RECORD, None, items), form=Form(items=True))
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        found = [dict(row) for row in db.execute("SELECT * FROM items")]
    assert [row["price"] for row in found] == [5, "five", 2.5, None]
    assert [row["_item"] for row in found] == [1, 2, 3, 4]
    assert (found[0]["id"], found[1]["on"], found[1]["tags"], found[2]["big"]) == (
        "x",
        1,
        '["a"]',
        str(2**64),
    )
    assert found[2]["a\"b'; DROP TABLE items; --"] == 1
    assert [json.loads(row["_more"] or "{}") for row in found[:3]] == [
        {}, {"Price": 6, "_item": 7}, {"nul\0": 2},
    ]  # fmt: skip


def test_items_with_no_end_of_names_have_room(tmp_path: Path) -> None:
    """SQLite takes 2,000 columns, and whoever makes names of what a page says will have more."""
    items = tuple({f"name {n}": n} for n in range(2500))
    path = written(tmp_path / "a.sqlite", Row(RECORD, None, items), form=Form(items=True))
    assert query(path, "SELECT count(*) FROM items") == [(2500,)]
    assert query(path, "SELECT json_extract(_more, '$.\"name 2400\"') FROM items WHERE _item = 2401") == [
        (2400,)
    ]


def test_others_may_read_while_it_grows_and_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    sink = sink_for(str(path))
    sink.open(None)
    sink.write([Row(RECORD)])
    with closing(sqlite3.connect(path)) as reader:
        assert reader.execute("SELECT count(*) FROM records").fetchone() == (1,)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM records").fetchone()
        sink.write([Row(RECORD)])
        sink.sync()
        sink.finish()
        sink.close()
    assert query(path, "SELECT count(*) FROM records") == [(2,)]


def test_a_power_cut_takes_back_whole_commits(tmp_path: Path) -> None:
    """What it leaves: the database as it was folded last, and a log that lost its end, or has zeros there."""
    path, left = tmp_path / "a.sqlite", tmp_path / "left.sqlite"
    sink = sink_for(str(path))
    sink.open(None)
    marks = [mark for _ in range(20) if (mark := sink.write([Row(RECORD)])) is not None]
    database, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    sink.close()
    kept = []
    for length in range(0, len(log) + 1, len(log) // 40):
        for end in (b"", bytes(len(log) - length)):
            left.write_bytes(database)
            Path(f"{left}-wal").write_bytes(log[:length] + end)
            found = [sink_for(str(left)).held(mark, b"SQLite format 3\0") for mark in marks]
            whole = found.count(Held.WHOLE)
            assert found == [Held.WHOLE] * whole + [Held.SHORT] * (20 - whole)
            kept.append(whole)
            sink = sink_for(str(left))
            sink.open(marks[whole - 1].length if whole else 0)
            sink.write([Row(RECORD)])
            sink.finish()
            sink.close()
            assert query(left, "SELECT count(*) FROM records") == [(whole + 1,)]
    assert kept == sorted(kept)
    assert len(set(kept)) > 10


def test_somebody_who_keeps_it_locked_is_a_storage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skitter.sinks.sqlite._PATIENCE", 0.01)
    path = tmp_path / "a.sqlite"
    sink = sink_for(str(path))
    sink.open(None)
    sink.write([Row(RECORD)])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="locked"):
            sink.write([Row(RECORD)])
    sink.close()
