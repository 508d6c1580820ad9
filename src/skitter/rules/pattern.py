"""Patterns for whole URLs: globs (``*`` any run, ``?`` one character) and ``re:`` expressions."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["compile_pattern"]


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """A test for URLs. Raises ValueError, in words, if ``pattern`` cannot be understood."""
    if pattern.startswith("re:"):
        try:
            expression = re.compile(pattern[3:])
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        return lambda url: expression.search(url) is not None
    if not pattern:
        raise ValueError("an empty pattern matches nothing")
    glob = re.compile(_translate(pattern), re.DOTALL)
    return lambda url: glob.match(url) is not None


def _translate(pattern: str) -> str:
    """Each run up to a literal is atomic, so that a URL cannot make the match backtrack (X6)."""
    first, *others = [
        "".join("." if char == "?" else re.escape(char) for char in piece)
        for piece in re.split(r"\*+", pattern)
    ]
    if not others:
        return first + r"\Z"
    *middle, last = others
    return first + "".join(f"(?>.*?{piece})" for piece in middle) + f".*{last}" + r"\Z"
