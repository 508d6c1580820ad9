"""Worker processes: the same crawl, whoever dies on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from skitter.testing import Site, demo, endpoints

BARE = {"PATH": os.environ["PATH"], "TERM": "dumb"}
# What differs between two crawls of the same pages.
OF_THE_MOMENT = ("fetched_at", "ttfb", "elapsed", "referrer", "depth", "redirected_from")


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


def tree(site: Site, pages: int, delay: float = 0.0) -> list[str]:
    """Pages that each lead to ten more; returns their URLs."""
    for number in range(pages):
        links = [f"/p/{child}" for child in range(10 * number + 1, 10 * number + 11) if child < pages]
        site.page(f"/p/{number}", f"<p>{number}</p>", title=f"page {number}", links=links, delay=delay)
    return [site.url(f"/p/{number}") for number in range(pages)]


class Program:
    """A crawl in a process of its own, and those that it starts."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *words], cwd=folder, env=BARE, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def end(self, code: int | None = 0) -> tuple[str, str]:
        stdout, stderr = self.process.communicate(timeout=60)
        assert code is None or self.process.returncode == code, stderr
        assert "Traceback" not in stderr, stderr
        return stdout, stderr

    def workers(self) -> list[int]:
        """The grandchildren that live: between them and the crawl is the nursery."""
        every = [worker for nursery in children(self.process.pid) for worker in children(nursery)]
        return [worker for worker in every if is_alive(worker)]

    def wait_for(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not reached():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.005)


