"""Tasks and handlers as users write them, against a real site: what they get, and what the server saw."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiohttp import web

import skitter
from skitter import Crawler, Page
from skitter.events import Ended, Event, HostClosed, HostWaits, Noted
from skitter.observe.logger import LibraryLog
from skitter.testing import Site

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        site.page("/", links=["/a", "/b"], title="front")
        site.page("/a", "<h1>A</h1>", title="a")
        site.page("/b", "<h1>B</h1>", title="b")
        site.page("/slow", "slow", delay=0.2)
        site.hang("/hang")
        yield site


def run(main: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Run, and see that nothing is left: no task, no thread of ours, no open file."""

    async def watched() -> None:
        tasks, files = asyncio.all_tasks(), open_files()
        await main()
        assert asyncio.all_tasks() == tasks
        await until(lambda: open_files() <= files)

    before = threads()
    asyncio.run(watched())
    deadline = time.monotonic() + 10
    while threads() - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threads() <= before
    gc.collect()


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("skitter-")}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other threads
            await asyncio.sleep(0.005)


# Tasks


@pytest.mark.parametrize("new_loop", LOOPS, ids=["asyncio", "uvloop"])
def test_a_task_is_an_ordinary_task(site: Site, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    called: list[int | None] = []

    async def main() -> None:
        async with Crawler() as crawler:
            task = crawler.submit(site.url("/a"))
            assert isinstance(task, asyncio.Task)
            assert task.get_name() == site.url("/a")
            assert not task.done()
            assert "pending" in repr(task)
            with pytest.raises(asyncio.InvalidStateError):
                task.result()
            task.add_done_callback(lambda done: called.append(done.result().status))
            page = await task
            await asyncio.sleep(0)
            assert task.done()
            assert "finished" in repr(task)
            assert task.result() is page
            assert (page.ok, page.title, page.url) == (True, "a", site.url("/a"))
            assert called == [200]

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


def test_the_tasks_work_with_the_tools_of_asyncio(site: Site) -> None:
    async def main() -> None:
        async with Crawler(per_host=4) as crawler:
            tasks = {crawler.submit(site.url(path)) for path in ("/a", "/b", "/slow")}
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            assert done
            titles = [(await each).status for each in asyncio.as_completed(tasks)]
            assert titles == [200] * 3
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(crawler.submit(site.url("/hang")), 0.1)

    run(main)


def test_a_callback_that_raises_is_reported_and_harms_nobody(site: Site) -> None:
    reported: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))
        async with Crawler() as crawler:
            task = crawler.submit(site.url("/a"))
            order: list[str] = []

            def breaks(done: asyncio.Task[Page]) -> None:
                order.append("breaks")
                raise ZeroDivisionError("the user's")

            task.add_done_callback(breaks)
            task.add_done_callback(lambda done: order.append("after"))
            pages = await crawler.fetch_all([site.url("/b"), site.url("/slow")])
            assert [page.ok for page in pages] == [True, True]
            assert (await task).ok
            assert order == ["breaks", "after"]

    run(main)
    (context,) = reported
    assert isinstance(context["exception"], ZeroDivisionError)


def test_fetch_all_keeps_the_order_and_repeats(site: Site) -> None:
    async def main() -> None:
        async with Crawler(per_host=8) as crawler:
            paths = ["/slow", "/a", "/b", "/a", "/missing", "/slow"]
            pages = await crawler.fetch_all(site.url(path) for path in paths)
            assert [page.url for page in pages] == [site.url(path) for path in paths]
            assert [page.ok for page in pages] == [True, True, True, True, False, True]
            assert await crawler.fetch_all([]) == []
            same = await crawler.fetch_all([site.url("/a")] * 10)
            assert len({id(page) for page in same}) == 10

    run(main)
    assert site.count("/a") == 12
    assert site.count("/robots.txt") == 1


def test_failures_are_pages(site: Site) -> None:
    site.robots("User-agent: *\nDisallow: /no")
    site.redirect("/moved", "/a")
    site.errors("/flaky", 503, 1, "fine", headers={"Retry-After": "1"})

    async def main() -> None:
        async with Crawler(retries=0) as crawler:
            urls = [site.url(path) for path in ("/no", "/moved", "/flaky")]
            denied, moved, flaky, nobody = await crawler.fetch_all([*urls, "http://127.0.0.1:9/"])
            assert (denied.ok, denied.reason) == (False, "robots_denied")
            assert (moved.ok, moved.url) == (True, site.url("/a"))
            assert [answer.status for answer in moved.history] == [302]
            assert (flaky.ok, flaky.content, flaky.record.attempts) == (True, b"fine", 2)
            assert (nobody.ok, nobody.status, nobody.reason) == (False, None, "unreachable")
            assert nobody.error

    run(main)
    assert site.count("/no") == 0


