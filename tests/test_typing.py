"""What a type checker knows of the public names. mypy reads this file with all others (strict, and an
ignored error that is none is an error); as a test it is run."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any, assert_type

import pytest

import skitter
from skitter import Crawler, FinishReason, Page, Reason, Record, Request, Summary, testing

if TYPE_CHECKING:
    from pathlib import Path

    from skitter.content.element import Element
    from skitter.content.extract import Article, Feed, Metadata
    from skitter.model import Failure, Follow, Headers, Response

    def streams() -> None:
        assert_type(skitter.crawl("x"), AsyncGenerator[Page, None])
        assert_type(skitter.crawl_sync("x", depth=2), Generator[Page, None, None])

    async def crawlers(crawler: Crawler) -> None:
        assert_type(await crawler.run(["x"]), Summary)
        assert_type(crawler.run_sync("x"), Summary)
        assert_type(crawler.submit("x", data={"a": "b"}), asyncio.Task[Page])
        assert_type(await crawler.fetch_all(["x"]), list[Page])
        crawler.submit(5)  # type: ignore[arg-type]

    def pages(page: Page) -> None:
        assert_type(page.status, int | None)
        assert_type(page.ok, bool)
        assert_type(page.reason, Reason)
        assert_type(page.title, str | None)
        assert_type(page.headers, Headers)
        assert_type(page.content, bytes)
        assert_type(page.links, tuple[str, ...])
        assert_type(page.text, str)
        assert_type(page.markdown, str)
        assert_type(page.article, Article)
        assert_type(page.metadata, Metadata)
        assert_type(page.feed, Feed | None)
        assert_type(page.tables, list[list[list[str]]])
        assert_type(page.css("a"), list[Element])
        assert_type(page.css_first("a"), Element | None)
        assert_type(page.follow("a"), Follow)
        assert_type(page.save("a"), Path)
        str(page.css_first("h1").text)  # type: ignore[union-attr]  # it may not be there

    def summaries(summary: Summary) -> None:
        assert_type(summary.finish_reason, FinishReason)
        assert_type(summary.rate, float)
        assert_type(summary.by_reason[Reason.FETCHED], int)

    async def decorators(crawler: Crawler) -> None:
        @crawler.on("*/a")
        async def handler(page: Page) -> dict[str, int]:
            return {"a": 1}

        await handler(5)  # type: ignore[arg-type]  # it is still what it was

        @crawler.before_request
        def sign(request: Request) -> Request:
            return request

        @crawler.after_response
        def look(request: Request, answer: Response | Failure) -> None:
            pass

        @crawler.should_follow
        def wants(page: Page, url: str) -> bool:
            return True

        @crawler.on_record  # type: ignore[type-var]
        def wrong(record: Record) -> str:
            return ""


@pytest.mark.parametrize("module", [skitter, testing], ids=["skitter", "testing"])
def test_every_public_name_is_documented_and_typed(module: Any) -> None:
    for name in module.__all__:
        value = getattr(module, name)
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        assert inspect.getdoc(value), f"{name} has no docstring"
        for method, function in inspect.getmembers(value, inspect.isfunction):
            if method.startswith("_") or not function.__module__.startswith("skitter"):
                continue
            assert inspect.getdoc(function), f"{name}.{method} has no docstring"
            hints = set(inspect.signature(function).parameters) - {"self", "cls"}
            missing = hints - set(function.__annotations__)
            assert not missing, f"{name}.{method}: {missing} have no type"
            assert "return" in function.__annotations__, f"{name}.{method} has no return type"


def test_there_are_few_public_names() -> None:
    assert len(skitter.__all__) <= 30
    assert sorted(skitter.__all__) == skitter.__all__
    for name in skitter.__all__:
        getattr(skitter, name)
