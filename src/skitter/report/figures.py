"""From a job to the figures of its report. The job may be running: nothing of it is held up or changed."""

from __future__ import annotations

from pathlib import Path

import msgspec

from skitter.errors import JobError
from skitter.frontier.snapshot import snapshot
from skitter.model import HostState
from skitter.reason import Reason
from skitter.report import links, lists
from skitter.report.scratch import Scratch, opened
from skitter.report.timeline import latency_of, timeline
from skitter.report.values import Columns, Count, Figures, HostFigures, Kind

__all__ = ["read_figures"]

# What is shown of statuses, types and hosts.
_STATUSES, _TYPES, _HOSTS = 30, 30, 1_000
# Columns of the histograms; what is beyond is in the last.
_DEPTHS, _LEAST_BITS, _MOST_BITS = 30, 8, 25
_SIZES = "SELECT min(max(bits, ?), ?), count(*) FROM page WHERE kind = ? GROUP BY 1"
_UNITS = ((1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))


def read_figures(database: Path, owner: int | None = None) -> Figures:
    """Read all records. Raises JobError if there is no job, or one that is damaged."""
    with snapshot(database) as job, opened(job) as scratch:
        try:
            scratch.fill()
        except msgspec.DecodeError as error:
            raise JobError(f"{database}: a record is damaged ({error})") from None
        links.follow_links(scratch)
        return _figures(scratch, str(database.parent), owner)


def _figures(scratch: Scratch, job: str, owner: int | None) -> Figures:
    began, ended = scratch.rows("SELECT min(at), max(at) FROM page")[0]
    dead, broken = links.broken(scratch)
    return Figures(
        job=job,
        owner=owner,
        pending=_pending(scratch),
        hosts=scratch.job.execute("SELECT count(*) FROM host").fetchone()[0],
        began=began,
        ended=ended,
        latency=latency_of(scratch),
        reasons=_counts(scratch, "reason", "1"),
        timeline=timeline(scratch, began, ended),
        statuses=_counts(scratch, "status", "status IS NOT NULL", _STATUSES),
        depths=_depths(scratch),
        types=_counts(scratch, "coalesce(type, '')", f"kind = {Kind.FETCHED:d}", _TYPES),
        sizes=_sizes(scratch),
        by_host=_hosts(scratch),
        slowest=lists.slowest(scratch),
        largest=lists.largest(scratch),
        dead=dead,
        broken=broken,
        chain_lengths=links.chain_lengths(scratch),
        chains=links.chains(scratch),
        titles=lists.duplicate_titles(scratch),
        contents=lists.duplicate_contents(scratch),
        noindex=lists.marked(scratch, "noindex"),
        truncated=lists.marked(scratch, "truncated"),
        orphans=links.orphans(scratch),
        denied=lists.rulings(scratch, Reason.ROBOTS_DENIED),
        traps=lists.rulings(scratch, Reason.TRAP),
        retries=lists.retries(scratch),
        retried=lists.retried(scratch),
    )


def _pending(scratch: Scratch) -> int:
    row = scratch.job.execute("SELECT value FROM meta WHERE name = 'pending'").fetchone()
    return int(row[0]) if row else 0


def _counts(scratch: Scratch, column: str, condition: str, most: int = -1) -> tuple[Count, ...]:
    """The most frequent values of a column, and the rest as one."""
    rows = scratch.rows(
        f"SELECT {column}, count(*), sum(size) FROM page WHERE {condition} GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    counts = [Count(str(name), n, size) for name, n, size in rows[: most if most > 0 else None]]
    if rest := rows[len(counts) :]:
        counts.append(
            Count(f"{len(rest):,} others", sum(row[1] for row in rest), sum(row[2] for row in rest))
        )
    return tuple(counts)


def _depths(scratch: Scratch) -> Columns:
    found = dict(scratch.rows("SELECT min(depth, ?), count(*) FROM page GROUP BY 1", _DEPTHS))
    depths = range(max(found, default=-1) + 1)
    names = tuple(f"{depth}+" if depth == _DEPTHS else str(depth) for depth in depths)
    return Columns(names, tuple(found.get(depth, 0) for depth in depths))


def _sizes(scratch: Scratch) -> Columns:
    """Fetched pages by size: each column is for twice as much as the one before."""
    found = dict(scratch.rows(_SIZES, _LEAST_BITS, _MOST_BITS, Kind.FETCHED))
    if not found:
        return Columns((), ())
    columns = range(min(found), max(found) + 1)
    names = tuple(
        f"≥ {_bytes(1 << bits - 1)}" if bits == _MOST_BITS else f"< {_bytes(1 << bits)}" for bits in columns
    )
    return Columns(names, tuple(found.get(bits, 0) for bits in columns))


def _bytes(number: int) -> str:
    return next(f"{number // unit} {name}" for unit, name in _UNITS if number >= unit)


_WAITING = "SELECT host, count(*) FROM pending GROUP BY host"
# host, ended, fetched, failed, pending, size
_BY_HOST = """
    SELECT host, sum(n), sum(fetched), sum(failed), sum(waiting), sum(bytes) FROM (
        SELECT host, count(*) AS n, sum(kind = 0) AS fetched, sum(kind = 3) AS failed, 0 AS waiting,
            sum(size) AS bytes
        FROM page GROUP BY host
        UNION ALL SELECT host, 0, 0, 0, n, 0 FROM waiting
    ) GROUP BY host ORDER BY sum(n) + sum(waiting) DESC, host LIMIT ?
"""
_MEDIANS = """
    SELECT host, ttfb FROM (
        SELECT host, ttfb, row_number() OVER (PARTITION BY host ORDER BY ttfb) AS place,
            count(*) OVER (PARTITION BY host) AS n
        FROM page WHERE ttfb > 0 AND host IN (SELECT value FROM json_each(?))
    ) WHERE place = (n + 1) / 2
"""


def _hosts(scratch: Scratch) -> tuple[HostFigures, ...]:
    """Those with most URLs, ended or pending."""
    scratch.own.execute("CREATE TABLE waiting (host INTEGER, n INTEGER)")
    scratch.own.executemany("INSERT INTO waiting VALUES (?, ?)", scratch.job.execute(_WAITING))
    rows = scratch.rows(_BY_HOST, _HOSTS)
    medians = dict(scratch.rows(_MEDIANS, msgspec.json.encode([row[0] for row in rows]).decode()))
    return tuple(
        HostFigures(_state(scratch, host), ended, fetched, failed, waiting, size, medians.get(host, 0.0))
        for host, ended, fetched, failed, waiting, size in rows
    )


def _state(scratch: Scratch, host: int) -> HostState:
    origin, blob = scratch.job.execute("SELECT origin, state FROM host WHERE id = ?", (host,)).fetchone()
    return msgspec.json.decode(blob, type=HostState) if blob else HostState(origin)
