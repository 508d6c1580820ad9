"""What `crawl` and `fetch` have in common: settings, job, signals, display, exit code."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime

from rich.console import Console

from skitter.cli.seeds import read_seeds
from skitter.cli.settings import settings
from skitter.config import Config
from skitter.crawler import Run
from skitter.engine import Engine
from skitter.errors import ConfigError
from skitter.events import Event, Noted, Observer
from skitter.job import Job, folder_for, open_job
from skitter.model import FinishReason, Summary
from skitter.net import run_loop
from skitter.observe.log import JsonLog, TextLog
from skitter.observe.progress import LiveProgress, PlainProgress
from skitter.observe.stats import FINE, Stats
from skitter.observe.text import summary_line
from skitter.rules.scope import Bounds

__all__ = ["run_command"]

_NO_SEED, _TOO_MANY_FAILED, _WAITING = 3, 4, 6
# Open files beside the connections: database, outputs, standard streams, the loop's own.
_SPARE_FILES = 64


def run_command(
    found: argparse.Namespace, command: str, fixed: Mapping[str, object] | None = None
) -> int:
    """Run ``crawl`` or ``fetch``; the exit code. Everything is checked before anything is made."""
    config = settings(found, fixed)
    first, seeds = read_seeds(found.urls, config.output.input)
    if config.terminal.dry_run:
        return _dry_run(config, seeds)
    folder = config.output.job
    if command == "crawl" and folder is None:
        if first is None:
            raise ConfigError(
                "--job DIR has to be given with -i alone: it names the folder of the job"
            )
        folder = folder_for(first)
    if command == "fetch" and folder is None and not config.output.output:
        config = _with_output(config, "-")
    display = _Display(config)
    config = _fit_open_files(config, display.observe)
    if config.politeness.no_robots:
        display.observe(Noted("robots.txt is ignored (--no-robots)"))
    if config.http.insecure:
        display.observe(Noted("TLS certificates are not verified (--insecure)"))
    job = open_job(folder, config, command) if folder else None
    outputs = job.outputs if job else config.output.output
    return run_loop(_run(config, job, seeds, display, outputs))


async def _run(
    config: Config,
    job: Job | None,
    seeds: Iterator[str],
    display: _Display,
    outputs: tuple[str, ...],
) -> int:
    signals = _Signals()
    async with Run(config, job, observe=display.observe) as engine:
        signals.listen(engine, display.observe)
        with display.progress():
            summary = await engine.run(seeds)
    if job and _was_finished(summary):
        display.observe(
            Noted(f"{job.folder}: this job is finished already; --fresh starts it over")
        )
        display.finish(summary, outputs)
        return 0
    display.finish(summary, outputs)
    return _exit_code(summary, config, signals.caught)


def _was_finished(summary: Summary) -> bool:
    """Was there nothing to do, because former runs did it all?"""
    return (
        summary.finish_reason is FinishReason.DONE and not summary.ended_now and summary.total > 0
    )


def _exit_code(summary: Summary, config: Config, caught: int | None) -> int:
    if caught is not None:
        return 128 + caught
    if summary.finish_reason is FinishReason.WAITING:
        return _WAITING
    if summary.finish_reason is FinishReason.DONE and not summary.seed_fetched:
        return _NO_SEED
    if config.limits.fail_on is not None and _failed_percent(summary) > config.limits.fail_on:
        return _TOO_MANY_FAILED
    return 0


def _failed_percent(summary: Summary) -> float:
    failed = sum(number for reason, number in summary.by_reason.items() if reason not in FINE)
    return 100.0 * failed / max(1, summary.total)


def _with_output(config: Config, output: str) -> Config:
    return replace(config, output=replace(config.output, output=(output,)))


def _dry_run(config: Config, seeds: Iterator[str]) -> int:
    bounds = Bounds(config.scope)
    for url in seeds:
        rule = bounds.refuses_seed(url) or f"admitted: a seed, scope {config.scope.scope!r}"
        sys.stdout.write(f"{url}\t{rule}\n")
    sys.stdout.flush()
    return 0


def _fit_open_files(config: Config, observe: Observer) -> Config:
    """Raise the soft limit of open files to the hard one; lower the concurrency if that is too few."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return config
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    room = hard - _SPARE_FILES if hard != resource.RLIM_INFINITY else config.limits.concurrency
    if config.limits.concurrency <= room:
        return config
    room = max(1, room)
    observe(
        Noted(
            f"only {hard} open files are allowed here: concurrency is lowered to {room} (ulimit -n)"
        )
    )
    return replace(config, limits=replace(config.limits, concurrency=room))


class _Signals:
    """The first signal stops politely, the second at once."""

    def __init__(self) -> None:
        self.caught: int | None = None

    def listen(self, engine: Engine, observe: Observer) -> None:
        loop = asyncio.get_running_loop()
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None:
                loop.add_signal_handler(number, self._catch, number, engine, observe)

    def _catch(self, number: int, engine: Engine, observe: Observer) -> None:
        if self.caught is None:
            self.caught = number
            observe(
                Noted("stopping: what is in flight is finished and saved; once more stops at once")
            )
            engine.stop()
        else:
            engine.abort()


class _Display:
    """What the operator sees: log, progress, summary, as the options say."""

    def __init__(self, config: Config) -> None:
        terminal = config.terminal
        self._console = Console(stderr=True, no_color=terminal.no_color or None)
        self._quiet = terminal.quiet
        self._json = terminal.log_format == "json"
        self._stats = Stats()
        kind = JsonLog if self._json else TextLog
        self._log = kind(self._console, verbose=terminal.verbose)

    def observe(self, event: Event) -> None:
        self._stats(event)
        if not self._quiet:
            self._log(event)

    def progress(self) -> AbstractContextManager[None]:
        if self._quiet or self._json:
            return nullcontext()
        kind = LiveProgress if self._console.is_terminal else PlainProgress
        return kind(self._console, self._stats)

    def finish(self, summary: Summary, outputs: tuple[str, ...]) -> None:
        """The summary: always the last line."""
        if self._quiet or self._json:
            return
        at = summary.come_back_at
        back = datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else None
        self._console.print(
            summary_line(summary, outputs, back), markup=False, highlight=False, soft_wrap=True
        )
