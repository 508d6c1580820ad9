"""What a start asks of the records and the outputs, and what it gives back to the frontier."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from skitter.errors import StorageError
from skitter.frontier import Database, Ledger, Store
from skitter.model import Batch, Entry, Mark, Reason, Record, Row, Settlement
from skitter.rules.addresses import ANY
from skitter.rules.url import key_of, origin_of

A, B = "http://a.test", "http://b.test"
OUT, MORE = "pages.jsonl", "items:items.jsonl"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "job.db")
    yield database
    database.close()


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


def entry(url: str, **facts: Any) -> Entry:
    return Entry(url, key_of(url), origin_of(url), **facts)


def done(at: Entry, reason: Reason = Reason.FETCHED, size: int = 5, **rest: Any) -> Settlement:
    record = Record(
        url=at.url,
        reason=reason,
        depth=at.depth,
        referrer=at.referrer,
        redirected_from=at.hops,
        size=size,
        attempts=at.attempts,
        fetched_at="2026-01-01T00:00:00Z",
    )
    return Settlement(at, Row(record), **rest)


def lent(store: Store, origin: str = A, number: int = 99, now: float = 1.0) -> tuple[Entry, ...]:
    (lease,) = store.lease({origin: number}, now)
    return lease.entries


def ended(database: Database, number: int) -> Store:
    """A store with so many records, each committed on its own."""
    store = Store(database)
    store.admit([entry(f"{A}/{n}") for n in range(number)], [])
    for item in lent(store):
        store.settle(Batch((done(item),)))
    return store


def counters(database: Database) -> dict[str, Any]:
    """What the counters say, after a look whether they say what the tables hold."""
    execute = database.connection.execute
    facts = database.facts()
    (waiting,) = execute("SELECT count(*) FROM pending").fetchone()
    assert int(facts["pending"]) == waiting
    assert execute("SELECT count(*) FROM seen WHERE key NOT IN (SELECT key FROM record)").fetchone() == (
        waiting,
    )
    tally = {reason: (n, size) for reason, n, size in execute("SELECT * FROM tally")}
    sizes = "SELECT reason, count(*), sum(json_extract(CAST(line AS TEXT), '$.size')) FROM record GROUP BY 1"
    assert tally == {reason: (n, size) for reason, n, size in execute(sizes)}
    return {"pending": waiting, "tally": tally, "seq": int(facts["seq"])}


# -- marks -----------------------------------------------------------------------------------


def test_a_new_job_has_no_outputs_and_no_records(ledger: Ledger) -> None:
    assert (ledger.ended(), ledger.outputs(), list(ledger.rows())) == (0, (), [])
    assert (list(ledger.marks(OUT)), ledger.head(OUT)) == ([], b"")


def test_marks_come_newest_first_and_each_output_has_its_own(ledger: Ledger) -> None:
    ledger.keep(OUT, Mark(2, 20, 10, 7))
    ledger.begin(OUT, b"head")
    ledger.keep(OUT, Mark(5, 50, 30, 8))
    ledger.keep(MORE, Mark(3, 1))
    assert list(ledger.marks(OUT)) == [Mark(5, 50, 30, 8), Mark(2, 20, 10, 7)]
    assert list(ledger.marks(MORE)) == [Mark(3, 1)]
    assert set(ledger.outputs()) == {OUT, MORE}
    assert (ledger.head(OUT), ledger.head(MORE)) == (b"head", b"")


def test_what_was_noted_beyond_a_kept_mark_is_no_longer_true(ledger: Ledger) -> None:
    for upto in (2, 5, 9):
        ledger.keep(OUT, Mark(upto, 10 * upto))
        ledger.keep(MORE, Mark(upto, upto))
    ledger.keep(OUT, Mark(5, 49))
    assert [mark.length for mark in ledger.marks(OUT)] == [49, 20]
    assert [mark.upto for mark in ledger.marks(MORE)] == [9, 5, 2]


def test_an_output_that_begins_anew_has_another_beginning(ledger: Ledger) -> None:
    """Its first line may be that of another page."""
    ledger.keep(OUT, Mark(0))
    for head in (b"one", b"two"):
        ledger.begin(OUT, head)
        ledger.keep(OUT, Mark(2, 20))
        assert ledger.head(OUT) == head
        ledger.keep(OUT, Mark(0))
        assert ledger.head(OUT) == head, "by it the bytes are known that are cut off next"


def test_a_commit_without_items_leaves_the_end_known(database: Database, ledger: Ledger) -> None:
    """Nothing was written for those pages: what was written before still has to be there."""
    store = Store(database)
    store.admit([entry(f"{A}/{n}") for n in range(2)], [])
    items = lent(store)
    ledger.keep(OUT, Mark(0))
    store.settle(Batch((done(items[0]),), marks={OUT: Mark(0, 20, 20, 5)}))
    store.settle(Batch((done(items[1]),), marks={OUT: Mark(0, 20)}))
    assert next(ledger.marks(OUT)) == Mark(2, 20, 20, 5)


def test_a_mark_at_a_number_of_records(ledger: Ledger) -> None:
    """Before its first mark an output held nothing; in between, nobody knows where to cut."""
    assert ledger.mark_at(OUT, 4) == Mark(4), "never written"
    ledger.keep(OUT, Mark(3, 0))
    ledger.keep(OUT, Mark(6, 60, 20, 9))
    assert [ledger.mark_at(OUT, upto) for upto in (2, 3, 5, 6, 7)] == [
        Mark(2),
        Mark(3),
        None,
        Mark(6, 60, 20, 9),
        None,
    ]


def test_a_commit_notes_what_outputs_hold_with_it(database: Database, ledger: Ledger) -> None:
    store = Store(database)
    store.admit([entry(f"{A}/{n}") for n in range(3)], [])
    items = lent(store)
    ledger.keep(OUT, Mark(0))
    store.settle(Batch((done(items[0]), done(items[1])), marks={OUT: Mark(0, 20, 20, 5)}))
    store.settle(Batch((done(items[2]),), marks={OUT: Mark(0, 30, 10, 6)}))
    assert list(ledger.marks(OUT)) == [Mark(3, 30, 10, 6), Mark(2, 20, 20, 5), Mark(0)]


def test_rows_come_in_order_without_the_first_ones(database: Database, ledger: Ledger) -> None:
    ended(database, 4)
    assert [row.record.url for row in ledger.rows(2)] == [f"{A}/2", f"{A}/3"]
    assert ledger.ended() == 4


def test_an_output_can_be_noted_while_records_are_being_read(
    database: Database, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long job fills an output that was added late, a thousand records at a time; the write-ahead log
    may reach its size on the way, or be that long since a kill."""
    ended(database, 5)
    monkeypatch.setattr("skitter.frontier.database._LOG_SIZE", 0)
    for upto, _ in enumerate(ledger.rows(), 1):
        ledger.keep(OUT, Mark(upto, upto))
    assert [mark.upto for mark in ledger.marks(OUT)] == [5, 4, 3, 2, 1]


