"""The parts of a report that tell of links: broken ones with the pages that have them, redirects, orphans."""

from __future__ import annotations

from collections.abc import Iterator

from skitter.report.markup import Html, dim, folded, items, join, link, rest, section, table, text
from skitter.report.values import Broken, Chain, Figures, Line, Through, kind_of

__all__ = ["badge", "broken", "orphans", "redirects"]

# Dead ends, and pages of one, that are seen without unfolding.
_SEEN, _OPEN = 25, 5


def badge(reason: str, status: int | None = None) -> Html:
    """How a URL ended, in its kind's colour."""
    kind = kind_of(reason)
    said = f"{reason} {status}" if status is not None and reason == "http_error" else reason
    return Html(f'<span class="badge k{kind:d}">{text(said)}</span>')


def broken(figures: Figures) -> Html:
    """Every dead end, and who leads there."""
    rows = [(_end(one.line), _who(one)) for one in figures.broken]
    head = ("dead end", "pages that link to it")
    content = [table(head, rows[:_SEEN], "dead")]
    if more := rows[_SEEN:]:
        content.append(folded(text(f"the next {len(more):,}"), table(head, more, "dead")))
    content.append(rest(figures.dead, len(figures.broken), "dead ends"))
    said = "URLs that ended with an error, those with most pages that lead to them first."
    return section("broken", f"Broken links ({figures.dead:,})", join(content), said)


def _end(line: Line) -> Html:
    """What, and why, if the error says more than the status."""
    why = line.error if line.error and line.error != f"HTTP {line.status}" else ""
    return join((link(line.url), Html("<br>"), badge(line.reason, line.status), dim(why)), " ")


def _who(one: Broken) -> Html:
    direct, *others = one.ways
    if not direct.n and not others:
        first = one.line.referrer
        if first is None:
            return dim("no page: a seed, or where one leads")
        return join((dim("no link on a page; first named by"), link(first)), " ")
    parts = [_pages(direct)] if direct.n else []
    parts += [join((dim("through the redirect"), link(way.url), _pages(way)), " ") for way in others]
    parts += [dim(f"and through {one.more:,} more redirects")] if one.more else []
    return join(parts)


def _pages(way: Through) -> Html:
    named = items(map(link, way.pages))
    left = rest(way.n, len(way.pages), "pages")
    if way.n <= _OPEN:
        return join((named, left), "")
    return folded(text(f"{way.n:,} pages"), join((named, left), ""))


def redirects(figures: Figures) -> Html:
    """Chains, the longest first."""
    number = sum(n for _, n in figures.chain_lengths)
    lengths = ", ".join(f"{n:,} of {hops} hop{'s' * (hops > 1)}" for hops, n in figures.chain_lengths)
    head = ("#hops", "from", "to", "ends")
    several = [chain for chain in figures.chains if len(chain.hops) > 2]
    seen, folded_away = several[:_SEEN], figures.chains[len(several[:_SEEN]) :]
    content = [table(head, map(_chain, seen))] if seen else []
    if folded_away:
        content.append(folded(text(f"the next {len(folded_away)}"), table(head, map(_chain, folded_away))))
    content.append(rest(number, len(figures.chains), "chains"))
    return section(
        "redirects", f"Redirects ({number:,})", join(content), f"{lengths}." if lengths else "None."
    )


def _chain(chain: Chain) -> Iterator[Html]:
    first, *others = chain.hops
    yield text(len(others))
    yield link(first)
    yield join(map(link, others), "<br>→ ")
    yield badge(chain.reason, chain.status) if chain.reason else dim("not visited")


def orphans(figures: Figures) -> Html:
    """What only a sitemap knows."""
    found = figures.orphans
    rows = (
        (link(line.url), badge(line.reason, line.status), text(line.lastmod or ""), link(line.referrer or ""))
        for line in found.lines
    )
    content = join(
        (table(("URL", "ended", "lastmod", "listed by"), rows), rest(found.n, len(found.lines), "URLs"))
    )
    note = "A sitemap lists them, and no crawled page links to them."
    return section("orphans", f"Only in a sitemap ({found.n:,})", content, note)
