"""Which URLs are known to be admitted: the keys that were met lately, in a table that never grows."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

__all__ = ["Known"]


class Known:
    """A set of keys that forgets those which were not met for long.

    Of a page's links nine in ten are known, most of them since the page before (IRLbot, 2008: 62 links a
    page, 6.5 of them new). A key has one place, and gives it to the next that has the same: of keys after
    which as many others have come as there are places, two in five are left, of those after which a tenth as
    many have come, nine in ten. What every page links to comes back at once. 8 bytes a place, from the start:
    sets of numbers took ten times that, and grew and fell by megabytes all the time.
    """

    def __init__(self, places: int) -> None:
        """``places`` is a power of two. Keys are 64-bit, signed, evenly spread."""
        self._last = places - 1
        self._keys = array("q", bytes(8 * places))
        self._keys[0] = 1  # an empty place holds a key of another place

    def __contains__(self, key: int) -> bool:
        return self._keys[key & self._last] == key

    def update(self, keys: Iterable[int]) -> None:
        """Take in keys."""
        table, last = self._keys, self._last
        for key in keys:
            table[key & last] = key
