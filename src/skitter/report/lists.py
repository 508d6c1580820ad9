"""Lists of a report: what is slow, large, the same, marked, kept out by a rule, or was asked for again."""

from __future__ import annotations

from skitter.reason import Reason
from skitter.report.scratch import Scratch
from skitter.report.values import Count, Kind, Line, Listed, Retried, Ruling, Same

__all__ = [
    "duplicate_contents",
    "duplicate_titles",
    "largest",
    "marked",
    "retried",
    "retries",
    "rulings",
    "slowest",
]

_TOP, _SAME, _NAMED, _MARKED, _RULES = 25, 50, 20, 200, 50
_HAS_ATTEMPTS = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'attempt'"


def slowest(scratch: Scratch) -> tuple[Line, ...]:
    """Fetched pages by the time from connect to the last byte."""
    return scratch.lines(
        "SELECT id FROM page WHERE kind = ? AND elapsed > 0 ORDER BY elapsed DESC, id LIMIT ?",
        Kind.FETCHED, _TOP,
    )  # fmt: skip


def largest(scratch: Scratch) -> tuple[Line, ...]:
    """Fetched pages by decoded bytes."""
    return scratch.lines(
        "SELECT id FROM page WHERE kind = ? AND size > 0 ORDER BY size DESC, id LIMIT ?", Kind.FETCHED, _TOP
    )


def duplicate_titles(scratch: Scratch) -> tuple[int, tuple[Same, ...]]:
    """How many titles are those of several pages, and the most frequent."""
    return _same(scratch, "title")


def duplicate_contents(scratch: Scratch) -> tuple[int, tuple[Same, ...]]:
    """How many bodies were served under several URLs, and the most frequent."""
    return _same(scratch, "content")


def _same(scratch: Scratch, column: str) -> tuple[int, tuple[Same, ...]]:
    groups = (
        f"SELECT {column} AS same, count(*) AS n, max(size) AS size FROM page WHERE {column} IS NOT NULL"
        " GROUP BY 1 HAVING n > 1"
    )
    number = scratch.number(f"SELECT count(*) FROM ({groups})")
    found = []
    for same, n, size in scratch.rows(f"{groups} ORDER BY n DESC, size DESC, same LIMIT ?", _SAME):
        lines = scratch.lines(f"SELECT id FROM page WHERE {column} = ? ORDER BY id LIMIT ?", same, _NAMED)
        found.append(Same(n, size, lines[0].title, tuple(line.url for line in lines)))
    return number, tuple(found)


def marked(scratch: Scratch, column: str) -> Listed:
    """Pages with ``noindex``, or ``truncated`` ones."""
    number = scratch.number(f"SELECT count(*) FROM page WHERE {column}")
    return Listed(number, scratch.lines(f"SELECT id FROM page WHERE {column} ORDER BY id LIMIT ?", _MARKED))


def rulings(scratch: Scratch, reason: Reason) -> tuple[Ruling, ...]:
    """Rules that have kept URLs out, those with most URLs first."""
    rows = scratch.rows(
        "SELECT coalesce(rule, ''), count(*) AS n, count(DISTINCT host), min(id) FROM page WHERE reason = ?"
        " GROUP BY 1 ORDER BY n DESC, 1 LIMIT ?",
        reason, _RULES,
    )  # fmt: skip
    return tuple(Ruling(rule, n, hosts, scratch.line(first).url) for rule, n, hosts, first in rows)


def retries(scratch: Scratch) -> tuple[Count, ...]:
    """Tries that were not the last, by what came of them. A job of format 4 or before has forgotten them."""
    if not scratch.job.execute(_HAS_ATTEMPTS).fetchone()[0]:
        return ()
    rows = scratch.job.execute(
        "SELECT reason || coalesce(' ' || status, ''), count(*) FROM attempt GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    return tuple(Count(name, n) for name, n in rows)


def retried(scratch: Scratch) -> tuple[Retried, ...]:
    """URLs that were asked for most often."""
    if not scratch.job.execute(_HAS_ATTEMPTS).fetchone()[0]:
        return ()
    rows = scratch.job.execute(
        "SELECT key, count(*), sum(seconds), max(error) FROM attempt GROUP BY key ORDER BY 2 DESC, 3 DESC, 1"
        " LIMIT ?",
        (_TOP,),
    ).fetchall()
    return tuple(Retried(_url(scratch, key), n, spent, error) for key, n, spent, error in rows)


def _url(scratch: Scratch, key: int) -> str:
    """Of a URL that has ended, or is to be tried again."""
    if ended := scratch.urls("SELECT id FROM page WHERE key = ? LIMIT 1", key):
        return ended[0]
    row = scratch.job.execute("SELECT url FROM pending WHERE key = ? LIMIT 1", (key,)).fetchone()
    return str(row[0]) if row else ""
