"""The report as one file of HTML that needs nothing from anywhere: no script, font, image or style."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from skitter.job import REPORT_HEAD
from skitter.observe.text import seconds, size
from skitter.report import dead_ends, parts
from skitter.report.charts import share
from skitter.report.markup import Html, join, text
from skitter.report.scale import figure
from skitter.report.style import POLICY, STYLE
from skitter.report.values import Figures, Kind
from skitter.version import VERSION

__all__ = ["page"]


def page(figures: Figures, made: datetime) -> Iterator[str]:
    """The document, piece by piece; ``made`` tells until when a running job was seen."""
    name = text(Path(figures.job).resolve().name)
    yield REPORT_HEAD.decode()
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield '<meta name="referrer" content="no-referrer">\n'
    yield f"<title>{name} - skitter</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n"
    yield f'<h1>{name} {_state(figures)}</h1>\n<p class="dim">{_span(figures)}</p>\n'
    yield f"{_cards(figures)}\n{_share(figures)}\n</header>\n{_nav(figures)}\n<main>\n"
    for build in (
        parts.over_time, parts.endings, dead_ends.broken, parts.hosts, parts.shapes, parts.slowest,
        parts.largest, dead_ends.redirects, parts.duplicates, dead_ends.orphans, parts.marked, parts.rules,
        parts.retries,
    ):  # fmt: skip
        yield build(figures) + "\n"
    yield (
        f'</main>\n<footer>Made by skitter {text(VERSION)}, <time datetime="{made.isoformat()}">'
        f"{made:%Y-%m-%d %H:%M} {text(made.tzname() or '')}</time>. Sizes are decoded bytes.</footer>\n"
        "</body>\n</html>\n"
    )


def _state(figures: Figures) -> Html:
    if figures.owner is not None:
        return Html(f'<span class="state open">{text(f"running, process {figures.owner}")}</span>')
    done = not figures.pending and figures.total
    return Html(f'<span class="state{"" if done else " open"}">{"finished" if done else "unfinished"}</span>')


def _span(figures: Figures) -> Html:
    if figures.began is None or figures.ended is None:
        return Html("Nothing has ended yet.")
    began, ended = (datetime.fromtimestamp(at, UTC) for at in (figures.began, figures.ended))
    last = f"{ended:%H:%M:%S}" if began.date() == ended.date() else f"{ended:%Y-%m-%d %H:%M:%S}"
    pauses = len(figures.timeline.pauses)
    left_out = f", {pauses} long pause{'s' * (pauses > 1)} left out" if pauses else ""
    return text(f"{began:%Y-%m-%d %H:%M:%S} to {last} UTC{left_out}")


def _cards(figures: Figures) -> Html:
    fetched, span = figures.of_kind(Kind.FETCHED), figures.seconds
    failed = figures.of_kind(Kind.FAILED)
    cards = [
        (f"{figures.total:,}", "URLs ended", ""),
        (f"{fetched:,}", "fetched", ""),
        (f"{failed:,}", "failed", "bad" if failed else ""),
        (f"{figures.pending:,}", "pending", ""),
        (f"{figures.hosts:,}", "host" if figures.hosts == 1 else "hosts", ""),
        (size(figures.size), "decoded", ""),
        (seconds(span), "at work", ""),
        (figure(fetched / span) if span else "-", "pages/s", ""),
        (seconds(figures.latency.median) if figures.latency.n else "-", "to first byte, median", ""),
        (seconds(figures.latency.p90) if figures.latency.n else "-", "to first byte, 90 %", ""),
    ]
    boxes = (
        f'<div class="{look}"><b>{text(n)}</b><span>{text(what)}</span></div>' for n, what, look in cards
    )
    return Html(f'<div class="cards">{"".join(boxes)}</div>')


def _share(figures: Figures) -> Html:
    return share([figures.of_kind(kind) for kind in Kind], figures.pending)


def _nav(figures: Figures) -> Html:
    places = [
        ("time", "Over time", None),
        ("endings", "Endings", None),
        ("broken", "Broken links", figures.dead),
        ("hosts", "Hosts", figures.hosts),
        ("shape", "Depth, types, sizes", None),
        ("slowest", "Slowest", None),
        ("largest", "Largest", None),
        ("redirects", "Redirects", sum(n for _, n in figures.chain_lengths)),
        ("duplicates", "Duplicates", figures.titles[0] + figures.contents[0]),
        ("orphans", "Only in a sitemap", figures.orphans.n),
        ("marked", "noindex, truncated", figures.noindex.n + figures.truncated.n),
        ("rules", "Left out", figures.of_kind(Kind.LEFT_OUT)),
        ("retries", "Retries", sum(count.n for count in figures.retries)),
    ]
    links = (
        Html(f'<a href="#{place}">{text(name)}</a>' + (f" <b>{number:,}</b>" if number is not None else ""))
        for place, name, number in places
    )
    return Html(f"<nav>{join((Html(f'<span>{one}</span>') for one in links), '')}</nav>")
