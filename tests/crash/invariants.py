"""The invariants of THREATS section 9, each a function that tells what is violated, in words.

An empty list is good news. Nothing here changes what it looks at.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests import formats
from tests.crash.crawls import Crawl
from tests.crash.items_program import items_of

from skitter.rules.url import sitemap_key
from skitter.testing import Oracle

__all__ = [
    "bounded_refetch",
    "consistent",
    "items_whole",
    "nothing_forgotten",
    "nothing_waits",
    "outputs_as_committed",
    "outputs_whole",
    "polite",
    "records_complete",
    "records_within",
    "statistics_true",
]

_SHOWN = 3
# Seconds: two clocks, and the turn of an event loop.
_CLOCK = 0.003
_FIRST, _STANDSTILL = 0.02, 0.25


def _some(what: str, found: Iterable[object]) -> list[str]:
    """One violation for many of a kind: how many, and the first of them."""
    each = [str(item) for item in found]
    if not each:
        return []
    more = f" and {len(each) - _SHOWN} more" if len(each) > _SHOWN else ""
    return [f"{what}: {'; '.join(each[:_SHOWN])}{more}"]


# -- I1, I2, I7: every record, once, with the content that was served ---------------------------


def records_complete(path: Path, oracle: Oracle) -> list[str]:
    """I1, I2, I7: one record for each URL of the site, and it says what the site has served."""
    urls = {record["url"] for record in _objects(path)}
    found = _some(f"I1 {path.name}: lost", (url for url in oracle.expected if url not in urls))
    return found + records_within(path, oracle)


def records_within(path: Path, oracle: Oracle) -> list[str]:
    """I2, I7 of a crawl that need not be complete: no record twice, and each says what was served."""
    records = _objects(path)
    urls = Counter(record["url"] for record in records)
    found = _some(f"I1 {path.name}: not of the site", (url for url in urls if url not in oracle.expected))
    found += _some(f"I2 {path.name}: more than once", (url for url, n in urls.items() if n > 1))
    return found + _some(f"I1 I7 {path.name}", _differences(records, oracle))


def _differences(records: Iterable[Mapping[str, Any]], oracle: Oracle) -> Iterable[str]:
    for record in records:
        expected = oracle.expected.get(record["url"])
        names = ("reason", "status", "sha256", "location") if "sha256" in record else ("reason", "status")
        for name in names if expected else ():  # an archive has the bytes themselves
            if record[name] != getattr(expected, name):
                said = f" ({record['error']})" if record["error"] else ""
                yield f"{record['url']} {name} is {record[name]}, not {getattr(expected, name)}{said}"


def items_whole(items: Path, records: Path) -> list[str]:
    """I1, I2 of items: those of every fetched page, once, and no other."""
    wanted = Counter(
        json.dumps(item)
        for record in _objects(records)
        if record["reason"] == "fetched"
        for item in items_of(record["url"])
    )
    there = Counter(json.dumps(item) for item in _objects(items))
    found = _some("I1 items lost", (wanted - there).elements())
    return found + _some("I2 items doubled or foreign", (there - wanted).elements())


# -- I3, I8: what the server saw -------------------------------------------------------------


def bounded_refetch(
    counts: Mapping[str, int], usual: Mapping[str, int], deaths: Sequence[Mapping[str, int]], most: int
) -> list[str]:
    """I3. ``usual`` is how often each URL is asked for in a clean run; ``deaths`` tells, for each kill, the
    URLs whose record was committed then, and how often they had been asked for: not once more after that.
    ``most`` is how many requests may come to nothing at one kill."""
    kills = len(deaths)
    again = (
        f"{url} was asked for again, {counts[url]} times in all, after its record was committed"
        for death in deaths
        for url, was in death.items()
        if counts[url] > was
    )
    often = (
        f"{url} was asked for {n} times with {kills} kills"
        for url, n in counts.items()
        if n > usual.get(url, 1) + kills
    )
    found = _some("I3", again) + _some("I3", often)
    # A robots.txt is no page: those of all hosts may be on their way between two commits.
    pages = {url: n for url, n in counts.items() if not url.endswith("/robots.txt")}
    extra = sum(max(0, n - usual.get(url, 1)) for url, n in pages.items())
    if extra > kills * most:
        found.append(f"I3 {extra} requests more than in a clean run, with {kills} kills")
    return found


def polite(oracle: Oracle, delay: float = 0.0) -> list[str]:
    """I8: the least gap of every host, also across restarts: what it asks for itself, or ``delay`` if that is
    more; nothing asked for that robots.txt disallows."""
    found = []
    for origin in oracle.origins:
        least = max(delay, oracle.delays.get(origin, 0.0))
        found += _some(f"I8 {origin} asked too early", _too_early(oracle.gaps(origin), least))
    counts = oracle.counts()
    denied = (url for url, page in oracle.expected.items() if page.reason == "robots_denied" and counts[url])
    found += _some("I8 disallowed, but asked for", denied)
    return found + _some("I8 not of the site, but asked for", oracle.strays)


def _too_early(gaps: Sequence[float], least: float) -> Iterable[str]:
    """On a busy machine the server stands still at times, and reads several requests at once: what a gap is
    longer by, the next ones may be shorter by. The first request has to wait for its connection as well."""
    late = _FIRST
    for gap in gaps:
        late += gap - least
        if late < -_CLOCK:
            yield f"after {gap:.3f} s instead of {least:g} s"
        late = min(max(late, 0.0), _STANDSTILL)


# -- I4, I6, I9: the database ----------------------------------------------------------------


def consistent(db: sqlite3.Connection) -> list[str]:
    """I6: what SQLite itself finds wrong."""
    found = [str(row[0]) for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
    return _some("I6", [*found, *(f"foreign key {row}" for row in db.execute("PRAGMA foreign_key_check"))])


def _has(db: sqlite3.Connection, table: str) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is not None


_FORGOTTEN = {
    "a URL that neither waits nor has ended": """
        SELECT key FROM seen WHERE key NOT IN (SELECT key FROM record UNION ALL SELECT key FROM pending)""",
    "a URL that waits and has ended": """
        SELECT key FROM pending WHERE key IN (SELECT key FROM record)""",
    "a URL that waits twice": "SELECT key FROM pending GROUP BY key HAVING count(*) > 1",
    "a URL with two records": "SELECT key FROM record GROUP BY key HAVING count(*) > 1",
    "a URL that has ended and was never admitted": """
        SELECT key FROM record WHERE key NOT IN (SELECT key FROM seen)""",
    "a URL that waits and was never admitted": """
        SELECT key FROM pending WHERE key NOT IN (SELECT key FROM seen)""",
    "an unknown host": "SELECT host FROM pending WHERE host NOT IN (SELECT id FROM host)",
    "records not numbered from 1": "SELECT max(id) FROM record HAVING max(id) <> count(*)",
}


def nothing_forgotten(db: sqlite3.Connection) -> list[str]:
    """I4: every URL that was discovered either waits or has ended; nothing is in between."""
    if not _has(db, "seen"):
        return []  # killed before there was a table
    found = []
    # Sitemaps have no record; of the oracle's hosts each is asked for this one.
    files = {sitemap_key(f"{origin}/sitemap.xml") for (origin,) in db.execute("SELECT origin FROM host")}
    for what, query in _FORGOTTEN.items():
        found += _some(f"I4 {what}", (row[0] for row in db.execute(query) if row[0] not in files))
    return found + statistics_true(db)


def nothing_waits(db: sqlite3.Connection) -> list[str]:
    """I4 of a crawl that says it is done."""
    waiting = [url for (url,) in db.execute("SELECT url FROM pending")]
    return _some("I4 the crawl says it is done, and there waits", waiting)


def statistics_true(db: sqlite3.Connection) -> list[str]:
    """I9: the counters that are kept equal what the rows say."""
    facts = dict(db.execute("SELECT name, value FROM meta"))
    pending = db.execute("SELECT count(*) FROM pending").fetchone()[0]
    found = []
    if int(facts.get("pending", "0")) != pending:
        found.append(f"pending is {facts.get('pending')}, and {pending} rows wait")
    tally = db.execute("SELECT reason, n, size FROM tally WHERE n > 0")
    kept = {reason: (n, size) for reason, n, size in tally}
    size = "sum(json_extract(CAST(line AS TEXT), '$.size'))"
    rows = db.execute(f"SELECT reason, count(*), {size} FROM record GROUP BY reason")
    counted = {reason: (n, size) for reason, n, size in rows}
    if kept != counted:
        found.append(f"the tally is {kept}, the rows are {counted}")
    return _some("I9", found)


# -- I5: the outputs -------------------------------------------------------------------------


def outputs_whole(crawl: Crawl, *, finished: bool) -> list[str]:
    """I5: each line parses, each file ends with a line's end; no file is there that should not be."""
    found = []
    for path in crawl.outputs:
        if path.suffix == ".parquet" and not (finished or path.exists()):
            continue  # it is made at the end of a run that saves its state
        if not path.exists():
            found.append(f"{path.name} is missing")
        if path.suffix != ".jsonl":
            found += formats.faults(path)
            continue
        data = path.read_bytes() if path.exists() else b""
        if data and not data.endswith(b"\n"):
            found.append(f"{path.name} ends within a line: {data[-60:]!r}")
        lines = enumerate(data.splitlines(), 1)
        found += [f"{path.name} line {n}: {line[:60]!r}" for n, line in lines if not _is_object(line)]
    known = {"lock", "job.db", "job.db-wal", "job.db-shm", *(path.name for path in crawl.outputs)}
    if crawl.every_format:
        known |= {".spool"} if finished else {".spool", *(f"{path.name}.part" for path in crawl.outputs)}
    there = [*crawl.job.iterdir(), *crawl.folder.iterdir()]
    found += [f"stray file {path.name}" for path in there if path.name not in known and path != crawl.job]
    return _some("I5", found)


