"""What only the durable frontier promises: nothing is lost, and the file is ours."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from skitter.errors import JobError, StorageError
from skitter.frontier import Database, Ledger, Store
from skitter.model import Batch, Entry, HostState, Reason, Record, RobotsCopy, Row, Settlement
from skitter.rules.url import key_of, origin_of

A = "http://a.test"

Open = Callable[[], Store]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens the job's store, again and again; all are closed only at the end, as by a kill."""
    with ExitStack() as stack:

        def open_store() -> Store:
            store = Store(Database(tmp_path / "job.db"))
            stack.callback(store.close)
            return store

        yield open_store


def entry(url: str, **facts: Any) -> Entry:
    return Entry(url, key_of(url), origin_of(url), **facts)


def done(at: Entry, links: bytes = b"") -> Settlement:
    record = Record(url=at.url, reason=Reason.FETCHED, depth=0, size=5, fetched_at="2026-01-01T00:00:00Z")
    return Settlement(at, Row(record), links=links)


def test_a_lease_that_was_never_settled_is_there_again_at_the_next_start(opened: Open) -> None:
    store = opened()
    store.admit([entry(f"{A}/{n}") for n in range(3)], ["a.test"])
    (lease,) = store.lease({A: 2}, 100.0)
    store.settle(Batch((done(lease.entries[0]),)))
    # No close: this is what a killed process leaves behind.
    again = opened()
    opening = again.opening()
    assert opening.pending == 2
    assert opening.more_hosts
    (lease,) = again.lease({}, 100.0, hosts=9, each=9)
    assert [item.url for item in lease.entries] == [f"{A}/1", f"{A}/2"]
    assert again.admit([entry(f"{A}/0")], []).admitted == 0


def test_what_a_former_run_knew_of_a_host_comes_with_its_first_lease(opened: Open) -> None:
    store = opened()
    copy = RobotsCopy(200, b"x", 1.0)
    store.admit([entry(f"{A}/")], [])
    (lease,) = store.lease({A: 1}, 1.0)
    store.settle(Batch((done(lease.entries[0]),), (HostState(A, gate=500.0, robots=copy),)))
    again = opened()
    again.opening()
    again.admit([entry(f"{A}/new")], [])
    (lease,) = again.lease({}, 1.0, hosts=1, each=1)
    assert lease.state == HostState(A, gate=500.0, robots=copy)


def test_the_links_of_a_page_are_one_blob_of_keys(tmp_path: Path, opened: Open) -> None:
    store = opened()
    store.admit([entry(f"{A}/")], [])
    (lease,) = store.lease({A: 1}, 1.0)
    keys = [key_of(f"{A}/x"), key_of(f"{A}/y")]
    store.settle(Batch((done(lease.entries[0], b"".join(key.to_bytes(8, signed=True) for key in keys)),)))
    db = sqlite3.connect(tmp_path / "job.db")
    (blob,) = db.execute("SELECT links FROM record").fetchone()
    db.close()
    assert [int.from_bytes(blob[i : i + 8], signed=True) for i in (0, 8)] == keys


def test_records_come_back_in_order_of_completion(opened: Open) -> None:
    store = opened()
    store.admit([entry(f"{A}/{n}") for n in range(3)], [])
    (lease,) = store.lease({A: 3}, 1.0)
    for item in reversed(lease.entries):
        store.settle(Batch((done(item),)))
    assert [row.record.url for row in Ledger(store._database).rows()] == [f"{A}/2", f"{A}/1", f"{A}/0"]


def test_a_failed_transaction_leaves_nothing(tmp_path: Path, opened: Open) -> None:
    store = opened()
    store.admit([entry(f"{A}/")], [])
    (lease,) = store.lease({A: 1}, 1.0)
    item = lease.entries[0]
    db = sqlite3.connect(tmp_path / "job.db")
    db.execute("CREATE TRIGGER full BEFORE INSERT ON record BEGIN SELECT RAISE(ABORT, 'full'); END")
    db.commit()
    with pytest.raises(StorageError, match="full"):
        store.settle(Batch((done(item),), roots=("r",)))
    db.execute("DROP TRIGGER full")
    db.commit()
    db.close()
    opening = opened().opening()
    assert (opening.pending, opening.roots, opening.tally) == (1, (), {})


