"""The event loop: uvloop where the platform has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from skitter.errors import UsageError

__all__ = ["run_loop"]

T = TypeVar("T")


def _is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


# asyncio's own default is the number of cores and four: six names looked up at a time on a small
# machine. Look-ups only wait.
_THREADS = 64


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Like asyncio.run, on the fastest loop at hand. Raises UsageError inside a running loop."""
    if _is_running():
        main.close()
        raise UsageError("an event loop is running here already: await the asynchronous form instead")
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
