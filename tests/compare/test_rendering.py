"""Table, terminal picture, chart and page of made-up experiments."""

from __future__ import annotations

import heapq
import io
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import combinations, cycle, pairwise
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.patches import PathPatch
from matplotlib.text import Text
from msgspec.structs import replace
from rich.console import Console, RenderableType

from skitter.compare.chart import figure, write_chart
from skitter.compare.phases import Phase, spans, ticks
from skitter.compare.report import Attempt, Blocked, Life, Outcome, Report, Round
from skitter.compare.table import columns, table
from skitter.compare.waterfall import waterfall
from skitter.version import VERSION

ALL = (
    "serial", "threads", "processes", "coroutines-blocking", "coroutines-wrapped", "to-thread",
    "aiohttp-session-each", "aiohttp", "skitter",
)  # fmt: skip
WITHOUT_LOOP = ALL[:3]
BLOCKING = ("serial", "coroutines-blocking")
HOSTILE = "<script>alert('$1$')</script>&\x1b[31m[bold]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A made-up one: so many answers at a time, 504 to who has waited too long."""

    delay: float = 1.0
    capacity: int | None = None
    patience: float = 1e9


def attempts(start: float, free: list[float], server: Server, retry: bool) -> Iterator[Attempt]:
    """One request at ``start``, made again after a pause if it fails."""
    while (answered := max(start, free[0]) + server.delay) - start > server.patience:
        end = start + server.patience
        yield Attempt(start=start, first_byte=end, end=end, status="504")
        if not retry:
            return
        start = end + server.patience / 4
    heapq.heapreplace(free, answered)
    yield Attempt(start=start, first_byte=answered, end=answered + server.delay / 50, status="200")


def lives(number: int, server: Server, name: str) -> Iterator[Life]:
    """What becomes of so many requests, of one client after the other or of all at once."""
    clients = [0.0] * (1 if name in BLOCKING else number)
    free = [0.0] * (server.capacity or number)
    for _ in range(number):
        start = heapq.heappop(clients) + server.delay / 1000
        tries = tuple(attempts(start, free, server, retry=name == "skitter"))
        last = tries[-1]
        heapq.heappush(clients, last.end)
        yield Life(
            submitted=0.0, start=start, first_byte=last.first_byte, end=last.end, status=last.status,
            attempts=tries,
        )  # fmt: skip


def outcome(name: str, number: int, server: Server, rounds: int) -> Outcome:
    """A strategy's rounds, all alike but for their totals."""
    requests = tuple(lives(number, server, name))
    one = Round(
        total=max(life.end for life in requests),
        max_in_flight=1 if name in BLOCKING else number,
        connections=number,
        loop=name not in WITHOUT_LOOP,
        blocked=tuple(
            Blocked(start=life.start, end=life.end, call="get", file="client.py", line=7)
            for life in requests
            if name == "coroutines-blocking"
        ),
        cpu=0.012 * number,
        requests=requests,
    )
    alike = [replace(one, total=one.total * (1 + 0.01 * turn)) for turn in range(rounds)]
    return Outcome(name=name, rounds=tuple(alike), speedup=None)


def experiment(
    number: int = 10,
    names: Sequence[str] = ALL,
    server: Server | None = None,
    rounds: int = 1,
    url: str = "http://127.0.0.1:8273/slow",
) -> Report:
    """What ``number`` requests by those strategies would have measured."""
    server = server or Server()
    outcomes = [outcome(name, number, server, rounds) for name in names]
    serial = next((one.total for one in outcomes if one.name == "serial"), None)
    return Report(
        url=url,
        requests=number,
        delay=server.delay,
        capacity=server.capacity,
        gateway_timeout=server.patience if server.patience < 1e9 else None,
        concurrency=None,
        outcomes=tuple(replace(one, speedup=serial / one.total if serial else None) for one in outcomes),
    )


