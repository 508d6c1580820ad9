"""A low limit of open files: it is ours, and no host's fault."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import records

from skitter.testing import Oracle

WORDS = [sys.executable, "-m", "skitter", "crawl", "--scope", "any", "--job", "j", "-q"]


def crawl(seed: str, folder: Path, files: int, *words: str) -> subprocess.CompletedProcess[str]:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    return subprocess.run(
        [*WORDS, seed, *words], cwd=folder, capture_output=True, text=True, timeout=60, preexec_fn=few
    )


@pytest.mark.parametrize("files", [40, 100])
def test_idle_connections_to_many_hosts_make_room_for_new_ones(files: int, tmp_path: Path) -> None:
    """Each of 40 hosts keeps a connection for later: there are not as many files."""
    with Oracle(pages=120, hosts=40, retry_after=False) as oracle:
        ended = crawl(oracle.seeds[0], tmp_path, files)
        assert ended.returncode == 0, ended.stderr
        found = {record["url"]: record["reason"] for record in records(tmp_path / "j/pages.jsonl")}
        assert found == {url: expected.reason for url, expected in oracle.expected.items()}


def test_hardly_any_files_are_refused_in_one_line(tmp_path: Path) -> None:
    ended = crawl("http://127.0.0.1:9/", tmp_path, 24)
    assert ended.returncode == 7
    assert "24 files may be open here, and 32 are needed" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "j").exists()
