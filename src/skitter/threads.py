"""Work beside the event loop, in threads that are gone when it is done."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

__all__ = ["in_thread"]

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call ``function`` in a thread of its own; what it returns or raises.

    Not in the pool of asyncio: there commits would queue behind a slow handler, the program's end
    would wait for one that never returns, and the pool's threads would outlive the crawl in the user's
    program. A thread costs 0.1 ms. Cancelled, it is left to itself.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            value = context.run(function, *args, **kwargs)
        except BaseException as error:
            tell = partial(_fail, done, error)
        else:
            tell = partial(_give, done, value)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell)

    threading.Thread(target=work, name="skitter-work", daemon=True).start()
    return await done


def _give(done: asyncio.Future[T], value: T) -> None:
    if not done.done():
        done.set_result(value)


def _fail(done: asyncio.Future[T], error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
