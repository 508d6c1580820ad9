"""The library's doors: a stream, a stream without asyncio, and a crawler with a job."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

import skitter
from skitter import Page
from skitter.testing import Site


@pytest.fixture
def site() -> Generator[Site, None, None]:
    with Site() as site:
        site.page("/", links=[f"/{n}" for n in range(200)], title="front")
        for n in range(200):
            site.page(f"/{n}", title=f"page {n}")
        yield site


def test_a_stream_hands_out_every_page_and_failures_too(site: Site) -> None:
    async def main() -> list[Page]:
        return [page async for page in skitter.crawl(site.url("/"), site.url("/gone"), per_host=20)]

    pages = asyncio.run(main())
    assert len(pages) == 202
    by_url = {page.url: page for page in pages}
    assert by_url[site.url("/7")].title == "page 7"
    assert by_url[site.url("/7")].ok
    assert b"page 7" in by_url[site.url("/7")].content
    assert by_url[site.url("/7")].headers["CONTENT-type"].startswith("text/html")
    gone = by_url[site.url("/gone")]
    assert (gone.ok, gone.status, gone.reason) == (False, 404, "http_error")
    assert len(by_url[site.url("/")].links) == 200


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_breaking_out_of_a_stream_leaves_nothing_behind(site: Site) -> None:
    """Pitfall 3: tasks, sockets and threads are gone within a second."""

    async def main() -> None:
        before, sockets = asyncio.all_tasks(), open_files()
        stream = skitter.crawl(site.url("/"), per_host=4)
        async for page in stream:
            assert page.url == site.url("/")
            break
        start = time.monotonic()
        await stream.aclose()
        assert time.monotonic() - start < 10, "ten times the bound"
        assert asyncio.all_tasks() == before
        await asyncio.sleep(0.05)
        assert open_files() <= sockets

    asyncio.run(main())
    assert len(site.requests) < 100


def test_a_slow_consumer_slows_the_crawl_and_loses_nothing(site: Site) -> None:
    async def main() -> int:
        seen = set()
        async for page in skitter.crawl(site.url("/"), per_host=64):
            seen.add(page.url)
            if len(seen) == 10:
                await asyncio.sleep(0.5)
                assert len(site.requests) <= 10 + 64 + 20, "bounded read-ahead"
        return len(seen)

    assert asyncio.run(main()) == 201


def test_an_exception_in_the_consumer_ends_the_crawl(site: Site) -> None:
    async def main() -> None:
        async for page in skitter.crawl(site.url("/")):
            raise KeyError(page.url)

    with pytest.raises(KeyError):
        asyncio.run(main())


def test_a_stream_without_asyncio(site: Site) -> None:
    assert sum(page.ok for page in skitter.crawl_sync(site.url("/"), per_host=20)) == 201
    threads = threading.active_count()
    stream = skitter.crawl_sync(site.url("/"))
    next(stream)
    stream.close()
    assert threading.active_count() == threads


def test_breaking_out_of_the_sync_stream_stops_the_crawl(site: Site) -> None:
    start = time.monotonic()
    for page in skitter.crawl_sync(site.url("/"), delay=0.2):
        assert page.url == site.url("/")
        break
    assert time.monotonic() - start < 10, "ten times the bound"
    asked = len(site.requests)
    time.sleep(0.3)
    assert len(site.requests) == asked
    assert asked < 10


def test_a_page_that_was_not_handed_out_is_handed_out_by_the_next_run(site: Site, tmp_path: Path) -> None:
    async def part(most: int) -> list[str]:
        urls = []
        stream = skitter.crawl(site.url("/"), job=str(tmp_path / "j"), per_host=8)
        async for page in stream:
            urls.append(page.url)
            if len(urls) == most:
                break
        await stream.aclose()
        return urls

    first, second, third = asyncio.run(part(1)), asyncio.run(part(50)), asyncio.run(part(1000))
    assert len({*first, *second, *third}) == 201
    # At least once: what was in hand or in flight at a break may come again.
    assert len(first + second + third) <= 201 + 2 * 2 * 8


def test_one_url_is_one_seed(site: Site) -> None:
    assert skitter.Crawler(scope="page").run_sync(site.url("/")).total == 1


def test_mistakes_are_exceptions(site: Site) -> None:
    with pytest.raises(skitter.ConfigError, match="did you mean 'depth'"):
        skitter.crawl(site.url("/"), dept=2)
    with pytest.raises(skitter.ConfigError, match="not an http or https URL"):
        list(skitter.crawl_sync("http://["))
    with pytest.raises(skitter.ConfigError, match="ending"):
        skitter.Crawler(records="x.doc").run_sync([site.url("/")])


def test_a_crawler_with_a_job_goes_on_where_it_was(site: Site, tmp_path: Path) -> None:
    def crawler(limit: int) -> skitter.Crawler:
        return skitter.Crawler(
            job=str(tmp_path / "j"), records=str(tmp_path / "out.jsonl"), limit=limit, per_host=20
        )

    first = crawler(50).run_sync([site.url("/")])
    assert (first.finish_reason, first.by_reason) == ("limit", {"fetched": 50})
    second = crawler(1000).run_sync([site.url("/")])
    assert (second.finish_reason, second.by_reason) == ("done", {"fetched": 201})
    assert second.fetched_now == 151
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 201
    assert sorted(path.name for path in tmp_path.iterdir()) == ["j", "out.jsonl"]


def test_without_a_job_no_file_is_made(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert skitter.Crawler(limit=5).run_sync([site.url("/")]).total == 5
    assert list(tmp_path.iterdir()) == []


def test_stop_from_outside_ends_the_run(site: Site) -> None:
    crawler = skitter.Crawler(delay="10ms")

    async def main() -> skitter.Summary:
        asyncio.get_running_loop().call_later(0.3, crawler.stop)
        return await crawler.run([site.url("/")])

    summary = asyncio.run(main())
    assert summary.finish_reason == "stopped"
    assert 0 < summary.total < 201
    assert summary.pending > 0


def test_endless_seeds_start_at_once_and_are_not_all_taken_in(site: Site) -> None:
    """Pitfall 6: a source that never ends is read on demand."""
    taken = 0

    def seeds() -> Generator[str, None, None]:
        nonlocal taken
        while True:
            taken += 1
            yield site.url(f"/{taken}")

    crawler = skitter.Crawler(scope="page", limit=20, per_host=20)
    summary = crawler.run_sync(seeds())
    assert summary.finish_reason == "limit"
    assert taken < 150_000


def test_paths_may_be_paths(tmp_path: Path) -> None:
    one, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    with Site() as site:
        site.page("/", "x")
        skitter.Crawler(job=tmp_path / "job", output=one, records=[other]).run_sync([site.url("/")])
    assert one.read_text() == other.read_text() != ""
    assert (tmp_path / "job" / "job.db").exists()


def names_of_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("output", [False, True])
def test_a_plain_break_closes_everything_by_itself(site: Site, tmp_path: Path, output: bool) -> None:
    """Nobody writes ``aclose()``: no task, socket or thread is left, not even one of asyncio's pool."""
    options: dict[str, Any] = {"output": tmp_path / "r.jsonl"} if output else {}

    async def main() -> None:
        tasks, files, threads = asyncio.all_tasks(), open_files(), names_of_threads()
        async for page in skitter.crawl(site.url("/"), per_host=4, **options):
            assert page.ok
            break
        async with asyncio.timeout(10):  # ten times the bound
            while asyncio.all_tasks() != tasks or open_files() > files or names_of_threads() - threads:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    asyncio.run(main())


