"""The fields of an answer's head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

__all__ = ["Headers"]


class Headers(Mapping[str, str]):
    """Response headers: names in any case, repeated fields joined with ``", "`` (RFC 9110, 5.3)."""

    __slots__ = ("_joined", "pairs")

    def __init__(self, pairs: tuple[tuple[str, str], ...] = ()) -> None:
        self.pairs = pairs
        joined: dict[str, str] = {}
        for name, value in pairs:
            lower = name.lower()
            joined[lower] = f"{joined[lower]}, {value}" if lower in joined else value
        self._joined = joined

    def first(self, name: str) -> str | None:
        """The first of a field's values: for fields that may come once only, whatever was sent."""
        lower = name.lower()
        return next((value for key, value in self.pairs if key.lower() == lower), None)

    def __getitem__(self, name: str) -> str:
        return self._joined[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._joined)

    def __len__(self) -> int:
        return len(self._joined)

    def __repr__(self) -> str:
        return f"Headers({self._joined!r})"
