"""From a visit to its record."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

from skitter.model import (
    Done,
    Entry,
    Failure,
    Reading,
    Reason,
    Record,
    Redirect,
    Response,
    Row,
)

__all__ = ["page_row", "unfetched_row"]

# Of what may be no URL at all: whatever looks like user:password@ (A11).
_USERINFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*:)?[/\\]*[^/\\?#]*@")


def page_row(
    entry: Entry,
    answer: Response | Failure,
    verdict: Done | Redirect,
    reading: Reading,
    started: float,
    fields: frozenset[str],
    digest: str | None = None,
) -> Row:
    """The record of a URL that was asked for, this try counted; ``digest`` is its SHA-256, if known."""
    body = answer.body if isinstance(answer, Response) else b""
    redirect = isinstance(verdict, Redirect)
    record = Record(
        url=entry.url,
        reason=Reason.REDIRECTED if isinstance(verdict, Redirect) else verdict.reason,
        status=answer.status,
        depth=entry.depth,
        referrer=entry.referrer,
        location=verdict.location if isinstance(verdict, Redirect) else _location(answer, verdict),
        redirected_from=entry.hops,
        content_type=reading.content_type,
        charset=reading.charset,
        lang=reading.lang,
        title=reading.title,
        description=reading.description,
        canonical=reading.canonical,
        size=len(body) if isinstance(answer, Response) else answer.size,
        truncated=answer.truncated if isinstance(answer, Response) else answer.size > 0,
        sha256=digest or sha256(body).hexdigest() if isinstance(answer, Response) and not redirect else None,
        links=len(reading.links),
        noindex=reading.noindex,
        nofollow=reading.nofollow,
        lastmod=entry.lastmod,
        fetched_at=_rfc3339(started),
        ttfb=round(answer.ttfb, 6),
        elapsed=round(answer.elapsed, 6),
        attempts=entry.attempts,
        error=verdict.note if isinstance(verdict, Redirect) else _error(verdict, reading),
    )
    return _row(record, answer, reading, fields)


def _row(record: Record, answer: Response | Failure, reading: Reading, fields: frozenset[str]) -> Row:
    """With what is large, for who wants it."""
    extra = _extra(answer, reading, fields) if fields else None
    if answer.exchange is None:
        return Row(record, extra)
    return Row(record, extra, exchange=answer.exchange, outlinks=tuple([link.url for link in reading.links]))


def unfetched_row(entry: Entry, done: Done, now: float) -> Row:
    """The record of a URL that ends without having been asked for (this time)."""
    return Row(
        Record(
            url=entry.url,
            reason=done.reason,
            status=entry.status,
            depth=entry.depth,
            referrer=entry.referrer,
            redirected_from=entry.hops,
            lastmod=entry.lastmod,
            fetched_at=_rfc3339(now),
            attempts=entry.attempts,
            error=done.error,
        )
    )


def _error(done: Done, reading: Reading) -> str | None:
    """What went wrong, and what was left out, in one line."""
    return "; ".join(filter(None, (done.error, reading.note))) or None


def _location(answer: Response | Failure, done: Done) -> str | None:
    """Where a redirect leads that is not followed, in printable ASCII."""
    location = answer.headers.first("location")
    if location and done.reason in (Reason.REDIRECT_LOOP, Reason.REDIRECTED):
        return _USERINFO.sub(r"\1//", location)[:2000].encode("ascii", "backslashreplace").decode()
    return None


def _extra(answer: Response | Failure, reading: Reading, fields: frozenset[str]) -> dict[str, Any]:
    every = {
        "html": reading.html,
        "text": reading.text,
        "markdown": reading.markdown,
        "headers": [list(pair) for pair in answer.headers.pairs],
        "outlinks": [link.url for link in reading.links],
    }
    return {name: value for name, value in every.items() if name in fields}


def _rfc3339(time: float) -> str:
    milliseconds = int(time * 1000)
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=64)  # hundreds of pages are fetched in one
def _second(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat().removesuffix("+00:00")
