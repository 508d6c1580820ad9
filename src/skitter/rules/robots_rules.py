"""The rules of a robots.txt, found by what they begin with, end with or hold.

A file of 1 MiB may have 100,000 rules, and each URL asks for the one that decides. To try them in turn takes
up to a second. Most rules are plain prefixes: these are looked up by the beginnings of the target, of as many
lengths as there are rules of (fewer than 1,500 in 1 MiB, as the lengths add up). A rule with wildcards is
tried if its longest piece occurs in the target.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

import msgspec

__all__ = ["Rule", "Rules", "octets_of"]

# A rule's worth: weight, then Allow before Disallow, then the earlier one. The largest decides (2.2.2).
_PLACE_BITS = 24
_LAST_PLACE = (1 << _PLACE_BITS) - 1
# To look for one piece costs about as much as so many look-ups of what stands at one place.
_PIECE = 32

# One worth or several by piece; most have one, and a list for each would cost more than all the rest.
_ByPiece = dict[str, int | list[int]]


class Rule(msgspec.Struct, frozen=True):
    """One Allow or Disallow line; ``pieces`` are the literals between its wildcards."""

    allow: bool
    pattern: str
    line: int
    pieces: tuple[str, ...]
    anchored: bool  # the pattern ends in "$"

    def matches(self, target: str) -> bool:
        """Does the rule apply to this path and query (as octets)?"""
        first, *others = self.pieces
        if not target.startswith(first):
            return False
        position = len(first)
        if not others:
            return not self.anchored or position == len(target)
        last = others.pop() if self.anchored else ""
        for piece in others:
            found = target.find(piece, position)
            if found < 0:
                return False
            position = found + len(piece)
        return not self.anchored or (len(target) - len(last) >= position and target.endswith(last))


class Rules(Sequence[Rule]):
    """The rules of one crawler in the order of the file."""

    __slots__ = ("_allows", "_begins", "_ends", "_holds", "_is", "_lengths", "_lines", "_patterns")

    def __init__(self) -> None:
        self._patterns: list[str] = []
        self._lines = array("L")
        self._allows = bytearray()
        # Worth by text that the target begins with, or is; the lengths of the former.
        self._begins: dict[str, int] = {}
        self._lengths: dict[int, None] = {}
        self._is: dict[str, int] = {}
        # Worths by text that the target must end with, or hold, by the length of it.
        self._ends: dict[int, _ByPiece] = {}
        self._holds: dict[int, _ByPiece] = {}

    def add(self, allow: bool, pattern: str, line: int) -> None:
        """One more rule; ``pattern`` is not empty."""
        place = len(self._patterns)
        self._patterns.append(pattern)
        self._lines.append(line)
        self._allows.append(allow)
        is_plain = pattern.isascii()
        weight = len(pattern) if is_plain else _weight(pattern)
        worth = ((weight << 1 | allow) << _PLACE_BITS) | (_LAST_PLACE - place)
        if is_plain and "*" not in pattern and "%" not in pattern and pattern[-1] != "$":
            if worth > self._begins.get(pattern, -1):
                self._begins[pattern] = worth
            self._lengths[len(pattern)] = None
        else:
            self._add_other(pattern, worth)

    def _add_other(self, pattern: str, worth: int) -> None:
        pieces, anchored = _pieces(pattern)
        first, *others = pieces
        last = others.pop() if anchored and others else ""
        longest = max(others, key=len, default="")
        if anchored and len(pieces) == 1:
            self._is[first] = max(worth, self._is.get(first, -1))
        elif last or longest:
            piece, index = (longest, self._holds) if longest else (last, self._ends)
            by_piece = index.setdefault(len(piece), {})
            there = by_piece.setdefault(piece, worth)
            if isinstance(there, list):
                there.append(worth)
            elif there != worth:
                by_piece[piece] = [there, worth]
        else:  # nothing but wildcards after the first piece
            self._begins[first] = max(worth, self._begins.get(first, -1))
            self._lengths[len(first)] = None

    def __len__(self) -> int:
        return len(self._patterns)

    def __getitem__(self, place: int) -> Rule:  # type: ignore[override]  # slices are for nobody
        pattern = self._patterns[place]
        pieces, anchored = _pieces(pattern)
        return Rule(bool(self._allows[place]), pattern, self._lines[place], pieces, anchored)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rules) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it grows

    def deciding(self, target: str) -> Rule | None:
        """The rule that decides about a path and query (as octets); None if none applies."""
        best = self._is.get(target, -1)
        size = len(target)
        for length in self._lengths:
            if length <= size and (worth := self._begins.get(target[:length], -1)) > best:
                best = worth
        for worths in self._candidates(target):
            for worth in worths if isinstance(worths, list) else (worths,):
                if worth > best and self[_LAST_PLACE - (worth & _LAST_PLACE)].matches(target):
                    best = worth
        return None if best < 0 else self[_LAST_PLACE - (best & _LAST_PLACE)]

    def _candidates(self, target: str) -> Iterator[int | list[int]]:
        """Worths of the rules with wildcards that may apply."""
        size = len(target)
        for length, by_piece in self._ends.items():
            if length <= size and (worths := by_piece.get(target[size - length :])):
                yield worths
        for length, by_piece in self._holds.items():
            if len(by_piece) * _PIECE < size:
                yield from (worths for piece, worths in by_piece.items() if piece in target)
            else:
                for text in {target[start : start + length] for start in range(size - length + 1)}:
                    if worths := by_piece.get(text):
                        yield worths


def _pieces(pattern: str) -> tuple[tuple[str, ...], bool]:
    anchored = pattern.endswith("$")
    body = pattern[:-1] if anchored else pattern
    return tuple(map(octets_of, body.split("*"))), anchored


def _weight(pattern: str) -> int:
    """Octets of the pattern with everything outside ASCII percent-encoded: "the most octets" (2.2.2)."""
    return sum(1 if char.isascii() else 3 * len(char.encode("utf-8", "surrogateescape")) for char in pattern)


def octets_of(text: str) -> str:
    """Bring text into one form, so that octets can be compared: every escape decoded (2.2.2).

    The RFC would keep the escapes of reserved characters apart, and in its own table does not;
    Google's parser decodes them all, and so do we (docs/decisions.md). One character an octet.
    """
    octets = text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")
    return unquote(octets, "latin-1") if "%" in octets else octets
