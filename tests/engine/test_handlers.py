"""Handlers: every kind of function, every kind of item, and what is said when something is wrong."""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import decimal
import functools
import inspect
import json
import os
import re
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from skitter.config import build
from skitter.content.read import read
from skitter.engine import Engine, Handlers, Route
from skitter.engine.handlers import Handled
from skitter.frontier import MemoryFrontier
from skitter.model import Follow, Headers, Reason, Record, Response, Row, Summary
from skitter.page import Page
from skitter.rules.pattern import compile_pattern
from skitter.testing import FakeClock, FakeFetcher

A = "http://a.test"
Function = Callable[[Page], Any]
HERE = re.escape("test_handlers.py")


def page_at(url: str = f"{A}/x", body: str = "<h1>Tin</h1><a href=/y>y</a>") -> Page:
    answer = Response(url, 200, Headers((("Content-Type", "text/html"),)), body.encode())
    record = Record(url=url, reason=Reason.FETCHED, depth=0, fetched_at="2026-01-01")
    return Page(record, answer, read(answer, "skitter"))


def handle(function: Function, page: Page | None = None, pattern: str = "*") -> Handled:
    """What a handler gives for a page."""

    async def main() -> Handled:
        handlers = Handlers((Route(compile_pattern(pattern), function),))
        handled = await handlers.handle(page or page_at())
        assert handled is not None
        return handled

    return asyncio.run(main())


def items_of(function: Function) -> list[dict[str, Any]]:
    handled = handle(function)
    assert handled.error is None
    return handled.items


def error_of(function: Function) -> str:
    error = handle(function).error
    assert error is not None
    assert "\n" not in error
    return error


def line_of(function: Callable[..., object], text: str) -> int:
    """Where in this file ``text`` stands in a function."""
    lines, start = inspect.getsourcelines(function)
    return start + next(number for number, line in enumerate(lines) if text in line)


# Every kind of function

ITEM = {"name": "Tin"}


async def returning(page: Page) -> object:
    await asyncio.sleep(0)
    return {"name": page.css("h1")[0].text}


async def yielding(page: Page) -> AsyncIterator[object]:
    await asyncio.sleep(0)
    yield {"name": page.css("h1")[0].text}


def plain(page: Page) -> object:
    return {"name": page.css("h1")[0].text}


def generator(page: Page) -> Iterator[object]:
    yield {"name": page.css("h1")[0].text}


async def with_more(shop: str, page: Page) -> object:
    return {"name": page.css("h1")[0].text}


async def yielding_with_more(shop: str, page: Page) -> AsyncIterator[object]:
    yield {"name": page.css("h1")[0].text}


def plain_with_more(page: Page, shop: str = "") -> object:
    return {"name": page.css("h1")[0].text}


class Shop:
    def plain(self, page: Page) -> object:
        return ITEM

    async def returning(self, page: Page) -> object:
        return ITEM

    async def yielding(self, page: Page) -> AsyncIterator[object]:
        yield ITEM

    @staticmethod
    def static(page: Page) -> object:
        return ITEM

    @classmethod
    async def of_class(cls, page: Page) -> object:
        return ITEM


class Called:
    def __call__(self, page: Page) -> object:
        return ITEM


class CalledAsync:
    async def __call__(self, page: Page) -> object:
        return ITEM


class CalledYielding:
    async def __call__(self, page: Page) -> AsyncIterator[object]:
        yield ITEM


def wrapped(function: Callable[[Page], Awaitable[object]]) -> Callable[[Page], Awaitable[object]]:
    @functools.wraps(function)
    async def around(page: Page) -> object:
        return await function(page)

    return around


KINDS: dict[str, Function] = {
    "async def": returning,
    "async generator": yielding,
    "def": plain,
    "generator": generator,
    "lambda": lambda page: ITEM,
    "partial of async def": functools.partial(with_more, "shop"),
    "partial of async generator": functools.partial(yielding_with_more, "shop"),
    "partial of def": functools.partial(plain_with_more, shop="shop"),
    "method": Shop().plain,
    "async method": Shop().returning,
    "async generator method": Shop().yielding,
    "static method": Shop.static,
    "class method": Shop.of_class,
    "callable object": Called(),
    "async callable object": CalledAsync(),
    "yielding callable object": CalledYielding(),
    "decorated": wrapped(returning),
}


