"""Charts as SVG that stands in the page: shapes and words, with colours by class and figures by <title>."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from skitter.report.markup import Html, text
from skitter.report.scale import clock_ticks, figure, lapse, ticks
from skitter.report.values import Columns, Kind, Pause, Timeline

__all__ = ["Bar", "bars", "columns", "latency", "share", "throughput"]

_WIDE, _HALF = 1080, 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 14, 26
_HIGH, _LOW = 240, 200
_ROW, _LABEL, _VALUE = 26, 168, 74
_LETTERS = 25  # of a label that fit
_BRIDGE = 8  # stretches without answers that a line goes over
_WORDS = {
    Kind.FETCHED: "fetched",
    Kind.REDIRECTED: "redirected",
    Kind.LEFT_OUT: "left out",
    Kind.FAILED: "failed",
}


class Bar(msgspec.Struct, frozen=True):
    """A row of a bar chart. ``look`` is the class of its colour, ``said`` the figure beside it."""

    name: str
    value: float
    said: str
    look: str = "k0"
    title: str = ""


class _Frame(msgspec.Struct, frozen=True):
    """A plot's place, and what its axes mean: ``most`` is at the top, ``span`` at the right end."""

    width: int
    height: int
    most: float
    span: float

    def x(self, value: float) -> float:
        """From a value to a place."""
        return _LEFT + (self.width - _LEFT - _RIGHT) * value / self.span

    def y(self, value: float) -> float:
        """From a value to a place."""
        return self.height - _BOTTOM - (self.height - _TOP - _BOTTOM) * value / self.most


def _svg(width: int, height: int, label: str, parts: Iterator[str]) -> Html:
    return Html(
        f'<svg class="chart w{width}" viewBox="0 0 {width} {height}" role="img" aria-label="{text(label)}">\n'
        + "\n".join(parts)
        + "\n</svg>"
    )


def _rect(
    x: float, y: float, width: float, height: float, look: str, title: str = "", corner: float = 0
) -> str:
    bend = f' rx="{corner:g}"' if corner else ""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}"{bend}'
    said = f"<title>{text(title)}</title>" if title else ""
    return f'<rect class="{look}" {place}>{said}</rect>' if said else f'<rect class="{look}" {place}/>'


def _word(x: float, y: float, words: str, look: str = "", title: str = "") -> str:
    said = f"<title>{text(title)}</title>" if title else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{look or "t"}">{said}{text(words)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float, look: str, title: str = "") -> str:
    said = f"<title>{text(title)}</title>" if title else ""
    return f'<line class="{look}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}">{said}</line>'


def _clipped(words: str, most: int = _LETTERS) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"


def bars(rows: Sequence[Bar], label: str) -> Html:
    """Rows from the top, the longest to the right edge."""
    most = max((row.value for row in rows), default=0) or 1

    def parts() -> Iterator[str]:
        for place, row in enumerate(rows):
            y = place * _ROW + 4
            length = max(2.0, (_HALF - _LABEL - _VALUE) * row.value / most)
            yield _word(_LABEL - 10, y + 13, _clipped(row.name), "t e", row.name)
            yield _rect(_LABEL, y, length, _ROW - 8, row.look, row.title or f"{row.name}: {row.said}", 3)
            yield _word(_LABEL + length + 7, y + 13, row.said, "t v")

    return _svg(_HALF, _ROW * max(1, len(rows)) + 4, label, parts())


