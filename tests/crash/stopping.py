"""K6: signals, a reader that goes away, a process that is frozen or starved, a shutdown from within."""

from __future__ import annotations

import dataclasses
import itertools
import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.crash.bench import CONCURRENCY, Bench
from tests.crash.crawls import Crawl, Running, start
from tests.crash.trial import Outcome, Trial

from skitter.testing import Site

__all__ = ["closed_pipe", "frozen", "impatient", "polite_stops", "shutdowns", "starved"]

PROGRAM = Path(__file__).with_name("stopping_program.py")


def polite_stops(bench: Bench, number: int) -> Iterator[Outcome]:
    """G1, G3: the first SIGINT, SIGTERM or SIGHUP finishes what is in flight, saves, and says so."""
    for place, kind in itertools.product(range(number), (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)):
        trial = Trial(bench, bench.crawl())
        at = bench.chance.uniform(0.0, 0.8) * bench.seconds(trial.crawl)
        running = trial.start()
        _until_requests(bench, running, 1)
        trial.expect(running.kill_at(at, kind), 128 + kind)
        trial.look()
        trial.finish()
        yield trial.outcome("K6", f"G1 G3 {kind.name} number {place + 1} at {at:.3f} s")


def _until_requests(bench: Bench, running: Running, number: int) -> bool:
    return running.wait_until(lambda: len(bench.oracle.requests) >= number, 30.0)


def impatient(bench: Bench) -> Iterator[Outcome]:
    """G2: what is in flight never ends; the second SIGINT does not wait for it."""
    began, found = time.monotonic(), []
    with Site() as site:
        for path, links in (("/", ("/a", "/hangs", "/b")), ("/a", ()), ("/b", ())):
            site.page(path, "text", links=links)
        site.hang("/hangs")
        crawl = dataclasses.replace(bench.crawl(), seeds=(site.url(),))
        found += _interrupted_twice(crawl, site)
        site.page("/hangs", "no more")
        again = start(crawl.words(), crawl.folder).wait()
        urls = sorted(json.loads(line)["url"] for line in crawl.records[0].read_text().splitlines())
        if again.code or urls != sorted(site.url(path) for path in ("/", "/a", "/b", "/hangs")):
            found.append(f"G2 then ended with {again.code} and {urls}: {again.stderr[-400:]}")
    checked = frozenset(("I1", "I2", "I13"))
    yield Outcome("K6", "G2 second SIGINT", 1, checked, tuple(found), time.monotonic() - began)


def _interrupted_twice(crawl: Crawl, site: Site) -> list[str]:
    found = []
    running = start(crawl.words(), crawl.folder)
    if not running.wait_until(lambda: "/hangs" in [seen.target for seen in site.requests], 30.0):
        found.append("G2 the crawl did not come to the page that hangs")
    running.send(signal.SIGINT)
    running.wait_until(lambda: False, 0.5)  # it goes on waiting for the page
    if running.process.poll() is not None:
        found.append("G2 the first SIGINT did not wait for what is in flight")
    began = time.monotonic()
    running.send(signal.SIGINT)
    ended = running.wait(20.0)
    if ended.code != 130 or ended.stuck or "Traceback" in ended.stderr:
        found.append(f"G2 ended with {ended.code}: {ended.stderr[-400:]}")
    if time.monotonic() - began > 5.0:
        found.append(f"G2 the second SIGINT took {time.monotonic() - began:.1f} s")
    return found


def closed_pipe(bench: Bench, number: int) -> Iterator[Outcome]:
    """G3: ``skitter crawl ... -o - | head -1``: whole lines, a quiet end with 141, and a job that goes on."""
    for place in range(number):
        trial = Trial(bench, bench.crawl())
        words, lines = trial.crawl.words(), 1 + place * 20
        # The same, with stdout in place of the outputs.
        words = [*words[: words.index("-o")], "-o", "-", *words[words.index("--concurrency") :]]
        running = start(words, trial.crawl.folder)
        assert running.process.stdout is not None
        for _ in range(lines):
            line = running.process.stdout.readline()
            if not line.startswith("{") or not line.endswith("}\n"):
                trial.found.append(f"I5 stdout: {line!r}")
        running.process.stdout.close()
        running.process.stdout = None
        ended = running.wait(20.0)
        trial.expect(ended, 141)
        if ended.stderr.strip():
            trial.found.append(f"I13 not quiet: {ended.stderr[-400:]}")
        trial.look()
        trial.finish()  # the outputs that are asked for from now on get every record
        yield trial.outcome("K6", f"G3 closed pipe after {lines} lines")