@pytest.mark.parametrize("function", KINDS.values(), ids=KINDS.keys())
def test_every_kind_of_function_is_a_handler(function: Function) -> None:
    assert items_of(function) == [ITEM]


@pytest.mark.parametrize("function", KINDS.values(), ids=KINDS.keys())
def test_a_generator_steers_and_others_do_not(function: Function) -> None:
    """One who yields says himself what is followed; one who returns an item leaves the links alone."""
    kind = next(name for name, each in KINDS.items() if each is function)
    assert handle(function).steers is ("generator" in kind or "yielding" in kind)


def test_nothing_is_a_fine_answer() -> None:
    async def silent(page: Page) -> None:
        pass

    async def yields_nothing(page: Page) -> AsyncIterator[object]:
        if page.url == "never":
            yield {}
        yield None

    def silent_too(page: Page) -> None:
        pass

    for function in (silent, yields_nothing, silent_too):
        assert items_of(function) == []


# Which handler


def route(pattern: str, name: str) -> Route:
    async def handler(page: Page) -> object:
        return {"by": name}

    return Route(compile_pattern(pattern), handler)


@pytest.mark.parametrize(
    ("path", "by"),
    [
        ("/product/7", "product"),
        ("/product/", "product"),
        ("/product", "rest"),
        ("/list/1", "list"),
        ("/list/12", "two digits"),
        ("/list/123", "rest"),
        ("/about", "rest"),
    ],
)
def test_the_first_that_matches_takes_the_page(path: str, by: str) -> None:
    async def main() -> Handled | None:
        routes = (
            route("*/product/*", "product"),
            route("*/list/?", "list"),
            route(r"re:/list/\d\d$", "two digits"),
            route("*", "rest"),
            route("*/about", "too late"),
        )
        return await Handlers(routes).handle(page_at(A + path))

    handled = asyncio.run(main())
    assert handled is not None
    assert handled.items == [{"by": by}]


def test_a_page_that_none_matches_is_left_alone() -> None:
    async def main() -> Handled | None:
        return await Handlers((route("*/product/*", "product"),)).handle(page_at())

    assert asyncio.run(main()) is None


# Every kind of item


@dataclass
class Price:
    amount: decimal.Decimal
    tags: list[str] = field(default_factory=list)


class Struct(msgspec.Struct):
    name: str
    price: float | None = None


class Named(msgspec.Struct, rename="camel"):
    full_name: str


