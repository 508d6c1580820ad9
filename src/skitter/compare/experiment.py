"""The experiment itself: every strategy in turn, round by round, against one server."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from statistics import median

from skitter.compare.lab import Lab
from skitter.compare.plan import Plan
from skitter.compare.report import Outcome, Report, Round
from skitter.compare.server import LabServer, serving
from skitter.compare.strategies import STRATEGIES
from skitter.net import run_loop

__all__ = ["experiment"]

# Sockets of one strategy may still be closing when it is over; the next begins on a quiet server.
_PAUSE = 0.05


def experiment(plan: Plan, tell: Callable[[str, Round], None]) -> Report:
    """Run the plan; ``tell`` is called with each round as it ends. Rounds are interleaved, so that
    whatever else the machine does meets all strategies alike."""
    with _server(plan) as server:
        url = plan.url or f"{server.origin}/delay/{plan.delay:g}" if server else plan.url
        assert url is not None
        rounds: dict[str, list[Round]] = {name: [] for name in plan.strategies}
        for _ in range(plan.rounds):
            for name in plan.strategies:
                rounds[name].append(_run(name, plan, url, server))
                tell(name, rounds[name][-1])
    return Report(
        url=url,
        requests=plan.requests,
        delay=plan.delay if server else None,
        capacity=plan.capacity if server else None,
        gateway_timeout=plan.gateway_timeout if server else None,
        concurrency=plan.concurrency,
        outcomes=tuple(_outcome(name, rounds) for name in plan.strategies),
    )


@contextmanager
def _server(plan: Plan) -> Iterator[LabServer | None]:
    if plan.url is not None:
        yield None
        return
    with serving(plan.delay, plan.capacity, plan.gateway_timeout) as server:
        yield server


def _run(name: str, plan: Plan, url: str, server: LabServer | None) -> Round:
    strategy = import_module(f"skitter.compare.strategies.{STRATEGIES[name]}").run
    lab = Lab([url] * plan.requests, plan)
    time.sleep(_PAUSE)
    if server is not None:
        server.figures()
    if inspect.iscoroutinefunction(strategy):
        run_loop(strategy(lab))
    else:
        strategy(lab)
    if server is None:
        return lab.round(None, None)
    figures = server.figures()
    return lab.round(figures.max_in_flight, figures.connections)


def _outcome(name: str, rounds: dict[str, list[Round]]) -> Outcome:
    total = median(one.total for one in rounds[name])
    serial = rounds.get("serial")
    speedup = median(one.total for one in serial) / total if serial else None
    return Outcome(name=name, rounds=tuple(rounds[name]), speedup=speedup)