def frozen(bench: Bench, seconds: float, times: int, budgets: tuple[int, ...] = (3, 1)) -> Iterator[Outcome]:
    """G4: SIGSTOP for longer than the time-out of a request: no host's fault, no burst afterwards.
    ``budgets``: so many retries a URL has."""
    for retries in budgets:
        # What was in flight may be asked for once more.
        trial = Trial(bench, bench.crawl(timeout="1s", retries=retries), may_repeat=True)
        running = trial.start()
        for n in range(times):
            _until_requests(bench, running, (n + 1) * len(bench.oracle.expected) // (times + 2))
            running.send(signal.SIGSTOP)
            time.sleep(seconds)  # the time itself is what is tested
            running.send(signal.SIGCONT)
        trial.ended(running.wait())
        yield trial.outcome("K6", f"G4 {times} times SIGSTOP for {seconds:g} s, {retries} retries")


def starved(bench: Bench, number: int) -> Iterator[Outcome]:
    """G5: memory ends (RLIMIT_AS), ever nearer to the limit with which the crawl just dies on its way."""
    enough = _peak(bench)
    too_little = enough // 4
    for place in range(number):
        kib = (enough + too_little) // 2
        trial = Trial(bench, bench.crawl(library=place % 2 == 1))
        ended = trial.start(["sh", "-c", f'ulimit -v {kib}; exec "$@"', "sh"]).wait(60.0)
        # However it ends: it is no worse than a kill.
        enough, too_little = (kib, too_little) if ended.code == 0 else (enough, kib)
        asked = len(bench.oracle.requests)
        trial.look()
        trial.finish()
        case = f"G5 RLIMIT_AS {kib // 1024} MiB ({trial.crawl.form}): {ended.code} after {asked} requests"
        yield trial.outcome("K6", case)


def _peak(bench: Bench) -> int:
    """The address space of a run that has nearly ended, in KiB."""
    trial = Trial(bench, bench.crawl())
    running = trial.start()
    _until_requests(bench, running, len(bench.oracle.expected) * 9 // 10)
    lines = Path(f"/proc/{running.process.pid}/status").read_text().splitlines()
    running.send(signal.SIGKILL)
    running.wait()
    trial.outcome("K6", "")
    return next(int(line.split()[1]) for line in lines if line.startswith("VmPeak"))


def shutdowns(bench: Bench, number: int) -> Iterator[Outcome]:
    """G7: stop and abort from a handler, and a break out of the stream: over within 2 s, nothing left."""
    for place, how in itertools.product(range(number), ("stop", "abort", "break")):
        trial = Trial(bench, bench.crawl())
        after = bench.chance.randrange(1, max(2, len(bench.oracle.expected) // 2))
        ended = start(_stopping(trial.crawl, how, after), trial.crawl.folder).wait(60.0)
        trial.expect(ended, 0)
        left: dict[str, Any] = {"tasks": [], "seconds": 0.0}
        if ended.code == 0:
            left = json.loads(ended.stdout)
        if left["tasks"] or left["seconds"] > 2.0:
            trial.found.append(f"G7 left: {left}")
        trial.look()
        trial.finish()
        yield trial.outcome("K6", f"G7 {how} at page {after}, number {place + 1}")


def _stopping(crawl: Crawl, how: str, after: int) -> list[str]:
    records = [str(path) for path in crawl.records]
    words = [how, str(after), str(CONCURRENCY), str(crawl.job), *crawl.seeds, *records]
    return [sys.executable, str(PROGRAM), *words]