def test_other_peoples_files_are_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("this is no database, and long enough to be taken for one" * 20)
    with pytest.raises(JobError, match="not a job"):
        Database(text)
    assert text.read_text().startswith("this is no")
    other = tmp_path / "other.db"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE mine (x)")
    db.commit()
    db.close()
    with pytest.raises(JobError, match="not a job"):
        Database(other)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    database = Database(tmp_path / "job.db")
    database.remember({"format": "99"})
    database.close()
    with pytest.raises(JobError, match="format 99"):
        Database(tmp_path / "job.db")


def test_nobody_else_can_read_the_job(tmp_path: Path, opened: Open) -> None:
    store = opened()
    store.admit([entry(f"{A}/")], [])
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file


def test_the_connection_is_set_up_as_designed(opened: Open) -> None:
    """WAL survives SIGKILL; a memory map would turn an I/O error into a crash."""
    store = opened()
    pragmas = {
        name: store._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
    }
    assert pragmas == {"journal_mode": "wal", "synchronous": 1}
    mapped = store._db.execute("PRAGMA mmap_size").fetchone()
    assert mapped is None or mapped[0] == 0


def test_every_time_of_a_retry_is_found_again_to_the_last_bit(tmp_path: Path, opened: Open) -> None:
    """The time is a part of the row's key, and JSON of SQLite's is no place for all digits of it."""
    chance = random.Random(3)
    store = opened()
    store.admit([entry(f"{A}/{n}") for n in range(500)], [])
    (lease,) = store.lease({A: 500}, 1.0)
    again = [replace(item, due=chance.uniform(1e9, 2e9), attempts=1) for item in lease.entries]
    store.settle(
        Batch(tuple(Settlement(item, retry=retry) for item, retry in zip(lease.entries, again, strict=True)))
    )
    (lease,) = store.lease({A: 500}, 2e9)
    assert len(lease.entries) == 500
    for item in lease.entries:
        assert any(abs(item.due - retry.due) < 1e-6 for retry in again if retry.url == item.url)
    store.settle(Batch(tuple(done(item) for item in lease.entries)))
    with closing(sqlite3.connect(tmp_path / "job.db")) as db:
        assert db.execute("SELECT count(*) FROM pending").fetchone() == (0,)


def test_what_is_shallower_than_all_that_was_lent_is_lent_next(opened: Open) -> None:
    """A host's queue is not read from its beginning again and again; what comes in front counts."""
    store = opened()
    store.admit([entry(f"{A}/deep{n}", depth=5) for n in range(6)], [])
    assert [item.url for item in store.lease({A: 3}, 1.0)[0].entries] == [f"{A}/deep{n}" for n in range(3)]
    store.admit([entry(f"{A}/top", depth=0), entry(f"{A}/as deep", depth=5)], [])
    lease = store.lease({A: 2}, 1.0)[0]
    assert [item.url for item in lease.entries] == [f"{A}/top", f"{A}/deep3"]
    assert lease.more == 0.0
    lease = store.lease({A: 9}, 1.0)[0]
    assert [item.url for item in lease.entries] == [f"{A}/deep4", f"{A}/deep5", f"{A}/as deep"]
    assert lease.more is None


def test_lines_and_links_of_a_batch_stay_apart(tmp_path: Path, opened: Open) -> None:
    store = opened()
    entries = [entry(f"{A}/{n}?ü=\u2028\"'\\{'x' * n}") for n in range(200)]
    store.admit(entries, [])
    (lease,) = store.lease({A: 200}, 1.0)
    store.settle(
        Batch(tuple(done(item, bytes([n % 3]) * 8 * (n % 3)) for n, item in enumerate(lease.entries)))
    )
    with closing(sqlite3.connect(tmp_path / "job.db")) as db:
        rows = db.execute("SELECT id, key, line, links FROM record ORDER BY id").fetchall()
    assert [row[0] for row in rows] == list(range(1, 201))
    for n, (item, (_, key, line, links)) in enumerate(zip(lease.entries, rows, strict=True)):
        assert (key, links or b"") == (item.key, bytes([n % 3]) * 8 * (n % 3))
        assert (links is None) == (n % 3 == 0)
        assert msgspec.json.decode(line, type=Record).url == item.url
