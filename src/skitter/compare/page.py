"""The experiment as a page of HTML that needs nothing from anywhere: no script, font, image or style."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from html import escape

from skitter.compare.report import Report
from skitter.compare.table import columns
from skitter.compare.wording import asked, least
from skitter.observe.text import printable
from skitter.version import VERSION

__all__ = ["page"]

# The picture keeps its white ground in the dark too: its colours are chosen for that.
_STYLE = """
:root { color-scheme: light dark; --ink: #222; --dim: #666; --line: #ddd; --ground: #fafafa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --dim: #a0a0a0; --line: #444; --ground: #161616; }
}
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: var(--ink); background: var(--ground);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: clamp(1.15rem, 4vw, 1.5rem); line-height: 1.25; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 1.75rem 0 .25rem; }
p { margin: .25rem 0; white-space: pre-line; overflow-wrap: anywhere; text-wrap: pretty; }
.dim, footer { color: var(--dim); }
.wide { overflow-x: auto; margin: 1.5rem 0; }
table { border-collapse: collapse; font-size: .875rem; line-height: 1.35;
  font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; text-align: right; vertical-align: top; white-space: pre;
  border-bottom: 1px solid var(--line); }
thead th { vertical-align: bottom; white-space: normal; }
th:first-child, td:last-child, th:last-child { text-align: left; }
figure { background: #fff; border: 1px solid var(--line); border-radius: .5rem; padding: .5rem; }
svg { display: block; width: 100%; min-width: 30rem; height: auto; }
footer { margin: 2.5rem 0 1rem; font-size: .875rem; }
"""


def page(report: Report, sentences: Mapping[str, str], svg: str, made: datetime) -> str:
    """The whole document; ``svg`` is put in as it is, all else is escaped."""
    requests, server = asked(report)
    about = ". ".join(filter(None, (_capital(server), _capital(least(report)))))
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            # A second lock: even if something slipped in, a browser would not run or fetch it.
            '<meta http-equiv="Content-Security-Policy"'
            " content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>{escape(requests)} - skitter</title>",
            f"<style>{_STYLE}</style>\n</head>\n<body>",
            f"<h1>{escape(requests)}</h1>",
            f'<p class="dim">{escape(about)}.</p>' if about else "",
            *_paragraph(sentences.get("", "")),
            f'<div class="wide">\n{_table(report)}\n</div>',
            f'<figure class="wide">\n{svg}</figure>',
            *_explained(report, sentences),
            f'<footer>Made by skitter {escape(VERSION)}, <time datetime="{made.isoformat()}">'
            f"{made:%Y-%m-%d %H:%M} {escape(made.tzname() or '')}</time></footer>",
            "</body>\n</html>\n",
        ]
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _table(report: Report) -> str:
    """The same figures as in the terminal."""
    shown = columns(report)
    head = "".join(f'<th scope="col">{escape(column.name)}</th>' for column in shown)
    rows = [
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'
        for name, *cells in zip(*(column.cells for column in shown), strict=True)
    ]
    return "\n".join(["<table>", f"<thead><tr>{head}</tr></thead>", "<tbody>", *rows, "</tbody>", "</table>"])


def _explained(report: Report, sentences: Mapping[str, str]) -> Iterator[str]:
    """A heading and its explanation for each strategy that has one."""
    for outcome in report.outcomes:
        if sentences.get(outcome.name):
            yield f"<h2>{escape(outcome.name)}</h2>"
            yield from _paragraph(sentences[outcome.name])


def _paragraph(text: str) -> Iterator[str]:
    """Plain text; its line breaks stay."""
    if text:
        lines = "\n".join(map(printable, text.splitlines()))
        yield f"<p>{escape(lines)}</p>"
