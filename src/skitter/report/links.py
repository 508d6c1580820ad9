"""Who links where: dead ends with the pages that lead there, redirects, and what only a sitemap knows.

A record has the keys of all the links of its page, followed or not. They are gone through once, for the few
keys that matter.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator

from skitter.report.scratch import Scratch, pieces
from skitter.report.values import DEAD, Broken, Chain, Listed, Through

__all__ = ["broken", "chain_lengths", "chains", "follow_links", "orphans"]

# How many dead ends, redirects to them and orphans are looked for: some 30 MB.
_SOUGHT = 100_000
# What is shown: dead ends, ways to one, pages of one way to one, pages in all, chains, orphans.
_BROKEN, _WAYS, _PAGES, _PAGES_IN_ALL, _CHAINS, _ORPHANS = 1_000, 20, 500, 20_000, 100, 200
_HOPS = 21

_DEAD = f"reason IN ({', '.join(f'{str(reason)!r}' for reason in DEAD)})"
_TABLES = """
    CREATE TABLE lead (key INTEGER, dead INTEGER, PRIMARY KEY (key, dead)) WITHOUT ROWID;
    CREATE TABLE linked (key INTEGER PRIMARY KEY, n INTEGER);
    CREATE TABLE source (key INTEGER, page INTEGER, PRIMARY KEY (key, page)) WITHOUT ROWID;
    CREATE TABLE orphan (key INTEGER PRIMARY KEY, page INTEGER);
"""
# A dead end leads to itself; so does every redirect that leads to one that does.
_LEAD = f"""
    INSERT INTO lead WITH RECURSIVE way (key, dead) AS (
        SELECT key, key FROM (SELECT key FROM page WHERE {_DEAD} ORDER BY id LIMIT ?)
        UNION SELECT hop.key, way.dead FROM way JOIN hop ON hop.target = way.key
    ) SELECT key, dead FROM way LIMIT ?
"""
# Depth 1 from a referrer that was no seed: a sitemap, which counts as a link from one and has no record.
_ORPHAN = """
    INSERT INTO orphan SELECT key, id FROM page WHERE listed IS NOT NULL
    AND listed NOT IN (SELECT key FROM page WHERE depth = 0) ORDER BY id LIMIT ?
"""
_MOST_LINKED = """
    SELECT dead, (SELECT id FROM page WHERE page.key = dead) AS page,
        sum(coalesce((SELECT n FROM linked WHERE linked.key = lead.key), 0)) AS pages
    FROM lead GROUP BY dead ORDER BY pages DESC, page LIMIT ?
"""
_WAYS_TO = """
    SELECT lead.key, coalesce(n, 0), count(*) OVER () FROM lead LEFT JOIN linked ON linked.key = lead.key
    WHERE dead = ? AND (lead.key = dead OR n > 0) ORDER BY lead.key != dead, n DESC, lead.key LIMIT ?
"""
# From redirects to which none leads, to their ends.
_LENGTHS = f"""
    WITH RECURSIVE chain (start, at, n) AS (
        SELECT key, target, 1 FROM hop WHERE NOT EXISTS (SELECT 1 FROM hop AS b WHERE b.target = hop.key)
        UNION ALL SELECT start, target, n + 1 FROM chain JOIN hop ON hop.key = chain.at WHERE n < {_HOPS}
    ), whole (start, n) AS (SELECT start, max(n) FROM chain GROUP BY start)
"""


def follow_links(scratch: Scratch) -> None:
    """Find the pages that link to dead ends, also through redirects, and to what sitemaps have listed."""
    db = scratch.own
    db.executescript(_TABLES)
    db.execute(_LEAD, (_SOUGHT, _SOUGHT))
    db.execute(_ORPHAN, (_SOUGHT,))
    sought = {key for (key,) in db.execute("SELECT key FROM lead")}
    listed = {key for (key,) in db.execute("SELECT key FROM orphan")}
    alone = set(listed)
    counts: Counter[int] = Counter()
    wanted = sought | listed
    db.execute("BEGIN")
    for rows in pieces(scratch.job, "id, key, links") if wanted else ():
        found = [
            (key, page) for page, own_key, links in rows for key in _keys(links, wanted) if key != own_key
        ]
        counts.update(key for key, _ in found if key in sought)
        alone.difference_update(key for key, _ in found)
        wanted = sought | alone
        some = [(key, page) for key, page in found if key in sought and counts[key] <= _PAGES + len(rows)]
        db.executemany("INSERT OR IGNORE INTO source VALUES (?, ?)", some)
    db.executemany("INSERT INTO linked VALUES (?, ?)", counts.items())
    db.executemany("DELETE FROM orphan WHERE key = ?", ((key,) for key in listed - alone))
    db.execute("COMMIT")


def _keys(links: bytes | None, wanted: set[int]) -> set[int]:
    if not links:
        return set()
    return wanted.intersection(struct.unpack(f">{len(links) // 8}q", links))


def broken(scratch: Scratch) -> tuple[int, tuple[Broken, ...]]:
    """How many URLs are dead ends, and those to which most pages lead."""
    number = scratch.number(f"SELECT count(*) FROM page WHERE {_DEAD}")
    return number, tuple(_broken(scratch))


def _broken(scratch: Scratch) -> Iterator[Broken]:
    room = _PAGES_IN_ALL
    for dead, page, _ in scratch.rows(_MOST_LINKED, _BROKEN):
        ways = []
        found = scratch.rows(_WAYS_TO, dead, _WAYS)
        for key, n, _ in found:
            pages = _pages(scratch, key, min(_PAGES, room))
            ways.append(Through(_url(scratch, key), n, pages))
            room -= len(pages)
        yield Broken(scratch.line(page), tuple(ways), found[0][2] - len(found))


def _pages(scratch: Scratch, key: int, most: int) -> tuple[str, ...]:
    return scratch.urls("SELECT page FROM source WHERE key = ? ORDER BY page LIMIT ?", key, most)


def _url(scratch: Scratch, key: int) -> str:
    (url,) = scratch.urls("SELECT id FROM page WHERE key = ? LIMIT 1", key)
    return url


def chain_lengths(scratch: Scratch) -> tuple[tuple[int, int], ...]:
    """How many chains of redirects have how many hops, the longest first."""
    return tuple(scratch.rows(f"{_LENGTHS} SELECT n, count(*) FROM whole GROUP BY n ORDER BY n DESC"))


def chains(scratch: Scratch) -> tuple[Chain, ...]:
    """The longest chains, each from its first URL to its end."""
    starts = scratch.rows(f"{_LENGTHS} SELECT start, n FROM whole ORDER BY n DESC, start LIMIT ?", _CHAINS)
    return tuple(_chain(scratch, start, n) for start, n in starts)


def _chain(scratch: Scratch, key: int, length: int) -> Chain:
    hops = [_url(scratch, key)]
    for _ in range(length):
        ((key, location),) = scratch.rows("SELECT target, location FROM hop WHERE key = ?", key)
        hops.append(location)
    end = scratch.rows("SELECT reason, status FROM page WHERE key = ? LIMIT 1", key)
    return Chain(tuple(hops), *(end[0] if end else (None, None)))


def orphans(scratch: Scratch) -> Listed:
    """What a sitemap has listed and no crawled page links to."""
    number = scratch.number("SELECT count(*) FROM orphan")
    return Listed(number, scratch.lines("SELECT page FROM orphan ORDER BY page LIMIT ?", _ORPHANS))
