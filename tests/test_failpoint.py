"""The points at which tests kill the process: there when asked for, and otherwise not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from skitter import failpoint
from skitter.failpoint import FAILPOINT, NAMES, TRACE
from skitter.testing import Site

PAGES = 12
_KILLED = -9


def program(text: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"from skitter import failpoint\nfrom skitter.failpoint import *\n{text}"],
        env={"PYTHONPATH": ":".join(sys.path), **variables},
        capture_output=True,
        text=True,
        timeout=30,
    )


LOOP = """
for n in range(1, 6):
    print(n, flush=True)
    reached("mid-commit")
    reached("mid-record")
"""


@pytest.mark.parametrize(("point", "last"), [("mid-commit", 1), ("mid-commit:1", 1), ("mid-record:4", 4)])
def test_the_process_is_killed_the_nth_time_that_it_comes_by(point: str, last: int) -> None:
    result = program(LOOP, **{FAILPOINT: point})
    assert (result.returncode, result.stdout.split()) == (_KILLED, [str(n) for n in range(1, last + 1)])


@pytest.mark.parametrize("point", ["mid-commit:6", "after-fetch:1"])
def test_a_point_that_is_not_reached_so_often_kills_nothing(point: str) -> None:
    assert program(LOOP, **{FAILPOINT: point}).returncode == 0


def test_a_trace_says_what_was_reached_in_order(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    assert program(LOOP, **{TRACE: str(trace)}).returncode == 0
    assert trace.read_text().split() == ["mid-commit", "mid-record"] * 5
    assert program(LOOP, **{TRACE: str(trace), FAILPOINT: "mid-record:2"}).returncode == _KILLED
    assert len(trace.read_text().split()) == 10 + 4, "it is appended to, and the fatal one is in it"


def test_a_point_within_a_call_is_reached_before_the_call_is_over(tmp_path: Path) -> None:
    slow = 'import time\nwith during("mid-checkpoint"):\n    time.sleep(5)\n'
    assert program(slow, **{FAILPOINT: "mid-checkpoint"}).returncode == _KILLED
    fast = 'with during("mid-checkpoint"):\n    pass\n'
    assert program(fast, **{TRACE: str(tmp_path / "trace")}).returncode == 0
    assert (tmp_path / "trace").read_text() == "mid-checkpoint\n", "also of a call that is over sooner"


def test_without_the_variables_nothing_is_armed() -> None:
    text = """
import threading
assert not failpoint.ARMED
for name in (*NAMES, "anything"):
    assert reached(name) is None
with during("mid-checkpoint"):
    assert threading.active_count() == 1
check()
"""
    for variables in ({}, {"SKITTER_OTHER": "mid-commit"}):
        result = program(text, **variables)
        assert result.returncode == 0, result.stderr
    assert not failpoint.ARMED, "nor here"


# -- the command -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as site:
        site.page("/", links=[f"/p/{n}" for n in range(PAGES)])
        site.page("/p/*", "page", title="page")
        yield site


def crawl(site: Site, folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "skitter", "crawl", site.url("/"), "--job", "j.crawl", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path), "TERM": "dumb", **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("point", ["nothing", "", "mid-commit:x", "mid-commit:-1", ":1", "mid-commit:1:2"])
def test_a_name_that_is_no_point_is_refused_in_one_line(site: Site, tmp_path: Path, point: str) -> None:
    """A matrix with a misspelt point would find no bug, ever."""
    before = len(site.requests)
    result = crawl(site, tmp_path, **{FAILPOINT: point})
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert FAILPOINT in result.stderr
    assert all(name in result.stderr for name in NAMES)
    assert list(tmp_path.iterdir()) == []
    assert len(site.requests) == before


def test_a_crawl_comes_by_its_points_and_survives_kills_at_them(site: Site, tmp_path: Path) -> None:
    """The second occasion of some; the whole matrix is a benchmark's."""
    whole, trace = tmp_path / "whole", tmp_path / "trace"
    whole.mkdir()
    assert crawl(site, whole, **{TRACE: str(trace)}).returncode == 0
    counts = Counter(trace.read_text().split())
    assert set(NAMES) - set(counts) == {"mid-migration"}, "which needs a job of an older format"
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("after-fetch", "mid-record", "after-append-before-commit", "mid-commit"):
        result = crawl(site, killed, "--concurrency", "2", **{FAILPOINT: f"{name}:2"})
        assert result.returncode == _KILLED, name
    assert crawl(site, killed).returncode == 0
    lines = (killed / "j.crawl/pages.jsonl").read_text().splitlines()
    assert len({json.loads(line)["url"] for line in lines}) == len(lines) == PAGES + 1
