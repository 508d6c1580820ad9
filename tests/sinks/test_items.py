"""Items in files: the lines of a page are committed with it, and no file of a stranger's is touched."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import skitter
from skitter import Page
from skitter.errors import JobError, StorageError
from skitter.model import Held, Mark, Reason, Record, Row
from skitter.net import run_loop
from skitter.sinks import Form, sink_for
from skitter.sinks.appended_sink import AppendedSink
from skitter.sinks.jsonl import JsonLines
from skitter.sinks.line import item_lines
from skitter.testing import Site

PAGES = 60


def row(*items: dict[str, Any]) -> Row:
    record = Record(url="http://a.test/", reason=Reason.FETCHED, depth=0, fetched_at="2026-01-01T00:00:00Z")
    return Row(record, None, items)


def lines(path: Path) -> list[Any]:
    text = path.read_text()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def items_sink(path: Path) -> AppendedSink:
    return AppendedSink(str(path), None, JsonLines(item_lines))


def written(path: Path, *items: dict[str, Any]) -> Mark:
    sink = items_sink(path)
    sink.open(None)
    mark = sink.write([row(item) for item in items])
    sink.close()
    return mark


# The sink


def test_one_line_an_item_and_none_for_a_page_without(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    sink = items_sink(path)
    sink.open(None)
    assert sink.write([row()]) == Mark(0)
    mark = sink.write([row({"n": 1, "text": "é\n\u2028"}, {"n": 2}), row(), row({"n": 3})])
    sink.close()
    assert mark.length == path.stat().st_size
    assert lines(path) == [{"n": 1, "text": "é\n\u2028"}, {"n": 2}, {"n": 3}]


def test_a_private_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """Items may hold what the user's credentials opened."""
    path = tmp_path / "items.jsonl"
    sink = sink_for(str(path), form=Form(items=True, private=True))
    sink.open(None)
    sink.close()
    assert path.stat().st_mode & 0o077 == 0


def test_what_was_not_committed_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    committed = written(path, {"n": 1})
    with path.open("ab") as file:
        file.write(b'{"n":2}\n{"torn')
    sink = items_sink(path)
    assert sink.held(committed, path.read_bytes()[:64]) is Held.WHOLE
    sink.open(committed.length)
    sink.write([row({"n": 3})])
    sink.close()
    assert lines(path) == [{"n": 1}, {"n": 3}]


def test_a_full_disk_is_a_storage_error(tmp_path: Path) -> None:
    path = tmp_path / "full.jsonl"
    path.symlink_to("/dev/full")
    sink = items_sink(path)
    sink.open(None)
    with pytest.raises(StorageError, match="No space left"):
        sink.write([row({"n": 1})])
    sink.close()


def test_the_ending_says_the_format(tmp_path: Path) -> None:
    assert sink_for("items.jsonl", "items:items.jsonl", Form(items=True)).name == "items:items.jsonl"
    with pytest.raises(skitter.ConfigError, match="ending says the format"):
        sink_for("items.txt", form=Form(items=True))


# In a crawl


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as site:
        site.page("/", links=[f"/p/{n}" for n in range(PAGES)], title="front")
        for n in range(PAGES):
            site.page(f"/p/{n}", f"<h1>product {n}</h1>", title=f"page {n}")
        yield site


def crawler(tmp_path: Path, **options: Any) -> skitter.Crawler:
    options.setdefault("output", str(tmp_path / "items.jsonl"))
    made = skitter.Crawler(per_host=8, **options)

    @made.on("*/p/*")
    async def product(page: Page) -> AsyncIterator[object]:
        heading = page.css_first("h1")
        assert heading is not None
        yield {"url": page.url, "part": 1, "name": heading.text}
        yield {"url": page.url, "part": 2}

    return made


def each_once(path: Path, site: Site, pages: int = PAGES) -> bool:
    found = [(item["url"], item["part"]) for item in lines(path)]
    assert len(found) == len(set(found)), "none is there twice"
    return {url for url, _ in found} <= {site.url(f"/p/{n}") for n in range(PAGES)} and len(
        found
    ) == 2 * pages


