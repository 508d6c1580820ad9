"""Crawl servers of limited capacity with skitter, Scrapy and Crawlee; prints Markdown, draws pictures.

    python run.py --out FOLDER [--contenders skitter,scrapy] [--scenarios fifo,steps] [--peers PYTHON]

README.md says what is run and how. FOLDER gets a server log and what is known of the run for each crawl; the
table and the pictures are of all that is there. So contenders can be run one at a time, and `--contenders ""`
only prints.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from contenders import CONTENDERS, HERE, Task
from figures import Figures, Request, measure, read
from pictures import draw
from scenarios import PAGE, RATE, SCENARIOS, chosen

_START_UP = 30.0  # seconds that a crawler may take until its first request
_GRACE = 10.0  # seconds that it may take to end when it is asked to


@dataclass(frozen=True)
class Run:
    """What the log does not say about a crawl."""

    scenario: str
    contender: str
    version: str
    date: str
    seconds: float
    ended: str  # "stopped" as it was asked to, "killed" if not in time, or "exit N" by itself


@dataclass(frozen=True)
class Crawl:
    """A run, and what its server saw."""

    run: Run
    requests: list[Request]
    figures: Figures

    @property
    def name(self) -> str:
        return CONTENDERS[self.run.contender].label.format(self.run.version)


@contextmanager
def serving(scenario: str, log: Path) -> Iterator[str]:
    """A server in a process of its own; gives its URL."""
    command = [sys.executable, str(HERE / "servers.py"), scenario, str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def crawl(scenario: str, contender: str, seconds: float, peers: str, out: Path) -> Run:
    """Start a crawler, stop it `seconds` after its first request, and keep the server's log."""
    python = CONTENDERS[contender].python(peers)
    version = CONTENDERS[contender].version(python)
    log = out / f"{scenario}.{contender}.jsonl"
    with serving(scenario, log) as url, tempfile.TemporaryDirectory() as folder:
        task = Task(url, SCENARIOS[scenario], seconds, python)
        with (out / f"{scenario}.{contender}.txt").open("wb") as sink:
            process = subprocess.Popen(
                CONTENDERS[contender].command(task),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
            try:
                _first_request(log, process)
                ended = _end(process, seconds)
            finally:
                _kill(process)
    run = Run(scenario, contender, version, time.strftime("%Y-%m-%d"), seconds, ended)
    (out / f"{scenario}.{contender}.json").write_text(json.dumps(asdict(run), indent=1))
    return run


def _first_request(log: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait for it: how long interpreters take to start is not what is measured."""
    until = time.monotonic() + _START_UP
    while not log.stat().st_size:
        if process.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"no request came; what the crawler said is in {log.with_suffix('.txt')}")
        time.sleep(0.02)


def _end(process: subprocess.Popen[bytes], seconds: float) -> str:
    """Let it crawl for `seconds`, then ask it to stop."""
    began = time.monotonic()
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            return "killed"
        return "stopped"
    spent = time.monotonic() - began
    # A time limit of its own may end it a little earlier: the last second is not measured.
    return "stopped" if spent > seconds - 1 else f"exit {code} after {spent:.0f} s"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End it and what it has started, if it runs still."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def load(out: Path) -> list[Crawl]:
    """The crawls that a folder has, by scenario and then by contender."""
    crawls = []
    for scenario in SCENARIOS:
        for contender in CONTENDERS:
            path = out / f"{scenario}.{contender}.json"
            if path.exists():
                run = Run(**json.loads(path.read_text()))
                requests = read(path.with_suffix(".jsonl"))
                crawls.append(Crawl(run, requests, measure(SCENARIOS[scenario], requests, run.seconds)))
    return crawls


def table(crawls: list[Crawl]) -> str:
    """The Markdown table of the README."""
    head = "scenario | contender | pages/s | of capacity | last 5 s | latency / 50 ms | in system"
    lines = [f"| {head} | refused | early | down, s | up, s |", "| --- | --- |" + " ---: |" * 9]
    capacity = {key: RATE for key, scenario in SCENARIOS.items() if scenario.is_bucket}
    for each in crawls:
        if each.run.contender == "uncontrolled":
            capacity[each.run.scenario] = each.figures.pages
    for each in crawls:
        cells = [each.run.scenario, each.name, *_cells(each, capacity.get(each.run.scenario))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(each: Crawl, capacity: float | None) -> list[str]:
    """The numbers of one row; what means nothing in a scenario is left empty."""
    figures = each.figures
    share = f"{figures.pages / capacity:.0%}" if capacity else ""
    cells = [f"{figures.pages:.1f}", share]
    if SCENARIOS[each.run.scenario].is_bucket:  # where pages come in bursts, so five seconds tell nothing
        refusals = [f"{figures.refused:.1%}", str(figures.early)]
        return [*cells, "", "", f"{figures.in_system:.2f}", *refusals, "", ""]
    cells.append(f"{figures.last:.1f}")
    latency = f"{figures.latency / PAGE:.2f}" if figures.latency is not None else ""
    adapted = ["never" if after is None else f"{after:.1f}" for after in figures.adapted]
    adapted += [""] * (2 - len(adapted))
    return [*cells, latency, f"{figures.in_system:.2f}", "", "", *adapted]


def notes(crawls: list[Crawl]) -> str:
    """What the table does not show: how busy the machine was, and who did not stop when asked."""
    odd = [each for each in crawls if each.run.ended != "stopped"]
    lines = [f"- {each.run.scenario}, {each.name}: {each.run.ended}" for each in odd]
    worst = max(crawls, key=lambda each: each.figures.late)
    late = f"answers were at most {worst.figures.late * 1000:.1f} ms late on average"
    return "\n".join([f"- {late} ({worst.run.scenario}, {worst.name})", *lines])


def pictures(crawls: list[Crawl], out: Path) -> None:
    """One picture a scenario."""
    for key, scenario in SCENARIOS.items():
        found = [each for each in crawls if each.run.scenario == key]
        if found:
            seconds = max(each.run.seconds for each in found)
            seen = {each.name: each.requests for each in found}
            draw(out / f"window-{key}.png", key, scenario, seen, seconds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for logs and pictures")
    parser.add_argument("--contenders", default=",".join(CONTENDERS), help="comma-separated")
    parser.add_argument(
        "--scenarios", default=",".join(SCENARIOS), help="comma-separated; fifo means all of them"
    )
    parser.add_argument("--seconds", type=float, help="for each crawl (default: 30; bucket 60)")
    parser.add_argument("--peers", default=sys.executable, help="Python that has scrapy and crawlee")
    return parser.parse_args()


def main() -> None:
    options = _options()
    # So that what was started is ended also when a time limit ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    options.out.mkdir(parents=True, exist_ok=True)
    contenders = [key for key in options.contenders.split(",") if key]
    for scenario in chosen(options.scenarios):
        for contender in contenders:
            # It would send thousands of requests a second to be refused: that says nothing about politeness.
            if contender == "uncontrolled" and SCENARIOS[scenario].is_bucket:
                continue
            seconds = options.seconds or SCENARIOS[scenario].seconds
            run = crawl(scenario, contender, seconds, options.peers, options.out)
            print(f"<!-- {time.strftime('%H:%M:%S')} {scenario}, {contender}: {run.ended} -->", flush=True)
    crawls = load(options.out)
    if crawls:
        print(table(crawls), notes(crawls), sep="\n\n")
        pictures(crawls, options.out)


if __name__ == "__main__":
    main()
