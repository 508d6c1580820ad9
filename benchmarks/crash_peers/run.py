"""Kill crawlers at random instants, start them again, and count what they lost; prints Markdown.

    python run.py [--contenders skitter,scrapy-files] [--kills 20] [--signal KILL] [--results FOLDER]

README.md says what is run and how. With --results each contender's figures are kept as JSON in that
folder, and --table prints the table of what is there without running anything.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from contenders import CONTENDERS, Contender, Output

from skitter.testing import Oracle

_COLOUR = re.compile(r"\x1b\[[\d;]*m")


@dataclass
class Start:
    """One start of a crawler: how it ended after how many seconds and requests, and what it logged."""

    seconds: float
    ended: str  # "killed", "timed out" or "exit N"
    requests: int
    exceptions: list[str]


@dataclass
class Tally:
    """The counts of one sequence, or of all of a contender."""

    expected: int = 0
    lost: int = 0
    doubled: int = 0
    doubled_seeds: int = 0
    torn: int = 0
    strays: int = 0
    wrong: int = 0
    refetched: int = 0

    def add(self, other: Tally) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class Sequence:
    """Starts of the same command in the same folder until one exits with 0."""

    starts: list[Start]
    tally: Tally

    @property
    def kills(self) -> int:
        return sum(start.ended == "killed" for start in self.starts)

    @property
    def ended_well(self) -> bool:
        return self.starts[-1].ended == "exit 0" and not any(start.exceptions for start in self.starts)


@dataclass
class Result:
    """All that is known of a contender after its run."""

    name: str
    version: str
    date: str
    pages: int
    fetched: int  # pages that a complete crawl of the site stores
    clean: int  # of these, how many the crawler's clean run stored
    clean_seconds: float
    clean_doubled: int
    sequences: list[Sequence] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return sum(sequence.kills for sequence in self.sequences)


@dataclass
class Reference:
    """What the clean run did: what later runs are compared with."""

    seconds: float
    pages: frozenset[str]
    records: Counter[str]
    requests: Counter[str]
    hashes: dict[str, str | None]
    seeds: frozenset[str]
    exceptions: frozenset[str]  # logged in the normal course of a crawl, such as Crawlee's for a 404


class Bench:
    """One contender against one site, in one folder."""

    def __init__(
        self, contender: Contender, oracle: Oracle, folder: Path, kind: signal.Signals, time_out: float
    ) -> None:
        self._contender = contender
        self._oracle = oracle
        self._folder = folder
        self._signal = kind
        self._time_out = time_out

    def refresh(self) -> None:
        """Forget everything: an empty folder, and a site that nobody has visited."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._oracle.forget()

    def start(self, kill_after: float | None) -> Start:
        """Run the command; kill its process group after so many seconds unless it ends before."""
        log = self._folder / "log.txt"
        begin = log.stat().st_size if log.exists() else 0
        asked = len(self._oracle.requests)
        began = time.monotonic()
        with log.open("ab") as sink:
            process = subprocess.Popen(
                self._contender.command(self._oracle.seeds[0]),
                cwd=self._folder,
                env={**os.environ, **self._contender.environment},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,  # a process group of its own, to be killed as one
            )
            ended = _wait(process, kill_after, self._signal, self._time_out)
        seconds = time.monotonic() - began
        return Start(seconds, ended, len(self._oracle.requests) - asked, _exceptions(log, begin))

    def clean(self) -> tuple[Reference, Output]:
        """One run that nothing disturbs."""
        self.refresh()
        start = self.start(None)
        if start.ended != "exit 0":
            raise SystemExit(
                f"the clean run of {self._contender.name} failed: {start}, log in {self._folder}"
            )
        output = self._contender.read(self._folder)
        fetched = {url: known for url, known in self._oracle.expected.items() if known.reason == "fetched"}
        reference = Reference(
            start.seconds,
            frozenset(fetched.keys() & output.records.keys()),
            output.records,
            self._requests(),
            {url: known.sha256 for url, known in fetched.items()},
            frozenset(self._oracle.seeds),
            frozenset(start.exceptions),
        )
        return reference, output

    def sequence(self, reference: Reference, kills: int, most_starts: int, chance: random.Random) -> Sequence:
        """Kill and start again until the crawl ends; the last start allowed is left alone."""
        self.refresh()
        starts: list[Start] = []
        while len(starts) < most_starts:
            left_alone = kills == 0 or len(starts) + 1 == most_starts
            starts.append(self.start(None if left_alone else chance.uniform(0, reference.seconds)))
            kills -= starts[-1].ended == "killed"
            if starts[-1].ended in ("exit 0", "timed out"):
                break
        for start in starts:
            start.exceptions = [text for text in start.exceptions if text not in reference.exceptions]
        tally = count(self._contender.read(self._folder), reference, self._requests())
        return Sequence(starts, tally)

    def _requests(self) -> Counter[str]:
        counts = self._oracle.counts()
        return Counter({url: n for url, n in counts.items() if not url.endswith("/robots.txt")})


