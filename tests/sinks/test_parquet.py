"""Parquet: typed columns, row groups of bounded size, and two other readers that agree."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars
import pyarrow.parquet
import pytest

from skitter.errors import ConfigError, JobError
from skitter.model import Reason, Record, Row
from skitter.sinks import Form, sink_for

RECORD = Record(url="http://a.test/", reason=Reason.FETCHED, depth=0, fetched_at="2026-01-01T00:00:00.250Z")


def written(path: Path, *commits: list[Row], form: Form | None = None) -> Path:
    sink = sink_for(str(path), form=form)
    sink.open(None)
    for rows in commits:
        sink.write(rows)
    sink.sync()
    sink.finish()
    sink.close()
    return path


def items(path: Path, *found: dict[str, Any]) -> list[dict[str, Any]]:
    written(path, [Row(RECORD, None, found)], form=Form(items=True))
    return list(pyarrow.parquet.read_table(path).to_pylist())


def test_three_readers_agree_on_types_and_values(tmp_path: Path) -> None:
    row = Row(RECORD, {"headers": [["A", "b"]], "outlinks": ["http://a.test/b"], "text": "t"})
    path = written(
        tmp_path / "a.parquet", [row, Row(RECORD)], form=Form(fields=("headers", "outlinks", "text"))
    )
    schema = {field.name: str(field.type) for field in pyarrow.parquet.read_schema(path)}
    assert list(schema) == [*Record.__struct_fields__, "headers", "outlinks", "text"]
    assert schema.items() >= {
        "url": "string", "status": "int64", "truncated": "bool", "ttfb": "double",
        "fetched_at": "timestamp[us, tz=UTC]", "lastmod": "string",
    }.items()  # fmt: skip
    at = datetime(2026, 1, 1, 0, 0, 0, 250_000, UTC)
    first, second = pyarrow.parquet.read_table(path).to_pylist()
    assert (first["fetched_at"], first["redirected_from"], first["status"]) == (at, [], None)
    assert (first["headers"], second["headers"]) == ([{"name": "A", "value": "b"}], None)
    names = "url, reason, status, truncated, epoch_ms(fetched_at), headers[1].name, outlinks[1]"
    assert duckdb.connect().execute(f"SELECT {names} FROM '{path}'").fetchall() == [
        ("http://a.test/", "fetched", None, False, int(at.timestamp() * 1000), "A", "http://a.test/b"),
        ("http://a.test/", "fetched", None, False, int(at.timestamp() * 1000), None, None),
    ]
    frame = polars.read_parquet(path)
    assert frame["fetched_at"].to_list() == [at, at]
    assert frame["outlinks"].to_list() == [["http://a.test/b"], None]


def test_a_row_group_is_bounded_in_rows_and_in_bytes(tmp_path: Path) -> None:
    many = written(tmp_path / "a.parquet", *[[Row(RECORD)] * 5000] * 9)
    file = pyarrow.parquet.ParquetFile(many)
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [20_000, 20_000, 5000]
    large = [Row(RECORD, {"html": "x" * 3_000_000})]
    file = pyarrow.parquet.ParquetFile(
        written(tmp_path / "b.parquet", *[large] * 12, form=Form(fields=("html",)))
    )
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [5, 5, 2]


def test_items_have_the_types_of_all_their_values(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    found = items(
        path,
        {"n": 1, "x": 1, "s": "a", "on": True, "tags": ["a"], "mixed": 1, "null": None, "o": {"a": [1]}},
        {"n": 2, "x": 0.5, "s": None, "tags": [], "mixed": "b", "late": 5, "big": 2**70},
    )
    schema = {field.name: str(field.type) for field in pyarrow.parquet.read_schema(path)}
    assert schema == {
        "n": "int64", "x": "double", "s": "string", "on": "bool", "tags": "list<element: string>",
        "mixed": "string", "null": "string", "o": "string", "late": "int64", "big": "string",
    }  # fmt: skip
    assert found[0] == {
        "n": 1, "x": 1.0, "s": "a", "on": True, "tags": ["a"], "mixed": "1", "null": None, "o": '{"a":[1]}',
        "late": None, "big": None,
    }  # fmt: skip
    assert (found[1]["mixed"], found[1]["late"], found[1]["big"], found[1]["tags"]) == (
        '"b"',
        5,
        str(2**70),
        [],
    )


def test_items_without_end_of_names_and_without_names(tmp_path: Path) -> None:
    found = items(tmp_path / "a.parquet", *({f"name {n}": n} for n in range(1200)))
    assert found[5]["name 5"] == 5
    assert found[1100]["_more"] == '{"name 1100":1100}'


def test_without_rows_there_is_no_file(tmp_path: Path) -> None:
    written(tmp_path / "a.parquet", [Row(RECORD)], form=Form(items=True))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.parquet.rows.jsonl.zst", "a.parquet.part"])
def test_a_strangers_file_in_the_way_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"my notes\n")
    with pytest.raises(JobError, match="skitter did not make it"):
        sink_for(str(tmp_path / "a.parquet")).open(None)
    assert (tmp_path / name).read_bytes() == b"my notes\n"


def test_a_link_of_the_users_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "a.parquet").symlink_to(tmp_path / "there/b.parquet")
    written(tmp_path / "a.parquet", [Row(RECORD)])
    assert (tmp_path / "a.parquet").is_symlink()
    assert pyarrow.parquet.read_table(tmp_path / "there/b.parquet").num_rows == 1


def test_a_missing_extra_is_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skitter.sinks.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs pyarrow.*pip install 'skitter\[parquet\]'"):
        sink_for(str(tmp_path / "a.parquet"))
    assert list(tmp_path.iterdir()) == []


def test_pyarrow_is_imported_only_when_a_file_is_made(tmp_path: Path) -> None:
    code = """
import sys
from skitter.sinks import sink_for
sink = sink_for(sys.argv[1])
sink.open(None)
sink.close()
assert not [name for name in sys.modules if name.partition(".")[0] in ("pyarrow", "fsspec", "pandas")]
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.parquet")], check=True)