def hostile() -> Report:
    """An experiment with strangers' text wherever it can be: URL, a status, what blocked the loop."""
    report = experiment(3, ("skitter",), url="http://a.test/" + HOSTILE + 60 * "long-")
    (one,) = report.outcomes[0].rounds
    failed = Attempt(start=0.5, end=1.0, status=HOSTILE)
    life = Life(submitted=0.0, start=0.5, end=1.0, status=HOSTILE, attempts=(failed,))
    block = Blocked(start=0.2, end=0.9, call=HOSTILE, file=HOSTILE, line=1)
    rounds = (replace(one, requests=(*one.requests[1:], life), blocked=(block,)),)
    outcomes = (Outcome(name="skitter", rounds=rounds, speedup=None),)
    return replace(report, outcomes=outcomes)


def failing(report: Report) -> Report:
    """The same, but all requests ended in errors of many and long names."""
    errors = ("ServerDisconnectedError", "ConnectionResetError", "ClientConnectorCertificateError", "503")

    def failed(life: Life, status: str) -> Life:
        last = Attempt(start=life.start, end=life.end, status=status)
        return replace(life, status=status, attempts=(*life.attempts, last))

    outcomes = []
    for one in report.outcomes:
        requests = tuple(map(failed, one.middle.requests, cycle(errors)))
        rounds = tuple(replace(single, requests=requests) for single in one.rounds)
        outcomes.append(replace(one, rounds=rounds))
    return replace(report, outcomes=tuple(outcomes))


CROWDED = Server(capacity=2, patience=2.4)
EXPERIMENTS = {
    "ten": experiment(),
    "pairs": experiment(server=Server(capacity=2)),
    "crowded": experiment(server=CROWDED),
    "many": experiment(200, server=Server(capacity=50, patience=2.4), rounds=3),
    "one of one": experiment(1, ("skitter",)),
    "ten of one": experiment(10, ("aiohttp",)),
    "quick": experiment(server=Server(delay=0.005)),
    "long": experiment(server=Server(delay=30.0), rounds=3),
    "nobody": experiment(10, ()),
    "failing": failing(experiment(200, rounds=3)),
    "hostile": hostile(),
}
LONG_STATUSES = (EXPERIMENTS["failing"], EXPERIMENTS["hostile"])
each = pytest.mark.parametrize("report", EXPERIMENTS.values(), ids=EXPERIMENTS)


def text(shown: RenderableType, width: int = 80) -> list[str]:
    """The lines as they come out of a terminal without colour."""
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def block(lines: list[str], name: str) -> list[str]:
    """The rows of a strategy in the terminal picture, without gutter, heading and axis."""
    start = next(number for number, line in enumerate(lines) if line.startswith(name + " "))
    end = lines.index("", start)
    return [line[5:] for line in lines[start + 1 : end - 1]]


def row(report: Report, name: str) -> list[str]:
    line = next(line for line in text(table(report)) if line.startswith(name + " "))
    return re.split(r" {1,}(?![sx]\b|ms\b|\d+$)", line)


def test_the_table_has_the_figures_of_each_strategy() -> None:
    ten = experiment()
    assert row(ten, "serial") == ["serial", "10.21 s", "1.0x", "1", "-", "0.12 s", "10", "200 x 10"]
    assert row(ten, "coroutines-blocking")[4] == "1.02 s"
    assert row(ten, "aiohttp") == ["aiohttp", "1.02 s", "10.0x", "10", "0 ms", "0.12 s", "10", "200 x 10"]
    lines = text(table(ten))
    assert lines[:2] == ["10 requests to http://127.0.0.1:8273/slow", "it answers after 1 s"]
    assert lines[-1] == "nobody can do it in less than 1 s"


def test_requests_sent_are_shown_if_somebody_sent_more_than_asked() -> None:
    assert "requests sent" not in [column.name for column in columns(experiment())]
    shown = {column.name: column.cells for column in columns(experiment(server=CROWDED))}
    assert shown["requests sent"] == ("10",) * 8 + ("18",)
    assert shown["statuses"][1] == "504 x 6\n200 x 4"


