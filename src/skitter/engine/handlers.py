"""The user's handlers: which one takes a page, how it is run, and what it gave.

``async def`` handlers run on the loop, plain ones in threads of their own. Whatever a handler does,
the crawl goes on: what goes wrong is said in the record.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import inspect
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

import msgspec

from skitter.model import Ask, Follow, Request
from skitter.page import Page
from skitter.rules.ask import wanted_by
from skitter.source import expression_at
from skitter.threads import in_thread

__all__ = ["Handled", "Handlers", "Route", "blame"]

_ITEMS = (
    "a dict, a dataclass, a msgspec or pydantic object (an item), page.follow(...) or a Request, or nothing"
)
# "object Response can't be used in 'await' expression"; since 3.14 "'Response' object can't be awaited"
_NOT_AWAITABLE = re.compile(
    r"object (\S+) can't be used in 'await' expression|'(\S+)' object can't be awaited"
)


def _is_fetched(page: Page) -> bool:
    return page.ok


class Route(msgspec.Struct, frozen=True):
    """A handler, the URLs that it takes, and which pages there."""

    matches: Callable[[str], bool]
    function: Callable[[Page], Any]
    accepts: Callable[[Page], bool] = _is_fetched


class Handled(msgspec.Struct):
    """What a handler gave. ``steers``: it is a generator, and says itself which links to follow."""

    items: list[dict[str, Any]] = []
    wanted: list[tuple[str, Ask | None]] = []
    steers: bool = False
    error: str | None = None

    def take(self, value: object, verb: str) -> None:
        """Sort in what was yielded or returned. Raises TypeError that says what to write instead."""
        if isinstance(value, Follow):
            self.wanted += [(url, value.ask) for url in value.urls]
        elif isinstance(value, Request):
            self.wanted.append(wanted_by(value))
        elif _is_item(value):
            self.items.append(_item(value))
        elif value is not None:
            raise _Unfit(_unfit(value, verb))


class _Unfit(TypeError):
    """A handler gave what is neither item nor request."""


class Handlers:
    """The handlers of a run; the first whose pattern matches a page's URL takes it."""

    def __init__(self, routes: tuple[Route, ...], failed: Callable[[], None] = lambda: None) -> None:
        """``failed`` is called when a handler has raised."""
        self._routes = routes
        self._failed = failed

    async def handle(self, page: Page) -> Handled | None:
        """Run the handler of a page; None if there is none."""
        handled = await self._handle(page)
        if handled is not None and handled.error is not None:
            self._failed()
        return handled

    async def _handle(self, page: Page) -> Handled | None:
        for route in self._routes:
            try:
                if not (route.matches(page.url) and route.accepts(page)):
                    continue
            except Exception as error:  # of the user's own predicate
                return Handled(error=blame(error, route.accepts, "predicate"))
            return await self._run(route.function, page)
        return None

    async def _run(self, function: Callable[[Page], Any], page: Page) -> Handled:
        if _is(function, inspect.isasyncgenfunction):
            return await _listen(function, page)
        if _is(function, inspect.iscoroutinefunction):
            return await _await(function, page)
        return await in_thread(_call, function, page)


def _is(function: Callable[[Page], Any], kind: Callable[[Any], bool]) -> bool:
    return kind(function) or kind(type(function).__call__)  # an object may have such a method


async def _listen(function: Callable[[Page], AsyncIterator[object]], page: Page) -> Handled:
    """An asynchronous generator: what it has yielded before an error counts."""
    handled = Handled(steers=True)
    values = function(page)
    try:
        async for value in values:
            handled.take(value, "yielded")
    except (Exception, asyncio.CancelledError, SystemExit) as error:
        handled.error = blame(error, function)
    finally:
        await _close(values)
    return handled


async def _close(values: object) -> None:
    close = getattr(values, "aclose", None)
    if close is not None:
        with contextlib.suppress(Exception):  # it failed once already, and that is what is told
            await close()


async def _await(function: Callable[[Page], Any], page: Page) -> Handled:
    handled = Handled()
    try:
        handled.take(await function(page), "returned")
    except (Exception, asyncio.CancelledError, SystemExit) as error:
        handled.error = blame(error, function)
    return handled


