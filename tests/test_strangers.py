"""Files that a job did not write, where its outputs should be: found by a review, each was cut once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import formats
from tests.cli.conftest import records
from tests.frontier.format1 import downgrade

import skitter
from skitter import Page
from skitter.errors import JobError
from skitter.failpoint import FAILPOINT
from skitter.testing import Site

PAGES = 30


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as site:
        site.page("/", links=[f"/{n}" for n in range(PAGES)])
        for n in range(PAGES):
            site.page(f"/{n}")
        yield site


def command(folder: Path, url: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "skitter", "crawl", url, "--job", "j", "-o", "p.jsonl", "-q", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", **variables},
    )


def test_what_lies_there_before_the_first_record_is_not_ours(site: Site, tmp_path: Path) -> None:
    """Killed before anything was written: then somebody else put his file there, even one of records."""
    assert command(tmp_path, site.url("/"), **{FAILPOINT: "after-claim:1"}).returncode == -9
    other = command(tmp_path, site.url("/"), "--job", "k", "-o", "other.jsonl", "-n", "4")
    assert other.returncode == 0
    for text in ("precious\n", (tmp_path / "other.jsonl").read_text()):
        (tmp_path / "p.jsonl").write_text(text)
        ended = command(tmp_path, site.url("/"))
        assert ended.returncode == 2
        assert "p.jsonl" in ended.stderr
        assert (tmp_path / "p.jsonl").read_text() == text
    (tmp_path / "p.jsonl").unlink()
    assert command(tmp_path, site.url("/")).returncode == 0
    assert len(records(tmp_path / "p.jsonl")) == PAGES + 1


def test_what_was_written_and_never_committed_is_ours(site: Site, tmp_path: Path) -> None:
    """Killed in the middle of the first record: the same command goes on."""
    assert command(tmp_path, site.url("/"), **{FAILPOINT: "mid-record:1"}).returncode == -9
    assert (tmp_path / "p.jsonl").stat().st_size
    assert command(tmp_path, site.url("/")).returncode == 0
    assert len(records(tmp_path / "p.jsonl")) == PAGES + 1


def test_a_job_of_the_first_format_knows_its_file_by_the_last_record(site: Site, tmp_path: Path) -> None:
    assert command(tmp_path, site.url("/"), "-n", "10").returncode == 0
    whole = (tmp_path / "p.jsonl").read_text()
    downgrade(tmp_path / "j/job.db")
    (tmp_path / "p.jsonl").write_text("1234567\n" * 5000)
    assert command(tmp_path, site.url("/")).returncode == 2
    assert (tmp_path / "p.jsonl").read_text() == "1234567\n" * 5000
    (tmp_path / "p.jsonl").write_text(whole + '{"url":"not committed')
    assert command(tmp_path, site.url("/")).returncode == 0
    assert len(records(tmp_path / "p.jsonl")) == PAGES + 1


@pytest.mark.parametrize("has_items", [True, False])
def test_a_file_of_items_that_somebody_filled_is_left_alone(
    site: Site, tmp_path: Path, has_items: bool
) -> None:
    """Also where no page had an item yet, so that there is nothing to know the file by."""

    def crawl(limit: int) -> None:
        crawler = skitter.Crawler(
            job=str(tmp_path / "j"), output=str(tmp_path / "items.jsonl"), limit=limit, concurrency=1
        )

        @crawler.on("*")
        async def some(page: Page) -> AsyncIterator[object]:
            yield page.follow("a")
            if has_items and page.url.endswith("/1"):
                yield {"url": page.url}

        crawler.run_sync([site.url("/")])

    crawl(10)
    path = tmp_path / "items.jsonl"
    size = path.stat().st_size
    assert bool(size) is has_items
    path.write_bytes(b"my own notes\n" * 100)
    with pytest.raises(JobError, match=r"items\.jsonl"):
        crawl(20)
    assert path.read_bytes() == b"my own notes\n" * 100
    path.write_bytes(b"\0" * size)  # a power cut, long after the last commit that had items
    crawl(1000)
    assert path.read_bytes().count(b"\n") == has_items


def test_a_start_that_fails_takes_no_file_of_another_away(site: Site, tmp_path: Path) -> None:
    """Two new jobs want the same output: the second one is refused, and the first one's file stays."""
    site.page("/slow", delay=1.5)
    words = [sys.executable, "-m", "skitter", "crawl", site.url("/slow"), "-o", "p.jsonl", "-q", "--job"]
    with subprocess.Popen([*words, "a"], cwd=tmp_path) as first:
        while not (tmp_path / "p.jsonl").exists():
            assert first.poll() is None
        second = subprocess.run([*words, "b"], cwd=tmp_path, capture_output=True, text=True, timeout=30)
        assert second.returncode == 2
        assert "another process" in second.stderr
        assert first.wait(30) == 0
    assert len(records(tmp_path / "p.jsonl")) == 1
    assert command(tmp_path, site.url("/"), "--job", "b", "--fresh").returncode in (0, 2)
    assert (tmp_path / "p.jsonl").exists()


