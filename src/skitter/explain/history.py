"""What a job's database says of one URL: rows become a :class:`History`."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec.structs import replace

from skitter.config import Http, Scope
from skitter.explain.values import History, Linker, Linkers, Settings, Step, Waiting
from skitter.frontier.snapshot import snapshot
from skitter.model import Attempt, HostState, Reason, Record, RobotsCopy
from skitter.outputs import ITEMS
from skitter.rules.addresses import kind_named
from skitter.rules.robots import product_token
from skitter.rules.traps import patterns_of
from skitter.rules.url import key_of, origin_of, sitemap_key

__all__ = ["read_history"]

_SHOWN = 20  # pages that link or redirect to it
_KEY = 8  # bytes of a key among a page's links
_HOSTS = 10_000  # of which the kinds of addresses are looked at
_LONGEST_WAY = 1_000  # links from a seed: a trap rule ends what is deeper
_RECORD = msgspec.json.Decoder(Record)
_HOPS = msgspec.json.Decoder(tuple[str, ...])
_STATE = msgspec.json.Decoder(HostState)


class _Page(msgspec.Struct):
    """What of a page's record matters to those that it leads to."""

    url: str
    depth: int
    reason: Reason
    nofollow: bool
    location: str | None


_PAGE = msgspec.json.Decoder(_Page)


def read_history(database: Path, typed: str, url: str, owner: int | None, now: float) -> History:
    """What is known of ``url`` (canonical) at ``now``, seconds since the epoch. Raises JobError if there is
    no job. The table of records is read once: about a second a gigabyte."""
    with snapshot(database) as db:
        facts = dict(db.execute("SELECT name, value FROM meta"))
        tally = dict(db.execute("SELECT reason, n FROM tally"))
        history = History(
            str(database.parent), owner, now, typed, url, _settings(facts),
            tuple(root for (root,) in db.execute("SELECT root FROM root")),
            ended=sum(tally.values()), pending=int(facts.get("pending", "0")),
            fetched=tally.get(Reason.FETCHED, 0),
        )  # fmt: skip
        history = _with_records(db, history)
        history = _with_host(db, history)
        return _with_rest(db, history)


def _settings(facts: dict[str, str]) -> Settings:
    said = msgspec.json.decode(facts.get("settings", "{}"))
    run = msgspec.json.decode(facts.get("run", "{}"))  # a job of an older skitter has none
    scope = Scope(
        depth=said.get("depth"),
        scope=said.get("scope", "host"),
        include=tuple(said.get("include", ())),
        exclude=tuple(said.get("exclude", ())),
        sitemaps=run.get("sitemaps", False),
        no_trap_guard=run.get("no_trap_guard", False),
    )
    agent = run.get("agent") or product_token(Http().user_agent)
    return Settings(
        scope, agent, run.get("no_robots", False), run.get("allow_private", False), run.get("limit")
    )


# -- the table of records --------------------------------------------------------------------


def _with_records(db: sqlite3.Connection, history: History) -> History:
    """The URL's own record, the pages that link to it and those that redirect to it: one pass for all."""
    key, url = key_of(history.url), history.url
    packed = key.to_bytes(_KEY, signed=True)
    rows = db.execute(
        "SELECT key = ?1, line, links FROM record WHERE key = ?1 OR instr(links, ?2)"
        " OR (reason = 'redirected' AND instr(line, ?3)) ORDER BY id",
        (key, packed, b'"location":' + msgspec.json.encode(url)),
    )
    pages: list[Linker] = []
    redirects: list[Linker] = []
    kinds: dict[tuple[int, bool, bool], list[Linker]] = {}
    counts: dict[tuple[int, bool, bool], int] = {}
    linked = redirected = 0
    for is_key, line, links in rows:
        page = _PAGE.decode(line)
        linker = Linker(page.url, page.depth, page.reason, page.nofollow)
        if is_key and page.url == url:
            history = replace(history, record=_RECORD.decode(line))
        elif is_key:
            history = replace(history, namesake=page.url)
        if links and _holds(links, packed):
            linked += 1
            kind = page.depth, page.nofollow, page.reason is Reason.TRAP
            counts[kind] = counts.get(kind, 0) + 1
            kinds.setdefault(kind, [linker])
            pages += [linker] * (linked <= _SHOWN)
        if page.reason is Reason.REDIRECTED and page.location == url:
            redirected += 1
            redirects += [linker] * (redirected <= _SHOWN)
    linkers = tuple(Linkers(counts[kind], first) for kind, (first,) in sorted(kinds.items()))
    return replace(
        history, linked=linked, pages=tuple(pages), linkers=linkers, redirected=redirected,
        redirects=tuple(redirects),
    )  # fmt: skip


def _holds(links: bytes, key: bytes) -> bool:
    """Is the key one of these, and not the end of one and the beginning of the next?"""
    place = links.find(key)
    while place >= 0 and place % _KEY:
        place = links.find(key, place + 1)
    return place >= 0


# -- host and queue --------------------------------------------------------------------------


