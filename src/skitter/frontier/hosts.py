"""Hosts in the job's database: their numbers, and what was known of them when they were last asked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from skitter.frontier.work import Work
from skitter.model import HostState, RobotsCopy

__all__ = ["Hosts"]

_STATE = msgspec.json.Decoder(HostState)
_NUMBERS = msgspec.json.Decoder(list[tuple[str, int]])
# Numbers of hosts that are kept at hand: about 10 MB.
_KEPT = 50_000


class Hosts:
    """The table ``host``. Used by one thread at a time."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        (self._last,) = db.execute("SELECT coalesce(max(id), 0) FROM host").fetchone()
        self._former = self._last  # hosts up to here were met by a former run
        self._ids: dict[str, int] = {}
        self._told: set[int] = set()  # of these, whoever leases knows all

    # -- numbers -----------------------------------------------------------------------------

    def look_up(self, origins: Iterable[str]) -> None:
        """Have the numbers of many hosts at hand, in one trip."""
        unknown = [origin for origin in set(origins) if origin not in self._ids]
        if len(unknown) < 2:
            return
        (found,) = self._db.execute(
            "SELECT json_group_array(json_array(origin, id)) FROM host"
            " WHERE origin IN (SELECT value FROM json_each(?))",
            (msgspec.json.encode(unknown).decode(),),
        ).fetchone()
        if len(self._ids) + len(unknown) > _KEPT:
            self._ids.clear()
        self._ids.update(_NUMBERS.decode(found))

    def find(self, origin: str) -> int | None:
        """The number of a host that was met before."""
        host = self._ids.get(origin)
        if host is None:
            row = self._db.execute("SELECT id FROM host WHERE origin = ?", (origin,)).fetchone()
            if row is None:
                return None
            host = self._ids[origin] = row[0]
        return host

    def number(self, origin: str, work: Work) -> int:
        """A host's number; it gets one with this ``work`` at its first mention."""
        host = work.met.get(origin) or self.find(origin)
        if host is None:
            self._last += 1
            host = work.met[origin] = self._last
        return host

    def keep(self, met: Mapping[str, int]) -> None:
        """These numbers are on disk."""
        if len(self._ids) + len(met) > _KEPT:
            self._ids.clear()
        self._ids.update(met)

    # -- what was known ----------------------------------------------------------------------

    def is_new(self, host: int) -> bool:
        """Was it met by this run? Then nothing is known of it when it is lent for the first time."""
        return bool(host > self._former)

    def tell(self, host: int) -> None:
        """Whoever leases knows it."""
        self._told.add(host)

    def forget(self, origins: Iterable[str]) -> None:
        """Whoever leases has forgotten these: with their next lease comes what was known."""
        for origin in origins:
            host = self.find(origin)
            if host is not None:
                self._told.discard(host)

    def untold(self, host: int, origin: str) -> HostState | None:
        """What was known of a host, if whoever leases does not know it."""
        if host in self._told:
            return None
        self._told.add(host)
        state, status, body, at = self._db.execute(
            "SELECT state, robots_status, robots_body, robots_at FROM host WHERE id = ?", (host,)
        ).fetchone()
        if state is None:
            return HostState(origin)
        robots = None if status is None else RobotsCopy(status, body or b"", at)
        return replace(_STATE.decode(state), robots=robots)