def _wait(
    process: subprocess.Popen[bytes], kill_after: float | None, kind: signal.Signals, time_out: float
) -> str:
    # The instant is kept to from the start on, so that kills during start-up and recovery happen too.
    try:
        return f"exit {process.wait(time_out if kill_after is None else kill_after)}"
    except subprocess.TimeoutExpired:
        sent = signal.SIGKILL if kill_after is None else kind
    os.killpg(process.pid, sent)
    try:
        process.wait(time_out)  # SIGINT asks, and may be answered late
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return "timed out"
    return "timed out" if kill_after is None else "killed"


def _exceptions(log: Path, begin: int) -> list[str]:
    """The last lines of the tracebacks in the log since `begin`, however deep a logger has indented them."""
    with log.open("rb") as source:
        source.seek(begin)
        text = _COLOUR.sub("", source.read().decode(errors="replace"))
    found = []
    frames: int | None = None  # how deep those of the traceback at hand are
    inside = False
    for line in text.splitlines():
        bare = line.lstrip(" |+")
        depth = len(line) - len(bare)
        if bare.startswith("Traceback (most recent call last)"):
            inside, frames = True, None
        elif inside and frames is None and bare.startswith('File "'):
            frames = depth
        elif inside and bare and frames is not None and depth < frames:
            inside = False
            # Which is how a start that is asked to stop while it imports says so.
            if bare != "KeyboardInterrupt":
                found.append(bare[:200])
    return found


def count(output: Output, reference: Reference, requests: Counter[str]) -> Tally:
    """Compare what a sequence stored, and what it asked for, with the clean run."""
    wanted = reference.pages
    # Only what the kills have doubled: Scrapy's clean run has the first page twice.
    extra = {url: n for url, n in (output.records - reference.records).items() if url in wanted}
    extra = {url: n for url, n in extra.items() if output.records[url] > 1}
    wrong = [url for url in wanted & output.hashes.keys() if output.hashes[url] != reference.hashes[url]]
    more = requests - reference.requests
    return Tally(
        expected=len(wanted),
        lost=len(wanted - output.records.keys()),
        doubled=sum(extra.values()),
        doubled_seeds=sum(n for url, n in extra.items() if url in reference.seeds),
        torn=output.torn,
        strays=output.strays,
        wrong=len(wrong),
        refetched=sum(more.values()),
    )


def measure(key: str, options: argparse.Namespace, folder: Path) -> Result:
    """The clean run, and as many sequences as it takes for the wanted number of kills."""
    contender = CONTENDERS[key]
    # The same instants, as fractions of the clean run, for every contender.
    chance = random.Random(options.seed)
    with Oracle(pages=options.pages, hosts=options.hosts) as oracle:
        bench = Bench(contender, oracle, folder, signal.Signals[f"SIG{options.signal}"], options.time_out)
        reference, output = bench.clean()
        result = Result(
            contender.name,
            _version(contender.package),
            time.strftime("%Y-%m-%d"),
            options.pages,
            len(reference.hashes),
            len(reference.pages),
            reference.seconds,
            sum(output.records[url] - 1 for url in reference.pages),
        )
        _say(f"{contender.name}: clean run {result.clean} of {result.fetched} in {reference.seconds:.1f} s")
        while result.kills < options.kills:
            left = options.kills - result.kills
            sequence = bench.sequence(reference, left, options.starts, chance)
            if sequence.kills:  # else the crawl ended before the instant drawn for its first kill
                result.sequences.append(sequence)
            _say(f"{contender.name}: {sequence.kills} kills, {sequence.tally}")
    return result


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # skitter from a working copy
        from skitter.version import VERSION

        return VERSION


def _say(line: str) -> None:
    print(f"<!-- {time.strftime('%H:%M:%S')} {line} -->", flush=True)


