"""The loop and the visit: the only place that starts tasks. Knows the ports, and no adapter."""

from skitter.engine.crew import Crew, memory_for
from skitter.engine.desk import Desk
from skitter.engine.handlers import Handlers, Route
from skitter.engine.hooks import HookedFetcher, Hooks, UserCode
from skitter.engine.loop import Engine
from skitter.engine.stream import pages_of, pages_of_sync
from skitter.engine.worker import Stopper, Worker

__all__ = [
    "Crew",
    "Desk",
    "Engine",
    "Handlers",
    "HookedFetcher",
    "Hooks",
    "Route",
    "Stopper",
    "UserCode",
    "Worker",
    "memory_for",
    "pages_of",
    "pages_of_sync",
]
