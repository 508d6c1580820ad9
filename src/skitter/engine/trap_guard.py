"""Keeps a crawl out of traps: asks the rules before a URL is fetched, and once more when it has come."""

from __future__ import annotations

from msgspec.structs import replace

from skitter.config import Scope
from skitter.content.mime import is_html
from skitter.engine.visit import Visited
from skitter.model import Done, Entry, Opening, Reason
from skitter.rules.scope import Bounds
from skitter.rules.traps import Traps, content_key, patterns_of

__all__ = ["TrapGuard"]


class TrapGuard:
    """The traps of a run. Whatever the user names, as a seed or by an include pattern, is none."""

    def __init__(self, settings: Scope, bounds: Bounds) -> None:
        self._is_off = settings.no_trap_guard
        self._bounds = bounds
        self._traps = Traps()

    def open(self, opening: Opening) -> None:
        """Go on with what former runs counted."""
        self._traps.restore(opening.counts)

    def refuses(self, entry: Entry) -> Done | None:
        """How a URL ends that is not to be fetched for the first time; None if it may be, and then it
        counts."""
        if entry.attempts or entry.listed or self._trusts(entry):  # what a site lists has an end
            return None
        if entry.sitemap:
            why = self._traps.counts_file(entry.origin)
            return Done(Reason.TRAP, why) if why is not None else None
        why = self._traps.judge(entry.url, entry.depth)
        return Done(Reason.TRAP, why) if why is not None else None

    def look(self, visited: Visited) -> Visited:
        """A URL has ended: nothing is followed from a page that a host has under too many names. What is to
        outlive us goes along."""
        row, entry = visited.settlement.row, visited.settlement.entry
        if row is None or self._trusts(entry):
            return visited
        record = row.record
        keys = [pattern.key for pattern in patterns_of(entry.url)]
        if (
            record.reason is Reason.FETCHED
            and record.sha256
            and record.links
            and is_html(record.content_type, b"")
        ):
            number, why = self._traps.repeats(entry.origin, record.sha256)
            if number > 1:  # most are the only ones: they are not worth a row each
                keys.append(content_key(entry.origin, record.sha256))
            if why is not None:
                record = replace(record, reason=Reason.TRAP, error=why)
                visited = visited._replace(
                    settlement=replace(visited.settlement, row=replace(row, record=record), found=())
                )
                if visited.page is not None:
                    visited.page.record = record
        if not keys:
            return visited
        return visited._replace(settlement=replace(visited.settlement, counts=tuple(keys)))

    def _trusts(self, entry: Entry) -> bool:
        return self._is_off or entry.seed or self._bounds.includes(entry.url)