class Validated:
    """An object of pydantic's shape: that is all that is asked of it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def model_dump(self, *, mode: str = "python") -> dict[str, object]:
        return {"name": self.name, "mode": mode}


@pytest.mark.parametrize(
    ("value", "item"),
    [
        ({"name": "Tin", "n": 1, "x": None, "l": [1, {"a": True}]}, None),
        ({}, None),
        (Price(decimal.Decimal("1.50"), ["new"]), {"amount": "1.50", "tags": ["new"]}),
        (Struct("Tin"), {"name": "Tin", "price": None}),
        (Named("Tin"), {"fullName": "Tin"}),
        (Validated("Tin"), {"name": "Tin", "mode": "json"}),
        (
            {"at": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), "day": datetime.date(2026, 1, 2)},
            {"at": "2026-01-02T00:00:00Z", "day": "2026-01-02"},
        ),
        ({"id": uuid.UUID(int=7)}, {"id": "00000000-0000-0000-0000-000000000007"}),
        ({"inner": Price(decimal.Decimal(2))}, {"inner": {"amount": "2", "tags": []}}),
        ({1: "one"}, {"1": "one"}),
        ({"t": (1, 2)}, {"t": [1, 2]}),
    ],
)
def test_items_become_plain_values(value: object, item: dict[str, object] | None) -> None:
    async def handler(page: Page) -> object:
        return value

    (found,) = items_of(handler)
    assert json.loads(json.dumps(found)) == (value if item is None else item)


def test_an_item_may_be_changed_after_it_was_yielded() -> None:
    """One dictionary that is filled anew for each row of a table: an easy mistake, and no harm done."""

    async def rows(page: Page) -> AsyncIterator[object]:
        row: dict[str, int] = {}
        for n in range(3):
            row["n"] = n
            yield row

    assert items_of(rows) == [{"n": 0}, {"n": 1}, {"n": 2}]


UNFIT_ITEMS: dict[str, object] = {
    "an object": {"x": object()},
    "a function": {"x": print},
    "a key that is no text": {(1, 2): "x"},
    "an element": {"x": page_at().css_first("h1")},
    "a page": {"x": page_at()},
}


@pytest.mark.parametrize("value", UNFIT_ITEMS.values(), ids=UNFIT_ITEMS.keys())
def test_an_item_that_cannot_be_written_is_an_error_of_the_handler(value: object) -> None:
    async def handler(page: Page) -> AsyncIterator[object]:
        yield {"before": 1}
        yield value

    handled = handle(handler)
    assert handled.items == [{"before": 1}]
    assert handled.error is not None
    assert handled.error.startswith("handler ")


def test_an_item_that_holds_itself_is_an_error_of_the_handler() -> None:
    async def handler(page: Page) -> object:
        item: dict[str, object] = {}
        item["self"] = item
        return item

    assert "recursion" in error_of(handler)


@pytest.mark.parametrize("item", [{"x": "\ud800"}, {"\udcff": 1}, {"deep": [{"x": "a\udfffb"}]}])
def test_an_item_with_half_a_character_is_an_error_of_the_handler(item: dict[str, object]) -> None:
    """``json.loads('"\\\\ud800"')`` is enough to make one: data within pages comes so."""

    async def handler(page: Page) -> object:
        return item

    assert handle(handler).error is not None


def test_an_item_that_cannot_be_written_is_not_looked_for_in_our_own_code() -> None:
    async def handler(page: Page) -> AsyncIterator[object]:
        yield {"x": object()}

    assert "handlers.py" not in error_of(handler).replace("test_handlers.py", "")


# What is no item


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("text", "returned a str: give a dict, a dataclass, a msgspec or pydantic object (an item)"),
        (7, "returned a int: give a dict"),
        (b"x", "returned a bytes: give a dict"),
        (True, "returned a bool: give a dict"),
        ([{"a": 1}], "returned a list: yield each item by itself"),
        (({"a": 1},), "returned a tuple: yield each item by itself"),
        ({1, 2}, "returned a set: yield each item by itself"),
        (Price, "returned a type: give a dict"),
        (page_at(), "returned a Page: give a dict"),
    ],
)
def test_what_is_no_item_is_said_with_what_to_write_instead(value: object, said: str) -> None:
    async def handler(page: Page) -> object:
        return value

    def plain_handler(page: Page) -> object:
        return value

    async def yielding_handler(page: Page) -> AsyncIterator[object]:
        yield {"before": 1}
        yield value

    assert error_of(handler).startswith(f"handler handler{place_of(handler)}: {said}")
    assert error_of(plain_handler).startswith(f"handler plain_handler{place_of(plain_handler)}: {said}")
    yielded = handle(yielding_handler)
    said = said.replace("returned", "yielded")
    assert (yielded.error or "").startswith(f"handler yielding_handler{place_of(yielding_handler)}: {said}")
    assert yielded.items == [{"before": 1}], "what came before counts"


def place_of(function: Callable[..., object]) -> str:
    return f" at test_handlers.py:{function.__code__.co_firstlineno}"


def test_what_a_callable_object_returns_is_said_too() -> None:
    class Says:
        def __call__(self, page: Page) -> object:
            return "text"

    line = Says.__call__.__code__.co_firstlineno
    said = error_of(Says()).replace("test_what_a_callable_object_returns_is_said_too.<locals>.", "")
    assert said.startswith(f"handler Says at test_handlers.py:{line}: returned a str: give a dict")


def test_a_coroutine_is_said_to_need_await() -> None:
    """Nobody awaits it, and nobody is told "was never awaited" besides: warnings are errors here."""

    async def inner() -> dict[str, int]:
        return {}

    def forgets(page: Page) -> object:
        return inner()

    async def forgets_too(page: Page) -> object:
        return inner()

    async def yields_it(page: Page) -> AsyncIterator[object]:
        yield inner()

    assert "returned a coroutine that nobody awaits" in error_of(forgets)
    assert "make the handler `async def` and write `await`" in error_of(forgets)
    assert "returned a coroutine that nobody awaits" in error_of(forgets_too)
    assert "yielded a coroutine that nobody awaits" in error_of(yields_it)


def test_a_generator_in_a_coroutine_is_said_to_need_a_loop() -> None:
    async def handler(page: Page) -> object:
        return (each for each in [{"a": 1}])

    assert "returned a generator: loop over it and yield each item by itself" in error_of(handler)


# Exceptions


async def raising(page: Page) -> object:
    await asyncio.sleep(0)
    return {"price": float(page.css("h1")[0].text)}  # here


def raising_plain(page: Page) -> object:
    return {"price": float(page.css("h1")[0].text)}  # here


async def raising_generator(page: Page) -> AsyncIterator[object]:
    yield {"before": 1}
    yield page.follow("/y")
    yield {"price": float(page.css("h1")[0].text)}  # here


def raising_plain_generator(page: Page) -> Iterator[object]:
    yield {"before": 1}
    yield page.follow("/y")
    yield {"price": float(page.css("h1")[0].text)}  # here


RAISING = [raising, raising_plain, raising_generator, raising_plain_generator]


@pytest.mark.parametrize("function", RAISING)
def test_an_exception_is_said_with_file_and_line(function: Function) -> None:
    assert error_of(function) == (
        f"handler {function.__name__} at test_handlers.py:{line_of(function, '# here')}: "
        "ValueError: could not convert string to float: 'Tin'"
    )


@pytest.mark.parametrize("function", RAISING[2:])
def test_what_was_yielded_before_an_exception_counts(function: Function) -> None:
    handled = handle(function)
    assert handled.items == [{"before": 1}]
    assert handled.wanted == [(f"{A}/y", None)]


def test_the_place_of_an_exception_is_in_the_handlers_file() -> None:
    """Not deep inside of a library that it calls."""

    def parse(page: Page) -> object:
        return json.loads("{")  # here

    assert f"at test_handlers.py:{line_of(parse, '# here')}: JSONDecodeError" in error_of(parse)


def parse_with(text: str, page: Page) -> object:
    return json.loads(text)


class Parse:
    def __call__(self, page: Page) -> object:
        return json.loads("{")


class ParseAsync:
    async def __call__(self, page: Page) -> object:
        return json.loads("{")


@pytest.mark.parametrize("function", [functools.partial(parse_with, "{"), Parse(), ParseAsync()])
def test_the_place_is_in_the_handlers_file_for_every_kind_of_handler(function: Function) -> None:
    assert re.search(rf"at {HERE}:\d+: JSONDecodeError", error_of(function))


def test_a_partial_is_called_by_its_functions_name() -> None:
    assert error_of(functools.partial(parse_with, "{")).startswith("handler parse_with ")


def test_an_exception_of_many_lines_is_one_line() -> None:
    async def handler(page: Page) -> object:
        raise ValueError("first\n  second\n\tthird")

    assert error_of(handler).endswith(": ValueError: first second third")


def test_an_exception_without_words_has_its_name() -> None:
    async def handler(page: Page) -> object:
        raise KeyError

    assert error_of(handler).endswith(": KeyError")


def test_a_huge_exception_is_cut() -> None:
    async def handler(page: Page) -> object:
        raise ValueError("x" * 100_000)

    assert len(error_of(handler)) <= 1000


@pytest.mark.parametrize("error", [StopIteration, StopAsyncIteration, asyncio.CancelledError, TimeoutError])
def test_odd_exceptions_are_exceptions_too(error: type[BaseException]) -> None:
    async def handler(page: Page) -> object:
        raise error

    async def yielding_handler(page: Page) -> AsyncIterator[object]:
        yield {}
        raise error

    for function in (handler, yielding_handler):
        assert error.__name__ in error_of(function)


async def next_of_nothing(page: Page) -> object:
    return next(each for each in page.css(".none"))  # here


def test_next_of_nothing_is_said_with_its_line() -> None:
    """``next()`` without a default is how people take the first of something; a coroutine turns its
    StopIteration into a RuntimeError that was raised elsewhere, with the cause behind it."""
    line = line_of(next_of_nothing, "# here")
    assert f"test_handlers.py:{line}" in error_of(next_of_nothing)


@pytest.mark.parametrize("kind", ["async", "plain"])
def test_what_is_said_of_an_exception_can_be_written(kind: str) -> None:
    """Names of files come with half characters (``os.fsdecode``), and so do the errors about them."""

    async def handler(page: Page) -> object:
        raise ValueError("caf\udce9.txt")

    def plain_handler(page: Page) -> object:
        raise ValueError("caf\udce9.txt")

    error_of(handler if kind == "async" else plain_handler).encode()


@pytest.mark.parametrize("error", [StopIteration, asyncio.CancelledError, TimeoutError])
def test_odd_exceptions_in_threads_are_exceptions_too(error: type[BaseException]) -> None:
    """A plain handler may run a loop of its own, and be told there that something was cancelled."""

    def handler(page: Page) -> object:
        raise error("odd")

    async def main() -> str | None:
        handlers = Handlers((Route(lambda url: True, handler),))
        try:
            handled = await handlers.handle(page_at())
        except asyncio.CancelledError:
            return None
        assert handled is not None
        return handled.error

    assert "odd" in (asyncio.run(main()) or "")


def test_something_that_is_cancelled_within_a_handler_is_its_error() -> None:
    async def handler(page: Page) -> object:
        task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()
        await task
        return None

    assert "CancelledError" in error_of(handler)


@pytest.mark.parametrize("kind", ["coroutine", "generator"])
def test_the_cancellation_of_a_visit_goes_through(kind: str) -> None:
    """Ctrl-C twice: it is not the handler's fault."""
    ended: list[str] = []

    async def handler(page: Page) -> object:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("coroutine")
        return None

    async def yielding_handler(page: Page) -> AsyncIterator[object]:
        try:
            yield {}
            await asyncio.sleep(60)
        finally:
            ended.append("generator")

    async def main() -> None:
        chosen: Function = handler if kind == "coroutine" else yielding_handler
        task = asyncio.create_task(_handled(chosen))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert ended == [kind]