def _with_host(db: sqlite3.Connection, history: History) -> History:
    origin = origin_of(history.url)
    row = db.execute(
        "SELECT id, state, robots_status, robots_body, robots_at FROM host WHERE origin = ?", (origin,)
    ).fetchone()
    if row is None:
        return history
    number, state, status, body, at = row
    known = _STATE.decode(state) if state else HostState(origin)
    if status is not None:
        known = replace(known, robots=RobotsCopy(status, body or b"", at))
    (pending,) = db.execute("SELECT count(*) FROM pending WHERE host = ?", (number,)).fetchone()
    waiting = _waiting(db, number, key_of(history.url), history.now)
    sitemap = None
    if db.execute("SELECT 1 FROM seen WHERE key = ?", (sitemap_key(history.url),)).fetchone():
        is_read = _waiting(db, number, sitemap_key(history.url), history.now) is None
        sitemap = "read" if is_read else "pending"
    return replace(history, host=known, host_pending=pending, waiting=waiting, sitemap=sitemap)


def _waiting(db: sqlite3.Connection, host: int, key: int, now: float) -> Waiting | None:
    row = db.execute(
        "SELECT due, depth, seq, referrer, CAST(hops AS TEXT), attempts, status, seed FROM pending"
        " WHERE host = ? AND key = ?",
        (host, key),
    ).fetchone()
    if row is None:
        return None
    due, depth, seq, referrer, hops, attempts, status, seed = row
    before: tuple[str, tuple[object, ...]]
    if due:
        before = "(due > 0 AND due < ?) OR (due = 0 AND ? > ?)", (due, due, now)  # what is due goes first
    else:
        before = "(due > 0 AND due <= ?) OR (due = 0 AND (depth, seq) < (?, ?))", (now, depth, seq)
    (place,) = db.execute(
        f"SELECT count(*) FROM pending WHERE host = ? AND ({before[0]})", (host, *before[1])
    ).fetchone()
    found = _HOPS.decode(hops) if hops else ()
    return Waiting(due, depth, referrer, found, attempts, status, bool(seed), place)


# -- tries, the way here, what is counted ----------------------------------------------------


def _with_rest(db: sqlite3.Connection, history: History) -> History:
    return replace(
        history,
        attempts=tuple(_attempts(db, key_of(history.url))),
        found=tuple(_way(db, history)),
        kinds=_kinds(db),
        patterns=_counts(db, history.url),
        has_items=bool(
            db.execute("SELECT 1 FROM output WHERE path LIKE ? LIMIT 1", (f"{ITEMS}%",)).fetchone()
        ),
    )


def _attempts(db: sqlite3.Connection, key: int) -> Iterator[Attempt]:
    for at, reason, status, seconds, error in db.execute(
        "SELECT at, reason, status, seconds, error FROM attempt WHERE key = ? ORDER BY at, rowid", (key,)
    ):
        yield Attempt(at, Reason(reason), status, seconds, error)


def _kinds(db: sqlite3.Connection) -> frozenset[str]:
    hosts = db.execute("SELECT origin FROM host ORDER BY id LIMIT ?", (_HOSTS,))
    return frozenset(kind for (origin,) in hosts if (kind := kind_named(origin)) is not None)


def _counts(db: sqlite3.Connection, url: str) -> dict[int, int]:
    keys = [pattern.key for pattern in patterns_of(url)]
    marks = ", ".join("?" * len(keys))
    return dict(db.execute(f"SELECT key, n FROM pattern WHERE key IN ({marks})", keys))


def _way(db: sqlite3.Connection, history: History) -> Iterator[Step]:
    """From the URL up to its seed: each page's record names the page on which it was found."""
    known = history.record or history.waiting
    if known is None:
        return
    hops = known.redirected_from if isinstance(known, Record) else known.hops
    yield Step(history.url, known.depth, _how(db, known.depth, known.referrer, hops), hops)
    referrer, keys = known.referrer, array("q")
    for _ in range(_LONGEST_WAY):
        if referrer is None:
            return
        if not keys:  # there is no index by key, and 8 bytes a record are cheap
            keys.extend(key for (key,) in db.execute("SELECT key FROM record ORDER BY id"))
        record = _record_at(db, keys, referrer)
        if record is None:
            yield Step(referrer, None, "robots" if referrer.endswith("/robots.txt") else "sitemap")
            return
        hops = record.redirected_from
        yield Step(referrer, record.depth, _how(db, record.depth, record.referrer, hops), hops)
        referrer = record.referrer


def _record_at(db: sqlite3.Connection, keys: array[int], url: str) -> Record | None:
    try:
        number = keys.index(key_of(url)) + 1
    except ValueError:
        return None
    row = db.execute("SELECT line FROM record WHERE id = ?", (number,)).fetchone()
    return _RECORD.decode(row[0]) if row else None


def _how(db: sqlite3.Connection, depth: int, referrer: str | None, hops: tuple[str, ...]) -> str:
    """Only seeds, and what they redirect to, are no link away from a seed."""
    if hops:
        return "redirect"
    if referrer is None:
        return "seed"
    if depth != 1:
        return "link"
    listed = db.execute("SELECT 1 FROM seen WHERE key = ?", (sitemap_key(referrer),)).fetchone()
    page = db.execute("SELECT 1 FROM seen WHERE key = ?", (key_of(referrer),)).fetchone()
    return "sitemap" if listed and not page else "link"