def outputs_as_committed(crawl: Crawl, db: sqlite3.Connection, *, finished: bool = False) -> list[str]:
    """I5 of a job that is opened, and before its first request: the outputs hold the committed records, in
    their order, and no byte more; those that are made in the end do so when the run has ``finished``."""
    if not _has(db, "record"):
        return ["I5 there is no table of records"]
    lines = [json.loads(line) for (line,) in db.execute("SELECT line FROM record ORDER BY id")]
    found = outputs_whole(crawl, finished=finished)
    for path in crawl.records:
        if path.suffix == ".parquet" and not finished:
            continue
        there = [record["url"] for record in _objects(path)]
        if there != [line["url"] for line in lines]:
            found.append(f"I5 {path.name}: {len(there)} lines, {len(lines)} records, or another order")
    if crawl.items is not None:
        fetched = [line["url"] for line in lines if line["reason"] == "fetched"]
        items = [item for url in fetched for item in items_of(url)]
        for path in (crawl.items, *crawl.more_items):
            if (finished or path.suffix != ".parquet") and _objects(path) != items:
                found.append(f"I5 {path.name}: not the items of the committed records, in their order")
    return found


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _objects(path: Path) -> list[dict[str, Any]]:
    """The lines that parse; the others are told by I5."""
    if path.suffix != ".jsonl":
        return [] if formats.faults(path) else formats.read(path)
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if _is_object(line)]
