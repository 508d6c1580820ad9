"""Outputs of a job that were damaged between two runs: each has every page once in the end."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.damage import (
    ALL_ITEMS,
    ALL_PAGES,
    FIELD,
    ITEMS,
    OUTPUTS,
    PACKED,
    PAGES,
    PLAIN,
    Jobs,
    cut,
    junk,
    pages,
    quick_folder,
    zeros,
)

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


# -- one output ------------------------------------------------------------------------------


def test_an_undamaged_job_goes_on_without_asking_again(jobs: Jobs) -> None:
    for limit in (5, 10, 15, None):
        jobs.run(limit)
        assert jobs.is_sound()
    assert jobs.is_whole()
    assert not jobs.notes


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("share", [0.97, 0.5, 0.0])
def test_pages_whose_text_or_items_were_lost_are_visited_again(jobs: Jobs, name: str, share: float) -> None:
    """The database keeps neither: filling from it would leave lines without what the user asked for."""
    jobs.run(12)
    cut(jobs.path(name), share)
    jobs.run()
    assert jobs.is_whole()
    assert len(jobs.notes) == 1
    assert str(jobs.path(name)) in jobs.notes[0]
    assert "visited again" in jobs.notes[0]


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_cut_at_a_commit_gives_back_no_more_than_what_is_beyond(jobs: Jobs, name: str) -> None:
    jobs.run(14)
    upto, length = jobs.marks(name)[-3]
    with jobs.path(name).open("r+b") as file:
        file.truncate(length)
    jobs.recover()
    assert jobs.sql("SELECT count(*) FROM record") == [(upto,)]
    assert jobs.is_sound()
    before = len(jobs.site.requests)
    jobs.run()
    assert jobs.is_whole()
    asked = [seen.target for seen in jobs.site.requests[before:] if seen.target != "/robots.txt"]
    assert len(asked) == len(ALL_PAGES) - upto, "nothing that is still there is asked for"


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("number", [1, 300, 1_000_000])
def test_an_end_of_zeros_is_a_lost_end(jobs: Jobs, name: str, number: int) -> None:
    jobs.run(12)
    zeros(jobs.path(name), number)
    jobs.run()
    assert jobs.is_whole()


@pytest.mark.parametrize("left", [0, 1, 30, 64, 65])
def test_zeros_may_begin_anywhere(jobs: Jobs, left: int) -> None:
    """Also within the few bytes by which the beginning of a file is known again."""
    jobs.run(12)
    zeros(jobs.path(PLAIN), jobs.path(PLAIN).stat().st_size - left)
    jobs.run()
    assert jobs.is_whole()


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_was_appended_and_not_committed_is_cut_off(jobs: Jobs, name: str) -> None:
    jobs.run(12)
    ((ended,),) = jobs.sql("SELECT count(*) FROM record")
    whole = jobs.path(name).read_bytes()
    junk(jobs.path(name))
    jobs.recover()
    assert jobs.path(name).read_bytes() == whole
    assert jobs.sql("SELECT count(*) FROM record") == [(ended,)]
    jobs.run()
    assert jobs.is_whole()
    assert not jobs.notes


@pytest.mark.parametrize("name", [PLAIN, PACKED])
@pytest.mark.parametrize("share", [0.9, 0.0, None])
def test_without_large_fields_records_are_written_again_and_nobody_is_asked(
    site: Site, folder: Path, name: str, share: float | None
) -> None:
    jobs = Jobs(site, folder)
    jobs.run()
    if share is None:
        jobs.path(name).unlink()
    else:
        cut(jobs.path(name), share)
    before = len(site.requests)
    jobs.run()
    assert len(site.requests) == before
    assert jobs.is_whole(PLAIN, PACKED)
    assert not jobs.notes


@pytest.mark.parametrize("name", [PLAIN, PACKED])
def test_records_that_were_taken_away_are_written_anew_without_their_large_fields(
    jobs: Jobs, name: str
) -> None:
    """A user may move away what there is so far; only the new pages have what the database lacks."""
    jobs.run(12)
    ((ended,),) = jobs.sql("SELECT count(*) FROM record")
    jobs.path(name).unlink()
    jobs.run()
    assert jobs.is_whole(name)
    assert 0 < jobs.without_text(name) <= ended
    assert any(f"without the large fields of {ended}" in note for note in jobs.notes)


def test_after_a_loss_of_everything_the_job_begins_again(jobs: Jobs) -> None:
    jobs.run(12)
    for name in OUTPUTS:
        cut(jobs.path(name), 0)
    jobs.recover()
    assert jobs.is_sound()
    assert jobs.sql("SELECT count(*) FROM record") == [(0,)]
    assert jobs.sql("SELECT * FROM tally") == []
    jobs.run()
    assert jobs.is_whole()


def test_recovery_can_be_repeated(jobs: Jobs) -> None:
    """I11: a start that did nothing but recover changes nothing for the next one."""
    jobs.run(12)
    cut(jobs.path(PACKED), 0.6)
    jobs.recover()
    every = {name: jobs.path(name).read_bytes() for name in OUTPUTS}
    records = jobs.sql("SELECT id, line FROM record")
    jobs.recover()
    assert every == {name: jobs.path(name).read_bytes() for name in OUTPUTS}
    assert records == jobs.sql("SELECT id, line FROM record")
    jobs.run()
    assert jobs.is_whole()


class Broken(BaseException):
    """A crash, as far as one can be had within a process: nothing after it is done."""


def recover_in_pieces(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> int:
    """Recover again and again, broken off one step later each time, until it is done; how many steps."""
    steps = 0
    while steps < 50:
        left = steps

        def reached(name: str) -> None:
            nonlocal left
            if left == 0:
                raise Broken(name)
            left -= 1

        with monkeypatch.context() as patch:
            patch.setattr("skitter.recovery.reached", reached)
            try:
                jobs.recover()
            except Broken:
                steps += 1
            else:
                return steps
    raise AssertionError("it has no end")


@pytest.mark.parametrize("options", [{}, FIELD], ids=["records", "fields"])
@pytest.mark.parametrize("name", OUTPUTS)
def test_recovery_can_be_broken_off_anywhere(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, options: dict[str, Any]
) -> None:
    """I11: one output lost its end, one is gone, one is new; a few records are written again at a time."""
    monkeypatch.setattr("skitter.recovery._ROWS_AT_ONCE", 3)
    jobs = Jobs(site, folder, **options)
    gone, new = (other for other in (PLAIN, PACKED, ITEMS) if other != name)
    if gone == ITEMS:
        gone, new = new, gone
    jobs.run(8, outputs=(name, gone))
    jobs.run(14, outputs=(name, gone))
    before = jobs.paths(name if name != ITEMS else gone)
    cut(jobs.path(name), 0.8)
    jobs.path(gone).unlink()
    assert recover_in_pieces(jobs, monkeypatch) > 3
    assert jobs.is_sound()
    kept = {path for (path,) in jobs.sql("SELECT json_extract(CAST(line AS TEXT), '$.url') FROM record")}
    assert {site.url(path) for path in before} >= kept
    jobs.run()
    missed = {path.removeprefix(site.origin) for path in kept} if new == ITEMS else set()
    assert jobs.is_whole(PLAIN, PACKED, items=ALL_ITEMS - missed)


# -- anything at once ------------------------------------------------------------------------


def _damage(jobs: Jobs, name: str, chance: random.Random) -> str:
    path = jobs.path(name)
    kind = chance.choice(["none", "cut", "cut", "commit", "zeros", "junk", "longer", "gone"])
    match kind:
        case "cut":
            cut(path, chance.random())
        case "commit":
            with path.open("r+b") as file:
                file.truncate(chance.choice(jobs.marks(name))[1])
        case "zeros":
            zeros(path, chance.randrange(1, 2000))
        case "junk":
            junk(path)
        case "longer":
            with path.open("ab") as file:
                file.write(bytes(chance.randrange(1, 5000)))
        case "gone" if name != ITEMS:
            path.unlink()
    return kind


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_to_the_outputs_each_has_everything_once(jobs: Jobs, seed: int) -> None:
    """Three starts, before two of which any of the outputs may be damaged in any way."""
    chance = random.Random(seed)  # a test that fails can be repeated
    refilled = set()
    for limit in sorted(chance.sample(range(3, PAGES), 2)):
        jobs.run(limit)
        for name in OUTPUTS:
            if _damage(jobs, name, chance) == "gone":
                refilled.add(name)
        jobs.recover()
        assert jobs.is_sound(), "right after the start, too"
    jobs.run()
    assert jobs.is_whole(*refilled)
