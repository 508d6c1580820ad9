"""skitter compare: the experiment."""

from __future__ import annotations

import argparse
import io
import logging
import os
import signal
import sys
from pathlib import Path

import msgspec
from rich.console import Console

from skitter.cli.files import raise_open_files
from skitter.cli.parser import say
from skitter.compare.experiment import experiment
from skitter.compare.explain import explain
from skitter.compare.export import as_json
from skitter.compare.look import look_at
from skitter.compare.plan import Plan, check_library, check_strategies, fit
from skitter.compare.report import Report, Round
from skitter.compare.table import table
from skitter.compare.timing import LOGGER
from skitter.compare.waterfall import waterfall
from skitter.compare.wording import duration
from skitter.engine.seeds import read_seed
from skitter.errors import ConfigError
from skitter.escape import escape_json
from skitter.net import run_loop
from skitter.observe.text import printable, seconds
from skitter.values import parse_duration

__all__ = ["run"]

_REFUSED = 3
_CHARTS = (".html", ".svg", ".png")
_DELAY = 5.0
# Columns: in fewer the figures would be cut, in more the picture only spreads.
_NARROWEST, _WIDEST = 72, 140


def run(found: argparse.Namespace) -> int:
    """Run the experiment; table, picture and explanation go to stdout."""
    plan = _fit_open_files(_plan(found))
    _check_files(found)
    _set_up_log(verbose=found.verbose)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _end)
    if not found.quiet:
        say(_announcement(plan))
    if plan.url is not None:
        look = run_loop(look_at(plan.url))
        if look.refused is not None:
            say(f"skitter: {printable(look.refused)}")
            return _REFUSED
        if look.note:
            say(printable(look.note))
        plan = msgspec.structs.replace(plan, url=look.url)

    def tell(name: str, one: Round) -> None:
        if not found.quiet:
            say(f"  {name}: {duration(one.total)}")

    report = experiment(plan, tell)
    sentences = explain(report)
    _write(report, sentences, found)
    if found.json == "-":
        lines = as_json(report, sentences).decode().split("\n")
        sys.stdout.write("\n".join(map(escape_json, lines)))
    else:
        _show(report, sentences, no_color=found.no_color)
    return 0


def _fit_open_files(plan: Plan) -> Plan:
    """A socket each; the lesson is not how many files may be open."""
    room = raise_open_files()
    if room is None or min(plan.requests, plan.concurrency or plan.requests) <= room:
        return plan
    say(f"few files may be open here: at most {room} requests at once (ulimit -n)")
    return msgspec.structs.replace(plan, concurrency=room)


def _end(number: int, frame: object) -> None:
    """At once: threads and requests under way cannot be called back. The server and all workers end by
    themselves when we do."""
    say("stopped; nothing was written")
    os._exit(128 + number)


def _plan(found: argparse.Namespace) -> Plan:
    url = read_seed(found.url) if found.url is not None else None
    for flag in ("delay", "capacity", "gateway_timeout"):
        if url is not None and getattr(found, flag) is not None:
            raise ConfigError(f"--{flag.replace('_', '-')} is of the local server: leave the URL out")
    requests = _whole(found, "requests")
    plan = Plan(
        url=url,
        requests=requests or 0,
        strategies=check_strategies(found.strategy),
        rounds=_whole(found, "rounds") or 1,
        concurrency=_whole(found, "concurrency"),
        retries=0,
        delay=_DELAY if found.delay is None else _time(found, "delay"),
        capacity=_whole(found, "capacity"),
        gateway_timeout=None if found.gateway_timeout is None else _time(found, "gateway_timeout"),
    )
    return fit(plan, requests, _whole(found, "max_requests"))


def _whole(found: argparse.Namespace, name: str) -> int | None:
    text = getattr(found, name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ConfigError(f"--{name.replace('_', '-')}: {text!r}: give a whole number, 1 or more")
    return int(text)


def _time(found: argparse.Namespace, name: str) -> float:
    text = getattr(found, name)
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"--{name.replace('_', '-')}: {text!r}: {error}") from None


def _check_files(found: argparse.Namespace) -> None:
    """Can they be written? Raises ConfigError, UsageError."""
    if found.chart and not found.chart.endswith(_CHARTS):
        raise ConfigError(
            f"--chart {found.chart!r}: the ending says the format; known are {', '.join(_CHARTS)}"
        )
    if found.json and found.chart and Path(found.json).absolute() == Path(found.chart).absolute():
        raise ConfigError(f"--json and --chart: {found.chart} cannot be both")
    for path in filter(None, (None if found.json == "-" else found.json, found.chart)):
        place = Path(path).absolute()
        if place.is_dir():
            raise ConfigError(f"{path}: is a folder; name a file in it")
        if not place.parent.is_dir():
            raise ConfigError(f"{path}: the folder {place.parent} does not exist; make it first")
        if not os.access(place if place.exists() else place.parent, os.W_OK):
            raise ConfigError(f"{path}: may not be written")
    if found.chart:
        check_library("matplotlib", "--chart")


def _set_up_log(*, verbose: bool) -> None:
    LOGGER.setLevel(logging.INFO if verbose else logging.CRITICAL)
    handler = logging.StreamHandler()
    handler.setFormatter(
        logging.Formatter("%(asctime)s.%(msecs)03d %(levelname)-7s %(message)s", datefmt="%H:%M:%S")
    )
    LOGGER.addHandler(handler)


def _announcement(plan: Plan) -> str:
    strategies = f"{len(plan.strategies)} strateg{'y' if len(plan.strategies) == 1 else 'ies'}"
    rounds = f", {plan.rounds} rounds" if plan.rounds > 1 else ""
    if plan.url is not None:
        return f"at most {plan.total} requests to {plan.url}: {plan.requests} by each of {strategies}{rounds}"
    requests = f"{plan.requests:,} request{'s' * (plan.requests != 1)}"
    return f"{requests} to a local server by each of {strategies}{rounds}: about {seconds(plan.longest)}"


def _write(report: Report, sentences: dict[str, str], found: argparse.Namespace) -> None:
    """The files first: whatever becomes of the terminal, what was measured is there."""
    if found.json and found.json != "-":
        Path(found.json).write_bytes(as_json(report, sentences))
    if found.chart:
        from skitter.compare.chart import write_chart  # drawing costs half a second to load

        write_chart(report, sentences, Path(found.chart))
    if not found.quiet:
        for path in filter(None, (found.json, found.chart)):
            if path != "-":
                say(f"-> {path}")


class _Screen(Console):
    """rich's console, which would end the program itself when its reader goes away."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def _show(report: Report, sentences: dict[str, str], *, no_color: bool) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # the picture's lines are not in every encoding
    screen = _Screen(no_color=no_color or None, highlight=False)
    screen.width = min(max(screen.width, _NARROWEST), _WIDEST)
    screen.print(table(report))
    screen.print()
    screen.print(waterfall(report, screen.width))
    for name, sentence in sentences.items():
        if sentence:
            screen.print()
            style = None if name else "bold"
            screen.print(f"{name}: {sentence}" if name else sentence, markup=False, style=style)