def test_tasks_of_one_host_keep_its_pace(site: Site) -> None:
    async def main() -> None:
        async with Crawler(delay="150ms", per_host=5) as crawler:
            await crawler.fetch_all([site.url("/a")] * 4)

    run(main)
    assert len(site.requests) == 5
    # The gaps are exact in virtual time; here the server's own thread may be late to see one of two.
    assert sum(site.gaps()) >= 0.5
    assert min(site.gaps()) >= 0.05


def test_per_host_bounds_what_the_server_sees(site: Site) -> None:
    site.page("/q", "x", delay=0.03)

    async def main() -> None:
        async with Crawler(per_host=3) as crawler:
            await crawler.fetch_all([site.url("/q")] * 20)

    run(main)
    assert site.max_in_flight == 3


def test_credentials_go_to_the_submitted_origins_only(site: Site) -> None:
    with Site() as other:
        other.page("/", "x")
        site.redirect("/out", other.url("/"))

        async def main() -> None:
            async with Crawler(header="X-Token: secret", cookie="a=b", auth="u:p") as crawler:
                assert (await crawler.submit(site.url("/a"))).ok
                assert (await crawler.submit(site.url("/out"))).url == other.url("/")

        run(main)
        for seen in other.requests:
            assert (seen.header("X-Token"), seen.header("Cookie"), seen.header("Authorization")) == (
                None,
            ) * 3
    for seen in site.requests:
        given = seen.target != "/robots.txt"
        assert (seen.header("X-Token") == "secret") is given
        assert (seen.header("Authorization") is not None) is given


# Cancellation, and the end


class Held:
    """A path that never answers, and tells when its client has gone."""

    def __init__(self, site: Site, path: str) -> None:
        self.asked = threading.Event()
        self.left = threading.Event()
        site.handler(path, self._answer)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()
        raise AssertionError("nobody sets this event")


def test_a_cancelled_task_hangs_up_and_frees_its_slot(site: Site) -> None:
    held = Held(site, "/held")

    async def main() -> None:
        async with Crawler(per_host=1) as crawler:
            task = crawler.submit(site.url("/held"))
            behind = crawler.submit(site.url("/a"))
            await until(held.asked.is_set)
            assert not behind.done()
            task.cancel()
            async with asyncio.timeout(20):
                assert (await behind).ok
            assert task.cancelled()
            await until(held.left.is_set)

    run(main)


def test_a_cancelled_task_never_takes_the_slot_along(site: Site) -> None:
    """Cancelled one turn of the loop after it was submitted: as a user's timeout may do."""

    async def work() -> bool:
        async with Crawler(per_host=1) as crawler:
            assert (await crawler.submit(site.url("/a"))).ok
            task = crawler.submit(site.url("/b"))
            await asyncio.sleep(0)
            task.cancel()
            return (await crawler.submit(site.url("/a"))).ok

    async def main() -> bool:
        task = asyncio.ensure_future(work())
        await asyncio.wait([task], timeout=5)
        ended = task.done()
        while not task.done():
            task.cancel()
            await asyncio.sleep(0.05)
        return ended

    assert asyncio.run(main())


def test_a_cancelled_fetch_all_takes_all_its_requests_back(site: Site) -> None:
    held = Held(site, "/held")

    async def main() -> None:
        async with Crawler(per_host=2) as crawler:
            work = asyncio.ensure_future(
                crawler.fetch_all([site.url("/held"), site.url("/a"), site.url("/b")] * 3)
            )
            await until(held.asked.is_set)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            assert (await crawler.submit(site.url("/a"))).ok
            await until(held.left.is_set)

    run(main)
    assert site.count("/held") <= 3


def test_leaving_waits_for_the_tasks(site: Site) -> None:
    tasks: list[asyncio.Task[Page]] = []

    async def main() -> None:
        async with Crawler() as crawler:
            tasks.extend(crawler.submit(site.url("/slow")) for _ in range(3))
        assert all(task.done() for task in tasks)

    run(main)
    assert all(task.result().ok for task in tasks)