async def _handled(function: Function) -> None:
    await Handlers((Route(lambda url: True, function),)).handle(page_at())


def test_a_generator_is_closed_when_what_it_yields_is_no_item() -> None:
    """Its ``finally`` and ``async with`` run now, not when the collector comes."""
    closed: list[str] = []

    async def handler(page: Page) -> AsyncIterator[object]:
        try:
            yield "text"
        finally:
            closed.append("async")

    def plain_handler(page: Page) -> Iterator[object]:
        try:
            yield "text"
        finally:
            closed.append("plain")

    assert "yielded a str" in error_of(handler)
    assert "yielded a str" in error_of(plain_handler)
    assert closed == ["async", "plain"]


# `await` of what cannot be awaited


class requests:  # noqa: N801 - as people write it
    @staticmethod
    def get(url: str) -> dict[str, str]:
        return {"url": url}


async def awaits_blocking(page: Page) -> object:
    return await requests.get(page.url)  # type: ignore[misc]


async def awaits_in_generator(page: Page) -> AsyncIterator[object]:
    answer = await requests.get(page.url)  # type: ignore[misc]
    yield answer


async def awaits_a_variable(page: Page) -> object:
    answer = requests.get(page.url)
    return await answer  # type: ignore[misc]


async def awaits_nested(page: Page) -> object:
    return await awaits_blocking(page)


