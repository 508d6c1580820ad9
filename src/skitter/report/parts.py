"""The parts of a report, top to bottom, but those that tell of links."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from skitter.observe.hosts import words
from skitter.observe.text import seconds, size
from skitter.report.charts import Bar, bars, columns, latency, throughput
from skitter.report.dead_ends import badge
from skitter.report.markup import Html, dim, folded, items, join, link, rest, section, table, text
from skitter.report.scale import lapse
from skitter.report.values import Count, Figures, HostFigures, Line, Listed, Ruling, Same, kind_of

__all__ = [
    "duplicates",
    "endings",
    "hosts",
    "largest",
    "marked",
    "over_time",
    "retries",
    "rules",
    "shapes",
    "slowest",
]

# Rows that are seen without unfolding, and URLs of a group.
_HOSTS, _FIRST, _OPEN = 25, 10, 3
_NOTHING = Html('<p class="dim">Nothing yet.</p>')


def over_time(figures: Figures) -> Html:
    """Throughput and latency."""
    line = figures.timeline
    if not line.moments:
        return section("time", "Over time", _NOTHING)
    pauses = "; dashed lines stand for pauses that are left out" if line.pauses else ""
    slow = f"median {seconds(figures.latency.median)}, 90 % within {seconds(figures.latency.p90)}"
    parts = [
        Html("<h3>URLs that ended, a second</h3>"),
        Html(f'<div class="scroll">{throughput(line)}</div>'),
        Html(f"<h3>{text(f'Time to first byte: {slow}')}</h3>"),
        Html(f'<div class="scroll">{latency(line)}</div>'),
    ]
    note = f"A column is {lapse(line.step)}{pauses}. Line: median; area: up to the 90th percentile."
    return section("time", "Over time", join(parts), note)


def endings(figures: Figures) -> Html:
    """Reasons and statuses."""
    reasons = [_bar(one, f"k{kind_of(one.name):d}") for one in figures.reasons]
    statuses = [_bar(one, _look(one.name)) for one in figures.statuses]
    charts = (
        ("By reason", bars(reasons, "URLs by reason")),
        ("By HTTP status", bars(statuses, "URLs by status")),
    )
    return section("endings", "How URLs ended", _pair(*charts))


def _pair(*charts: tuple[str, Html]) -> Html:
    boxes = (f"<div><h3>{text(title)}</h3>\n{chart}</div>" for title, chart in charts)
    return Html(f'<div class="pair">{"".join(boxes)}</div>')


def _bar(count: Count, look: str = "k0", name: str | None = None) -> Bar:
    shown = name or count.name
    return Bar(shown, count.n, f"{count.n:,}", look, f"{shown}: {count.n:,} URLs, {size(count.size)}")


def _look(status: str) -> str:
    return {"2": "k0", "3": "k1", "4": "k3", "5": "k3"}.get(status[:1], "k2") if status.isdecimal() else "k2"


def hosts(figures: Figures) -> Html:
    """A table of those with most URLs; all but the first are folded."""
    shown = figures.by_host
    most = max((host.ended + host.pending for host in shown), default=0) or 1
    now = time.time()
    content = [_hosts(shown[:_HOSTS], most, now)]
    if more := shown[_HOSTS:]:
        content.append(folded(text(f"{len(more):,} more hosts"), _hosts(more, most, now)))
    content.append(rest(figures.hosts, len(shown), "hosts"))
    note = "Those with most URLs first; times to first byte are medians."
    return section("hosts", f"Hosts ({figures.hosts:,})", join(content), note)


def _hosts(shown: Sequence[HostFigures], most: int, now: float) -> Html:
    head = ("host", "", "#URLs", "#fetched", "#failed", "#pending", "#decoded", "#first byte", "held back by")
    return table(head, (_host(host, most, now) for host in shown), "hosts")


def _host(host: HostFigures, most: int, now: float) -> Iterator[Html]:
    yield link(f"{host.state.origin}/") if host.fetched else text(host.state.origin)
    yield _sparkline(host, most)
    for number in (host.ended, host.fetched, host.failed, host.pending):
        yield text(f"{number:,}") if number else dim("0")
    yield text(size(host.size))
    yield text(seconds(host.ttfb)) if host.ttfb else dim("-")
    yield text(words(host.state, now)) if host.state.answered or host.state.failures else dim("-")


def _sparkline(host: HostFigures, most: int) -> Html:
    """How many URLs, beside the host that has most, and how they ended."""
    other = host.ended - host.fetched - host.failed
    x, shapes = 0.0, ""
    for count, look in ((host.fetched, "k0"), (other, "k2"), (host.failed, "k3"), (host.pending, "k4")):
        if count:
            width = max(1.0, 100 * count / most)
            shapes += f'<rect class="{look}" x="{x:.1f}" width="{width:.1f}" height="8"/>'
            x += width
    return Html(f'<svg viewBox="0 0 102 8" preserveAspectRatio="none">{shapes}</svg>')


def shapes(figures: Figures) -> Html:
    """Depth, sizes and types."""
    if not figures.total:
        return section("shape", "Depth, types and sizes", _NOTHING)
    types = [_bar(one, name=one.name or "none said") for one in figures.types]
    by_size = [
        Bar(one.name or "none said", one.size, size(one.size)) for one in sorted(figures.types, key=_size)
    ]
    return section("shape", "Depth, types and sizes", _pair(
        ("Links from the nearest seed", columns(figures.depths, "URLs by depth", "k1")),
        ("Sizes of fetched pages", columns(figures.sizes, "Fetched pages by size")),
        ("Content types", bars(types, "Fetched pages by content type")),
        ("Content types by decoded bytes", bars(by_size, "Decoded bytes by content type")),
    ))  # fmt: skip


def _size(count: Count) -> int:
    return -count.size


def slowest(figures: Figures) -> Html:
    """Fetched pages by time."""
    rows = [
        (text(_time(line.elapsed)), text(_time(line.ttfb)), text(size(line.size)), _page(line))
        for line in figures.slowest
    ]
    return section("slowest", "Slowest pages", _top(("#in all", "#first byte", "#size", "page"), rows))


def largest(figures: Figures) -> Html:
    """Fetched pages by size."""
    rows = [
        (text(size(line.size)), text(_time(line.elapsed)), text(line.content_type or "-"), _page(line))
        for line in figures.largest
    ]
    return section("largest", "Largest pages", _top(("#size", "#in all", "type", "page"), rows))


def _top(head: Sequence[str], rows: Sequence[Sequence[Html]]) -> Html:
    """The first, and the others folded."""
    first, others = table(head, rows[:_FIRST]), rows[_FIRST:]
    return join((first, folded(text(f"the next {len(others)}"), table(head, others)))) if others else first


def _time(number: float) -> str:
    if number < 0.01:
        return f"{number * 1000:.1f} ms"
    return f"{number * 1000:,.0f} ms" if number < 10 else seconds(number)


def _page(line: Line) -> Html:
    return join((link(line.url), dim(line.title)), "<br>") if line.title else link(line.url)


def duplicates(figures: Figures) -> Html:
    """Titles and contents that several URLs share."""
    (titles, by_title), (contents, by_content) = figures.titles, figures.contents
    content = [
        Html(f"<h3>{text(f'Titles of several pages ({titles:,})')}</h3>"),
        table(("#pages", "title", "among them"), map(_same_title, by_title), "same"),
        rest(titles, len(by_title), "titles"),
        Html(f"<h3>{text(f'Contents served under several URLs ({contents:,})')}</h3>"),
        table(("#pages", "#size", "among them"), map(_same_content, by_content), "same"),
        rest(contents, len(by_content), "contents"),
    ]
    return section("duplicates", "Duplicates", join(content))


def _same_title(same: Same) -> tuple[Html, ...]:
    return text(f"{same.n:,}"), text(same.title or ""), _urls(same)


def _same_content(same: Same) -> tuple[Html, ...]:
    return text(f"{same.n:,}"), text(size(same.size)), _urls(same)


def _urls(same: Same) -> Html:
    first, others = same.urls[:_OPEN], same.urls[_OPEN:]
    if not others:
        return items(map(link, first))
    left = rest(same.n, len(same.urls), "URLs")
    more = folded(text(f"{same.n - len(first):,} more"), join((items(map(link, others)), left), ""))
    return join((items(map(link, first)), more), "")


def marked(figures: Figures) -> Html:
    """noindex and truncated."""
    return section("marked", "noindex and truncated", join((
        *_listed("Pages that ask not to be indexed", figures.noindex),
        *_listed("Bodies that were cut, or shorter than announced", figures.truncated),
    )))  # fmt: skip


def _listed(title: str, found: Listed) -> Iterator[Html]:
    rows = ((_page(line), badge(line.reason, line.status), text(size(line.size))) for line in found.lines)
    content = join((table(("URL", "ended", "#size"), rows), rest(found.n, len(found.lines), "URLs")))
    yield Html(f"<h3>{text(f'{title} ({found.n:,})')}</h3>")
    yield content if found.n <= _HOSTS else folded(text("show them"), content)


def rules(figures: Figures) -> Html:
    """What robots.txt and trap rules have kept out."""
    return section("rules", "Left out by a rule", join((
        Html("<h3>By robots.txt</h3>"), _rulings(figures.denied),
        Html("<h3>As traps</h3>"), _rulings(figures.traps),
    )))  # fmt: skip


def _rulings(rulings: Iterable[Ruling]) -> Html:
    rows = (
        (text(f"{one.n:,}"), text(f"{one.hosts:,}"), text(one.rule or "-"), link(one.example))
        for one in rulings
    )
    return table(("#URLs", "#hosts", "rule", "one of them"), rows)


def retries(figures: Figures) -> Html:
    """Tries that were not the last."""
    if not figures.retries:
        return section("retries", "Retries", Html('<p class="dim">None.</p>'))
    number = sum(count.n for count in figures.retries)
    rows = (
        (text(f"{one.n:,}"), text(_time(one.seconds)), link(one.url), text(one.error))
        for one in figures.retried
    )
    content = [
        bars([_bar(count, "k3") for count in figures.retries], "Retries by what came of the try before"),
        Html("<h3>URLs that took most tries</h3>"),
        table(("#tries in vain", "#time in them", "URL", "one of the errors"), rows),
    ]
    return section(
        "retries",
        f"Retries ({number:,})",
        join(content),
        "Tries that were not the last, by what came of them.",
    )