def children(process: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def crawl(folder: Path, *words: str) -> Program:
    return Program(folder, "-m", "skitter", "crawl", *words, "--processes", "2")


def library(folder: Path, text: str, *words: str) -> Program:
    script = folder / "program.py"
    script.write_text("import os, skitter, sys\n" + textwrap.dedent(text))
    return Program(folder, str(script), *words)


def records(path: Path) -> dict[str, dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert len({record["url"] for record in found}) == len(found), "one record a URL"
    return {record["url"]: record for record in found}


def of(record: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in record.items() if name not in OF_THE_MOMENT}
    return kept | {"headers": [pair for pair in record.get("headers", ()) if pair[0] != "Date"]}


def test_records_are_those_of_one_process(site: Site, tmp_path: Path) -> None:
    endpoints.install(site)
    demo.build(site, delay=0.002)
    fields = ("--field", "headers", "--field", "outlinks", "--retries", "1")
    found = []
    for number in ("1", "2"):
        words = ("--processes", number, "--job", f"{number}.crawl", "-o", f"{number}.jsonl")
        Program(tmp_path, "-m", "skitter", "crawl", site.url("/"), *fields, *words).end()
        found.append([of(each) for each in records(tmp_path / f"{number}.jsonl").values()])
    one, two = (sorted(some, key=lambda each: str(each["url"])) for some in found)
    assert one == two


def test_depth_is_exact(site: Site, tmp_path: Path) -> None:
    urls = tree(site, 500)
    crawl(tmp_path, urls[0], "--depth", "2", "--job", "job", "--per-host", "8").end()
    got = records(tmp_path / "job/pages.jsonl")
    assert set(got) == set(urls[:111])
    assert {record["depth"] for record in got.values()} == {0, 1, 2}


def test_the_seeds_redirect_draws_the_scope_for_all_workers(site: Site, tmp_path: Path) -> None:
    with Site("127.0.0.2") as other:
        urls = tree(other, 60, delay=0.005)
        site.redirect("/", other.url("/p/0"))
        crawl(tmp_path, site.url("/"), "--job", "job").end()
        assert set(records(tmp_path / "job/pages.jsonl")) == {site.url("/"), *urls}


def test_one_host_is_shared_and_its_window_is_one(site: Site, tmp_path: Path) -> None:
    urls = tree(site, 120, delay=0.02)
    crawl(tmp_path, urls[0], "--job", "job", "--per-host", "6").end()
    assert site.max_in_flight <= 6
    assert site.max_in_flight >= 5


def test_a_delay_holds_over_all_processes(site: Site, tmp_path: Path) -> None:
    urls = tree(site, 12)
    crawl(tmp_path, urls[0], "--job", "job", "--delay", "200ms").end()
    assert len(site.requests) == 13
    assert min(site.gaps()) >= 0.198


def test_a_worker_that_dies_takes_nothing_with_it(site: Site, tmp_path: Path) -> None:
    urls = tree(site, 600, delay=0.01)
    program = crawl(tmp_path, urls[0], "--job", "job", "--per-host", "16", "-c", "16")
    for most in (100, 250, 400):
        program.wait_for(
            partial(lambda most: len(site.requests) > most and len(program.workers()) == 2, most)
        )
        os.kill(program.workers()[0], signal.SIGKILL)
    _, stderr = program.end()
    assert stderr.count("a worker process died") == 3
    assert set(records(tmp_path / "job/pages.jsonl")) == set(urls)
    asked = Counter(site.targets())
    assert sum(asked.values()) <= 600 + 3 * 16, "no more is asked again than was in its hands"


def test_when_the_owner_is_killed_nobody_is_left_and_the_job_goes_on(site: Site, tmp_path: Path) -> None:
    urls = tree(site, 400, delay=0.01)
    words = (urls[0], "--job", "job", "--per-host", "16")
    program = crawl(tmp_path, *words)
    program.wait_for(lambda: len(site.requests) > 100)
    others = [*children(program.process.pid), *program.workers()]
    assert len(others) == 3
    os.kill(program.process.pid, signal.SIGKILL)
    program.process.communicate()
    deadline = time.monotonic() + 10
    while any(map(is_alive, others)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    crawl(tmp_path, *words).end()
    assert set(records(tmp_path / "job/pages.jsonl")) == set(urls)


def test_ctrl_c_is_polite_with_the_whole_group(site: Site, tmp_path: Path) -> None:
    urls = tree(site, 400, delay=0.02)
    program = crawl(tmp_path, urls[0], "--job", "job", "--per-host", "16")
    program.wait_for(lambda: len(site.requests) > 100)
    others = [*children(program.process.pid), *program.workers()]
    os.killpg(program.process.pid, signal.SIGINT)
    _, stderr = program.end(130)
    assert "died" not in stderr
    assert not any(map(is_alive, others))
    got = records(tmp_path / "job/pages.jsonl")
    asked = Counter(site.targets())
    assert set(got) == {site.url(target) for target in asked}, "what was in flight was finished"


def test_a_page_that_kills_ends_and_the_others_do_not(site: Site, tmp_path: Path) -> None:
    urls = tree(site, 200)
    program = library(
        tmp_path,
        """
        crawler = skitter.Crawler(
            job="job", output="items.jsonl", records="records.jsonl", processes=2, per_host=8
        )

        @crawler.on("*")
        async def handle(page):
            if page.url.endswith("/p/7"):
                os._exit(3)
            yield {"url": page.url, "process": os.getpid(), "large": 2**70}
            for link in page.links:
                yield page.follow(link)

        print(crawler.run_sync([sys.argv[1]]).blocked, os.getpid())
        """,
        urls[0],
    )
    stdout, _ = program.end()
    found = records(tmp_path / "records.jsonl")
    behind = {site.url(f"/p/{number}") for number in range(71, 81)}
    assert set(found) == set(urls) - behind
    assert found[urls[7]]["reason"] == "unparsable"
    assert "died" in found[urls[7]]["error"]
    assert Counter(each["reason"] for each in found.values())["fetched"] == 189
    items = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    assert {item["url"] for item in items} == set(urls) - behind - {urls[7]}
    assert len(items) == 189
    owner = int(stdout.split()[1])
    assert {item["large"] for item in items} == {2**70}
    processes = {item["process"] for item in items}
    assert len(processes) >= 2, "one host, and more than one worker"
    assert owner not in processes


def test_handlers_may_stop_the_crawl(site: Site, tmp_path: Path) -> None:
    urls = tree(site, 1_000, delay=0.01)
    program = library(
        tmp_path,
        """
        crawler = skitter.Crawler(processes=2, per_host=8)

        @crawler.on("*/p/20")
        def handle(page):
            crawler.stop()

        print(crawler.run_sync([sys.argv[1]]).finish_reason)
        """,
        urls[0],
    )
    assert program.end()[0].strip() == "stopped"
    assert len(site.requests) < 500


def test_a_handler_that_holds_a_workers_loop_is_named(site: Site, tmp_path: Path) -> None:
    tree(site, 2)
    program = library(
        tmp_path,
        """
        import time
        crawler = skitter.Crawler(processes=2)

        @crawler.on("*/p/1")
        async def slow(page):
            time.sleep(0.4)

        print(crawler.run_sync([sys.argv[1]]).blocked)
        """,
        site.url("/p/0"),
    )
    stdout, stderr = program.end()
    assert stdout.strip() == "1"
    assert "slow has held the event loop" in stderr


def test_streams_and_tasks_have_their_pages(site: Site, tmp_path: Path) -> None:
    urls = tree(site, 50)
    program = library(
        tmp_path,
        """
        import asyncio
        pages = {page.url: page for page in skitter.crawl_sync(sys.argv[1], processes=2)}
        print(len(pages), len(pages[sys.argv[1]].links), pages[sys.argv[1]].css_first("p").text)

        async def main():
            async with skitter.Crawler(processes=2, per_host=10) as crawler:
                found = await crawler.fetch_all([sys.argv[1]] * 10)
                return {(page.status, page.css_first("p").text) for page in found}

        print(asyncio.run(main()))

        async def some():
            async for page in skitter.crawl(sys.argv[1], processes=2):
                return page.ok

        print(asyncio.run(some()))
        """,
        urls[0],
    )
    assert program.end()[0].splitlines() == ["50 10 0", "{(200, '0')}", "True"]


@pytest.mark.parametrize("number", ["0", "-1", "many", "1.5"])
def test_what_is_no_number_of_processes(tmp_path: Path, number: str) -> None:
    program = Program(tmp_path, "-m", "skitter", "crawl", "http://127.0.0.1:1/", "--processes", number)
    _, stderr = program.end(2)
    assert "--processes" in stderr


def test_a_job_that_is_refused_leaves_no_process(tmp_path: Path, site: Site) -> None:
    tree(site, 1)
    (tmp_path / "job").mkdir()
    (tmp_path / "job/job.db").write_text("no database")
    program = library(
        tmp_path,
        """
        try:
            skitter.Crawler(processes=2, job="job").run_sync([sys.argv[1]])
        except skitter.JobError:
            print(open(f"/proc/self/task/{os.getpid()}/children").read().split())
        """,
        site.url("/p/0"),
    )
    assert program.end()[0].strip() == "[]"