@pytest.mark.parametrize("function", [awaits_blocking, awaits_in_generator, awaits_nested])
def test_await_of_a_blocking_call_is_said_with_what_to_write(function: Function) -> None:
    error = error_of(function)
    assert "`await requests.get(page.url)`: a dict cannot be awaited" in error
    assert "write `await asyncio.to_thread(requests.get, ...)`" in error
    assert "or make the handler a plain `def`" in error
    assert re.search(rf"handler {function.__name__} at {HERE}:\d+", error)


def test_await_of_a_variable_is_said_too() -> None:
    error = error_of(awaits_a_variable)
    assert "`await answer`: a dict cannot be awaited" in error
    assert "asyncio.to_thread(function, ...)" in error


def test_await_of_nothing_is_said_too() -> None:
    async def handler(page: Page) -> object:
        return await page.css_first(".none")  # type: ignore[misc]

    assert "a NoneType cannot be awaited" in error_of(handler)


def test_another_type_error_is_just_that() -> None:
    async def handler(page: Page) -> object:
        return {"n": 1 + page.url}  # type: ignore[operator]

    assert "TypeError: unsupported operand" in error_of(handler)


# Threads


def test_a_plain_handler_runs_in_a_thread_and_an_async_one_on_the_loop() -> None:
    threads: list[str] = []

    def in_thread(page: Page) -> None:
        threads.append(threading.current_thread().name)

    async def on_loop(page: Page) -> None:
        threads.append(threading.current_thread().name)

    handle(in_thread)
    handle(on_loop)
    assert threads[0].startswith("skitter-work")
    assert threads[1] == threading.main_thread().name