def columns(found: Columns, label: str, look: str = "k0") -> Html:
    """A histogram."""
    steps = ticks(max(found.counts, default=0))
    frame = _Frame(_HALF, _LOW, steps[-1], max(1, len(found.counts)))
    most = 7 if max(map(len, found.names), default=0) > 3 else 16  # names that fit side by side
    every = -(-len(found.names) // most)

    def parts() -> Iterator[str]:
        yield from _levels(frame, steps, figure)
        for place, (name, count) in enumerate(zip(found.names, found.counts, strict=True)):
            left, right = frame.x(place), frame.x(place + 1)
            gap = min(4.0, (right - left) * 0.15)
            top = min(frame.y(count), frame.y(0) - (1.5 if count else 0))
            yield _rect(
                left + gap / 2, top, right - left - gap, frame.y(0) - top, look, f"{name}: {count:,}", 2
            )
            if place % every == 0:
                yield _word((left + right) / 2, frame.height - 9, name, "t m")

    return _svg(_HALF, _LOW, label, parts())


def share(counts: Sequence[int], pending: int) -> Html:
    """Of all URLs, how many ended how, in one bar."""
    parts = [(count, f"k{kind:d}", _WORDS[kind]) for kind, count in zip(Kind, counts, strict=True)]
    parts = [part for part in (*parts, (pending, "k4", "pending")) if part[0]]
    total = sum(count for count, _, _ in parts) or 1

    def shapes() -> Iterator[str]:
        x = 0.0
        for count, look, word in parts:
            width = _WIDE * count / total
            yield _rect(x, 0, max(1.0, width - 1.5), 16, look, f"{word}: {count:,} ({count / total:.1%})")
            x += width

    words = "".join(
        f'<li><svg class="key" viewBox="0 0 10 10"><rect class="{look}" width="10" height="10" rx="3"/></svg>'
        f"{count:,} {word}</li>"
        for count, look, word in parts
    )
    bar = f'<svg class="share" viewBox="0 0 {_WIDE} 16" preserveAspectRatio="none" role="img">'
    return Html(f'{bar}{"".join(shapes())}</svg>\n<ul class="legend">{words}</ul>')


def throughput(line: Timeline) -> Html:
    """URLs that ended, a second, by kind: one column a stretch."""
    steps = ticks(max(sum(moment.counts) for moment in line.moments) / line.step)
    frame = _Frame(_WIDE, _HIGH, steps[-1], line.step * len(line.moments))

    def parts() -> Iterator[str]:
        yield from _levels(frame, steps, figure)
        yield from _times(frame, line.pauses)
        for place, moment in enumerate(line.moments):
            left, right = frame.x(place * line.step), frame.x((place + 1) * line.step)
            width = right - left - min(1.5, (right - left) * 0.15)
            base = 0.0
            for kind, count in zip(Kind, moment.counts, strict=True):
                if count:
                    low, high = frame.y(base), frame.y(base + count / line.step)
                    yield _rect(left, high, width, low - high, f"k{kind:d}")
                    base += count / line.step
            if base:
                yield _rect(left, _TOP, right - left, frame.y(0) - _TOP, "hover", _told(line, place))

    return _svg(_WIDE, _HIGH, "URLs that ended a second, over time", parts())


def _told(line: Timeline, place: int) -> str:
    counts = line.moments[place].counts
    words = ", ".join(f"{count:,} {_WORDS[kind]}" for kind, count in zip(Kind, counts, strict=True) if count)
    return f"{_when(line, place)}: {figure(sum(counts) / line.step)}/s ({words})"


def _when(line: Timeline, place: int) -> str:
    return f"{lapse(round(place * line.step, 3))} to {lapse(round((place + 1) * line.step, 3))}"


def latency(line: Timeline) -> Html:
    """The time to the first byte: the median as a line, up to the 90th percentile as an area."""
    slowest = max((moment.latency.p90 for moment in line.moments if moment.latency), default=0.0)
    steps = ticks(slowest)
    frame = _Frame(_WIDE, _LOW, steps[-1], line.step * len(line.moments))

    def parts() -> Iterator[str]:
        yield from _levels(frame, steps, lapse)
        yield from _times(frame, line.pauses)
        for run in _runs(line):
            xs = [frame.x((place + 0.5) * line.step) for place, _, _ in run]
            low = [f"{x:.1f},{frame.y(median):.1f}" for x, (_, median, _) in zip(xs, run, strict=True)]
            high = [f"{x:.1f},{frame.y(p90):.1f}" for x, (_, _, p90) in zip(xs, run, strict=True)]
            yield f'<polygon class="band" points="{" ".join((*low, *reversed(high)))}"/>'
            yield f'<polyline class="p90" points="{" ".join(high)}"/>'
            yield f'<polyline class="median" points="{" ".join(low)}"/>'
        for place, moment in enumerate(line.moments):
            if moment.latency:
                found = moment.latency
                said = f"{_when(line, place)}: median {_exact(found.median)}, 90 % within {_exact(found.p90)}"
                left = frame.x(place * line.step)
                width = frame.x((place + 1) * line.step) - left
                yield _rect(left, _TOP, width, frame.y(0) - _TOP, "hover", f"{said} ({found.n:,} answers)")

    return _svg(_WIDE, _LOW, "Time to first byte, over time", parts())


def _runs(line: Timeline) -> Iterator[list[tuple[float, float, float]]]:
    """Stretches with answers that follow on one another, as place, median and p90. A few without any are
    bridged, a pause or many are not."""
    breaks = {int(pause.at / line.step) for pause in line.pauses}
    run: list[tuple[float, float, float]] = []
    for place, moment in enumerate(line.moments):
        if moment.latency:
            if run and (place - run[-1][0] > _BRIDGE or any(run[-1][0] <= at < place for at in breaks)):
                yield _widened(run)
                run = []
            run.append((place, moment.latency.median, moment.latency.p90))
    if run:
        yield _widened(run)


def _widened(run: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """A line needs two points."""
    if len(run) > 1:
        return run
    place, median, p90 = run[0]
    return [(place - 0.4, median, p90), (place + 0.4, median, p90)]


def _exact(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:,.2f} s"


def _levels(frame: _Frame, steps: Sequence[float], words: Callable[[float], str]) -> Iterator[str]:
    """Lines across, with what they stand for."""
    for step in steps:
        y = frame.y(step)
        yield _rule(_LEFT, y, frame.width - _RIGHT, y, "grid" if step else "axis")
        yield _word(_LEFT - 8, y + 4, words(round(step, 6)), "t e")


def _times(frame: _Frame, pauses: Sequence[Pause]) -> Iterator[str]:
    """Time below, and where pauses were cut out."""
    moments = clock_ticks(frame.span)
    for moment in moments:
        x = frame.x(moment)
        yield _rule(x, frame.y(0), x, frame.y(0) + 4, "axis")
        edge = "t" if moment == 0 else "t e" if x > frame.width - 40 else "t m"
        yield _word(x, frame.height - 8, lapse(round(moment, 3)), edge)
    for pause in pauses:
        x = frame.x(pause.at)
        yield _rule(x, _TOP, x, frame.y(0), "pause", f"nothing ended for {lapse(round(pause.seconds))}")