def test_an_exception_inside_cancels_the_tasks_and_comes_out(site: Site) -> None:
    tasks: list[asyncio.Task[Page]] = []

    async def main() -> None:
        async with Crawler() as crawler:
            tasks.extend(crawler.submit(site.url("/hang")) for _ in range(6))
            await until(lambda: site.count("/hang") > 0)
            raise ZeroDivisionError

    async def raises() -> None:
        with pytest.raises(ZeroDivisionError):
            await main()

    start = time.monotonic()
    run(raises)
    assert time.monotonic() - start < 20, "nobody waits for the timeout of a request"
    assert all(task.cancelled() for task in tasks)


def test_a_cancellation_while_leaving_cancels_the_tasks_too(site: Site) -> None:
    """Ctrl-C, or a timeout around the whole: whoever waits at the end of ``async with`` is interrupted."""
    tasks: list[asyncio.Task[Page]] = []

    async def leaves() -> None:
        async with Crawler() as crawler:
            tasks.append(crawler.submit(site.url("/hang")))

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(leaves(), 0.3)
        try:
            assert tasks[0].done()
            assert {task.get_name() for task in asyncio.all_tasks()} & {"crawl", "committer"} == set()
        finally:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0.05)

    asyncio.run(main())


def test_without_a_single_task_nothing_is_started(site: Site) -> None:
    async def main() -> None:
        async with Crawler() as crawler:
            assert crawler is not None
            assert len(asyncio.all_tasks()) == 1

    run(main)


def test_a_crawler_may_be_entered_again(site: Site) -> None:
    """Also on another loop: a program may call asyncio.run() twice."""
    crawler = Crawler()

    async def main() -> None:
        async with crawler:
            assert (await crawler.submit(site.url("/a"))).ok

    run(main)
    run(main)


def test_two_crawlers_do_not_disturb_each_other(site: Site) -> None:
    async def main() -> None:
        async with Crawler() as first, Crawler() as second:
            pages = await asyncio.gather(first.submit(site.url("/a")), second.submit(site.url("/b")))
            assert [page.title for page in pages] == ["a", "b"]

    run(main)


def test_stop_ends_what_waits(site: Site) -> None:
    async def main() -> None:
        async with Crawler(per_host=1) as crawler:
            slow, behind = crawler.submit(site.url("/slow")), crawler.submit(site.url("/a"))
            await until(lambda: site.count("/slow") == 1)
            crawler.stop()
            assert (await slow).ok
            assert ((await behind).ok, (await behind).reason) == (False, "cancelled")

    run(main)
    assert site.count("/a") == 0


def test_tasks_may_submit_tasks(site: Site) -> None:
    """A little crawl of one's own: what a page leads to is submitted by whoever has the page."""

    async def main() -> None:
        async with Crawler(per_host=4) as crawler:
            front = await crawler.submit(site.url("/"))
            pages = await crawler.fetch_all(front.links)
            assert [page.title for page in pages] == ["a", "b"]

    run(main)


# Mistakes


def test_outside_of_its_block_a_crawler_hands_out_nothing(site: Site) -> None:
    async def main() -> None:
        crawler = Crawler()
        with pytest.raises(skitter.UsageError, match="async with"):
            crawler.submit(site.url("/a"))
        async with crawler:
            pass
        with pytest.raises(skitter.UsageError, match="async with"):
            await crawler.fetch_all([site.url("/a")])

    run(main)
    assert site.requests == []


@pytest.mark.parametrize("option", ["job", "output", "records"])
def test_tasks_keep_nothing_and_say_so(site: Site, tmp_path: Path, option: str) -> None:
    async def main() -> None:
        options: dict[str, Any] = {option: str(tmp_path / "x.jsonl")}
        async with Crawler(**options) as crawler:
            with pytest.raises(skitter.UsageError, match="keep nothing"):
                crawler.submit(site.url("/a"))

    run(main)
    assert list(tmp_path.iterdir()) == []
    assert site.requests == []


def test_what_is_no_url_is_a_mistake(site: Site) -> None:
    async def main() -> None:
        async with Crawler() as crawler:
            with pytest.raises(skitter.ConfigError, match="not an http or https URL"):
                crawler.submit("http://[")
            with pytest.raises(skitter.ConfigError, match="not an http or https URL"):
                await crawler.fetch_all([site.url("/a"), "mailto:a@b"])
            assert (await crawler.submit(site.url("/b"))).ok

    run(main)
    assert site.targets() == ["/b"]


