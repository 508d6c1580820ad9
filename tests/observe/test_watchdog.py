"""The watchdog in whole crawls: blocking code is named with place and URL, told once, counted always."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec
import pytest
import uvloop

import skitter
from skitter import Page, Summary
from skitter.events import Blocked, Event
from skitter.observe.blocking import Held, LoopWatch, Still
from skitter.observe.console import StderrConsole
from skitter.observe.frames import Place
from skitter.observe.log import JsonLog, TextLog, said
from skitter.observe.text import summary_line
from skitter.observe.watchdog import Watchdog
from skitter.testing import Site

PAGES = 2
LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]
both_loops = pytest.mark.parametrize("new_loop", LOOPS, ids=["asyncio", "uvloop"])


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as site:
        site.page("/", links=[f"/p/{n}" for n in range(PAGES)], title="front")
        for n in range(PAGES):
            site.page(f"/p/{n}", "<h1>product</h1>", title=f"page {n}")
        site.page("/soon", "x", delay=0.05)
        site.page("/many", links=[f"/many/{n}" for n in range(300)])
        site.page("/many/*", "x")
        yield site


def line_of(function: Callable[..., object], text: str) -> int:
    lines, start = inspect.getsourcelines(function)
    return start + next(number for number, line in enumerate(lines) if text in line)


def crawl(
    site: Site,
    handler: Callable[[Page], Any],
    new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    *,
    path: str = "/",
    pattern: str = "*/p/*",
    **options: Any,
) -> tuple[Summary, list[Blocked]]:
    """Crawl with a handler; the summary, and what was said of the user's code."""
    events: list[Event] = []
    crawler = skitter.Crawler(observe=events.append, **options)
    crawler.on(pattern)(handler)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        summary = runner.run(crawler.run([site.url(path)]))
    assert not [thread for thread in threading.enumerate() if thread.name == "skitter-watch"]
    return summary, [event for event in events if isinstance(event, Blocked) and event.users]


async def sleepy(page: Page) -> object:
    time.sleep(0.2)  # noqa: ASYNC251 - the very thing
    return {"url": page.url}


async def sleepy_generator(page: Page) -> AsyncIterator[object]:
    yield {"url": page.url}
    time.sleep(0.2)  # noqa: ASYNC251


def sleepy_plain(page: Page) -> object:
    time.sleep(0.2)
    return {"url": page.url}