def _call(function: Callable[[Page], Any], page: Page) -> Handled:
    """A plain function, in a thread; it may be, or return, a generator."""
    handled = Handled()
    try:
        value = function(page)
        if isinstance(value, Iterator):
            handled.steers = True
            for each in value:
                handled.take(each, "yielded")
        else:
            handled.take(value, "returned")
    except (Exception, asyncio.CancelledError, GeneratorExit, SystemExit) as error:
        handled.error = blame(error, function)
    return handled


# -- items -----------------------------------------------------------------------------------


def _is_item(value: object) -> bool:
    kind = type(value)
    return (
        isinstance(value, dict | msgspec.Struct)
        or (dataclasses.is_dataclass(value) and not isinstance(value, type))
        or hasattr(kind, "model_dump")
        or hasattr(kind, "__attrs_attrs__")
    )


def _item(value: Any) -> dict[str, Any]:
    """As plain values that any output can write. Raises TypeError, ValueError for what cannot be written."""
    if hasattr(type(value), "model_dump"):
        value = value.model_dump(mode="json")
    item = msgspec.to_builtins(value, str_keys=True)
    if not isinstance(item, dict):  # a Struct may be told to encode as an array
        raise TypeError(f"an item is an object with names, not a {type(item).__name__}")
    msgspec.json.encode(item)  # what no output can write is the handler's mistake, not the disk's
    return item


def _unfit(value: object, verb: str) -> str:
    """What to write instead."""
    name = type(value).__name__
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        return f"{verb} a {name} that nobody awaits: make the handler `async def` and write `await`"
    if isinstance(value, list | tuple | set | frozenset):
        return f"{verb} a {name}: yield each item by itself"
    if isinstance(value, AsyncIterator | Iterator):
        return f"{verb} a {name}: loop over it and yield each item by itself"
    return f"{verb} a {name}: give {_ITEMS}"


# -- what went wrong -------------------------------------------------------------------------


def _is_ours(error: BaseException) -> bool:
    """Is it the visit that is cancelled, not something within the handler?"""
    if not isinstance(error, asyncio.CancelledError):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:  # in a thread
        return False
    return task is not None and task.cancelling() > 0


def blame(error: BaseException, function: Callable[..., Any], kind: str = "handler") -> str:
    """One line: what, where in the user's file, and what to write instead."""
    if _is_ours(error) or isinstance(error, MemoryError):  # it says nothing about the page
        raise error
    code = _code(function)
    trace = _trace(error, code)
    if trace is not None:
        where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
    else:
        where = f"{Path(code.co_filename).name}:{code.co_firstlineno}" if code else "?"
    text = " ".join(str(error).split())
    if not isinstance(error, _Unfit):
        found = _NOT_AWAITABLE.search(text) if isinstance(error, TypeError) else None
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
        if found is not None and trace is not None:
            expression = expression_at(trace.tb_frame.f_code, trace.tb_lasti)
            text = _not_awaitable((found[1] or found[2]).strip("'"), expression)
    line = f"{kind} {_name(function)} at {where}: {text}"[:1000]
    return line.encode(errors="backslashreplace").decode()


def _not_awaitable(kind: str, expression: str | None) -> str:
    awaited = (expression or "").removeprefix("await ").strip()
    call = awaited.partition("(")[0] if "(" in awaited else "function"
    said = f"`await {awaited}`" if awaited else "await"
    return (
        f"{said}: a {kind} cannot be awaited, only coroutines, tasks and futures can; "
        f"write `await asyncio.to_thread({call}, ...)`, "
        "or make the handler a plain `def`, which runs in a thread"
    )


def _plain(function: Any) -> Any:
    """The function that was written: not the partial around it, nor the object that is called by it."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    return function if hasattr(function, "__code__") else type(function).__call__


def _name(function: Callable[..., Any]) -> str:
    name = getattr(_plain(function), "__qualname__", type(function).__name__)
    return str(name).rpartition("<locals>.")[2].removesuffix(".__call__")


def _code(function: Callable[..., Any]) -> CodeType | None:
    code = getattr(_plain(function), "__code__", None)
    return code if isinstance(code, CodeType) else None


def _trace(error: BaseException, code: CodeType | None) -> TracebackType | None:
    """The innermost place in the handler's own file; of what caused the error, if that has none."""
    reason: BaseException | None = error
    while reason is not None and code is not None:
        found, trace = None, reason.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == code.co_filename:
                found = trace
            trace = trace.tb_next
        if found is not None:
            return found
        reason = reason.__cause__
    return None