def test_fresh_leaves_what_is_another_jobs_by_now(site: Site, tmp_path: Path) -> None:
    assert command(tmp_path, site.url("/"), "-o", "o2.jsonl", "-n", "5").returncode == 0
    (tmp_path / "o2.jsonl").unlink()
    words = [sys.executable, "-m", "skitter", "crawl", site.url("/"), "--job", "s", "-o", "o2.jsonl", "-q"]
    assert subprocess.run([*words, "-n", "9"], cwd=tmp_path, timeout=60).returncode == 0
    kept = (tmp_path / "o2.jsonl").read_bytes()
    assert command(tmp_path, site.url("/"), "--fresh").returncode == 0
    assert (tmp_path / "o2.jsonl").read_bytes() == kept


def test_fresh_takes_nothing_away_when_something_is_in_the_way(site: Site, tmp_path: Path) -> None:
    """All that may be refused is refused before anything of the old job is removed."""
    names = ("-o", "a.csv", "-o", "a.parquet")
    assert command(tmp_path, site.url("/"), "--job", "j", *names).returncode == 0
    before = {file: file.read_bytes() for file in (tmp_path / "a.csv", tmp_path / "j/job.db")}
    (tmp_path / "a.parquet.part").write_text("mine")
    done = command(tmp_path, site.url("/"), "--job", "j", *names, "--fresh")
    assert done.returncode == 2
    assert "move it away" in done.stderr
    assert {file: file.read_bytes() for file in before} == before


def test_fresh_takes_nothing_away_for_items_that_are_somebody_elses(site: Site, tmp_path: Path) -> None:
    def crawl(items: str, *, fresh: bool) -> None:
        options: dict[str, Any] = {"job": tmp_path / "j", "records": tmp_path / "r.jsonl", "fresh": fresh}
        crawler = skitter.Crawler(output=tmp_path / items, **options)

        @crawler.default
        def item(page: skitter.Page) -> dict[str, str]:
            return {"url": page.url}

        crawler.run_sync([site.url("/")])

    crawl("u.jsonl", fresh=False)
    before = {file.name: file.read_bytes() for file in tmp_path.glob("*.jsonl")}
    (tmp_path / "v.jsonl").write_text("mine\n")
    with pytest.raises(skitter.JobError, match=r"v\.jsonl: exists and is not of this job; move it away$"):
        crawl("v.jsonl", fresh=True)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert (tmp_path / "j/job.db").exists()


def test_a_parquet_file_of_somebody_else_is_left_alone_also_if_it_comes_late(
    site: Site, tmp_path: Path
) -> None:
    """There is no file to hold until the end of a run."""
    crawler = skitter.Crawler(job=tmp_path / "j", records=tmp_path / "a.parquet")

    @crawler.on_record
    def late(record: skitter.Record) -> None:
        (tmp_path / "a.parquet").write_text("mine")

    with pytest.raises(skitter.StorageError, match="somebody else has written it meanwhile"):
        crawler.run_sync([site.url("/")])
    assert (tmp_path / "a.parquet").read_text() == "mine"
    (tmp_path / "a.parquet").unlink()
    summary = skitter.Crawler(job=tmp_path / "j", records=tmp_path / "a.parquet").run_sync([site.url("/")])
    assert summary.ended_now == 0
    assert len(formats.read(tmp_path / "a.parquet")) == summary.total
