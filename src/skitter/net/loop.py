"""The event loop: uvloop where the platform has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["run_loop"]

T = TypeVar("T")

# asyncio's own default is the number of cores and four: six names looked up at a time on a small
# machine. Look-ups only wait.
_THREADS = 64


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Like asyncio.run, on the fastest loop at hand."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    try:
        import uvloop

        factory = uvloop.new_event_loop
    except ImportError:  # Windows, PyPy: asyncio's own
        pass
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.get_loop().set_default_executor(
            ThreadPoolExecutor(_THREADS, thread_name_prefix="skitter-thread")
        )
        return runner.run(main)
