"""The one file of a job: who opens it and how, older formats, and a log that does not grow for ever."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.frontier.format1 import downgrade

import skitter
from skitter.errors import JobError, StorageError
from skitter.frontier import Database, Ledger
from skitter.frontier.schema import FORMAT, MIGRATIONS
from skitter.testing import Site

PAGES = 30
OUTPUTS = ("pages.jsonl", "items.jsonl")
_LOG_LIMIT = 8 * 1024 * 1024


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as site:
        site.page("/", links=[f"/p/{n}" for n in range(PAGES)], title="front")
        for n in range(PAGES):
            site.page(f"/p/{n}", f"<h1>product {n}</h1>", title=f"page {n}")
        yield site


def crawl(site: Site, folder: Path, limit: int | None = None, **options: Any) -> None:
    made = skitter.Crawler(
        job=str(folder / "j"),
        records=str(folder / "pages.jsonl"),
        output=str(folder / "items.jsonl"),
        concurrency=4,
        limit=limit,
        **options,
    )

    @made.on("*/p/*")
    def product(page: skitter.Page) -> dict[str, str]:
        return {"url": page.url}

    made.run_sync([site.url("/")])


def urls(path: Path) -> list[str]:
    """The pages of an output, none of them twice."""
    found = [json.loads(line)["url"] for line in path.read_text().splitlines()]
    assert len(set(found)) == len(found)
    return found


def meta(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as db:
        return dict(db.execute("SELECT name, value FROM meta"))


# -- older and newer formats -----------------------------------------------------------------


@pytest.fixture
def old(site: Site, tmp_path: Path) -> Path:
    """A job that the first release began, with half of its pages."""
    crawl(site, tmp_path, limit=15)
    downgrade(tmp_path / "j/job.db")
    return tmp_path / "j/job.db"


def test_a_job_of_the_first_format_goes_on(site: Site, tmp_path: Path, old: Path) -> None:
    half = {name: (tmp_path / name).read_bytes() for name in OUTPUTS}
    before = len(site.requests)
    crawl(site, tmp_path)
    assert len(urls(tmp_path / "pages.jsonl")) == PAGES + 1
    assert len(urls(tmp_path / "items.jsonl")) == PAGES
    for name, data in half.items():
        assert (tmp_path / name).read_bytes().startswith(data), name
    assert len(site.requests) - before <= PAGES + 1 - 15 + 1, "nothing is asked for again"
    assert meta(old)["format"] == FORMAT


def test_what_the_first_format_had_not_committed_is_cut_off(site: Site, tmp_path: Path, old: Path) -> None:
    for name in OUTPUTS:
        with (tmp_path / name).open("a") as file:
            file.write('{"url": "not committed"}\n{"torn')
    crawl(site, tmp_path)
    assert len(urls(tmp_path / "pages.jsonl")) == PAGES + 1
    assert len(urls(tmp_path / "items.jsonl")) == PAGES


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_was_lost_under_the_first_format_is_made_again(
    site: Site, tmp_path: Path, old: Path, name: str
) -> None:
    """It kept one length a file: a shorter one begins anew."""
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-100])
    crawl(site, tmp_path)
    assert len(urls(tmp_path / "pages.jsonl")) == PAGES + 1
    assert len(urls(tmp_path / "items.jsonl")) == PAGES


def test_an_output_that_was_left_out_under_the_first_format_is_known_to_lack_its_end(
    site: Site, tmp_path: Path
) -> None:
    crawl(site, tmp_path, limit=8)
    skitter.Crawler(job=str(tmp_path / "j"), records=str(tmp_path / "other.jsonl"), limit=15).run_sync(
        [site.url("/")]
    )
    downgrade(tmp_path / "j/job.db")
    crawl(site, tmp_path)
    assert len(urls(tmp_path / "pages.jsonl")) == PAGES + 1


def test_a_migration_that_fails_in_the_middle_leaves_the_job_as_it_was(
    site: Site, tmp_path: Path, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it, or nothing; and it can be tried again."""
    with closing(sqlite3.connect(old)) as db:
        before = list(db.iterdump())
    step = MIGRATIONS["1"]
    for number in range(1, len(step.statements) + 1):
        broken = msgspec.structs.replace(
            step, statements=(*step.statements[:number], "SELECT * FROM nothing")
        )
        with monkeypatch.context() as patch:
            patch.setitem(MIGRATIONS, "1", broken)
            with pytest.raises(StorageError, match="nothing"):
                Database(old)
        with closing(sqlite3.connect(old)) as db:
            assert list(db.iterdump()) == before, number
    crawl(site, tmp_path)
    assert len(urls(tmp_path / "pages.jsonl")) == PAGES + 1


_STEPS = [former for former, step in MIGRATIONS.items() for _ in step.statements]


