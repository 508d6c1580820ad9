"""From raw results to figures and Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from contenders import CONTENDERS
from workloads import WORKLOADS

__all__ = ["Result", "Row", "keep", "load", "rows", "table"]


@dataclass(frozen=True)
class Result:
    """One run of one program; what results.jsonl has a line of."""

    workload: str
    contender: str
    cores: int
    version: str
    at: str
    site: str
    expected: int
    pages: int
    distinct: int
    robots: int
    most_in_flight: int
    too_early: int
    ended: str
    wall: float
    cpu: float
    rss: float
    said: str = ""

    @property
    def wrong(self) -> str:
        """What is wrong with it, in words; nothing if it did what it should."""
        faults = []
        if self.ended not in ("exit 0", CONTENDERS[self.contender].also_fine):
            faults.append(self.ended)
        if self.distinct != self.expected:
            faults.append(f"{self.distinct:,} of {self.expected:,}")
        if self.pages > self.distinct:
            faults.append(f"{self.pages - self.distinct:,} twice")
        asked = WORKLOADS[self.workload].robots
        if asked and self.robots != asked:
            faults.append(f"{self.robots:,} of {asked:,} robots.txt")
        if asked and self.too_early:
            faults.append(f"{self.too_early:,} pages before their robots.txt")
        return ", ".join(faults)


@dataclass(frozen=True)
class Row:
    """A program in one workload on so many cores: medians of its runs."""

    name: str
    contender: str
    cores: int
    runs: int
    wall: float
    spread: float  # (slowest - fastest) / median of the wall times
    pages: float
    cpu: float
    rss: float
    most_in_flight: int
    robots: int
    wrong: str
    ratio: float | None = None  # to the first row of as many cores
    cpu_ratio: float | None = None

    @property
    def rate(self) -> float:
        return self.pages / self.wall

    @property
    def cost(self) -> float:
        """CPU ms a page."""
        return 1000 * self.cpu / self.pages if self.pages else 0.0


def keep(result: Result, out: Path) -> None:
    """Add a line to the results."""
    with (out / "results.jsonl").open("a") as sink:
        sink.write(json.dumps(asdict(result)) + "\n")


def load(out: Path) -> list[Result]:
    """All results of a folder."""
    path = out / "results.jsonl"
    return [Result(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def rows(workload: str, results: Iterable[Result]) -> list[Row]:
    """The rows of a table, in the order of the workload."""
    found: dict[tuple[str, int], list[Result]] = {}
    for result in results:
        if result.workload == workload:
            found.setdefault((result.contender, result.cores), []).append(result)
    base: dict[int, Row] = {}
    table = []
    for key in WORKLOADS[workload].rows:
        if key in found:
            row = _row(found[key], base.get(key[1]))
            if key[0] in ("bare", "client"):
                base[key[1]] = row
            table.append(row)
    return table


def _row(results: list[Result], base: Row | None) -> Row:
    last = results[-1]
    walls = [result.wall for result in results]
    wall, cpu = median(walls), median(result.cpu for result in results)
    pages = median(result.distinct for result in results)
    wrong = sorted({result.wrong for result in results if result.wrong})
    return Row(
        name=CONTENDERS[last.contender].label.format(last.version),
        contender=last.contender,
        cores=last.cores,
        runs=len(results),
        wall=wall,
        spread=(max(walls) - min(walls)) / wall,
        pages=pages,
        cpu=cpu,
        rss=median(result.rss for result in results),
        most_in_flight=max(result.most_in_flight for result in results),
        robots=last.robots,
        wrong="; ".join(wrong),
        ratio=(pages / wall) / base.rate if base and base.rate else None,
        cpu_ratio=1000 * cpu / pages / base.cost if base and base.cost and pages else None,
    )


def table(workload: str, results: Iterable[Result]) -> str:
    """One Markdown table. What is wrong with a row is said in it."""
    about = WORKLOADS[workload]
    found = rows(workload, results)
    many = any(row.most_in_flight for row in found)
    heads = [
        f"{about.unit}/s",
        "of bare",
        "wall, s",
        "spread",
        "CPU, s",
        f"CPU ms/{about.unit[:-1]}",
        "of bare",
    ]
    heads += ["RSS, MiB", *(["most in flight"] if many else []), "robots.txt", "runs", about.unit]
    lines = [f"| cores | program | {' | '.join(heads)} |", "| ---: | --- |" + " ---: |" * len(heads)]
    for row in found:
        cells = [
            f"{row.rate:,.0f}",
            _times(row.ratio),
            f"{row.wall:.2f}",
            f"{row.spread:.0%}",
            f"{row.cpu:.2f}",
        ]
        cells += [f"{row.cost:.2f}", _times(row.cpu_ratio), f"{row.rss:,.0f}"]
        cells += [f"{row.most_in_flight:,}"] if many else []
        cells += [f"{row.robots:,}", str(row.runs)]
        cells.append(f"**WRONG: {row.wrong}**" if row.wrong else f"{row.pages:,.0f}")
        lines.append(f"| {row.cores} | {row.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"