def test_a_slow_consumer_sees_every_page_once_and_none_piles_up(site: Site) -> None:
    async def main() -> list[str]:
        seen = []
        async for page in skitter.crawl(site.url("/"), per_host=16, concurrency=16):
            seen.append(page.url)
            await asyncio.sleep(0.005)
            assert len(site.targets()) <= len(seen) + 2 * 16, "what waits is bounded by the concurrency"
        return seen

    seen = asyncio.run(main())
    assert len(seen) == len(set(seen)) == 201


def test_a_pause_begins_nothing_and_loses_nothing(site: Site) -> None:
    async def main() -> skitter.Summary:
        crawler = skitter.Crawler(per_host=4)
        seen = 0

        async def deliver(page: Page) -> None:
            nonlocal seen
            seen += 1
            if seen == 20:
                crawler.pause()

        task = asyncio.create_task(crawler.run([site.url("/")], deliver=deliver))
        while seen < 20:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.2)
        asked = len(site.targets())
        await asyncio.sleep(0.2)
        assert len(site.targets()) == asked < 60
        crawler.resume()
        return await task

    assert asyncio.run(main()).by_reason == {"fetched": 201}


def test_a_stream_within_a_stream(site: Site) -> None:
    """Two crawls on one loop, as in a notebook or a web server, know nothing of each other."""

    async def main() -> tuple[int, int]:
        outer = inner = 0
        async for _ in skitter.crawl(site.url("/"), per_host=8, limit=5):
            outer += 1
            async for _ in skitter.crawl(site.url("/1")):
                inner += 1
        return outer, inner

    assert asyncio.run(main()) == (5, 5)
