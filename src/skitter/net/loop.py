"""The event loop: uvloop where the platform has it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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


# By default CPython looks for garbage in cycles after some hundred new objects, and each look walks over what
# is young: with hundreds of requests in flight that was a fifth of the CPU. A page makes a few cycles.
_COLLECT_AFTER = (20_000, 20, 50)


@contextmanager
def _fewer_collections() -> Iterator[None]:
    """Look for cycles less often, unless somebody has said how often already."""
    before = gc.get_threshold()
    if gc.isenabled() and before[0] < _COLLECT_AFTER[0]:
        gc.set_threshold(*_COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*before)


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
    with _fewer_collections(), asyncio.Runner(loop_factory=factory) as runner:
        runner.get_loop().set_default_executor(
            ThreadPoolExecutor(_THREADS, thread_name_prefix="skitter-thread")
        )
        return runner.run(main)
