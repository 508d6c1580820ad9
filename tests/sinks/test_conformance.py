"""What every sink of a file keeps to, whatever its format: the exactly-once rule rests on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests import formats
from tests.damage import quick_folder

from skitter.errors import ConfigError, JobError, StorageError
from skitter.model import Held, Mark, Reason, Record, Row
from skitter.ports import Sink
from skitter.sinks import ENDINGS, Form, looks_ours, sink_for

EVERY = [(name, Form()) for name in formats.RECORDS] + [(name, Form(items=True)) for name in formats.ITEMS]
every_format = pytest.mark.parametrize(("name", "form"), EVERY, ids=[name for name, _ in EVERY])
URL = "http://a.test/"


def row(n: int) -> Row:
    record = Record(
        url=f"{URL}{n}",
        reason=Reason.FETCHED,
        depth=0,
        fetched_at="2026-01-01T00:00:00.000Z",
        title=f"t\r\n{n}",
    )
    return Row(record, None, ({"url": f"{URL}{n}", "n": n},))


class Made:
    """A sink of one format in a folder, opened as a job opens it."""

    def __init__(self, folder: Path, name: str, form: Form) -> None:
        self.path = folder / name
        self._form = msgspec.structs.replace(form, spool=folder / ".spool")
        self.heads: list[bytes] = []

    @property
    def head(self) -> bytes:
        return self.heads[-1] if self.heads else b""

    def sink(self) -> Sink:
        return sink_for(str(self.path), "name", self._form)

    def opened(self, offset: int | None) -> Sink:
        sink = self.sink()
        sink.held(Mark(0, offset or 0), self.head)  # a start looks first
        sink.open(offset, self.heads.append)
        return sink

    def commits(self, *numbers: int, offset: int | None = None, end: bool = True) -> list[Mark]:
        """A commit for each number, of that one row."""
        sink = self.opened(offset)
        marks = [mark for n in numbers if (mark := sink.write([row(n)])) is not None]
        if end:
            sink.sync()
            sink.finish()
        sink.close()
        return marks

    def held(self, mark: Mark) -> Held:
        return self.sink().held(mark, self.head)

    def numbers(self) -> list[int]:
        """What an independent reader finds."""
        assert not formats.faults(self.path)
        return [int(found["url"].removeprefix(URL)) for found in formats.read(self.path)]

    @property
    def grows(self) -> Path:
        """The file that a commit makes longer."""
        return next(iter((self.path.parent / ".spool").glob("*")), self.path)


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as folder:
        yield folder


@pytest.fixture
def make(folder: Path) -> Callable[[str, Form], Made]:
    return lambda name, form: Made(folder, name, form)


Make = Callable[[str, Form], Made]


def test_every_ending_is_tried_here() -> None:
    assert {name.removeprefix("pages") for name, form in EVERY if not form.items} == set(ENDINGS)


@every_format
def test_what_is_written_is_there_once_and_in_order(make: Make, name: str, form: Form) -> None:
    made = make(name, form)
    marks = made.commits(1, 2, 3)
    assert made.numbers() == [1, 2, 3]
    assert [mark.length for mark in marks] == sorted({mark.length for mark in marks})
    assert all(mark.size for mark in marks)


@every_format
def test_it_is_cut_back_to_any_mark_and_goes_on(make: Make, name: str, form: Form) -> None:
    made = make(name, form)
    marks = made.commits(1, 2, 3, end=False)
    made.commits(4, offset=marks[1].length, end=False)
    assert made.held(marks[1]) is Held.WHOLE
    again = made.commits(5, offset=marks[0].length)
    assert made.numbers() == [1, 5]
    assert made.held(again[0]) is Held.WHOLE
    made.commits(6, offset=0)
    assert made.numbers() == [6]


@every_format
def test_an_empty_commit_changes_nothing(make: Make, name: str, form: Form) -> None:
    made = make(name, form)
    sink = made.opened(None)
    empty = sink.write([])
    assert empty is not None
    assert (empty.length, empty.size) == (0, 0)
    first = sink.write([row(1)])
    assert first is not None
    more = sink.write([])
    assert more is not None
    assert (more.length, more.size) == (first.length, 0)
    sink.finish()
    sink.close()
    assert made.numbers() == [1]


@every_format
def test_what_is_there_is_known_in_all_four_cases(make: Make, name: str, form: Form) -> None:
    made = make(name, form)
    assert made.held(Mark(0)) is Held.GONE
    marks = made.commits(1, 2, 3)
    assert [made.held(mark) for mark in (Mark(0), *marks)] == [Held.WHOLE] * 4
    other = marks[1].crc ^ 1
    # A member of gzip ends in a zero, as an end that is lost may.
    unlike = Held.SHORT if name.endswith(".gz") else Held.OTHER
    assert made.held(msgspec.structs.replace(marks[1], crc=other)) is unlike
    made.commits(offset=marks[1].length)
    assert [made.held(mark) for mark in marks] == [Held.WHOLE, Held.WHOLE, Held.SHORT]
    made.grows.unlink()
    assert made.held(marks[0]) is Held.GONE


@every_format
def test_a_strangers_file_is_known(make: Make, name: str, form: Form) -> None:
    made = make(name, form)
    (mark,) = made.commits(1)
    for data in (b"my notes\n" * 2000, b"PAR1 and so on", b"SQLite format 3\0" + b"x" * 8000):
        made.path.write_bytes(data)
        assert made.held(mark) is Held.OTHER
        assert made.held(Mark(0)) is Held.OTHER
        assert made.path.read_bytes() == data
        assert not looks_ours(made.path)


@every_format
def test_the_file_of_another_job_is_known(make: Make, folder: Path, name: str, form: Form) -> None:
    made = make(name, form)
    (mark,) = made.commits(1)
    (folder / "other").mkdir()
    other = Made(folder / "other", name, form)
    other.commits(2)
    other.path.replace(made.path)
    assert made.held(mark) is Held.OTHER


@every_format
def test_its_beginning_is_told_once_and_before_it_is_written(make: Make, name: str, form: Form) -> None:
    made = make(name, form)
    sizes = []
    sink = made.sink()
    sink.open(None, lambda head: sizes.append((bool(head), made.grows.stat().st_size)))
    for n in (1, 2):
        sink.write([row(n)])
    sink.close()
    assert sizes == [(True, 0)]


@every_format
def test_two_cannot_write_the_same_file(make: Make, name: str, form: Form) -> None:
    made = make(name, form)
    sink = made.opened(None)
    with pytest.raises(JobError, match="written by another process"):
        made.sink().open(None)
    sink.close()


@every_format
def test_a_file_that_lost_its_end_is_made_anew(make: Make, name: str, form: Form) -> None:
    """Whatever is left: a start finds that out, and goes back as far as it has to."""
    made = make(name, form)
    marks = made.commits(1, 2, 3)
    whole = made.grows.read_bytes()
    for length in (len(whole) - 1, len(whole) * 2 // 3, 60, 1):
        made.grows.write_bytes(whole[:length])
        kept = next((mark for mark in reversed(marks) if made.held(mark) is Held.WHOLE), Mark(0))
        count = 1 + marks.index(kept) if kept.length else 0
        assert count < 3
        made.commits(*range(count + 1, 4), offset=kept.length)
        assert made.numbers() == [1, 2, 3]


@every_format
def test_finishing_twice_changes_nothing_and_a_file_that_is_gone_is_made(
    make: Make, name: str, form: Form
) -> None:
    made = make(name, form)
    marks = made.commits(1, 2)
    whole, inode = made.path.read_bytes(), made.path.stat().st_ino
    made.commits(offset=marks[-1].length)
    assert made.path.read_bytes() == whole
    assert made.path.stat().st_ino == inode
    if name.endswith(".parquet"):
        made.path.unlink()
        made.commits(offset=marks[-1].length)
        assert made.numbers() == [1, 2]


@every_format
def test_no_file_is_left_beside_it(folder: Path, name: str, form: Form) -> None:
    """Without a job."""
    sink = sink_for(str(folder / name), form=form)
    sink.open(None)
    sink.write([row(1)])
    sink.sync()
    sink.finish()
    sink.close()
    assert [path.name for path in folder.iterdir()] == [name]
    assert looks_ours(folder / name) is not form.items


@every_format
def test_a_private_file_is_for_its_owner_only(folder: Path, name: str, form: Form) -> None:
    private = msgspec.structs.replace(form, private=True, spool=folder / ".spool")
    sink = sink_for(str(folder / name), form=private)
    sink.open(None)
    sink.write([row(1)])
    for path in folder.rglob("*"):  # side files, too
        assert path.stat().st_mode & 0o077 == 0, path
    sink.finish()
    sink.close()
    for path in folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


@every_format
def test_a_file_where_nothing_can_be_written_is_a_storage_error(folder: Path, name: str, form: Form) -> None:
    sink = sink_for(str(folder / "no" / name), form=form)
    with pytest.raises(StorageError):
        sink.open(None)
    sink.close()


def test_an_unknown_ending_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"known are \.jsonl, .*\.csv\.gz, .*\.sqlite, \.parquet"):
        sink_for("pages.txt")


def test_items_of_odd_shapes_are_in_every_format(folder: Path) -> None:
    """Names that clash, values of several kinds, empty items, a name that comes late."""
    items: list[dict[str, Any]] = [
        {"a": 1, "A": "other case", "": "no name"},
        {},
        {"a": "text", "late": [1, {"b": None}], "_more": 1, "_item": 2},
        {"a": 2**70, "n": -1.5, "quote\"'": None, "on": True},
    ]
    record = row(0).record
    for name in formats.ITEMS:
        sink = sink_for(str(folder / name), form=Form(items=True))
        sink.open(None)
        for item in items:
            sink.write([Row(record, None, (item,))])
        sink.finish()
        sink.close()
        assert not formats.faults(folder / name)
        assert len(formats.read(folder / name)) == len(items), name
        text = str(formats.read(folder / name))
        for value in ("other case", "no name", "text", "late", str(2**70), "-1.5"):
            assert value in text, (name, value)
