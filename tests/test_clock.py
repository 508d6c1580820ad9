"""The system's date is set between two runs: nothing waits for an hour, and nobody is asked early (G6)."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

import skitter
from skitter.clock import SystemClock, skew
from skitter.events import Event, Noted
from skitter.frontier import Database, Store, shift
from skitter.model import Batch, Entry, HostState, RobotsCopy, Settlement, Summary
from skitter.rules.url import key_of, origin_of
from skitter.testing import Site

HOUR = 3600.0
A, B = "http://a.test", "http://b.test"


# -- by how much the date was set ------------------------------------------------------------


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        # Within one boot, its own clock tells.
        ("1000.000 boot 50.000", "1600.000 boot 650.000", 0.0),
        ("1000.000 boot 50.000", "5200.000 boot 650.000", HOUR),
        ("5000.000 boot 50.000", "2000.000 boot 650.000", -HOUR),
        ("1000.000 boot 50.000", "1000.500 boot 50.500", 0.0),
        ("1000.000 boot 50.000", "4600.000 boot 50.000", HOUR),
        # Across boots, only a date before the former one can be told from time that has passed.
        ("1000.000 boot 50.000", "9000.000 other 5.000", 0.0),
        ("9000.000 boot 50.000", "5400.000 other 5.000", -HOUR),
        ("1000.000 boot 50.000", "1000.000 other 5.000", 0.0),
        # Nobody knows which boot it is: "-" is not the same as "-".
        ("1000.000 - 50.000", "5200.000 - 650.000", 0.0),
        ("5000.000 - 50.000", "1400.000 - 650.000", -HOUR),
        ("1000.000 - 50.000", "5200.000 boot 650.000", 0.0),
        ("1000.000 boot 50.000", "5200.000 - 650.000", 0.0),
    ],
)
def test_by_how_much_the_date_was_set(then: str, now: str, expected: float) -> None:
    assert skew(then, now) == pytest.approx(expected)


def test_two_stamps_of_one_machine_agree_that_no_date_was_set() -> None:
    then = SystemClock().stamp()
    time.sleep(0.05)
    assert abs(skew(then, SystemClock().stamp())) < 0.04


def test_a_run_does_not_notice_that_the_date_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    then, real = clock.now(), time.time
    monkeypatch.setattr(time, "time", lambda: real() - HOUR)
    assert 0 <= clock.now() - then < 1
    assert skew(clock.stamp(), SystemClock().stamp()) == pytest.approx(-HOUR, abs=0.1)


# -- times in the database -------------------------------------------------------------------


def entry(url: str, **facts: Any) -> Entry:
    return Entry(url, key_of(url), origin_of(url), **facts)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A host with a gate, a copy of its robots.txt and a URL that waits; and one with none of them."""
    database = Database(tmp_path / "job.db")
    store = Store(database)
    store.admit([entry(f"{A}/late"), entry(f"{A}/fresh"), entry(f"{B}/")], [])
    (lease,) = store.lease({A: 1}, 1.0)
    (late,) = lease.entries
    retry = msgspec.structs.replace(late, due=5000.5, attempts=1)
    robots = RobotsCopy(200, b"User-agent: *", 4000.25)
    hosts = (HostState(A, gate=6000.75, window=3.0, refusals=2, robots=robots), HostState(B))
    store.settle(Batch((Settlement(late, retry=retry),), hosts, stamp="4500.000 boot 10.000"))
    yield database
    database.close()


def waits(database: Database) -> dict[str, Any]:
    store = Store(database)
    now = 1e9
    leases = {lease.origin: lease for lease in store.lease({}, now, hosts=9, each=9)}
    gates = {origin: lease.state.gate for origin, lease in leases.items() if lease.state}
    (a, b) = (leases[A].state, leases[B].state)
    assert a is not None
    assert b is not None
    assert a.robots is not None
    assert b.robots is None
    return {
        "due": {item.url: item.due for lease in leases.values() for item in lease.entries},
        "gates": gates,
        "robots": a.robots.fetched_at,
        "rest": (a.window, a.refusals, a.robots.body),
    }


