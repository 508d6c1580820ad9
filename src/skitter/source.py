"""The text of the expression that a piece of code is at: what people recognise their code by."""

from __future__ import annotations

import linecache
from types import CodeType

__all__ = ["expression_at"]


def expression_at(code: CodeType, instruction: int) -> str | None:
    """The source of the expression at an instruction (``f_lasti``, ``tb_lasti``), its first line of
    several; None without source."""
    positions = list(code.co_positions())
    index = instruction // 2
    if not 0 <= index < len(positions):
        return None
    line, last, start, end = positions[index]
    if line is None or start is None or end is None:
        return None
    # Columns count bytes of UTF-8.
    source = linecache.getline(code.co_filename, line).encode()
    text = source[start : end if last == line else None]
    return text.decode(errors="replace").strip() or None