def test_what_is_not_known_is_a_dash() -> None:
    (one,) = experiment(1, ("threads",)).outcomes
    theirs = replace(one, rounds=(replace(one.middle, connections=None),))
    report = replace(experiment(1, ("threads",)), delay=None, outcomes=(theirs,))
    assert row(report, "threads") == ["threads", "1.02 s", "-", "1", "-", "12 ms", "-", "200 x 1"]
    assert not any("less than" in line for line in text(table(report)))


def test_several_rounds_have_a_spread() -> None:
    shown = columns(experiment(10, ("serial",), rounds=3))
    assert shown[1].name == "total (min-max)"
    assert shown[1].cells == ("10.31 s\n10.21-10.41",)


@each
def test_the_table_fits_80_columns_and_breaks_no_figure(report: Report) -> None:
    lines = text(table(report), 80)
    assert max(map(len, lines)) <= 80
    words = " ".join(lines).split()
    for column in columns(report):
        figures = " ".join(column.cells).split() if column.name != "statuses" else []
        assert set(figures) <= set(words)
    for cell in columns(report)[-1].cells:
        assert all(f" x {line.rpartition(' x ')[2]}" in " ".join(words) for line in cell.split("\n"))
    if report not in LONG_STATUSES:
        assert lines[3:-1] == text(table(report), 300)[3:-1]


def test_blocking_requests_form_a_staircase_and_asynchronous_ones_a_wall() -> None:
    lines = text(waterfall(experiment(), 80))
    for name in BLOCKING:
        rows = [line for line in block(lines, name) if "▒" not in line]
        starts = [re.search("[━╺]", line) for line in rows]
        steps = [found.start() for found in starts if found]
        assert len(steps) == 10
        assert all(7 <= later - earlier <= 8 for earlier, later in pairwise(steps))
        assert all(set(line[:step]) <= {"·"} for line, step in zip(rows, steps, strict=True))
    for name in ("threads", "aiohttp", "skitter"):
        (wall,) = set(block(lines, name))
        assert len(wall) == pytest.approx(75 / 10, abs=1), "the axis is the same for all"


def test_pairs_of_stairs_where_the_server_takes_two_at_a_time() -> None:
    widths = [len(line) for line in block(text(waterfall(EXPERIMENTS["pairs"], 80)), "aiohttp")]
    assert widths == sorted(widths)
    assert len(set(widths)) == 5


def test_every_phase_is_told_apart_without_colour() -> None:
    rows = block(text(waterfall(experiment(server=CROWDED), 80)), "skitter")
    assert re.fullmatch("x{18}·+x{18}·+━+╸?", rows[-1])
    assert re.fullmatch("━+╸?", rows[0])
    (only,) = block(text(waterfall(EXPERIMENTS["one of one"], 80)), "skitter")
    assert re.fullmatch("━+▐?█", only)


def test_the_loop_has_a_row_if_it_was_blocked_for_long() -> None:
    lines = text(waterfall(experiment(), 80))
    (blocked,) = [line for line in lines if line.startswith("loop ")]
    assert set(blocked[5:]) == {"▒"}
    assert len(blocked) == 80
    short = experiment(server=Server(delay=0.05))
    assert not any(line.startswith("loop ") for line in text(waterfall(short, 80)))


def test_of_many_requests_every_kth_is_drawn_and_that_is_said() -> None:
    lines = text(waterfall(EXPERIMENTS["many"], 80))
    assert len(block(lines, "serial")) == 12
    assert lines[-1] == "every 17th of 200 requests, in the order in which they ended"


@each
@pytest.mark.parametrize("width", [60, 61, 79, 80, 120, 133, 200])
def test_no_line_is_wider_than_asked(report: Report, width: int) -> None:
    lines = text(waterfall(report, width), 400)
    assert max(map(len, lines)) <= width
    assert "\x1b" not in "".join(lines)


@given(st.floats(0, 1e5, allow_subnormal=False), st.integers(0, 40))
def test_ticks_are_few_round_and_within_the_axis(longest: float, at_most: int) -> None:
    moments = [moment for moment, _ in ticks(longest, at_most)]
    assert moments[0] == 0
    assert moments[-1] <= longest * (1 + 1e-6)
    assert len(moments) <= max(1, at_most) + 1
    assert len({label for _, label in ticks(longest, at_most)}) == len(moments)


