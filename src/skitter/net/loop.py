"""The event loop: uvloop where the platform has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["run_loop"]

T = TypeVar("T")


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Like asyncio.run, on the fastest loop at hand."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    try:
        import uvloop

        factory = uvloop.new_event_loop
    except ImportError:  # Windows, PyPy: asyncio's own
        pass
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)
