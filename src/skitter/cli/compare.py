"""skitter compare: the experiment."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

import msgspec
from rich.console import Console

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
from skitter.config import parse_duration
from skitter.engine.seeds import read_seed
from skitter.errors import ConfigError
from skitter.net import run_loop
from skitter.observe.text import printable, seconds

__all__ = ["run"]

_REFUSED = 3
_CHARTS = (".html", ".svg", ".png")
_DELAY = 5.0
_WIDEST = 140  # columns: a wider picture only spreads


def run(found: argparse.Namespace) -> int:
    """Run the experiment; table, picture and explanation go to stdout."""
    plan = _plan(found)
    for path in filter(None, (found.json, found.chart)):
        _check_file(path)
    if found.chart:
        _check_chart(found.chart)
    _set_up_log(verbose=found.verbose)
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

    _show(experiment(plan, tell), found)
    return 0


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


def _check_file(path: str) -> None:
    place = Path(path).absolute()
    if place.is_dir():
        raise ConfigError(f"{path}: is a folder; name a file in it")
    if not place.parent.is_dir():
        raise ConfigError(f"{path}: the folder {place.parent} does not exist; make it first")
    if not os.access(place if place.exists() else place.parent, os.W_OK):
        raise ConfigError(f"{path}: may not be written")


def _check_chart(path: str) -> None:
    if not path.endswith(_CHARTS):
        raise ConfigError(f"--chart {path!r}: the ending says the format; known are {', '.join(_CHARTS)}")
    check_library("matplotlib", "--chart")


def _set_up_log(*, verbose: bool) -> None:
    LOGGER.setLevel(logging.INFO if verbose else logging.CRITICAL)
    handler = logging.StreamHandler()
    handler.setFormatter(
        logging.Formatter("%(asctime)s.%(msecs)03d %(levelname)-7s %(message)s", datefmt="%H:%M:%S")
    )
    LOGGER.addHandler(handler)


def _announcement(plan: Plan) -> str:
    number = f"{len(plan.strategies)} strateg{'y' if len(plan.strategies) == 1 else 'ies'}"
    rounds = f", {plan.rounds} rounds" if plan.rounds > 1 else ""
    if plan.url is not None:
        return f"at most {plan.total} requests to {plan.url}: {plan.requests} by each of {number}{rounds}"
    return (
        f"{plan.requests} requests to a local server by each of {number}{rounds}: "
        f"about {seconds(plan.longest)}"
    )


def _show(report: Report, found: argparse.Namespace) -> None:
    sentences = explain(report)
    console = Console(no_color=found.no_color or None, highlight=False)
    console.print(table(report))
    console.print()
    console.print(waterfall(report, min(console.width, _WIDEST)))
    for name, sentence in sentences.items():
        if sentence:
            console.print()
            console.print(
                f"{name}: {sentence}" if name else sentence, markup=False, style="bold" if not name else None
            )
    if found.json:
        Path(found.json).write_bytes(as_json(report, sentences))
    if found.chart:
        from skitter.compare.chart import write_chart  # drawing costs half a second to load

        write_chart(report, sentences, Path(found.chart))
    sys.stdout.flush()
    if not found.quiet:
        for path in filter(None, (found.json, found.chart)):
            say(f"-> {path}")
