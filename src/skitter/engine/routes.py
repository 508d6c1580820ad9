"""Which pages a handler is for, as users say it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from skitter.page import Page
from skitter.rules.pattern import compile_pattern
from skitter.rules.verdict import REDIRECTS

__all__ = ["Match", "Statuses", "conditions"]

Match = str | Callable[[Page], bool]
Statuses = int | str | Iterable[int | str]

_NEEDS = 'needs a pattern, as in @crawler.on("*/product/*"), or a predicate'
_CLASSES = {f"{number}xx": range(number * 100, number * 100 + 100) for number in range(1, 6)}


def conditions(
    match: Match | None = None, content_type: str | None = None, status: Statuses | None = None
) -> tuple[Callable[[str], bool], Callable[[Page], bool]]:
    """What a page has to pass: its URL, and the page itself. Raises ValueError for what cannot be understood.

    ``match`` is a pattern for the URL, or a predicate; ``content_type`` a glob for the media type;
    ``status`` a number, ``"4xx"``, or several. Without ``status`` only fetched pages are meant.
    """
    tests: list[Callable[[Page], bool]] = [_by_status(status) if status is not None else _is_fetched]
    if content_type is not None:
        tests.append(_by_type(content_type))
    if callable(match):
        if _is_handler(match):
            raise ValueError(f"{_NEEDS}; {match.__name__} is a handler")
        tests.append(match)
    elif not isinstance(match, str | None):
        raise ValueError(f"{_NEEDS}, not {match!r}")
    matches = compile_pattern(match) if isinstance(match, str) else _every
    # With one test, an error in it is blamed on the user's own function.
    accepts = tests[0] if len(tests) == 1 else _all(tests)
    return matches, accepts


def _is_fetched(page: Page) -> bool:
    return page.ok


def _is_handler(function: Callable[..., Any]) -> bool:
    kinds = (inspect.iscoroutinefunction, inspect.isasyncgenfunction, inspect.isgeneratorfunction)
    return any(kind(function) for kind in kinds)


def _every(url: str) -> bool:
    return True


def _all(tests: list[Callable[[Page], bool]]) -> Callable[[Page], bool]:
    return lambda page: all(test(page) for test in tests)


def _by_type(pattern: str) -> Callable[[Page], bool]:
    matches = compile_pattern(pattern.lower())
    return lambda page: page.content_type is not None and bool(matches(page.content_type))


def _by_status(statuses: Statuses) -> Callable[[Page], bool]:
    every = [statuses] if isinstance(statuses, int | str) else list(statuses)
    wanted: set[int] = set()
    for each in every:
        if isinstance(each, int) and 100 <= each <= 599:
            wanted.add(each)
        elif isinstance(each, str) and each in _CLASSES:
            wanted.update(_CLASSES[each])
        else:
            raise ValueError(f'status {each!r}: give a number from 100 to 599, or "4xx"')
    if wanted & REDIRECTS:
        raise ValueError("status: a redirect is followed, and no page of its own; after_response sees it")
    return lambda page: page.status in wanted
