"""Figures of a report are those of the records."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from skitter.errors import JobError
from skitter.frontier import Database
from skitter.frontier.status import read_status
from skitter.model import Reason, Record
from skitter.report.figures import read_figures
from skitter.report.scale import clock_ticks, lapse, ticks
from skitter.report.values import Kind
from skitter.rules.url import key_of
from skitter.testing import Site


def records(job: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (job / "pages.jsonl").read_text().splitlines()]


def test_counts_and_bytes_are_those_of_the_records(job: Path) -> None:
    figures, found = read_figures(job / "job.db"), records(job)
    assert {one.name: one.n for one in figures.reasons} == Counter(one["reason"] for one in found)
    assert figures.total == len(found)
    assert figures.size == sum(one["size"] for one in found)
    statuses = Counter(str(one["status"]) for one in found if one["status"])
    assert {one.name: one.n for one in figures.statuses} == statuses
    fetched = [one for one in found if one["reason"] == "fetched"]
    types = Counter(one["content_type"] for one in fetched)
    assert {one.name: one.n for one in figures.types} == types
    depths = Counter(one["depth"] for one in found)
    assert figures.depths.counts == tuple(depths[depth] for depth in range(max(depths) + 1))
    assert sum(figures.sizes.counts) == len(fetched) == figures.of_kind(Kind.FETCHED)
    assert [line.size for line in figures.largest] == sorted((one["size"] for one in fetched), reverse=True)
    slow = [line.elapsed for line in figures.slowest]
    assert slow == sorted((one["elapsed"] for one in fetched), reverse=True)
    by_host = {host.state.origin: (host.ended, host.fetched, host.size) for host in figures.by_host}
    assert by_host["http://127.0.0.1:9"] == (1, 0, 0)
    assert sum(size for _, _, size in by_host.values()) == figures.size
    counted = [sum(moment.counts[kind] for moment in figures.timeline.moments) for kind in Kind]
    assert counted == [figures.of_kind(kind) for kind in Kind]
    answers = [moment.latency.n for moment in figures.timeline.moments if moment.latency]
    assert sum(answers) == figures.latency.n == sum(one["ttfb"] > 0 for one in found)


def test_duplicates_marks_rules_and_retries(site: Site, job: Path) -> None:
    figures = read_figures(job / "job.db")
    (number, (title,)), (contents, (content,)) = figures.titles, figures.contents
    same = {site.url("/same1"), site.url("/same2")}
    assert (number, title.title, title.n, set(title.urls)) == (1, "The same", 2, same)
    assert (contents, content.n, set(content.urls)) == (1, 2, same)
    assert [line.url for line in figures.noindex.lines] == [site.url("/evil")]
    assert (figures.noindex.n, figures.truncated.n) == (1, 0)
    (ruling,) = figures.denied
    assert (ruling.rule, ruling.n, ruling.hosts) == ("robots.txt line 2: Disallow: /private", 2, 1)
    assert {retried.url for retried in figures.retried} >= {site.url("/flaky"), site.url("/reset")}
    assert {one.name: one.n for one in figures.retries}["http_error 503"] == 1


def test_a_job_of_which_nothing_has_come_yet(tmp_path: Path) -> None:
    Database(tmp_path / "job.db").close()
    figures = read_figures(tmp_path / "job.db")
    assert (figures.total, figures.seconds, figures.by_host, figures.broken) == (0, 0.0, (), ())


def test_what_is_no_job_or_damaged_is_said(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="holds no job"):
        read_figures(tmp_path / "job.db")
    (tmp_path / "job.db").write_bytes(b"no database" * 1000)
    with pytest.raises(JobError, match="not a database"):
        read_figures(tmp_path / "job.db")
    (tmp_path / "job.db").unlink()
    make(tmp_path, [(b"{", "fetched", "http://a.example/", 1)])
    with pytest.raises(JobError, match="a record is damaged"):
        read_figures(tmp_path / "job.db")


def test_a_running_job_is_reported_while_it_runs(tmp_path: Path) -> None:
    with Site() as site:
        site.page("/", title="Home", links=["/gone", "/hangs"])
        site.hang("/hangs")
        words = [sys.executable, "-m", "skitter"]
        with subprocess.Popen([*words, "crawl", site.url("/"), "--job", "j", "-q"], cwd=tmp_path) as crawl:
            until = time.monotonic() + 30
            while time.monotonic() < until and ended(tmp_path / "j/job.db") < 2:
                time.sleep(0.05)
            made = subprocess.run([*words, "report", "j"], cwd=tmp_path, capture_output=True, text=True)
            crawl.kill()
        assert made.stdout == "j/report.html\n", made.stderr
    html = (tmp_path / "j/report.html").read_text()
    assert f"running, process {crawl.pid}" in html
    assert site.url("/gone") in html


def ended(database: Path) -> int:
    try:
        return sum(read_status(database).by_reason.values())
    except JobError:
        return 0


def make(folder: Path, rows: list[tuple[bytes, str, str, int]]) -> None:
    """A job's database with these records: line, reason, URL, host."""
    database = Database(folder / "job.db")
    with database.transaction():
        for line, reason, url, host in rows:
            database.connection.execute(
                "INSERT OR IGNORE INTO host (id, origin) VALUES (?, ?)", (host, url[:-1])
            )
            database.connection.execute(
                "INSERT INTO record (key, host, reason, line) VALUES (?, ?, ?, ?)",
                (key_of(url), host, reason, line),
            )
    database.close()


def line(url: str, at: str) -> tuple[bytes, str, str, int]:

    record = Record(url=url, reason=Reason.FETCHED, status=200, depth=0, fetched_at=at, ttfb=0.1)
    return msgspec.json.encode(record), "fetched", url, 1


def test_long_pauses_are_cut_out_of_the_axis(tmp_path: Path) -> None:
    seconds = [f"2026-01-01T00:00:{n:02}.000Z" for n in range(40)]
    later = [f"2026-01-03T12:00:{n:02}.000Z" for n in range(20)]
    make(tmp_path, [line(f"http://a.example/{n}", at) for n, at in enumerate(seconds + later)])
    figures = read_figures(tmp_path / "job.db")
    (pause,) = figures.timeline.pauses
    assert pause.at == 39
    assert pause.seconds == 2.5 * 86400 - 39
    assert figures.seconds == 39 + 19
    counts = [moment.counts[0] for moment in figures.timeline.moments]
    assert sum(counts) == 60
    assert len(counts) * figures.timeline.step == pytest.approx(59, abs=1)


@pytest.mark.parametrize("most", [0.003, 0.9, 1, 7, 12, 99, 100, 101, 123_456, 1e9])
def test_axes_reach_as_far_as_needed_in_round_steps(most: float) -> None:
    found = ticks(most)
    assert found[0] == 0
    assert found[-2] < most * 1.000001 <= found[-1] * 1.00001
    assert 3 <= len(found) <= 6
    assert len(clock_ticks(most)) <= 11


def test_lapses_in_words() -> None:
    words = ["0", "200 ms", "1.5 s", "1 m 30 s", "2 h", "1 d 12 h"]
    assert list(map(lapse, (0, 0.2, 1.5, 90, 7200, 129_600))) == words