# -- back to pending -------------------------------------------------------------------------


def test_urls_go_back_as_they_were_when_they_were_first_met(database: Database, ledger: Ledger) -> None:
    """Depth decides what may be followed, hops whether redirects loop; a seed decides the exit code."""
    store = Store(database)
    first = [
        entry(f"{A}/seed", seed=True, given=True),
        entry(f"{A}/kept", seed=True, given=True),
        entry(f"{A}/deep", depth=3, referrer=f"{A}/seed"),
        entry(f"{A}/moved", depth=1, referrer=f"{A}/seed", hops=(f"{A}/x", f"{A}/y")),
    ]
    store.admit(first, [])
    by_url = {item.url: item for item in lent(store)}
    for name in ("kept", "seed", "deep", "moved"):
        store.settle(Batch((done(by_url[f"{A}/{name}"]),)))
    assert ledger.give_back(1) == 3
    back = {item.url: item for item in lent(Store(database))}
    assert set(back) == {f"{A}/seed", f"{A}/deep", f"{A}/moved"}
    for item in first[:1] + first[2:]:
        found = replace(back[item.url], seq=0, given=False)
        assert found == replace(item, given=False, reach=ANY), "its address was judged, and open"


def test_counters_follow_what_goes_back(database: Database, ledger: Ledger) -> None:
    store = Store(database)
    store.admit([entry(f"{A}/{n}") for n in range(5)], [])
    items = lent(store)
    for n, reason in enumerate((Reason.FETCHED, Reason.FETCHED, Reason.HTTP_ERROR, Reason.FETCHED)):
        store.settle(Batch((done(items[n + 1], reason, size=10**n),)))
    assert counters(database) == {
        "pending": 1,
        "tally": {"fetched": (3, 1011), "http_error": (1, 100)},
        "seq": 5,
    }
    assert ledger.give_back(2) == 2
    assert counters(database) == {"pending": 3, "tally": {"fetched": (2, 11)}, "seq": 7}
    assert ledger.ended() == 2
    assert [item.url for item in lent(Store(database))] == [f"{A}/0", f"{A}/3", f"{A}/4"], "in line behind"
    assert ledger.give_back(2) == 0
    assert counters(database)["pending"] == 3


