"""Which URLs are known to be admitted: the keys that were met lately, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Known"]


class Known:
    """A set of keys that forgets those which were not met for long.

    Of a page's links nine in ten are known, most of them since the page before (IRLbot, 2008: 62 links a
    page, 6.5 of them new). Two generations: what is met in the old one moves into the young one, and when
    that has ``most`` keys it becomes the old one. So at least the last ``most`` keys are there, at most
    twice as many, at about 75 bytes each.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._young: set[int] = set()
        self._old: set[int] = set()

    def __contains__(self, key: int) -> bool:
        if key in self._young:
            return True
        if key in self._old:
            self._young.add(key)  # no more than the old generation has: it need not be counted here
            return True
        return False

    def update(self, keys: Iterable[int]) -> None:
        """Take in keys."""
        self._young.update(keys)
        if len(self._young) > self._most:
            self._old, self._young = self._young, set()
