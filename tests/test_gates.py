"""What a host has asked for outlives the run, whoever is told it and when."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import skitter
from skitter.model import FinishReason
from skitter.testing import Site


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as made:
        yield made


def run(site: Site, job: Path, **options: Any) -> skitter.Summary:
    return skitter.Crawler(job=str(job), max_wait="1s", **options).run_sync([site.url("/")])


@pytest.mark.parametrize("header", [(), ("X-Token: 1",)], ids=["plain", "with a header"])
@pytest.mark.parametrize("path", ["/robots.txt", "/"])
def test_a_host_that_asked_to_wait_is_not_asked_by_the_next_run(
    site: Site, tmp_path: Path, path: str, header: tuple[str, ...]
) -> None:
    """Also where nothing else of the host was stored, and where its host is known for credentials."""
    site.page("/")
    site.errors(path, 503, headers={"Retry-After": "600"})
    first = run(site, tmp_path / "j", header=header)
    assert first.finish_reason is FinishReason.WAITING
    asked = len(site.requests)
    again = run(site, tmp_path / "j", header=header)
    assert again.finish_reason is FinishReason.WAITING
    assert len(site.requests) == asked, "nobody is asked before the date"
    assert again.come_back_at is not None
    assert again.come_back_at > time.time() + 500


def test_of_two_processes_on_a_new_job_one_makes_it_and_the_other_is_told(site: Site, tmp_path: Path) -> None:
    """They find no folder both; one of them wins, and nothing of its work is touched by the other."""
    for number in range(20):
        site.page(f"/{number}", links=[f"/{number + 1}"], delay=0.02)
    command = [sys.executable, "-m", "skitter", "crawl", site.url("/0"), "--job", str(tmp_path / "j")]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ended = [process.communicate(timeout=60)[1] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 2], [0, 0])  # the second may come when the first has ended
    if codes == [0, 2]:
        told = next(text for process, text in zip(both, ended, strict=True) if process.returncode == 2)
        winner = next(process.pid for process in both if process.returncode == 0)
        assert str(winner) in told
    lines = (tmp_path / "j/pages.jsonl").read_text().splitlines()
    assert len(lines) == len(set(lines)) == 21
