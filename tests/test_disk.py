"""A disk that is nearly full: the run stops while there is room to do it politely."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from skitter.disk import Disks
from skitter.testing import Site

MIB = 2**20
SIZE = 16 * MIB


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "skitter-test", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except OSError as error:
        pytest.skip(f"a disk of its own cannot be mounted: {error}")
    if done.returncode:
        pytest.skip(f"a disk of its own cannot be mounted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=10)


def fill(folder: Path, left: int) -> None:
    """Write until so many bytes are left, to the page."""
    disk = os.statvfs(folder)
    with (folder / "filler").open("wb") as file:
        file.write(bytes(disk.f_bavail * disk.f_frsize - left))
    assert os.statvfs(folder).f_bavail * disk.f_frsize == left


def free(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


# -- the watermark ---------------------------------------------------------------------------


def test_a_disk_with_room_is_not_low(tmp_path: Path) -> None:
    assert Disks([str(tmp_path)], 1).low() is None


def more_than_is_free(folder: Path) -> int:
    """So many bytes that the disk has not left, though it is large enough for them."""
    disk = os.statvfs(folder)
    if free(folder) + 512 * MIB > disk.f_blocks * disk.f_frsize:
        pytest.skip(f"the disk of {folder} is nearly empty")
    return free(folder) + 256 * MIB


def test_a_disk_with_less_room_than_has_to_stay_is_low(tmp_path: Path) -> None:
    message = Disks([str(tmp_path)], more_than_is_free(tmp_path)).low()
    assert message is not None
    assert str(tmp_path) in message
    assert "--min-free" in message
    assert "\n" not in message


@pytest.mark.parametrize(("left", "low"), [(5 * MIB, False), (4 * MIB, False), (4 * MIB - 4096, True)])
def test_the_mark_is_what_was_asked_for_on_a_larger_disk(small: Path, left: int, low: bool) -> None:
    disks = Disks([str(small)], 4 * MIB)
    assert disks.low() is None
    fill(small, left)
    assert (disks.low() is not None) is low


@pytest.mark.parametrize(("left", "low"), [(2 * MIB, False), (SIZE // 10 // 4096 * 4096, True)])
def test_of_a_disk_that_never_had_so_much_room_a_tenth_has_to_stay(small: Path, left: int, low: bool) -> None:
    """Else nothing could ever be crawled to a small disk."""
    disks = Disks([str(small)], 200 * MIB)
    assert disks.low() is None
    fill(small, left)
    message = disks.low()
    assert (message is not None) is low
    if message:
        assert "has 2 MiB left, and 2 MiB have to stay free" in message


def test_each_disk_is_looked_at_and_the_low_one_is_named(small: Path, tmp_path: Path) -> None:
    """The job on one, an output on another."""
    fill(small, 0)
    for paths in ((tmp_path, small), (small, tmp_path), (tmp_path / "j", small / "a/b/out.jsonl")):
        message = Disks([str(path) for path in paths], 1 * MIB).low()
        assert message is not None
        assert f"the disk of {small} has 0 MiB left" in message


def test_what_is_no_file_has_no_disk(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is standard output, None a crawl without a job; neither stands for the folder we are in."""
    monkeypatch.chdir(small)
    fill(small, 0)
    assert Disks(["-", None], 1 * MIB).low() is None
    assert Disks(["out.jsonl"], 1 * MIB).low() is not None


def test_zero_is_never(small: Path) -> None:
    fill(small, 0)
    assert Disks([str(small)], 0).low() is None


def test_the_disk_of_what_is_still_to_be_made_is_that_of_its_folder(small: Path) -> None:
    fill(small, 0)
    for path in ("job", "job/pages.jsonl", "a/b/c/d"):
        assert Disks([str(small / path)], 1 * MIB).low() is not None


def test_a_disk_that_went_away_is_told_by_whoever_writes_there(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    disks = Disks([str(folder)], 10**18)
    folder.rmdir()
    assert disks.low() is None


# -- in a crawl ------------------------------------------------------------------------------


def crawl(site: Site, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "skitter", "crawl", site.url("/"), "--job", "j.crawl", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path), "TERM": "dumb"},
    )


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        site.page("/", links=[f"/p/{n}" for n in range(40)])
        site.page("/p/*", "x" * 1000)
        yield site


def test_a_crawl_on_a_full_disk_asks_nobody_and_goes_on_when_there_is_room(site: Site, small: Path) -> None:
    fill(small, 1 * MIB)
    result = crawl(site, small)
    assert result.returncode == 7
    said = [line for line in result.stderr.splitlines() if "--min-free" in line]
    assert len(said) == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert len(site.requests) == 0
    (small / "filler").unlink()
    assert crawl(site, small).returncode == 0
    assert len((small / "j.crawl/pages.jsonl").read_text().splitlines()) == 41


def test_the_job_that_stopped_for_room_is_resumed_without_a_mark(site: Site, tmp_path: Path) -> None:
    """Also where nothing can be mounted."""
    result = crawl(site, tmp_path, "--min-free", f"{more_than_is_free(tmp_path) // MIB}MiB")
    assert result.returncode == 7
    assert len([line for line in result.stderr.splitlines() if "--min-free" in line]) == 1
    assert len(site.requests) == 0
    result = crawl(site, tmp_path, "--min-free", "0")
    assert result.returncode == 0, result.stderr
    assert len((tmp_path / "j.crawl/pages.jsonl").read_text().splitlines()) == 41


def test_a_disk_that_fills_up_meanwhile_stops_the_crawl_before_it_is_full(site: Site, small: Path) -> None:
    """I13: politely, with room for the last commit; the same command goes on."""
    site.page("/", links=[f"/p/{n}" for n in range(300)])
    body = "".join(f"{n:x}<br>" for n in range(3000))
    site.page("/p/*", body, headers={"Content-Type": "text/html"}, delay=0.01)
    words = ("--field", "html", "--min-free", "4MiB", "--per-host", "8")
    fill(small, 5 * MIB)
    result = crawl(site, small, *words)
    assert result.returncode == 7
    assert "the disk is nearly full" in result.stderr.splitlines()[-1]
    assert free(small) > 2 * MIB
    lines = (small / "j.crawl/pages.jsonl").read_text().splitlines()
    assert 10 < len(lines) < 300
    (small / "filler").unlink()
    before = len(site.requests)
    result = crawl(site, small, *words)
    assert result.returncode == 0, result.stderr
    assert len((small / "j.crawl/pages.jsonl").read_text().splitlines()) == 301
    assert len(site.requests) - before == 301 - len(lines), "what was in flight had been saved"
