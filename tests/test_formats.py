"""Whole crawls into every format: without a job, in several processes, stopped, added late, begun anew."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import formats
from tests.damage import quick_folder

import skitter
from skitter.config import build
from skitter.errors import JobError, StorageError
from skitter.job import open_job
from skitter.model import Summary
from skitter.testing import Site

PAGES = 40


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as site:
        site.page("/", "front", links=[f"/p/{n}" for n in range(PAGES)])
        for n in range(PAGES):
            site.page(f"/p/{n}", f"<h1>product {n}</h1>", title=f"=page {n}")
        yield site


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as folder:
        yield folder


def run(
    site: Site, folder: Path, *, job: bool = True, names: tuple[str, ...] = (), **options: Any
) -> Summary:
    """Records and items in every format, or in those of ``names``."""
    options |= {"job": str(folder / "j")} if job else {}
    crawler = skitter.Crawler(
        records=[str(folder / name) for name in names or formats.RECORDS if name in formats.RECORDS],
        output=[str(folder / name) for name in names or formats.ITEMS if name in formats.ITEMS],
        concurrency=4,
        per_host=4,
        **options,
    )

    @crawler.on("*/p/*")
    def product(page: skitter.Page) -> dict[str, Any]:
        return {"url": page.url, "title": page.title}

    return crawler.run_sync([site.url("/")])


def same(site: Site, folder: Path, pages: int | None = PAGES, items: int | None = None) -> bool:
    """Has every output the same URLs, each once, in the same order?"""
    records = [record["url"] for record in formats.read(folder / formats.RECORDS[0])]
    assert len(set(records)) == len(records)
    assert pages is None or len(records) == pages + 1
    for name in formats.RECORDS:
        assert not formats.faults(folder / name)
        assert [record["url"] for record in formats.read(folder / name)] == records, name
    wanted = [url for url in records if "/p/" in url][-items if items is not None else 0 :]
    for name in formats.ITEMS:
        assert not formats.faults(folder / name)
        assert [item["url"] for item in formats.read(folder / name)] == wanted, name
    return True


@pytest.mark.parametrize("job", [True, False])
@pytest.mark.parametrize("processes", [1, 2])
def test_one_crawl_fills_every_format(site: Site, folder: Path, job: bool, processes: int) -> None:
    run(site, folder, job=job, processes=processes)
    assert same(site, folder)
    assert {path.name for path in folder.iterdir()} - {"j"} == {*formats.RECORDS, *formats.ITEMS}


def test_runs_that_are_stopped_by_a_limit_leave_whole_files(site: Site, folder: Path) -> None:
    for limit in (7, 20):
        run(site, folder, limit=limit)
        assert same(site, folder, limit - 1)
    run(site, folder)
    assert same(site, folder)


def test_a_finished_job_that_is_run_again_touches_nothing(site: Site, folder: Path) -> None:
    run(site, folder)
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert run(site, folder).ended_now == 0
    assert before == {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_published_file_that_is_gone_is_made_again(site: Site, folder: Path) -> None:
    run(site, folder)
    for name in ("pages.parquet", "items.parquet"):
        (folder / name).unlink()
    assert run(site, folder).ended_now == 0
    assert same(site, folder)


def test_outputs_that_come_late_are_filled(site: Site, folder: Path) -> None:
    run(site, folder, limit=15, names=("pages.jsonl", "items.jsonl"))
    run(site, folder, names=(*formats.RECORDS, "items.jsonl"))
    records = formats.read(folder / "pages.jsonl")
    for name in formats.RECORDS:
        assert [record["url"] for record in formats.read(folder / name)] == [page["url"] for page in records]


@pytest.mark.parametrize("name", [*formats.RECORDS, *formats.ITEMS])
def test_a_file_that_lost_its_end_is_whole_in_the_end(site: Site, folder: Path, name: str) -> None:
    run(site, folder, limit=20)
    (kept,) = [path for path in (folder / "j/.spool").glob("*") if name in path.name] or [folder / name]
    kept.write_bytes(kept.read_bytes()[: kept.stat().st_size // 2])
    run(site, folder)
    assert same(site, folder)


@pytest.mark.parametrize("name", [*formats.RECORDS, *formats.ITEMS])
def test_a_strangers_file_is_left_alone(site: Site, folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(b"my notes\n" * 100)
    every: list[dict[str, Any]] = [{"job": False}, {}, {"fresh": True}]
    for options in every:
        with pytest.raises(JobError, match=name):
            run(site, folder, **options)
    path.unlink()
    run(site, folder, limit=5)
    path.write_bytes(b"my notes\n" * 100)
    with pytest.raises(JobError, match=name):
        run(site, folder)
    assert path.read_bytes() == b"my notes\n" * 100


def test_fresh_begins_anew_and_leaves_nothing_of_the_old_job(site: Site, folder: Path) -> None:
    run(site, folder, limit=5)
    (folder / "pages.parquet.part").write_bytes(b"PAR1 half of a file")
    run(site, folder, fresh=True)
    assert same(site, folder)
    assert not (folder / "pages.parquet.part").exists()


def test_without_a_job_our_own_files_are_written_anew(site: Site, folder: Path) -> None:
    for _ in range(2):
        run(site, folder, job=False, names=formats.RECORDS)
        assert all(len(formats.read(folder / name)) == PAGES + 1 for name in formats.RECORDS)


def test_nothing_is_left_of_a_job_that_could_not_begin(site: Site, folder: Path) -> None:
    (folder / "b.csv").write_bytes(b"my notes\n")
    with pytest.raises(JobError):
        open_job(
            str(folder / "j"),
            build(("{}", {"output": [str(folder / "a.parquet"), str(folder / "b.csv")]})),
            "crawl",
        )
    assert [path.name for path in folder.iterdir()] == ["b.csv"]


@pytest.mark.parametrize("point", ["mid-finish:1", "mid-finish:2"])
def test_a_kill_while_the_file_is_made_costs_only_the_making(site: Site, folder: Path, point: str) -> None:
    words = [
        sys.executable,
        "-m",
        "skitter",
        "crawl",
        site.url("/"),
        "--job",
        str(folder / "j"),
        "--per-host",
        "4",
    ]
    words += ["-o", str(folder / "pages.parquet"), "-q"]
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": ""}
    ended = subprocess.run(words, env={**environment, "SKITTER_FAILPOINT": point}, capture_output=True)
    assert ended.returncode == -signal.SIGKILL
    assert not (folder / "pages.parquet").exists()
    before = len(site.requests)
    subprocess.run(words, env=environment, check=True, capture_output=True)
    assert len(formats.read(folder / "pages.parquet")) == PAGES + 1
    assert len(site.requests) == before
    assert not (folder / "pages.parquet.part").exists()


def test_what_cannot_be_finished_is_a_storage_error_and_the_next_run_makes_it(
    site: Site, folder: Path
) -> None:
    (folder / "there").mkdir()
    (folder / "pages.parquet").symlink_to(folder / "there/pages.parquet")
    crawler = skitter.Crawler(job=str(folder / "j"), output=str(folder / "pages.parquet"), per_host=4)
    (folder / "there/pages.parquet.part").symlink_to(folder / "elsewhere")
    with pytest.raises(StorageError, match=r"pages\.parquet"):
        crawler.run_sync([site.url("/")])
    (folder / "there/pages.parquet.part").unlink()
    summary = skitter.Crawler(job=str(folder / "j"), output=str(folder / "pages.parquet")).run_sync(
        [site.url("/")]
    )
    assert (summary.ended_now, len(formats.read(folder / "pages.parquet"))) == (0, PAGES + 1)
