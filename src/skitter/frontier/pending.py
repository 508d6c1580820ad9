"""Entries as rows of the table of pending URLs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from skitter.model import Entry

__all__ = ["ENTRY_COLUMNS", "INSERT_PENDING", "entry_of", "hops_of", "values_of"]

_HOPS = msgspec.json.Decoder(tuple[str, ...])
ENTRY_COLUMNS = "url, key, depth, referrer, hops, attempts, spent, status, seed, given, due, seq"
INSERT_PENDING = "INSERT INTO pending VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def values_of(host: int, seq: int, entry: Entry) -> tuple[object, ...]:
    """The values of INSERT_PENDING."""
    return (
        host, entry.due, entry.depth, seq, entry.key, entry.url, entry.referrer, hops_of(entry),
        entry.attempts, entry.spent, entry.status, entry.seed, entry.given,
    )  # fmt: skip


def hops_of(entry: Entry) -> bytes | None:
    """The redirects that led to a URL, as stored."""
    return msgspec.json.encode(entry.hops) if entry.hops else None


def entry_of(origin: str, row: Sequence[object]) -> Entry:
    """The entry of a row of ENTRY_COLUMNS."""
    url, key, depth, referrer, hops, attempts, spent, status, seed, given, due, seq = row
    return msgspec.convert(
        {
            "url": url, "key": key, "origin": origin, "depth": depth, "referrer": referrer,
            "hops": _HOPS.decode(hops) if isinstance(hops, bytes | str) else (),
            "attempts": attempts, "spent": spent, "status": status, "seed": bool(seed), "given": bool(given),
            "due": due, "seq": seq,
        },
        Entry,
    )  # fmt: skip