@pytest.mark.parametrize("seconds", [HOUR, -HOUR, 0.5])
def test_everything_that_waits_for_a_time_is_moved(database: Database, seconds: float) -> None:
    shift(database, seconds, "8100.000 boot 10.000")
    assert waits(database) == {
        "due": {f"{A}/late": 5000.5 + seconds, f"{A}/fresh": 0.0, f"{B}/": 0.0},
        "gates": {A: 6000.75 + seconds, B: 0.0},
        "robots": 4000.25 + seconds,
        "rest": (3.0, 2, b"User-agent: *"),
    }
    assert database.facts()["stamp"] == "8100.000 boot 10.000"


def test_a_retry_stays_a_retry_however_far_back_the_date_is_set(database: Database) -> None:
    """What is due at 0 was never tried: it would lose its place, and its row could not be found again."""
    shift(database, -1e6, "0.000 boot 10.000")
    assert waits(database)["due"][f"{A}/late"] == 1


# -- in a crawl ------------------------------------------------------------------------------


class Waiting:
    """A job whose one page asked to be left alone for a second."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site, self.folder = site, folder
        self.notes: list[str] = []
        site.errors("/", 503, times=1, then="at last", headers={"Retry-After": "1"})
        assert self.run(max_wait="500ms").finish_reason == "waiting"
        self.refused_at = site.requests[-1].time

    def run(self, **options: Any) -> Summary:
        def observe(event: Event) -> None:
            if isinstance(event, Noted):
                self.notes.append(event.text)

        made = skitter.Crawler(job=str(self.folder / "j"), observe=observe, **options)
        return made.run_sync([self.site.url("/")])

    def set_date(self, seconds: float) -> None:
        """Make the job's times those of a run before the date was set by so many seconds."""
        with closing(sqlite3.connect(self.folder / "j/job.db", isolation_level=None)) as db:
            (stamp,) = db.execute("SELECT value FROM meta WHERE name = 'stamp'").fetchone()
            at, boot, up = stamp.split(" ")
            db.execute(
                "UPDATE meta SET value = ? WHERE name = 'stamp'", (f"{float(at) - seconds:.3f} {boot} {up}",)
            )
            db.execute("UPDATE pending SET due = due - ? WHERE due > 0", (seconds,))
            db.execute("UPDATE host SET robots_at = robots_at - ?", (seconds,))
            for number, state in db.execute("SELECT id, state FROM host").fetchall():
                former = msgspec.json.decode(state)
                assert former["gate"] > 0
                former["gate"] -= seconds
                former["next_at"] -= seconds
                db.execute("UPDATE host SET state = ? WHERE id = ?", (msgspec.json.encode(former), number))


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_host_is_asked_when_it_said_whatever_the_date_is_set_to(tmp_path: Path, seconds: float) -> None:
    """Set back by an hour, it would be shut for an hour; set forward, it would be asked too early."""
    with Site() as site:
        job = Waiting(site, tmp_path)
        job.set_date(seconds)
        summary = job.run(max_wait="10s", time_limit="20s")
        assert (summary.finish_reason, summary.fetched_now) == ("done", 1)
        assert 0.95 < site.requests[-1].time - job.refused_at < 5
        assert site.count("/robots.txt") == 1, "its copy is of today by any date"
    assert len(job.notes) == 1
    assert "waits are kept" in job.notes[0]


def test_a_date_that_was_set_is_followed_once(tmp_path: Path) -> None:
    """I11: the next start finds the times moved, and the stamp with them."""
    with Site() as site:
        job = Waiting(site, tmp_path)
        job.set_date(-HOUR)
        assert job.run(max_wait="1ms").finish_reason == "waiting"
        assert job.run(max_wait="10s").finish_reason == "done"
        assert 0.95 < site.requests[-1].time - job.refused_at < 5
    assert len(job.notes) == 1
