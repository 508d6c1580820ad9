"""Strangers' text that a terminal and a log can bear: what is not printable is escaped (F3, F4)."""

from __future__ import annotations

__all__ = ["escape_json", "printable"]


def printable(text: str) -> str:
    """One line without control characters, escape sequences or bidi overrides."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def escape_json(text: str) -> str:
    """The same JSON, in printable characters only; ``text`` has no white space between its values.

    JSON itself forbids only U+0000 to U+001F. That leaves C1 controls, which some terminals obey, line ends
    beyond ASCII (U+0085, U+2028, U+2029), and what turns the direction of text or has no width.
    """
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else _escaped(char) for char in text])


def _escaped(char: str) -> str:
    """Beyond the basic plane it takes two (RFC 8259, 7)."""
    units = char.encode("utf-16-be")
    return "".join([f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2)])