def test_items_of_a_crawl_without_a_job(site: Site, tmp_path: Path) -> None:
    assert crawler(tmp_path).run_sync([site.url("/")]).total == PAGES + 1
    assert each_once(tmp_path / "items.jsonl", site)
    assert {"url": site.url("/p/7"), "part": 1, "name": "product 7"} in lines(tmp_path / "items.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["items.jsonl"]


def test_an_empty_file_may_be_filled(site: Site, tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").touch()
    crawler(tmp_path).run_sync([site.url("/")])
    assert each_once(tmp_path / "items.jsonl", site)


@pytest.mark.parametrize("notes", ["my notes\n", '{"my": "only copy"}\n'])
def test_a_strangers_file_is_left_alone(site: Site, tmp_path: Path, notes: str) -> None:
    """An item can be anything, so that nobody can say of a file of JSON lines whose it is."""
    path = tmp_path / "items.jsonl"
    path.write_text(notes)
    every: tuple[dict[str, Any], ...] = (
        {},
        {"job": str(tmp_path / "j")},
        {"job": str(tmp_path / "k"), "fresh": True},
    )
    for options in every:
        with pytest.raises(JobError, match=r"items\.jsonl"):
            crawler(tmp_path, **options).run_sync([site.url("/")])
        assert path.read_text() == notes


def test_items_of_an_interrupted_job_are_there_once(site: Site, tmp_path: Path) -> None:
    """Three runs, each stopped by its limit, and a last one that finishes."""
    for limit in (10, 25, 40):
        summary = crawler(tmp_path, job=str(tmp_path / "j"), limit=limit).run_sync([site.url("/")])
        assert summary.finish_reason == "limit"
        assert each_once(tmp_path / "items.jsonl", site, limit - 1)
    assert crawler(tmp_path, job=str(tmp_path / "j")).run_sync([site.url("/")]).finish_reason == "done"
    assert each_once(tmp_path / "items.jsonl", site)


def test_items_that_were_not_committed_are_cut_off_at_the_next_run(site: Site, tmp_path: Path) -> None:
    """What a kill leaves behind: lines of pages that the job does not know as settled."""
    path = tmp_path / "items.jsonl"
    crawler(tmp_path, job=str(tmp_path / "j"), limit=20).run_sync([site.url("/")])
    with path.open("a") as file:
        file.write('{"url": "not committed", "part": 1}\n{"torn')
    crawler(tmp_path, job=str(tmp_path / "j")).run_sync([site.url("/")])
    assert each_once(path, site)


def test_a_consumer_that_raises_in_the_middle_loses_and_doubles_nothing(site: Site, tmp_path: Path) -> None:
    """Cancelled with requests and commits under way, as by an exception or Ctrl-C."""
    job = str(tmp_path / "j")
    for most in (5, 20):
        ended = 0

        async def deliver(page: Page, most: int = most) -> None:
            nonlocal ended
            ended += 1
            if ended == most:
                raise KeyError(page.url)

        with pytest.raises(KeyError):
            run_loop(crawler(tmp_path, job=job).run([site.url("/")], deliver=deliver))
    crawler(tmp_path, job=job).run_sync([site.url("/")])
    assert each_once(tmp_path / "items.jsonl", site)


@pytest.mark.parametrize("share", [0.99, 0.5, 0.0])
def test_what_an_items_file_lost_is_made_again(site: Site, tmp_path: Path, share: float) -> None:
    """A power cut took the end: the job keeps no items, so that those pages are visited once more."""
    path, job = tmp_path / "items.jsonl", str(tmp_path / "j")
    crawler(tmp_path, job=job, limit=20).run_sync([site.url("/")])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    crawler(tmp_path, job=job).run_sync([site.url("/")])
    assert each_once(path, site)


def test_an_items_file_that_is_gone_is_refused(site: Site, tmp_path: Path) -> None:
    path, job = tmp_path / "items.jsonl", str(tmp_path / "j")
    crawler(tmp_path, job=job, limit=20).run_sync([site.url("/")])
    path.unlink()
    with pytest.raises(JobError, match=re.escape(str(path))):
        crawler(tmp_path, job=job).run_sync([site.url("/")])
    assert not path.exists()


def test_after_a_refusal_the_job_can_be_used_again(site: Site, tmp_path: Path) -> None:
    """The user puts the file back and tries again, in the same program."""
    path, job = tmp_path / "items.jsonl", str(tmp_path / "j")
    crawler(tmp_path, job=job, limit=20).run_sync([site.url("/")])
    whole = path.read_bytes()
    for data in (b"my notes\n", whole.replace(b"product", b"PRODUCT")):
        path.write_bytes(data)
        with pytest.raises(JobError, match="put it back"):
            crawler(tmp_path, job=job).run_sync([site.url("/")])
        assert path.read_bytes() == data
    path.write_bytes(whole)
    crawler(tmp_path, job=job).run_sync([site.url("/")])
    assert each_once(path, site)


def test_a_refused_start_leaves_no_file_open(site: Site, tmp_path: Path) -> None:
    path, job = tmp_path / "items.jsonl", str(tmp_path / "j")
    crawler(tmp_path, job=job, limit=20).run_sync([site.url("/")])
    path.write_bytes(b"my notes\n")
    with pytest.raises(JobError):
        crawler(tmp_path, job=job).run_sync([site.url("/")])
    assert not [file for file in open_files() if file.startswith(str(tmp_path))]


def open_files() -> list[str]:
    found = []
    for file in Path("/proc/self/fd").iterdir():
        try:
            found.append(os.readlink(file))  # noqa: PTH115 - pipes and sockets are no paths
        except OSError:  # the one of the listing itself
            continue
    return found


def test_fresh_begins_the_items_anew(site: Site, tmp_path: Path) -> None:
    path, job = tmp_path / "items.jsonl", str(tmp_path / "j")
    crawler(tmp_path, job=job, limit=20).run_sync([site.url("/")])
    path.write_bytes(path.read_bytes()[:100].rpartition(b"\n")[0] + b"\n")
    crawler(tmp_path, job=job, fresh=True).run_sync([site.url("/")])
    assert each_once(path, site)


def test_a_finished_job_that_is_run_again_changes_nothing(site: Site, tmp_path: Path) -> None:
    path, job = tmp_path / "items.jsonl", str(tmp_path / "j")
    crawler(tmp_path, job=job).run_sync([site.url("/")])
    whole = path.read_bytes()
    assert crawler(tmp_path, job=job).run_sync([site.url("/")]).fetched_now == 0
    assert path.read_bytes() == whole


def test_items_within_the_jobs_folder_move_with_it(site: Site, tmp_path: Path) -> None:
    first, second = tmp_path / "j", tmp_path / "k"
    crawler(tmp_path, job=str(first), output=str(first / "items.jsonl"), limit=20).run_sync([site.url("/")])
    first.rename(second)
    crawler(tmp_path, job=str(second), output=str(second / "items.jsonl")).run_sync([site.url("/")])
    assert each_once(second / "items.jsonl", site)


def test_records_are_kept_beside_items(site: Site, tmp_path: Path) -> None:
    records = tmp_path / "records.jsonl"
    crawler(tmp_path, records=str(records)).run_sync([site.url("/")])
    assert each_once(tmp_path / "items.jsonl", site)
    assert len(lines(records)) == PAGES + 1
    assert all("reason" in record for record in lines(records))


def test_without_handlers_an_output_is_of_records(site: Site, tmp_path: Path) -> None:
    out, more = tmp_path / "out.jsonl", tmp_path / "more.jsonl"
    skitter.Crawler(output=[str(out)], records=str(more), per_host=8).run_sync([site.url("/")])
    assert {record["reason"] for record in lines(out)} == {"fetched"}
    assert sorted(out.read_text()) == sorted(more.read_text())


def test_several_outputs_have_the_same_items(site: Site, tmp_path: Path) -> None:
    paths = [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]
    crawler(tmp_path, output=paths).run_sync([site.url("/")])
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert each_once(tmp_path / "a.jsonl", site)


def test_one_file_cannot_hold_items_and_records(site: Site, tmp_path: Path) -> None:
    with pytest.raises(skitter.ConfigError, match="named twice"):
        crawler(tmp_path, records=str(tmp_path / "items.jsonl")).run_sync([site.url("/")])
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_records_does_not_become_one_of_items(site: Site, tmp_path: Path) -> None:
    """The job knows each file as what it is."""
    path, job = str(tmp_path / "out.jsonl"), str(tmp_path / "j")
    skitter.Crawler(job=job, output=path, limit=10).run_sync([site.url("/")])
    kept = Path(path).read_bytes()
    with pytest.raises(JobError, match="exists and is not of this job"):
        crawler(tmp_path, job=job, output=path).run_sync([site.url("/")])
    assert Path(path).read_bytes() == kept


@pytest.mark.parametrize("job", [False, True])
def test_an_item_that_no_output_can_encode_does_not_end_the_run(
    site: Site, tmp_path: Path, job: bool
) -> None:
    """One page's strange text must not cost the crawl."""
    options: dict[str, Any] = {"job": str(tmp_path / "j")} if job else {}
    odd = skitter.Crawler(output=str(tmp_path / "items.jsonl"), per_host=8, **options)

    @odd.on("*/p/*")
    async def product(page: Page) -> dict[str, str]:
        return {"text": "\ud800" if page.url.endswith("/7") else "fine"}

    summary = odd.run_sync([site.url("/")])
    assert summary.by_reason == {"fetched": PAGES, "handler_error": 1}
    assert len(lines(tmp_path / "items.jsonl")) == PAGES - 1
