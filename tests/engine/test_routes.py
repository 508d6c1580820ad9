"""Which pages a handler takes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import skitter
from skitter import Crawler, Page
from skitter.testing import Site


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        site.page("/", links=["/a", "/gone", "/data", "/error", "/i.png"])
        site.page("/a", "<h1>A</h1>", title="a")
        site.page("/data", '{"a": 1}', headers={"Content-Type": "application/json; charset=utf-8"})
        site.page("/i.png", "\x89", headers={"Content-Type": "image/png"})
        site.page("/error", "no", status=500)
        yield site


def taken(site: Site, crawler: Crawler) -> skitter.Summary:
    return asyncio.run(crawler.run([site.url("/")]))


def test_pages_are_taken_by_what_they_are(site: Site) -> None:
    crawler = Crawler(per_host=4, retries=0)
    seen: dict[str, set[str]] = {}

    def note(name: str) -> Any:
        async def handler(page: Page) -> None:
            seen.setdefault(name, set()).add(page.url.removeprefix(site.origin))

        return handler

    crawler.default(note("default"))
    crawler.on(content_type="image/*")(note("image"))
    crawler.on(status=404)(note("gone"))
    crawler.on(status=["5xx", 418])(note("broken"))
    crawler.on(lambda page: page.css_first("h1") is not None)(note("headed"))
    crawler.on("*/a")(note("never: the one before takes it"))
    crawler.on("*", content_type="application/json")(note("json"))
    summary = taken(site, crawler)
    assert seen == {
        "image": {"/i.png"}, "gone": {"/gone"}, "broken": {"/error"}, "headed": {"/a"}, "json": {"/data"},
        "default": {"/"},
    }  # fmt: skip
    assert summary.by_reason == {"fetched": 4, "http_error": 2}


def test_without_status_a_handler_takes_no_failure(site: Site) -> None:
    crawler = Crawler(per_host=4, retries=0)
    seen = []

    @crawler.on(lambda page: True)
    async def every(page: Page) -> None:
        seen.append(page.reason)

    taken(site, crawler)
    assert set(seen) == {"fetched"}


def test_a_predicate_that_raises_is_blamed(site: Site) -> None:
    crawler = Crawler(per_host=4, retries=0)
    records: list[skitter.Record] = []

    def is_cheap(page: Page) -> bool:
        return int(page.title or "none") < 5

    @crawler.on(is_cheap)
    async def cheap(page: Page) -> None:
        pass

    crawler.on_record(records.append)
    taken(site, crawler)
    errors = {record.error for record in records if record.reason == "handler_error"}
    assert len(errors) == 2, "a title that is no number, and none"
    assert all(str(error).startswith("predicate") or "is_cheap" in str(error) for error in errors)
    assert any("ValueError" in str(error) for error in errors)


MISTAKES: list[dict[str, Any]] = [
    {"status": 99}, {"status": "4x"}, {"status": 302}, {"status": "3xx"},
    {"content_type": ""}, {"match": 5}, {},
]  # fmt: skip


@pytest.mark.parametrize("how", MISTAKES)
def test_what_cannot_be_understood_is_said_at_once(how: dict[str, Any]) -> None:
    with pytest.raises(skitter.ConfigError, match="on: "):
        Crawler().on(**how)


def test_a_decorator_that_decorates_nothing_is_said(site: Site) -> None:
    """``@crawler.on`` without its brackets takes a plain handler for a predicate."""
    crawler = Crawler()

    @crawler.on  # type: ignore[arg-type]
    def handler(page: Page) -> None:
        pass

    with pytest.raises(skitter.ConfigError, match="has no handler"):
        taken(site, crawler)


def test_on_error_stop_ends_the_crawl(site: Site) -> None:
    site.page("/", links=[f"/p/{n}" for n in range(50)])
    site.page("/p/*", "x")
    crawler = Crawler(per_host=1, on_error="stop")

    @crawler.on("*/p/*")
    async def fails(page: Page) -> None:
        raise RuntimeError("no")

    summary = taken(site, crawler)
    assert summary.finish_reason == "stopped"
    assert summary.by_reason[skitter.Reason.HANDLER_ERROR] >= 1
    assert summary.pending > 40
    with pytest.raises(skitter.ConfigError, match="on_error 'never'"):
        Crawler(on_error="never")