@both_loops
@pytest.mark.parametrize("handler", [sleepy, sleepy_generator])
def test_a_handler_that_blocks_is_named_once_and_counted_each_time(
    site: Site, handler: Callable[[Page], Any], new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    summary, found = crawl(site, handler, new_loop)
    assert summary.blocked == PAGES
    assert len(found) == PAGES
    assert [event.first for event in found] == [True] + [False] * (PAGES - 1)
    for event in found:
        assert (event.name, event.call, event.over) == (handler.__name__, "time.sleep", True)
        assert (event.file, event.line) == (__file__, line_of(handler, "time.sleep"))
        assert 0.12 < event.seconds < 2
    assert {event.url for event in found} == {site.url(f"/p/{n}") for n in range(PAGES)}


def test_a_plain_handler_blocks_nothing(site: Site) -> None:
    summary, found = crawl(site, sleepy_plain)
    assert (summary.blocked, found) == (0, [])
    assert summary.by_reason == {"fetched": PAGES + 1}


def test_a_handler_that_computes_is_named_too(site: Site) -> None:
    # Long enough to be seen on a machine that is busy with something else, which does not count as its time.
    async def computes(page: Page) -> object:
        return {"n": sum(n * n % 7 for n in range(10_000_000))}

    summary, found = crawl(site, computes, pattern="*/p/1")
    assert summary.blocked == len(found) >= 1
    assert {event.name for event in found} == {"computes"}
    assert {event.line for event in found} == {line_of(computes, "sum(")}


def test_the_threshold_is_an_option(site: Site) -> None:
    assert crawl(site, sleepy, slow_callback="30s", pattern="*/p/1")[0].blocked == 0
    assert crawl(site, sleepy, slow_callback=0.15, pattern="*/p/1")[0].blocked == 1


def test_zero_watches_nothing(site: Site) -> None:
    threads: set[str] = set()

    async def looks(page: Page) -> None:
        threads.update(thread.name for thread in threading.enumerate())
        time.sleep(0.2)  # noqa: ASYNC251

    summary, found = crawl(site, looks, slow_callback=0, pattern="*/p/1")
    assert (summary.blocked, found) == (0, [])
    assert "skitter-watch" not in threads


def test_a_crawl_under_load_is_not_reported(site: Site) -> None:
    """Hundreds of pages, handlers that wait and compute a little: nobody is to blame."""

    async def fair(page: Page) -> object:
        await asyncio.sleep(0.001)
        return {"n": sum(range(1000))}

    summary, found = crawl(site, fair, path="/many", pattern="*", per_host=50)
    assert summary.by_reason == {"fetched": 301}
    assert (summary.blocked, found) == (0, [])


# What people read


def test_the_logger_warns_once_a_place(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Without any set-up of logging, warnings go to stderr: that is how a user learns of it."""
    crawler = skitter.Crawler()
    crawler.on("*/p/*")(sleepy)
    with caplog.at_level(logging.WARNING, logger="skitter"):
        crawler.run_sync([site.url("/")])
    (record,) = [each for each in caplog.records if each.name == "skitter"]
    text = record.getMessage()
    assert record.levelno == logging.WARNING
    assert text.startswith("sleepy has held the event loop for ")
    assert f"in time.sleep at {__file__}:{line_of(sleepy, 'time.sleep')} ({site.url('/p/')}" in text
    assert "write `await asyncio.to_thread(time.sleep, ...)`, or make the handler a plain `def`" in text


def test_a_line_for_people() -> None:
    event = Blocked("shop.product", "/x/shop.py", 14, None, None, 0.512, users=True, first=True, over=False)
    assert said(event) == (
        "shop.product is holding the event loop for 512 ms at /x/shop.py:14; nothing else can be fetched "
        "meanwhile: make the handler a plain `def`"
    )


def test_our_own_slowness_is_not_the_users() -> None:
    """It is an event, for whoever looks, but neither counted nor shown."""
    events: list[Event] = []
    watchdog = Watchdog(0.1, events.append)
    ours = Place("Engine.run", "/x/skitter/engine/loop.py", 1, None, None, users=False)
    watchdog._tell(Still(0.0, 1.0, (Held(ours, 1.0),)))
    (event,) = events
    assert isinstance(event, Blocked)
    assert not event.users
    assert watchdog.blocked == 0
    assert "to_thread" not in (said(event) or "")


def test_what_is_told_while_it_lasts_is_counted_once() -> None:
    events: list[Event] = []
    watchdog = Watchdog(0.1, events.append)
    place = Place("handler", "/x/shop.py", 1, None, None, users=True)
    watchdog._tell(Still(0.0, 2.0, (Held(place, 2.0),), over=False))
    assert watchdog.blocked == 0
    watchdog._tell(Still(0.0, 9.0, (Held(place, 9.0), Held(place, 0.05))))
    assert watchdog.blocked == 1
    assert [(event.first, event.over) for event in events if isinstance(event, Blocked)] == [
        (True, False),
        (False, True),
    ]


def test_each_place_is_told_for_itself() -> None:
    events: list[Event] = []
    watchdog = Watchdog(0.1, events.append)
    for line in (1, 2, 1):
        place = Place("handler", "/x/shop.py", line, None, None, users=True)
        watchdog._tell(Still(0.0, 1.0, (Held(place, 1.0),)))
    assert [event.first for event in events if isinstance(event, Blocked)] == [True, True, False]
    assert watchdog.blocked == 3


# Tasks and streams


def test_a_callback_of_a_task_is_named_with_the_url(site: Site) -> None:
    events: list[Event] = []

    def report(task: asyncio.Task[Page]) -> None:
        time.sleep(0.2)

    async def main() -> None:
        async with skitter.Crawler(observe=events.append) as crawler:
            task = crawler.submit(site.url("/p/1"))
            task.add_done_callback(report)
            await task
            await asyncio.sleep(0.05)

    asyncio.run(main())
    (event,) = [event for event in events if isinstance(event, Blocked) and event.users]
    assert (event.name, event.line) == ("report", line_of(report, "time.sleep"))
    assert event.url == site.url("/p/1")


def test_the_body_of_a_stream_is_named(site: Site) -> None:
    events: list[Event] = []

    async def consume() -> None:
        async for page in skitter.crawl(site.url("/"), depth=0, observe=events.append):
            assert page.ok
            time.sleep(0.2)  # noqa: ASYNC251
            await asyncio.sleep(0.05)

    asyncio.run(consume())
    (event,) = [event for event in events if isinstance(event, Blocked) and event.users]
    assert (event.name, event.line) == ("consume", line_of(consume, "time.sleep"))


# Latency


@both_loops
def test_the_first_bytes_time_is_corrected_for_the_lag(
    site: Site, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """The window of a host must not shrink because our own loop stood still."""

    async def main() -> float:
        asked = len(site.requests)
        async with skitter.Crawler(no_robots=True) as crawler:
            task = crawler.submit(site.url("/soon"))
            while len(site.requests) == asked:  # noqa: ASYNC110 - the server is in another thread
                await asyncio.sleep(0.002)
            time.sleep(0.5)  # noqa: ASYNC251
            return (await task).record.ttfb

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(main()) < 0.3


def test_a_watch_that_is_off_knows_no_lag() -> None:
    watchdog = Watchdog(0, lambda event: None)
    watchdog.start()
    assert watchdog.lag() == 0.0
    watchdog.stop()
    assert isinstance(Watchdog(0.1, lambda event: None)._watch, LoopWatch)


@both_loops
def test_a_request_that_went_out_after_the_lag_is_not_corrected(
    site: Site, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Nothing of its time was lost: an answer in no time at all would be a lie."""

    async def main() -> list[float]:
        found = []
        async with skitter.Crawler(no_robots=True) as crawler:
            await crawler.submit(site.url("/p/1"))
            for _ in range(3):
                await asyncio.sleep(0.05)
                time.sleep(0.15)  # noqa: ASYNC251
                found.append((await crawler.submit(site.url("/p/1"))).record.ttfb)
        return found

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert min(runner.run(main())) > 0


def test_a_crawl_in_another_thread_is_watched_there(site: Site) -> None:
    """As :func:`skitter.crawl_sync` does it, and programs with a window."""
    found: list[tuple[Summary, list[Blocked]]] = []
    thread = threading.Thread(target=lambda: found.append(crawl(site, sleepy, pattern="*/p/1")))
    thread.start()
    thread.join()
    ((summary, (event,)),) = found
    assert (summary.blocked, event.name) == (1, "sleepy")


# The command's own words


def blocked(*, first: bool = True, users: bool = True) -> Blocked:
    return Blocked("shop", "/x/shop.py", 1, "time.sleep", None, 0.5, users=users, first=first, over=True)


def test_the_commands_log_tells_a_place_once(capsys: pytest.CaptureFixture[str]) -> None:
    log = TextLog(StderrConsole(no_color=True), verbose=False)
    for event in (blocked(), blocked(first=False), blocked(users=False)):
        log(event)
    (line,) = capsys.readouterr().err.splitlines()
    assert "shop has held the event loop for 500 ms in time.sleep at /x/shop.py:1" in line


def test_a_verbose_log_tells_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    log = TextLog(StderrConsole(no_color=True), verbose=True)
    for event in (blocked(), blocked(first=False), blocked(users=False)):
        log(event)
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_programs_are_told_each_time_with_all_fields(capsys: pytest.CaptureFixture[str]) -> None:
    log = JsonLog(StderrConsole(no_color=True), verbose=False)
    for event in (blocked(), blocked(first=False), blocked(users=False)):
        log(event)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["first"], line["seconds"]) for line in lines] == [
        ("blocked", True, 0.5),
        ("blocked", False, 0.5),
    ]


@pytest.mark.parametrize(("times", "said_of_it"), [(0, None), (1, "1 time"), (2, "2 times")])
def test_the_summary_counts_them(site: Site, times: int, said_of_it: str | None) -> None:
    summary = skitter.Crawler(limit=1).run_sync([site.url("/p/1")])
    line = summary_line(msgspec.structs.replace(summary, blocked=times), (), None)
    assert ("blocked" in line) is (said_of_it is not None)
    assert (said_of_it or "") in line