@pytest.mark.parametrize("pattern", ["re:(", ""])
def test_a_pattern_that_cannot_be_understood_is_a_mistake(pattern: str) -> None:
    with pytest.raises(skitter.ConfigError, match="on: "):
        Crawler().on(pattern)


# Handlers


def test_the_contracts_own_example(site: Site, tmp_path: Path) -> None:
    site.page("/shop", links=["/product/1", "/about"])
    site.page("/about", links=["/more"])
    site.page("/more", "x")
    for n in (1, 2, 3):
        following = f'<p class=next><a href="/product/{n + 1}">next</a>' if n < 3 else ""
        body = f'<h1>Tin {n}</h1><b class=price>{n}.50</b><a href="/ad">ad</a>{following}'
        site.page(f"/product/{n}", body)
    crawler = Crawler(job=str(tmp_path / "shop.crawl"), output=str(tmp_path / "items.jsonl"))

    @crawler.on("*/product/*")
    async def product(page: Page) -> AsyncIterator[object]:
        name, price = page.css_first("h1"), page.css_first(".price")
        assert name is not None
        assert price is not None
        yield {"name": name.text, "price": price.text}
        yield page.follow(".next a")

    summary = asyncio.run(crawler.run([site.url("/shop")]))
    assert (summary.finish_reason, summary.by_reason) == ("done", {"fetched": 6})
    assert (tmp_path / "items.jsonl").read_text() == "".join(
        f'{{"name":"Tin {n}","price":"{n}.50"}}\n' for n in (1, 2, 3)
    )
    assert site.count("/ad") == 0
    assert site.count("/more") == 1


def test_the_decorator_gives_the_function_back(site: Site) -> None:
    crawler = Crawler()

    async def handler(page: Page) -> None:
        pass

    assert crawler.on("*")(crawler.on("*/a")(handler)) is handler


def test_run_goes_on_whatever_handlers_do(site: Site) -> None:
    crawler = Crawler(per_host=4)
    pages: dict[str, Page] = {}

    @crawler.on("*/a")
    async def broken(page: Page) -> object:
        raise LookupError("no price")

    @crawler.on("*/b")
    def text(page: Page) -> object:
        return page.title

    async def deliver(page: Page) -> None:
        pages[page.url] = page

    summary = asyncio.run(crawler.run([site.url("/")], deliver=deliver))
    assert summary.by_reason == {"fetched": 1, "handler_error": 2}
    assert re.fullmatch(
        r"handler broken at test_library\.py:\d+: LookupError: no price", pages[site.url("/a")].error or ""
    )
    assert re.match(
        r"handler text at test_library\.py:\d+: returned a str: give a dict",
        pages[site.url("/b")].error or "",
    )
    assert pages[site.url("/b")].content, "the page is there all the same"


