"""Where a report goes, and what is never written over."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Skitter

from skitter.testing import Site


@pytest.fixture
def job(skitter: Skitter, site: Site, tmp_path: Path) -> Path:
    site.page("/", title="Home", links=["/gone"])
    assert skitter("crawl", site.url("/"), "--job", "j", "-q").returncode == 0
    return tmp_path / "j"


def test_it_lies_in_the_jobs_folder_for_its_owner_alone(skitter: Skitter, job: Path) -> None:
    for _ in range(2):  # the second replaces the first
        result = skitter("report", "j")
        assert (result.returncode, result.stdout, result.stderr) == (0, "j/report.html\n", "")
    assert (job / "report.html").stat().st_mode & 0o777 == 0o600
    assert {path.name for path in job.iterdir()} - {"job.db-wal", "job.db-shm"} == {
        "job.db", "pages.jsonl", "lock", "report.html",
    }  # fmt: skip


def test_it_goes_where_it_is_told(skitter: Skitter, job: Path, tmp_path: Path) -> None:
    assert skitter("report", "j", "-o", "r.html").stdout == "r.html\n"
    assert (tmp_path / "r.html").stat().st_mode & 0o777 != 0o600
    out = skitter("report", "j", "-o", "-").stdout
    assert out.startswith("<!doctype html>")
    assert out.endswith("</html>\n")
    assert not (job / "report.html").exists()


def test_what_is_no_job_is_said_as_status_says_it(skitter: Skitter, tmp_path: Path) -> None:
    status, report = skitter("status", "nowhere"), skitter("report", "nowhere")
    assert (report.returncode, report.stderr) == (2, status.stderr)
    assert "nowhere holds no job" in report.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_skitter_did_not_make_is_left_alone(skitter: Skitter, job: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.html").write_text("<!doctype html>mine")
    for output in ("mine.html", "j/pages.jsonl", "j/job.db"):
        before = (tmp_path / output).read_bytes()
        result = skitter("report", "j", "-o", output)
        said = f"skitter: -o {output}: exists, and skitter did not make it; choose another name\n"
        assert (result.returncode, result.stderr) == (2, said)
        assert (tmp_path / output).read_bytes() == before
    assert "is a folder" in skitter("report", "j", "-o", ".").stderr
    result = skitter("report", "j", "-o", "none/r.html")
    assert (result.returncode, result.stderr) == (2, "skitter: none/r.html: no such file or directory\n")


def test_a_link_in_the_jobs_folder_is_not_followed(skitter: Skitter, job: Path, tmp_path: Path) -> None:
    (job / "report.html").symlink_to(tmp_path / "elsewhere")
    assert skitter("report", "j").returncode == 0
    assert not (tmp_path / "elsewhere").exists()
    assert not (job / "report.html").is_symlink()
    (job / "report.html").unlink()
    (tmp_path / "elsewhere").write_text("precious")
    (job / "report.html").symlink_to(tmp_path / "elsewhere")
    assert skitter("report", "j").returncode == 2
    assert (tmp_path / "elsewhere").read_text() == "precious"


def test_a_job_goes_on_beside_its_report_and_a_fresh_one_has_none(
    skitter: Skitter, job: Path, site: Site
) -> None:
    crawl = ("crawl", site.url("/"), "--job", "j", "-q")
    skitter("report", "j")
    assert skitter(*crawl).returncode == 0
    assert (job / "report.html").exists()
    assert skitter(*crawl, "--fresh").returncode == 0
    assert not (job / "report.html").exists()
    (job / "report.html").write_text("mine")
    assert skitter(*crawl, "--fresh").returncode == 0
    assert (job / "report.html").read_text() == "mine"
