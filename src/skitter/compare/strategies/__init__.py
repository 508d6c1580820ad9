"""The strategies, in the order in which people meet them. Each is a file to be read as a lesson."""

from __future__ import annotations

__all__ = ["MAX_WORKERS", "NEEDS_REQUESTS", "STRATEGIES"]

# Threads and processes are dear: no pool is larger.
MAX_WORKERS = 64

# The name on the command line and the module that holds its ``run``.
STRATEGIES = {
    "serial": "serial",
    "threads": "threads",
    "processes": "processes",
    "coroutines-blocking": "coroutines_blocking",
    "coroutines-wrapped": "coroutines_wrapped",
    "to-thread": "to_thread",
    "aiohttp-session-each": "aiohttp_session_each",
    "aiohttp": "aiohttp_shared",
    "skitter": "skitter_engine",
}
NEEDS_REQUESTS = frozenset(STRATEGIES) - {"aiohttp-session-each", "aiohttp", "skitter"}