def test_what_a_handler_does_wrong_is_a_warning_once_a_place(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """A thousand pages with the same mistake are one line; the records say it of each."""
    for n in range(5):
        site.page(f"/p/{n}", "x")
    crawler = Crawler(per_host=4)

    @crawler.on("*/p/*")
    async def broken(page: Page) -> object:
        if page.url.endswith("/4"):
            raise LookupError("another place")
        raise ValueError(page.url)

    summary = crawler.run_sync([site.url(f"/p/{n}") for n in range(5)])
    assert summary.by_reason == {"handler_error": 5}
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 2
    assert sum("LookupError: another place" in line for line in told) == 1
    assert all("handler broken at test_library.py:" in line for line in told)


def test_plain_handlers_do_not_slow_the_crawl(site: Site) -> None:
    """Eight at a time, or none would ever be done; and the loop stays free for fetching."""
    together = threading.Barrier(8)
    site.page("/many", links=[f"/many/{n}" for n in range(16)])
    site.page("/many/*", "x")
    crawler = Crawler(per_host=16)

    @crawler.on("*/many/*")
    def meets(page: Page) -> object:
        assert threading.current_thread() is not threading.main_thread()
        together.wait(30)
        return {"url": page.url}

    async def main() -> None:
        summary = await crawler.run([site.url("/many")])
        assert summary.by_reason == {"fetched": 17}
        assert summary.blocked == 0

    run(main)


def test_an_exception_of_a_thread_ends_no_url_unsettled(site: Site) -> None:
    crawler = Crawler()

    @crawler.on("*/a")
    def cancelled(page: Page) -> object:
        raise asyncio.CancelledError

    summary = crawler.run_sync([site.url("/a")])
    assert summary.by_reason == {"handler_error": 1}


def test_a_stop_while_handlers_run_lets_them_finish(site: Site, tmp_path: Path) -> None:
    crawler = Crawler(output=str(tmp_path / "items.jsonl"))
    running = asyncio.Event()

    @crawler.on("*/a")
    async def slow(page: Page) -> object:
        running.set()
        await asyncio.sleep(0.2)
        return {"url": page.url}

    async def main() -> None:
        task = asyncio.ensure_future(crawler.run([site.url("/a")]))
        await running.wait()
        crawler.stop()
        assert (await task).by_reason == {"fetched": 1}

    run(main)
    assert (tmp_path / "items.jsonl").read_text() == f'{{"url":"{site.url("/a")}"}}\n'


def test_a_cancelled_run_cancels_its_handlers(site: Site) -> None:
    crawler = Crawler()
    seen: list[str] = []

    @crawler.on("*/a")
    async def endless(page: Page) -> AsyncIterator[object]:
        try:
            yield {}
            seen.append("running")
            await asyncio.Event().wait()
        finally:
            seen.append("closed")

    async def main() -> None:
        task = asyncio.ensure_future(crawler.run([site.url("/a")]))
        await until(lambda: bool(seen))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert seen == ["running", "closed"]

    run(main)


def test_handlers_have_no_part_in_tasks(site: Site) -> None:
    crawler = Crawler()
    seen: list[str] = []

    @crawler.on("*")
    async def handler(page: Page) -> None:
        seen.append(page.url)

    async def main() -> None:
        async with crawler:
            assert (await crawler.submit(site.url("/a"))).ok

    run(main)
    assert seen == []


@pytest.mark.parametrize("mistake", ["function", "nothing"])
def test_a_decorator_without_a_pattern_is_a_mistake_that_is_said(mistake: str) -> None:
    """``@crawler.on`` without brackets: easily written."""

    async def handler(page: Page) -> None:
        pass

    pattern: Any = handler if mistake == "function" else None
    with pytest.raises(skitter.ConfigError, match="on: "):
        Crawler().on(pattern)


# What the logger says


def levels(caplog: pytest.LogCaptureFixture, *events: Event) -> list[str]:
    log = LibraryLog()
    with caplog.at_level(logging.DEBUG, logger="skitter"):
        for event in events:
            log(event)
    return [record.levelname for record in caplog.records]


def ended(reason: skitter.Reason, error: str | None = None) -> Ended:
    return Ended(
        skitter.Record(
            url="http://a.test/\x1b[2J", reason=reason, depth=0, fetched_at="2026-01-01", error=error
        )
    )


def test_what_a_program_should_know_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert levels(
        caplog,
        HostClosed("http://a.test", skitter.Reason.DNS_FAILED, "no such name"),
        HostWaits("http://a.test", 0.0, 60.0, "HTTP 503"),
        HostWaits("http://a.test", 0.0, 5.0, "HTTP 503"),
        Noted("one line"),
        ended(skitter.Reason.FETCHED),
        ended(skitter.Reason.UNREACHABLE, "refused"),
    ) == ["WARNING", "WARNING", "INFO", "WARNING", "DEBUG", "DEBUG"]


def test_a_mistake_is_told_once_a_place_and_a_crawler(caplog: pytest.LogCaptureFixture) -> None:
    first = ended(skitter.Reason.HANDLER_ERROR, "handler h at shop.py:3: ValueError: a")
    again = ended(skitter.Reason.HANDLER_ERROR, "handler h at shop.py:3: ValueError: b")
    other = ended(skitter.Reason.HANDLER_ERROR, "handler h at shop.py:4: ValueError: a")
    expected = ["WARNING", "DEBUG", "WARNING", "DEBUG"]
    assert levels(caplog, first, again, other, other) == expected
    caplog.clear()
    assert levels(caplog, first) == ["WARNING"], "another crawler, another log"


def test_what_strangers_write_does_not_reach_a_terminal(caplog: pytest.LogCaptureFixture) -> None:
    levels(caplog, ended(skitter.Reason.FETCHED))
    assert "\x1b" not in caplog.text
    assert "\\x1b[2J" in caplog.text


# Ways to leave, and to be left


def test_a_callback_may_submit_while_the_block_is_left(site: Site) -> None:
    """The tasks are waited for, and so is what they bring: a crawl by hand needs no more than that."""
    titles: list[str | None] = []

    async def main() -> None:
        async with Crawler() as crawler:

            def follow(task: asyncio.Task[Page]) -> None:
                titles.append(task.result().title)
                for link in task.result().links:
                    crawler.submit(link).add_done_callback(follow)

            crawler.submit(site.url("/")).add_done_callback(follow)

    run(main)
    assert sorted(title or "" for title in titles) == ["a", "b", "front"]


def test_a_callback_that_always_submits_cannot_keep_a_failing_block_open(site: Site) -> None:
    refused: list[skitter.UsageError] = []

    async def main() -> None:
        with contextlib.suppress(KeyError):
            async with Crawler() as crawler:

                def again(task: asyncio.Task[Page]) -> None:
                    try:
                        crawler.submit(site.url("/hang")).add_done_callback(again)
                    except skitter.UsageError as error:
                        refused.append(error)

                crawler.submit(site.url("/hang")).add_done_callback(again)
                await until(lambda: site.count("/hang") == 1)
                raise KeyError

    run(main)
    assert len(refused) == 1


def test_stop_reaches_the_tasks_also_after_a_run(site: Site) -> None:
    async def main() -> None:
        async with Crawler() as crawler:
            task = crawler.submit(site.url("/slow"))
            summary = await crawler.run([site.url("/a")])
            assert summary.by_reason == {"fetched": 1}
            crawler.stop()
            assert (await task).ok, "what is in flight is finished"
            assert (await crawler.submit(site.url("/b"))).reason == "cancelled"

    run(main)


def test_one_url_is_a_list_of_one(site: Site) -> None:
    """A string is a sequence of characters; nobody means that."""

    async def main() -> None:
        async with Crawler() as crawler:
            (page,) = await crawler.fetch_all(site.url("/a"))
            assert page.title == "a"

    run(main)


def test_an_observer_that_fails_harms_nobody(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    def observe(event: Event) -> None:
        raise ValueError("never mind")

    summary = Crawler(observe=observe).run_sync([site.url("/")])
    assert summary.by_reason == {"fetched": 3}
    told = [record.getMessage() for record in caplog.records]
    assert len([line for line in told if "failed at Ended" in line]) == 1, "once a kind"


def test_items_that_an_output_lacks_are_told(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A job cannot make items again: an output that was left out for a while has a hole, and says so."""

    def go(output: str, limit: int) -> None:
        crawler = Crawler(job=str(tmp_path / "job"), output=str(tmp_path / output), limit=limit)

        @crawler.on("*")
        def item(page: Page) -> dict[str, str]:
            return {"url": page.url}

        crawler.run_sync([site.url("/")])

    go("one.jsonl", 1)
    assert not caplog.records
    go("two.jsonl", 2)
    go("one.jsonl", 3)
    told = [record.getMessage() for record in caplog.records]
    assert [line.rpartition("/")[2] for line in told] == [
        "two.jsonl: without the items of 1 pages visited before",
        "one.jsonl: without the items of 1 pages visited before",
    ]
    assert [len((tmp_path / name).read_text().splitlines()) for name in ("one.jsonl", "two.jsonl")] == [2, 1]


def test_abort_cuts_off_what_stop_waits_for(site: Site) -> None:
    """A handler has no time limit: who does not want to wait for one says so."""
    crawler = Crawler(no_robots=True)

    @crawler.on("*")
    async def never(page: Page) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        crawl = asyncio.create_task(crawler.run([site.url("/a")]))
        await until(lambda: site.count("/a") == 1)
        crawler.stop()
        await asyncio.wait([crawl], timeout=0.3)
        assert not crawl.done()
        crawler.abort()
        summary = await crawl
        assert (summary.finish_reason, summary.pending, summary.total) == ("stopped", 1, 0)

    run(main)


def test_a_plain_handler_that_never_returns_keeps_no_program_alive(site: Site) -> None:
    """The interpreter waits at its end for the threads of a pool; not for this one."""
    program = (
        "import skitter, threading, time\n"
        "crawler = skitter.Crawler(slow_callback=0)\n"
        "@crawler.on('*')\n"
        "def never(page):\n"
        "    threading.Timer(0.1, crawler.abort).start()\n"
        "    time.sleep(600)\n"
        f"print(crawler.run_sync(['{site.url('/a')}']).pending)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.returncode) == ("1", 0), done.stderr
