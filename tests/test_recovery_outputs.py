"""Outputs that are not ours, and outputs that come late or are left out for a while."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.damage import ALL_ITEMS, FIELD, ITEMS, OUTPUTS, PACKED, PLAIN, Jobs, cut, pages, quick_folder

from skitter.errors import JobError
from skitter.testing import Site


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with pages() as site:
        yield site


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as folder:
        yield folder


@pytest.fixture
def jobs(site: Site, folder: Path) -> Jobs:
    return Jobs(site, folder, **FIELD)


# -- files that are not ours -----------------------------------------------------------------


def notes_of_a_stranger(data: bytes) -> bytes:
    return b"my notes\n" * 2000


def a_changed_byte(data: bytes) -> bytes:
    return data[:-10] + b"#" + data[-9:]


def another_beginning(data: bytes) -> bytes:
    return b"#" + data[1:]


# A member of gzip ends in a zero, as a lost end may: there a changed byte is no stranger's.
@pytest.mark.parametrize(
    ("name", "change"),
    [
        (name, change)
        for name in OUTPUTS
        for change in (notes_of_a_stranger, a_changed_byte, another_beginning)
        if name != PACKED or change is not a_changed_byte
    ],
)
def test_a_file_that_is_not_ours_is_refused_untouched(
    jobs: Jobs, name: str, change: Callable[[bytes], bytes]
) -> None:
    """Rule 4, also when another output lost its end: nothing is cut, given back or asked for."""
    jobs.run(12)
    jobs.path(name).write_bytes(change(jobs.path(name).read_bytes()))
    for other in {PLAIN, PACKED, ITEMS} - {name}:
        cut(jobs.path(other), 0.5)
    every = {other: jobs.path(other).read_bytes() for other in OUTPUTS}
    records, before = jobs.sql("SELECT id, line FROM record"), len(jobs.site.requests)
    with pytest.raises(JobError, match="not the file"):
        jobs.run()
    assert every == {other: jobs.path(other).read_bytes() for other in OUTPUTS}
    assert jobs.sql("SELECT id, line FROM record") == records
    assert len(jobs.site.requests) == before


def test_the_file_of_another_job_on_the_same_site_is_refused(jobs: Jobs, folder: Path) -> None:
    """It begins in the same way, and its lines look like ours."""
    jobs.run(8)
    theirs = folder / "theirs"
    theirs.mkdir()
    Jobs(jobs.site, theirs, **FIELD).run()
    shutil.copyfile(theirs / PLAIN, jobs.path(PLAIN))
    with pytest.raises(JobError, match="not the file that this job wrote"):
        jobs.run()
    assert jobs.path(PLAIN).read_bytes() == (theirs / PLAIN).read_bytes()


@pytest.mark.parametrize("name", [PACKED, ITEMS])
def test_a_strangers_file_is_refused_where_all_that_we_wrote_was_given_back(jobs: Jobs, name: str) -> None:
    """An output that is left out for a run still has an owner, however little of it counts."""
    others = tuple(other for other in OUTPUTS if other != name)
    jobs.run(12, outputs=others)
    jobs.run(16)
    cut(jobs.path(PLAIN), 0.1)
    jobs.run(18, outputs=others)
    jobs.path(name).write_bytes(b"my notes\n" * 2000)
    with pytest.raises(JobError, match="not the file"):
        jobs.run()
    assert jobs.path(name).read_bytes() == b"my notes\n" * 2000


def test_a_file_of_items_that_is_gone_is_refused_whatever_else_is_lost(jobs: Jobs) -> None:
    jobs.run(12)
    jobs.path(ITEMS).unlink()
    cut(jobs.path(PLAIN), 0.5)
    plain, before = jobs.path(PLAIN).read_bytes(), len(jobs.site.requests)
    with pytest.raises(JobError, match="is gone"):
        jobs.run()
    assert (jobs.path(PLAIN).read_bytes(), len(jobs.site.requests)) == (plain, before)
    assert not jobs.path(ITEMS).exists()


# -- outputs that come and go ----------------------------------------------------------------


def test_an_output_that_was_left_out_gets_what_it_missed(site: Site, folder: Path) -> None:
    jobs = Jobs(site, folder)
    jobs.run(8)
    jobs.run(14, outputs=(PLAIN, ITEMS))
    jobs.run()
    assert jobs.is_whole(PLAIN, PACKED)


def test_items_that_were_left_out_are_missed_and_said_to_be(jobs: Jobs) -> None:
    jobs.run(8)
    before = jobs.paths(ITEMS)
    jobs.run(14, outputs=(PLAIN, PACKED))
    missed = jobs.paths(PLAIN) & ALL_ITEMS - before
    jobs.run()
    assert jobs.is_whole(items=ALL_ITEMS - missed)
    assert any("without the items of" in note for note in jobs.notes)


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_left_out_output_that_lost_its_end_meanwhile_is_whole_in_the_end(jobs: Jobs, name: str) -> None:
    jobs.run(8)
    jobs.run(14, outputs=tuple(other for other in OUTPUTS if other != name))
    cut(jobs.path(name), 0.3)
    jobs.run()
    assert jobs.is_whole(), "all that came after the loss is visited again"


def test_an_output_that_is_added_late_is_filled_with_what_was_before(site: Site, folder: Path) -> None:
    jobs = Jobs(site, folder)
    jobs.run(10, outputs=(PLAIN, ITEMS))
    jobs.run()
    assert jobs.is_whole(PLAIN, PACKED)


@pytest.mark.parametrize("name", [PLAIN, ITEMS])
@pytest.mark.parametrize("share", [0.2, 0.9])
def test_an_output_that_was_added_late_follows_a_loss_of_an_older_one(
    jobs: Jobs, name: str, share: float
) -> None:
    """The loss may reach further back than the younger output: then that begins anew."""
    jobs.run(12, outputs=(PLAIN, ITEMS))
    jobs.run(16)
    cut(jobs.path(name), share)
    jobs.run()
    assert jobs.is_whole(PACKED)


def test_items_that_were_added_late_are_of_later_pages(jobs: Jobs) -> None:
    jobs.run(10, outputs=(PLAIN, PACKED))
    before = jobs.paths(PLAIN) & ALL_ITEMS
    jobs.run()
    assert jobs.is_whole(items=ALL_ITEMS - before)


def test_a_loss_from_before_a_late_output_gives_back_no_more_than_what_is_lost(jobs: Jobs) -> None:
    """The younger output held nothing then: that can be cut to any number of records."""
    jobs.run(12, outputs=(PLAIN, PACKED))
    upto, length = jobs.marks(PLAIN)[-3]
    jobs.run(16)
    with jobs.path(PLAIN).open("r+b") as file:
        file.truncate(length)
    jobs.recover()
    assert jobs.sql("SELECT count(*) FROM record") == [(upto,)]
    jobs.run()
    assert jobs.is_whole(items=jobs.paths(ITEMS))
    assert jobs.paths(ITEMS) >= {url for url in jobs.order(PLAIN)[upto:] if url in ALL_ITEMS}


def test_a_loss_within_a_gap_of_another_output_fills_the_gap(jobs: Jobs) -> None:
    """There is no mark in it to cut the other one at: both are cut to the last one before it."""
    jobs.run(8)
    jobs.run(14, outputs=(PLAIN, PACKED))
    last = jobs.marks(ITEMS)[-1][0]
    length = next(length for upto, length in jobs.marks(PLAIN) if upto > last)
    jobs.run(18)
    with jobs.path(PLAIN).open("r+b") as file:
        file.truncate(length)
    jobs.run()
    assert jobs.is_whole()