def test_a_failure_of_no_time_is_visible() -> None:
    refused = Attempt(start=1.0, end=1.0, status="ConnectionRefusedError")
    life = Life(submitted=0.0, start=1.0, end=1.0, status=refused.status, attempts=(refused,))
    assert list(spans(life, 0.1)) == [(Phase.QUEUED, 0.0, 1.0), (Phase.FAILED, 1.0, 1.1)]


class Page(HTMLParser):
    """What is in a page: its elements, where they point to, its text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        pointing = ("src", "href", "xlink:href", "data", "action")
        self.links += [value or "" for name, value in attrs if name in pointing or name.startswith("on")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@each
def test_the_page_is_whole_and_needs_nothing(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    sentences = {"": "All of them.", "skitter": HOSTILE + "\nsecond"}
    write_chart(report, sentences, path)
    source = path.read_text(encoding="utf-8")
    page = Page(source)
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object", "b"} & set(page.tags)
    assert all(link.startswith("#") for link in page.links)
    assert set(re.findall(r"url\((.)", source)) <= {"#"}
    assert "@import" not in source
    assert "All of them." in page.text
    assert f"skitter {VERSION}" in page.text
    assert page.tags.count("tr") == len(report.outcomes) + 1
    explained = any(outcome.name == "skitter" for outcome in report.outcomes)
    assert (r"<script>alert('$1$')</script>&\x1b[31m[bold]" + "\nsecond" in page.text) == explained


@each
def test_the_svg_is_well_formed_text_and_always_the_same(report: Report, tmp_path: Path) -> None:
    write_chart(report, {}, tmp_path / "a.svg")
    write_chart(report, {}, tmp_path / "b.SVG")
    source = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert source == (tmp_path / "b.SVG").read_text(encoding="utf-8")
    words = "".join(ElementTree.fromstring(source).itertext())
    assert all(outcome.name in words for outcome in report.outcomes)
    assert not re.search(r"<(metadata|script|image)|Matplotlib", source)
    assert len(source) < 1_000_000


def test_the_png_is_one_and_another_ending_an_error(tmp_path: Path) -> None:
    write_chart(experiment(2), {}, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ValueError, match=r"'\.pdf'"):
        write_chart(experiment(1), {}, tmp_path / "a.pdf")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@each
def test_no_two_labels_of_the_chart_overlap_and_none_is_cut_off(report: Report) -> None:
    drawing = figure(report)
    drawing.draw_without_rendering()
    labels = (one for one in drawing.findobj(Text) if isinstance(one, Text) and one.get_visible())
    boxes = {one: one.get_window_extent() for one in labels if one.get_text()}
    assert len(boxes) >= 2 + 3 * len(report.outcomes)
    for one, box in boxes.items():
        assert drawing.bbox.x0 <= box.x0 < box.x1 <= drawing.bbox.x1, one.get_text()
        assert drawing.bbox.y0 <= box.y0 < box.y1 <= drawing.bbox.y1, one.get_text()
    for (one, here), (other, there) in combinations(boxes.items(), 2):
        assert not here.overlaps(there), (one.get_text(), other.get_text())


def test_all_panels_have_one_time_axis_and_only_what_failed_is_hatched() -> None:
    drawing = figure(experiment(server=CROWDED))
    assert [axes.get_title(loc="left") for axes in drawing.axes] == list(ALL)
    assert len({axes.get_xlim() for axes in drawing.axes}) == 1
    last = drawing.axes[-1].patches
    hatched = [patch.get_hatch() for patch in last if isinstance(patch, PathPatch)]
    assert [bool(hatch) for hatch in hatched] == [False, False, False, True]


def test_the_settings_of_matplotlib_stay_as_they_were(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    write_chart(experiment(2), {}, tmp_path / "a.svg")
    assert dict(matplotlib.rcParams) == before


def test_matplotlib_is_imported_only_to_draw() -> None:
    code = "import sys, skitter.compare.chart; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