def test_a_plain_generator_runs_in_a_thread_to_its_end() -> None:
    threads: set[str] = set()

    def in_thread(page: Page) -> Iterator[object]:
        for n in range(3):
            threads.add(threading.current_thread().name)
            yield {"n": n}

    handle(in_thread)
    assert len(threads) == 1
    assert next(iter(threads)).startswith("skitter-work")


def test_plain_handlers_run_at_the_same_time() -> None:
    """Eight that each wait for the other seven: one after the other they would never end."""
    together = threading.Barrier(8)

    def meets(page: Page) -> object:
        together.wait(30)
        return {}

    async def main() -> list[Handled | None]:
        handlers = Handlers((Route(lambda url: True, meets),))
        return await asyncio.gather(*(handlers.handle(page_at()) for _ in range(8)))

    assert [handled and handled.error for handled in asyncio.run(main())] == [None] * 8


def test_context_variables_reach_a_thread() -> None:
    """As with ``asyncio.to_thread``: what tracing and logging hang on."""
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")

    def handler(page: Page) -> object:
        return {"tenant": tenant.get()}

    async def main() -> Handled | None:
        tenant.set("shop")
        return await Handlers((Route(lambda url: True, handler),)).handle(page_at())

    handled = asyncio.run(main())
    assert handled is not None
    assert handled.items == [{"tenant": "shop"}]


def test_threads_of_handlers_end() -> None:
    handle(plain)
    for thread in threading.enumerate():
        if thread.name.startswith("skitter-work"):
            thread.join(10)
            assert not thread.is_alive()


# In a crawl: what is followed


class World:
    """A crawl with handlers in virtual time."""

    def __init__(self, **options: object) -> None:
        self.clock = FakeClock()
        self.web = FakeFetcher(self.clock, latency=0.01)
        self.config = build(("{}", options))
        self.rows: list[Row] = []
        self.pages: dict[str, Page] = {}

    def crawl(self, *routes: tuple[str, Function], seeds: tuple[str, ...] = (f"{A}/",)) -> Summary:
        made = tuple(Route(compile_pattern(pattern), function) for pattern, function in routes)

        async def main() -> Summary:
            handlers = Handlers(made)
            engine = Engine(
                self.config,
                fetcher=self.web,
                frontier=MemoryFrontier(by_level=self.config.scope.by_level),
                clock=self.clock,
                observe=lambda event: None,
                deliver=self._keep,
                handlers=handlers,
                chance=lambda: 0.5,
            )
            return await engine.run(seeds)

        return self.clock.run(main())

    async def _keep(self, page: Page) -> None:
        assert page.url not in self.pages, "one record a URL"
        self.pages[page.url] = page

    def paths(self) -> list[str]:
        return sorted(url.removeprefix(A) for url in self.pages)


async def steers(page: Page) -> AsyncIterator[Follow]:
    yield page.follow("a.yes")


LINKS = '<a href="/no">no</a><a class=yes href="/yes">yes</a>'


def test_what_a_generator_follows_takes_the_place_of_the_links() -> None:
    world = World()
    world.web.page(f"{A}/", LINKS)
    world.crawl(("*", steers))
    assert world.paths() == ["/", "/yes"]
    assert world.pages[f"{A}/"].record.links == 2, "the record says what is on the page"
    assert world.pages[f"{A}/yes"].record.referrer == f"{A}/"
    assert world.pages[f"{A}/yes"].record.depth == 1


def test_a_handler_that_returns_leaves_the_links_alone() -> None:
    async def item(page: Page) -> object:
        return {"url": page.url}

    world = World()
    world.web.page(f"{A}/", LINKS)
    world.crawl(("*", item))
    assert world.paths() == ["/", "/no", "/yes"]


def test_a_handler_that_returns_a_request_adds_it_to_the_links() -> None:
    async def more(page: Page) -> object:
        return page.follow("/more")

    world = World()
    world.web.page(f"{A}/", LINKS)
    world.crawl(("*", more))
    assert world.paths() == ["/", "/more", "/no", "/yes"]


def test_a_page_that_no_handler_matches_has_its_links_followed() -> None:
    world = World()
    world.web.page(f"{A}/", LINKS)
    world.crawl(("*/product/*", steers))
    assert world.paths() == ["/", "/no", "/yes"]


