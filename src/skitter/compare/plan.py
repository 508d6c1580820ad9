"""What is to be measured, checked before anything runs: names, numbers, and how much is asked of whom."""

from __future__ import annotations

import math
from importlib import import_module

import msgspec

from skitter.compare.strategies import MAX_WORKERS, NEEDS_REQUESTS, STRATEGIES
from skitter.errors import ConfigError, UsageError
from skitter.values import nearest

__all__ = ["MOST_REQUESTS", "Plan", "check_library", "check_strategies", "fit"]

# In all, to a server that is not ours, unless the user allows more in so many words.
MOST_REQUESTS = 50
# What skitter's own look at a stranger's server may need: robots.txt and the page, a hop for each.
_LOOK = 4
# A robots.txt that redirects, or fails at first.
_ROBOTS = 2
_REQUESTS, _RETRIES = 10, 3
# More would measure this machine.
_MANY = 10_000
# Our own server may be asked as often as it takes.
_RETRIES_LOCAL = 10


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment. Without ``url`` it is made against the local server, which alone knows ``delay``,
    ``capacity`` and ``gateway_timeout`` (seconds, requests, seconds)."""

    url: str | None
    requests: int
    strategies: tuple[str, ...]
    rounds: int
    concurrency: int | None
    retries: int
    delay: float
    capacity: int | None
    gateway_timeout: float | None

    @property
    def budget(self) -> int | None:
        """Requests that the strategy which repeats some may send in a round; None: as many as it takes."""
        return self.requests * (1 + self.retries) + _ROBOTS if self.url else None

    @property
    def total(self) -> int:
        """Requests at most, skitter's look at a server that is not ours among them."""
        plain = len([name for name in self.strategies if name != "skitter"]) * self.requests
        repeating = self.requests * (1 + self.retries) + _ROBOTS if "skitter" in self.strategies else 0
        return self.rounds * (plain + repeating) + (_LOOK if self.url else 0)

    @property
    def longest(self) -> float:
        """Seconds that it takes about, if nothing has to be repeated."""
        return self.rounds * self.delay * sum(self._turns(name) for name in self.strategies)

    def _turns(self, name: str) -> int:
        """How often a strategy has to wait for the server."""
        if name in ("serial", "coroutines-blocking", "coroutines-wrapped"):
            return self.requests
        pool = MAX_WORKERS if name in ("threads", "processes", "to-thread") else self.requests
        least = min(self.requests, pool, self.capacity or self.requests, self.concurrency or self.requests)
        return math.ceil(self.requests / least)


def check_strategies(names: list[str] | None) -> tuple[str, ...]:
    """The strategies to run, in the order of the lesson. Raises ConfigError, UsageError."""
    for name in names or ():
        if name not in STRATEGIES:
            raise ConfigError(
                f"--strategy {name!r}: unknown{nearest(name, STRATEGIES)}; known are {', '.join(STRATEGIES)}"
            )
    chosen = tuple(name for name in STRATEGIES if not names or name in names)
    if NEEDS_REQUESTS.intersection(chosen):
        check_library("requests", "this comparison")
    return chosen


def check_library(name: str, who: str) -> None:
    """Is a library of the extra there? Better now than after minutes of measuring. Raises UsageError."""
    try:
        import_module(name)
    except ImportError:
        missing = f"{who} needs {name}, which is not installed: pip install 'skitter[compare]'"
        raise UsageError(missing) from None


def fit(plan: Plan, requests: int | None, most: int | None) -> Plan:
    """The plan with as many requests as asked for, or as a stranger's server may be sent.

    ``most`` is the number that the user allows, if he does. Raises UsageError if more was asked for.
    """
    if requests is not None and requests > _MANY:
        raise UsageError(f"--requests: {_MANY} are the most")
    if plan.gateway_timeout is not None and plan.gateway_timeout <= plan.delay:
        raise UsageError(
            f"--gateway-timeout must be longer than the delay ({plan.delay:g} s): else nothing is answered"
        )
    if plan.url is None and most is not None:
        raise UsageError("--max-requests is of a server that is not ours: name its URL")
    if plan.url is None:
        return msgspec.structs.replace(plan, requests=requests or _REQUESTS, retries=_RETRIES_LOCAL)
    allowed = MOST_REQUESTS if most is None else most
    for count in (requests,) if requests else range(_REQUESTS, 0, -1):
        for retries in range(_RETRIES, -1, -1):
            fitted = msgspec.structs.replace(plan, requests=count, retries=retries)
            if fitted.total <= allowed:
                return fitted
    least = msgspec.structs.replace(plan, requests=requests or 1, retries=0).total
    raise UsageError(
        f"that would be {least} requests to a server that is not ours, {allowed} are the most unless told "
        "otherwise: lower --requests or --rounds, name fewer strategies, or allow it with "
        f"--max-requests {least}"
    )
