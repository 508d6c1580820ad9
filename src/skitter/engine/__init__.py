"""The loop and the visit: the only place that starts tasks. Knows the ports, and no adapter."""

from skitter.engine.desk import Desk
from skitter.engine.handlers import Handlers, Route
from skitter.engine.loop import Engine
from skitter.engine.stream import pages_of, pages_of_sync

__all__ = ["Desk", "Engine", "Handlers", "Route", "pages_of", "pages_of_sync"]