def test_a_generator_that_follows_nothing_ends_there() -> None:
    async def nothing(page: Page) -> AsyncIterator[object]:
        yield {"url": page.url}

    world = World()
    world.web.page(f"{A}/", LINKS)
    summary = world.crawl(("*", nothing))
    assert world.paths() == ["/"]
    assert (summary.finish_reason, summary.pending) == ("done", 0)


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        ({}, ["/", "/1", "/2"]),
        ({"depth": 1}, ["/", "/1"]),
        ({"depth": 0}, ["/"]),
        ({"scope": "page"}, ["/"]),
        ({"exclude": "*/2"}, ["/", "/1"]),
        ({"include": "*/1"}, ["/", "/1"]),
        ({"scope": "any"}, ["/", "/1", "/2", "http://b.test/x"]),
    ],
)
def test_scope_and_depth_hold_for_what_handlers_follow(options: dict[str, object], paths: list[str]) -> None:
    async def follows(page: Page) -> AsyncIterator[Follow]:
        yield page.follow("http://b.test/x")
        yield page.follow({"/": "/1", "/1": "/2"}.get(page.url.removeprefix(A), "/"))

    world = World(**options)
    for path in ("", "1", "2"):
        world.web.page(f"{A}/{path}")
    world.crawl(("*", follows))
    assert world.paths() == paths


def test_a_request_that_was_made_before_is_not_made_again() -> None:
    async def follows(page: Page) -> AsyncIterator[Follow]:
        for _ in range(3):
            yield page.follow("/1")
            yield page.follow("/")

    world = World()
    world.web.page(f"{A}/")
    world.web.page(f"{A}/1")
    world.crawl(("*", follows))
    assert world.paths() == ["/", "/1"]


def test_failed_pages_and_redirects_have_no_handler() -> None:
    seen: list[str] = []

    async def handler(page: Page) -> None:
        seen.append(page.url.removeprefix(A))

    world = World(retries=0)
    world.web.page(f"{A}/", links=["/gone", "/broken", "/moved", "/denied"])
    world.web.page(f"{A}/robots.txt", "User-agent: *\nDisallow: /denied")
    world.web.answers(f"{A}/broken", [500])
    world.web.answers(f"{A}/moved", [Response(f"{A}/moved", 301, Headers((("Location", "/there"),)))])
    world.web.page(f"{A}/there")
    world.crawl(("*", handler))
    assert seen == ["/", "/there"]
    assert len(world.pages) == 6


def test_a_handler_that_fails_ends_the_record_and_not_the_crawl() -> None:
    async def picky(page: Page) -> object:
        if page.url == f"{A}/2":
            raise ValueError("two")
        return {"url": page.url}

    world = World()
    world.web.page(f"{A}/", links=[f"/{n}" for n in range(5)])
    for n in range(5):
        world.web.page(f"{A}/{n}", links=[f"/below/{n}"])
        world.web.page(f"{A}/below/{n}")
    summary = world.crawl(("*", picky))
    assert summary.by_reason == {"fetched": 10, "handler_error": 1}
    record = world.pages[f"{A}/2"].record
    assert (record.reason, record.status) == ("handler_error", 200)
    assert record.error is not None
    assert re.search(rf"at {HERE}:\d+: ValueError: two", record.error)
    assert not world.pages[f"{A}/2"].ok
    assert world.pages[f"{A}/below/2"].ok, (
        "the links of a page whose handler returns are followed all the same"
    )


def test_a_handler_that_waits_holds_up_no_other_page() -> None:
    async def waits(page: Page) -> object:
        await asyncio.sleep(10)
        return {}

    world = World(per_host=20, concurrency=20)
    world.web.page(f"{A}/", links=[f"/{n}" for n in range(19)])
    start = world.clock.now()
    for n in range(19):
        world.web.page(f"{A}/{n}")
    world.crawl(("*", waits))
    assert world.clock.now() - start < 25


def test_the_limit_counts_pages_whose_handler_went_well() -> None:
    """--limit is of records with the reason ``fetched``."""

    async def odd(page: Page) -> object:
        return {} if int(page.url[-1]) % 2 else "text"

    world = World(limit=3, scope="page")
    for n in range(10):
        world.web.page(f"{A}/{n}")
    summary = world.crawl(("*", odd), seeds=tuple(f"{A}/{n}" for n in range(10)))
    assert summary.by_reason[Reason.FETCHED] == 3


def test_the_working_folder_is_not_in_messages() -> None:
    """Records are handed around; the file's name is enough to find the line."""
    assert os.sep not in error_of(raising).replace("/y", "")
