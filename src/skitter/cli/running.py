"""What `crawl` and `fetch` have in common: settings, job, signals, display, exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from skitter.cli.display import Display
from skitter.cli.files import raise_open_files
from skitter.cli.seeds import read_seeds
from skitter.cli.settings import settings
from skitter.cli.signals import Signals
from skitter.config import Config
from skitter.errors import ConfigError
from skitter.events import Noted, Observer
from skitter.job import folder_for
from skitter.model import FinishReason, Summary
from skitter.net import run_loop
from skitter.observe.stats import FINE
from skitter.observe.text import counts, summary_line
from skitter.observe.versions import versions
from skitter.rules.scope import Bounds
from skitter.run import Run

__all__ = ["run_command"]

_NO_SEED, _TOO_MANY_FAILED, _WAITING, _STORAGE = 3, 4, 6, 7


def run_command(found: argparse.Namespace, command: str, fixed: Mapping[str, object] | None = None) -> int:
    """Run ``crawl`` or ``fetch``; the exit code. Everything is checked before anything is made."""
    notes: list[str] = []
    config = settings(found, fixed, notes.append)
    first, seeds = read_seeds(found.urls, config.output.input)
    if config.terminal.dry_run:
        return _dry_run(config, seeds)
    folder = config.output.job
    if command == "crawl" and folder is None:
        if first is None:
            raise ConfigError("--job DIR has to be given with -i alone: it names the folder of the job")
        folder = folder_for(first)
    if command == "fetch" and folder is None and not config.output.output:
        config = _with_output(config, "-")
    display = Display(config.terminal)
    for note in notes:
        display.observe(Noted(note))
    config = _fit_open_files(config, display.observe)
    if config.terminal.verbose:
        display.observe(Noted(versions()))
    if config.politeness.no_robots:
        display.observe(Noted("robots.txt is ignored (--no-robots)"))
    if config.http.insecure:
        display.observe(Noted("TLS certificates are not verified (--insecure)"))
    return run_loop(_run(Run(config, command, folder, observe=display.observe), config, seeds, display))


async def _run(run: Run, config: Config, seeds: Iterator[str], display: Display) -> int:
    signals = Signals()
    async with run as engine:
        signals.listen(engine, display.observe)
        with display.progress():
            summary = await engine.run(seeds)
    if run.folder and _was_finished(summary):
        display.finish(
            f"{run.folder}: this job is finished ({counts(summary.by_reason)}); "
            f"--fresh {'starts it over' if summary.seed_fetched else 'tries the seeds again'}"
            f" -> {', '.join(run.outputs)}"
        )
        return 0
    display.finish(summary_line(summary, run.outputs, _come_back(summary)))
    return _exit_code(summary, config, signals.caught)


def _was_finished(summary: Summary) -> bool:
    """Was there nothing to do, because former runs did it all?"""
    return summary.finish_reason is FinishReason.DONE and not summary.ended_now and summary.total > 0


def _exit_code(summary: Summary, config: Config, caught: int | None) -> int:
    if summary.finish_reason is FinishReason.STOPPED and caught is not None:
        return 128 + caught
    if summary.finish_reason is FinishReason.DISK_LOW:
        return _STORAGE
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
    """Lower the concurrency if fewer files may be open."""
    room = raise_open_files()
    if room is None or config.limits.concurrency <= room:
        return config
    observe(Noted(f"few files may be open here: concurrency is lowered to {room} (ulimit -n)"))
    return replace(config, limits=replace(config.limits, concurrency=room))


def _come_back(summary: Summary) -> str | None:
    at = summary.come_back_at
    if at is None:
        return None
    try:
        return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "a time beyond all calendars"