@pytest.mark.parametrize(("number", "former"), list(enumerate(_STEPS, 1)))
def test_a_kill_within_the_migration_loses_nothing(
    site: Site, tmp_path: Path, old: Path, number: int, former: str
) -> None:
    program = f"from pathlib import Path; from skitter.frontier import Database; Database(Path({str(old)!r}))"
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={"SKITTER_FAILPOINT": f"mid-migration:{number}", "PYTHONPATH": ":".join(sys.path)},
        timeout=30,
    )
    assert result.returncode == -9
    assert meta(old)["format"] == former
    database = Database(old)
    assert set(Ledger(database).outputs()) == {str(tmp_path / OUTPUTS[0]), f"items:{tmp_path / OUTPUTS[1]}"}
    database.close()
    assert meta(old)["format"] == FORMAT


def test_a_newer_format_is_refused_and_left_as_it_is(site: Site, tmp_path: Path) -> None:
    crawl(site, tmp_path, limit=5)
    path = tmp_path / "j/job.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE meta SET value = '99' WHERE name = 'format'")
    every = {file: file.read_bytes() for file in (path, tmp_path / OUTPUTS[0], tmp_path / OUTPUTS[1])}
    before = len(site.requests)
    with pytest.raises(JobError, match=f"is of format 99, this skitter knows {FORMAT}"):
        crawl(site, tmp_path)
    assert every == {file: file.read_bytes() for file in every}
    assert len(site.requests) == before


# -- who opens it, and how -------------------------------------------------------------------


def test_a_crawl_opens_its_database_once_to_write_and_status_only_to_read(site: Site, tmp_path: Path) -> None:
    """Two connections that write or checkpoint can corrupt the file in SQLite before 3.51.3."""
    program = """
import sys
opened = []
sys.addaudithook(lambda name, found: opened.append(str(found[0])) if name == "sqlite3.connect" else None)
from skitter.cli.main import main
code = main(sys.argv[1:])
print(code, *opened, sep="\\n")
"""
    found = []
    crawl_words = ("crawl", site.url("/"), "--job", "j.crawl", "--limit")
    every = ((*crawl_words, "5"), (*crawl_words, "99"), ("status", "j.crawl"))
    for words in every:
        result = subprocess.run(
            [sys.executable, "-c", program, *words],
            cwd=tmp_path,
            env={"PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            timeout=30,
        )
        lines = result.stdout.splitlines()
        lines = lines[lines.index("0") + 1 :]
        assert len(lines) == 1, result.stdout + result.stderr
        found += lines
    first, second, status = found
    assert Path(first).name == Path(second).name == "job.db"
    assert status.endswith("?mode=ro")


@pytest.mark.parametrize(("durable", "synchronous"), [(False, 1), (True, 2)])
def test_the_connection_waits_for_the_disk_only_when_it_is_to(
    tmp_path: Path, durable: bool, synchronous: int
) -> None:
    for _ in ("a new database", "one that is there"):
        database = Database(tmp_path / "job.db", durable=durable)
        execute = database.connection.execute
        assert execute("PRAGMA synchronous").fetchone() == (synchronous,)
        assert execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert execute("PRAGMA mmap_size").fetchone() in (None, (0,)), "an I/O error would be a crash"
        assert execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
        database.close()


def test_a_closed_job_is_one_file(tmp_path: Path) -> None:
    database = Database(tmp_path / "job.db")
    database.remember({"a": "b"})
    assert (tmp_path / "job.db-wal").exists()
    database.close()
    assert [file.name for file in tmp_path.iterdir()] == ["job.db"]


# -- the write-ahead log ---------------------------------------------------------------------


def _commits(database: Database, number: int, first: int = 0) -> int:
    """The most bytes that the log had during so many commits of some 100 KiB."""
    log, most = Path(f"{database.path}-wal"), 0
    for n in range(first, first + number):
        database.remember({f"fact {n}": "x" * 100_000})
        most = max(most, log.stat().st_size)
    return most


def test_the_log_is_folded_back_again_and_again(tmp_path: Path) -> None:
    """A start after a kill reads the whole log: what it may be long decides how long that takes."""
    database = Database(tmp_path / "job.db")
    assert 2 * 1024 * 1024 < _commits(database, 300) < _LOG_LIMIT
    database.close()


def test_a_reader_only_delays_the_folding(tmp_path: Path) -> None:
    """``skitter status`` may look at a running job for as long as it likes."""
    database = Database(tmp_path / "job.db")
    _commits(database, 10)
    with closing(sqlite3.connect(f"{database.path.as_uri()}?mode=ro", uri=True)) as reader:
        reader.execute("BEGIN")
        count = reader.execute("SELECT count(*) FROM meta").fetchone()
        assert _commits(database, 150, 10) > _LOG_LIMIT, "the reader's state has to stay"
        assert reader.execute("SELECT count(*) FROM meta").fetchone() == count
        reader.rollback()
        _commits(database, 2, 160)
        assert _commits(database, 100, 162) < _LOG_LIMIT, "it is short again as soon as nobody looks"
    database.close()
    assert len(meta(tmp_path / "job.db")) == 263


def test_readers_that_come_and_go_do_not_let_the_log_grow(tmp_path: Path) -> None:
    database = Database(tmp_path / "job.db")
    for n in range(0, 300, 10):
        with closing(sqlite3.connect(f"{database.path.as_uri()}?mode=ro", uri=True)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM meta").fetchone()
            _commits(database, 5, n)
        assert _commits(database, 5, n + 5) < _LOG_LIMIT
    database.close()
