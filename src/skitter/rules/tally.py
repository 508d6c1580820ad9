"""How often each of many keys was met lately, in memory that never grows."""

from __future__ import annotations

from array import array

__all__ = ["Tally"]

_MOST = 2**16 - 1


class Tally:
    """Counts of keys that forgets those which were not met for long.

    Two generations: what is met in the old one moves into the young one, and when that has ``most`` keys it
    becomes the old one. So at least the last ``most`` keys are there, at most twice as many, at 20 bytes
    each: dictionaries took five times that, and fell and grew by megabytes all the time.
    """

    def __init__(self, most: int) -> None:
        """``most`` is a power of two. Keys are 64-bit, signed, evenly spread."""
        self._young = _Table(most)
        self._old = _Table(most)

    def count(self, key: int) -> int:
        """How often a key was met, as far as is remembered: up to 65,535."""
        return self._young.count(key) or self._old.count(key)

    def add(self, key: int, number: int = 1) -> int:
        """A key was met so often more; its count by now."""
        count = min(self.count(key) + number, _MOST)
        self._young.put(key, count)
        if self._young.room == 0:
            self._old.clear()
            self._old, self._young = self._young, self._old
        return count


class _Table:
    """Keys and their counts, which are never 0: at the place that the key itself names, or the next free one.
    Half of the places stay free."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._last = 2 * most - 1
        self.clear()

    def clear(self) -> None:
        self.room = self._most
        self._keys = array("q", bytes(16 * self._most))
        self._counts = array("H", bytes(4 * self._most))

    def count(self, key: int) -> int:
        return self._counts[self._place(key)]

    def put(self, key: int, count: int) -> None:
        place = self._place(key)
        if not self._counts[place]:
            self.room -= 1
        self._keys[place], self._counts[place] = key, count

    def _place(self, key: int) -> int:
        """Where a key stands, or would stand."""
        place = key & self._last
        while self._counts[place] and self._keys[place] != key:
            place = (place + 1) & self._last
        return place
