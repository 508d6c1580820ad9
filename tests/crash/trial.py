"""One job from its first start to its end, killed on the way, and all that was found wrong with it."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.crash import invariants
from tests.crash.bench import CONCURRENCY, Bench
from tests.crash.crawls import Crawl, Ended, Running, start

from skitter.config import build
from skitter.errors import SkitterError
from skitter.job import DATABASE, open_job
from skitter.values import parse_duration

__all__ = ["Outcome", "Trial"]

# Requests that may come to nothing at one kill: as many in flight, and as many done and not committed;
# with handlers, another concurrency of pages in their hands.
_AT_ONE_KILL, _WITH_HANDLERS = 2 * CONCURRENCY, 3 * CONCURRENCY


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What one case of a mode has shown. ``case`` says how to repeat it."""

    mode: str
    case: str
    kills: int = 0
    checked: frozenset[str] = frozenset()
    violations: tuple[str, ...] = ()
    seconds: float = 0.0
    skipped: str = ""  # why it could not be tried here


class Trial:
    """A job under test. Every death, and the end, is followed by a look at what is left."""

    def __init__(self, bench: Bench, crawl: Crawl, *, may_repeat: bool = False) -> None:
        """``may_repeat``: what was committed may have been lost (power), and is fetched once more."""
        bench.seconds(crawl)  # the reference comes first: it is a crawl of the same site
        self.bench = bench
        self.crawl = crawl
        self.found: list[str] = []
        self.checked: set[str] = set()
        self.deaths: list[Mapping[str, int]] = []
        self._may_repeat = may_repeat
        self._delay = parse_duration(crawl.options.get("delay", 0))
        self._began = time.monotonic()
        bench.oracle.forget()

    # -- runs ----------------------------------------------------------------------------------

    def start(self, prefix: Sequence[str] = (), **environment: str) -> Running:
        """Start the crawl, or go on with it: always the same command."""
        return start(self.crawl.words(), self.crawl.folder, prefix=prefix, environment=environment)

    def finish(self, *, complete: bool = True) -> Ended:
        """Go on without any fault, to the end; then check everything."""
        ended = self.start().wait()
        self.ended(ended, complete=complete)
        return ended

    def ended(self, ended: Ended, *, complete: bool = True) -> None:
        """A run came to its own end: check everything. Unless ``complete``, URLs may still wait."""
        self.expect(ended, 0)
        self._check_outputs(complete=complete)
        self._check_requests()
        with _opened(self.crawl.job / DATABASE) as db:
            self._check_database(db)
            self._note("I5", invariants.outputs_as_committed(self.crawl, db, finished=True))
            self._note("I4", invariants.nothing_waits(db) if complete and ended.code == 0 else [])

    def expect(self, ended: Ended, *codes: int) -> None:
        """I13: a run says with its code how it ended, and in lines for people."""
        self.checked.add("I13")
        if ended.stuck:
            self.found.append(f"I13 did not end in time: {ended.stderr.strip()[-300:]}")
        elif ended.code not in codes:
            wanted = " or ".join(map(str, codes))
            self.found.append(f"I13 ended with {ended.code}, not {wanted}: {ended.stderr.strip()[-600:]}")
        elif "Traceback" in ended.stderr:
            self.found.append(f"I13 a traceback: {ended.stderr.strip()[-600:]}")

    # -- looks ---------------------------------------------------------------------------------

    def look(self) -> None:
        """After a death and before the next start: at what it has left, and, in a copy that takes its
        place for a moment, at what the next start makes of that."""
        dead = self.bench.folder / "dead"
        with _copied(self.crawl.job, dead), _opened(dead / DATABASE) as db:
            self._check_database(db)
            counts = self.bench.oracle.counts()
            self.deaths.append({url: counts[url] for url in _committed(db)})
        if (self.crawl.job / DATABASE).exists():
            with _in_place_of(self.crawl.folder):
                self._recover()

    def _recover(self) -> None:
        options = {**self.crawl.options, "scope": "any", "output": [str(path) for path in self.crawl.records]}
        items = tuple(str(path) for path in (self.crawl.items, *self.crawl.more_items) if path)
        try:
            job = open_job(str(self.crawl.job), build(("{}", options)), "crawl", items)
        except SkitterError as error:
            self.found.append(f"I11 the next start says: {error}")
            return
        job.store.close()
        job.close()
        with _opened(self.crawl.job / DATABASE) as db:
            self._check_database(db)
            self._note("I5", invariants.outputs_as_committed(self.crawl, db))

    def _check_outputs(self, *, complete: bool) -> None:
        for path in self.crawl.records:
            check = invariants.records_complete if complete else invariants.records_within
            self._note("I1 I2 I7" if complete else "I2 I7", check(path, self.bench.oracle))
        if self.crawl.items is not None:
            for path in (self.crawl.items, *self.crawl.more_items):
                self._note("I1 I2", invariants.items_whole(path, self.crawl.records[0]))

    def _check_requests(self) -> None:
        oracle = self.bench.oracle
        most = _WITH_HANDLERS if self.crawl.has_handlers else _AT_ONE_KILL
        if not self._may_repeat:
            usual = self.bench.usual
            self._note("I3", invariants.bounded_refetch(oracle.counts(), usual, self.deaths, most))
        self._note("I8", invariants.polite(oracle, self._delay))

    def _check_database(self, db: sqlite3.Connection) -> None:
        self._note("I6", invariants.consistent(db))
        self._note("I4 I9", invariants.nothing_forgotten(db))

    def _note(self, names: str, violations: Sequence[str]) -> None:
        self.checked.update(names.split())
        self.found += violations

    # -- the result ----------------------------------------------------------------------------

    def outcome(self, mode: str, case: str) -> Outcome:
        """What was found. The folder of a job with which all is well is removed."""
        if self.found:
            case += f" (kept in {self.crawl.folder})"
        else:
            shutil.rmtree(self.crawl.folder)
        return Outcome(
            mode,
            case,
            len(self.deaths),
            frozenset(self.checked),
            tuple(dict.fromkeys(self.found)),
            time.monotonic() - self._began,
        )


def _committed(db: sqlite3.Connection) -> list[str]:
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'record'").fetchone():
        return []
    return [url for (url,) in db.execute("SELECT json_extract(CAST(line AS TEXT), '$.url') FROM record")]


@contextlib.contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection that is closed; of a job that was killed before it had a database, an empty one."""
    db = sqlite3.connect(database if database.exists() else ":memory:")
    try:
        yield db
    finally:
        db.close()


@contextlib.contextmanager
def _copied(folder: Path, to: Path) -> Iterator[None]:
    if folder.exists():
        shutil.copytree(folder, to)
    try:
        yield
    finally:
        shutil.rmtree(to, ignore_errors=True)


@contextlib.contextmanager
def _in_place_of(folder: Path) -> Iterator[None]:
    """A copy takes the folder's place: a job knows its outputs elsewhere by their paths."""
    aside = folder.with_name(f"{folder.name}-aside")
    folder.rename(aside)
    try:
        shutil.copytree(aside, folder)
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