def table(results: Iterable[Result]) -> str:
    """The Markdown table of the README."""
    head = "contender | kills | sequences | records expected | lost | doubled | torn | temporary files"
    lines = [f"| {head} | refetched | ended well |", "| --- |" + " ---: |" * 9]
    for result in results:
        total = Tally()
        for sequence in result.sequences:
            total.add(sequence.tally)
        good = sum(sequence.ended_well for sequence in result.sequences)
        numbers = [total.expected, total.lost, total.doubled, total.torn + total.wrong, total.strays]
        shown = [f"{number:,}" for number in [*numbers, total.refetched]]
        runs = [str(result.kills), str(len(result.sequences))]
        ended = f"{good} of {len(result.sequences)}"
        lines.append("| " + " | ".join([f"{result.name} {result.version}", *runs, *shown, ended]) + " |")
    return "\n".join(lines)


def notes(results: Iterable[Result]) -> str:
    """What the table does not show: clean runs, how starts ended, seeds among the doubled, exceptions."""
    lines = []
    for result in results:
        starts = [start for sequence in result.sequences for start in sequence.starts]
        tallies = [sequence.tally for sequence in result.sequences]
        ends = Counter(start.ended for start in starts)
        # One, because Crawlee reads a robots.txt before it waits.
        idle = sum(start.ended == "killed" and start.requests <= 1 for start in starts)
        longest = max((sum(start.seconds for start in each.starts) for each in result.sequences), default=0.0)
        lines += [
            f"- {result.name}, {result.date}:",
            f"  - clean run: {result.clean:,} of {result.fetched:,} pages, {result.clean_doubled} doubled,"
            f" {result.clean_seconds:.0f} s",
            f"  - starts: {', '.join(f'{n} {what}' for what, n in ends.items())}",
            f"  - killed when the start had made one request or none: {idle}",
            f"  - longest sequence, all its starts: {longest:.0f} s",
            f"  - lost in each sequence: {', '.join(f'{tally.lost:,}' for tally in tallies)}",
            f"  - of the doubled, first pages: {sum(tally.doubled_seeds for tally in tallies)}",
            f"  - of the torn, records with a wrong hash: {sum(tally.wrong for tally in tallies)}",
        ]
        worst = Counter(text for start in starts for text in start.exceptions).most_common(5)
        lines += [f"  - {n} x `{text}`" for text, n in worst]
    return "\n".join(lines)


def load(folder: Path) -> list[Result]:
    """The results that are kept in a folder, in the order of CONTENDERS."""
    results = []
    for key in CONTENDERS:
        path = folder / f"{key}.json"
        if path.exists():
            fields = json.loads(path.read_text())
            sequences = [_sequence(each) for each in fields.pop("sequences")]
            results.append(Result(**fields, sequences=sequences))
    return results


def _sequence(fields: dict[str, object]) -> Sequence:
    starts = [Start(**start) for start in fields["starts"]]
    return Sequence(starts, Tally(**fields["tally"]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contenders", default=",".join(CONTENDERS), help="comma-separated")
    parser.add_argument("--kills", type=int, default=20, help="for each contender")
    parser.add_argument("--signal", choices=["KILL", "INT"], default="KILL", help="INT asks to stop, once")
    parser.add_argument(
        "--starts", type=int, default=12, help="in one sequence at most; the last is left alone"
    )
    parser.add_argument("--pages", type=int, default=5000)
    parser.add_argument("--hosts", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--time-out", type=float, default=1800, help="seconds for a start that is left alone")
    parser.add_argument("--results", type=Path, help="folder to keep figures in")
    parser.add_argument("--work", type=Path, help="folder to crawl in, kept (default: a temporary one)")
    parser.add_argument("--table", action="store_true", help="only print what --results has")
    return parser.parse_args()


def _run(keys: Collection[str], options: argparse.Namespace, work: Path) -> list[Result]:
    results = []
    for key in keys:
        results.append(measure(key, options, work / key))
        if options.results:
            options.results.mkdir(parents=True, exist_ok=True)
            (options.results / f"{key}.json").write_text(json.dumps(asdict(results[-1]), indent=1))
    return results


def main() -> None:
    options = _options()
    if options.table:
        results = load(options.results)
    elif options.work:
        results = _run(options.contenders.split(","), options, options.work.resolve())
    else:
        with tempfile.TemporaryDirectory() as work:
            results = _run(options.contenders.split(","), options, Path(work))
    print(table(results), notes(results), sep="\n\n")


if __name__ == "__main__":
    main()
