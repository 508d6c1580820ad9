"""Pieces of HTML. Strangers' text becomes :data:`Html` here and nowhere else, escaped (F6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NewType

from skitter.escape import printable

__all__ = ["Html", "dim", "folded", "items", "join", "link", "rest", "section", "table", "text"]

Html = NewType("Html", str)

_LONGEST = 300


def text(words: object, most: int = _LONGEST) -> Html:
    """Plain text: what is not printable is made visible, what is too long is cut."""
    shown = printable(str(words)[: most + 1])
    return Html(escape(shown if len(shown) <= most else shown[: most - 1] + "…"))


def link(url: str) -> Html:
    """A URL that can be followed if it is one of the web's; whom it leads to does not learn from where."""
    shown = text(url)
    if not url.startswith(("http://", "https://")) or not url.isprintable():
        return shown
    return Html(f'<a href="{escape(url)}" rel="noreferrer noopener">{shown}</a>')


def dim(words: object) -> Html:
    """Text of lesser weight."""
    return Html(f'<span class="dim">{text(words)}</span>')


def join(parts: Iterable[Html], between: str = "\n") -> Html:
    """One after the other."""
    return Html(between.join(parts))


def items(parts: Iterable[Html]) -> Html:
    """A list."""
    return Html(f"<ul>{''.join(f'<li>{part}</li>' for part in parts)}</ul>")


def folded(title: Html, content: Html) -> Html:
    """What is seen when it is asked for."""
    return Html(f"<details><summary>{title}</summary>\n{content}\n</details>")


def rest(number: int, shown: int, what: str) -> Html:
    """How many are not shown, and where they are."""
    if number <= shown:
        return Html("")
    return Html(
        f'<p class="dim">and {number - shown:,} more {text(what)}: <code>skitter export</code> has all.</p>'
    )


def table(head: Sequence[str], rows: Iterable[Iterable[Html]], name: str = "") -> Html:
    """A table; a name of a column that begins with ``#`` is for figures. ``name`` is for the style."""
    marks = [' class="n"' if title.startswith("#") else "" for title in head]
    top = "".join(
        f'<th scope="col"{mark}>{text(title.removeprefix("#"))}</th>'
        for title, mark in zip(head, marks, strict=True)
    )
    body = "\n".join(
        f"<tr>{''.join(f'<td{mark}>{cell}</td>' for mark, cell in zip(marks, row, strict=True))}</tr>"
        for row in rows
    )
    if not body:
        return Html('<p class="dim">None.</p>')
    wide = f"wide {name}".strip()
    return Html(
        f'<div class="{wide}"><table><thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'
    )


def section(name: str, title: str, content: Html, note: str = "") -> Html:
    """A part of the page, with what its heading leaves to be said."""
    said = f'<p class="note">{text(note, 1000)}</p>\n' if note else ""
    return Html(f'<section id="{name}">\n<h2>{text(title)}</h2>\n{said}{content}\n</section>')
