"""Parts of the user's own in a Crawler, and what a run leaves behind for him to look at."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

import skitter
from skitter import Crawler, Request
from skitter.frontier import MemoryFrontier
from skitter.model import Held, Mark, Response, Row
from skitter.ports import Take
from skitter.testing import Site


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        site.page("/", links=["/a", "/b"], title="front")
        site.page("/a", title="a")
        site.page("/b", title="b")
        yield site


class Constant:
    """A fetcher that knows one page."""

    closed = 0

    async def fetch(self, request: Request, sent: Callable[[], None], take: Take | None = None) -> Response:
        sent()
        return Response(request.url, 200, body=b"<title>same</title><a href=/x>x</a>")

    async def addresses(self, origin: str) -> Sequence[str]:
        return ()

    async def close(self) -> None:
        self.closed += 1


class Kept:
    """A sink in memory."""

    name = "kept"

    def __init__(self) -> None:
        self.said: list[str] = []

    def held(self, mark: Mark, head: bytes) -> Held:
        return Held.WHOLE

    def open(self, offset: int | None, began: Callable[[bytes], None] | None = None) -> None:
        self.said.append(f"open {offset}")

    def write(self, rows: Sequence[Row]) -> None:
        self.said += [row.record.title or "" for row in rows]

    def sync(self) -> None:
        self.said.append("sync")

    def finish(self) -> None:
        self.said.append("finish")

    def close(self) -> None:
        self.said.append("close")


@pytest.mark.parametrize("processes", [1, 2])
def test_a_fetcher_takes_the_place_of_ours(tmp_path: Path, processes: int) -> None:
    fetcher = Constant()
    crawler = Crawler(fetcher=fetcher, job=tmp_path / "j", processes=processes, allow_private=True)
    summary = crawler.run_sync(["http://nowhere.test/"])
    assert summary.by_reason == {"fetched": 2}
    assert fetcher.closed == 1


def test_sinks_come_beside_outputs_and_are_closed(site: Site, tmp_path: Path) -> None:
    sink = Kept()
    Crawler(sinks=[sink], output=tmp_path / "r.jsonl", per_host=1).run_sync([site.url("/")])
    assert sink.said[0] == "open None"
    assert {"front", "a", "b"} <= set(sink.said)
    assert sink.said[-3:] == ["sync", "finish", "close"]
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 3


def test_a_frontier_goes_on_from_run_to_run(site: Site) -> None:
    frontier = MemoryFrontier()
    first = Crawler(frontier=frontier, limit=1).run_sync([site.url("/")])
    second = Crawler(frontier=frontier).run_sync([site.url("/")])
    assert (first.ended_now, second.ended_now) == (1, 2)
    assert sorted(site.targets()) == ["/", "/a", "/b"]


def test_a_job_keeps_its_own(tmp_path: Path) -> None:
    with pytest.raises(skitter.ConfigError, match="keeps its own frontier"):
        Crawler(job=tmp_path / "j", sinks=[Kept()])
    with pytest.raises(skitter.ConfigError, match="keeps its own frontier"):
        Crawler(job=tmp_path / "j", frontier=MemoryFrontier())


def test_the_summary_stays_with_the_crawler(site: Site) -> None:
    async def main() -> Crawler:
        async with Crawler() as crawler:
            assert crawler.summary is None
            await crawler.fetch_all([site.url("/a"), site.url("/gone")])
        return crawler

    crawler = Crawler()
    assert crawler.run_sync([site.url("/")]) is crawler.summary
    assert asyncio.run(main()).summary is not None


def test_tasks_have_hooks_too(site: Site) -> None:
    async def main() -> None:
        async with Crawler() as crawler:
            crawler.before_request(lambda request: replace(request, headers={"X-Signed": "yes"}))
            await crawler.submit(site.url("/a"))

    asyncio.run(main())
    assert {seen.target: seen.header("X-Signed") for seen in site.requests} == {
        "/robots.txt": None,
        "/a": "yes",
    }


def test_a_sink_that_cannot_be_closed_leaves_nothing_else_open(site: Site, tmp_path: Path) -> None:
    class Stuck(Kept):
        def close(self) -> None:
            raise OSError("stuck")

    other = Kept()
    with pytest.raises(OSError, match="stuck"):
        Crawler(sinks=[Stuck(), other], output=tmp_path / "r.jsonl").run_sync([site.url("/")])
    assert other.said[-1] == "close"
    Crawler(output=tmp_path / "r.jsonl").run_sync([site.url("/")])  # nobody holds it


def test_workers_are_gone_when_an_output_is_refused(site: Site, tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text("mine\n")
    for _ in range(3):
        with pytest.raises(skitter.JobError):
            Crawler(output=tmp_path / "r.jsonl", processes=2).run_sync([site.url("/")])
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    assert not children.exists() or children.read_text() == ""