def test_marks_beyond_what_is_left_go_too(database: Database, ledger: Ledger) -> None:
    ended(database, 4)
    for upto in (1, 2, 4):
        ledger.keep(OUT, Mark(upto, upto))
    ledger.keep(MORE, Mark(3, 9))
    ledger.give_back(2)
    assert [mark.upto for mark in ledger.marks(OUT)] == [2, 1]
    assert list(ledger.marks(MORE)) == [Mark(2)], "nothing of it counts, and it is still ours"


def test_nothing_is_given_back_twice_nor_met_twice(database: Database, ledger: Ledger) -> None:
    """A link to a page that went back is no new page; and its next record takes the next number."""
    ended(database, 3)
    ledger.give_back(1)
    store = Store(database)
    assert store.admit([entry(f"{A}/2")], []).admitted == 0
    for item in lent(store):
        store.settle(Batch((done(item),)))
    assert ledger.ended() == 3
    assert len({row.record.url for row in ledger.rows()}) == 3
    assert counters(database)["pending"] == 0


def test_the_tries_of_a_page_that_was_retried_are_its_own_again(database: Database, ledger: Ledger) -> None:
    """It was fetched at the third try; what is lost is the record, and no fault of the host's."""
    store = Store(database)
    store.admit([entry(f"{A}/x", depth=2, referrer=f"{A}/")], [])
    (item,) = lent(store)
    for attempts in (1, 2):
        again = replace(item, attempts=attempts, spent=attempts, status=503, due=10.0 * attempts)
        store.settle(Batch((Settlement(item, retry=again),)))
        (item,) = lent(store, now=100.0)
        assert item.attempts == attempts
    store.settle(Batch((done(replace(item, attempts=3)),)))
    assert ledger.give_back(0) == 1
    (item,) = lent(Store(database))
    assert (item.attempts, item.spent, item.status, item.due) == (0, 0, None, 0.0)
    assert (item.depth, item.referrer) == (2, f"{A}/")


def test_pages_of_several_hosts_go_back_to_their_own(database: Database, ledger: Ledger) -> None:
    store = Store(database)
    store.admit([entry(f"{A}/1"), entry(f"{B}/1"), entry(f"{B}/2"), entry(f"{A}/2")], [])
    for origin in (B, A):
        for item in lent(store, origin):
            store.settle(Batch((done(item),)))
    assert ledger.give_back(1) == 3
    again = Store(database)
    assert {item.url for item in lent(again, A)} == {f"{A}/1", f"{A}/2"}
    assert {item.url for item in lent(again, B)} == {f"{B}/2"}


def test_giving_back_is_all_or_nothing(database: Database, ledger: Ledger) -> None:
    ended(database, 3)
    before = counters(database)
    database.connection.execute(
        "CREATE TRIGGER full BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    with pytest.raises(StorageError, match="full"):
        ledger.give_back(0)
    database.connection.execute("DROP TRIGGER full")
    assert counters(database) == before
    assert ledger.give_back(0) == 3


def test_what_was_never_judged_or_refused_comes_back_with_no_more_rights(
    database: Database, ledger: Ledger
) -> None:
    """A name that could not be resolved may mean a private address by now."""
    store = Store(database)
    kinds = {"kept": Reason.FETCHED, "denied": Reason.ROBOTS_DENIED, "lost": Reason.DNS_FAILED,
             "refused": Reason.REFUSED_ADDRESS}  # fmt: skip
    store.admit([entry(f"{A}/{name}", depth=1) for name in kinds], [])
    by_url = {item.url: item for item in lent(store)}
    for name, reason in kinds.items():
        store.settle(Batch((done(by_url[f"{A}/{name}"], reason=reason),)))
    assert ledger.give_back(1) == 3
    back = {item.url.rpartition("/")[2]: item.reach for item in lent(Store(database))}
    assert back == {"denied": ANY, "lost": "", "refused": ""}
