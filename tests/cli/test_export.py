"""`skitter export`: the records of a job, chosen by SQL, in the formats that the endings name."""

from __future__ import annotations

import gzip
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet
import pytest
from tests.cli.conftest import BARE, Skitter, records

from skitter import Crawler
from skitter.frontier import Database
from skitter.model import Reason, Record
from skitter.rules.url import key_of
from skitter.testing import Site

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COLUMNS = Record.__struct_fields__


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a finished job, ``j``."""
    folder = tmp_path_factory.mktemp("jobs")
    with Site() as site:
        site.page("/", "<p>the front page", title="It's", links=["/1", "/2", "/old", "/dead"])
        site.page("/1", "<p>one", title="Ein\u00fcne", links=["/2"])
        site.page("/2", '<meta name="robots" content="nofollow"><p>two', title="2")
        site.redirect("/old", "/new")
        site.page("/new", "<p>new")
        output = str(folder / "j/pages.jsonl")
        Crawler(job=str(folder / "j"), records=output, field=("html", "text")).run_sync([site.url("/")])
        Crawler(job=str(folder / "plain"), records=str(folder / "plain/p.jsonl.gz")).run_sync([site.url("/")])
        yield folder


def export(jobs: Path, *words: str, job: str = "j") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "skitter", "export", str(jobs / job), *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=BARE,
        cwd=jobs,
    )


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def plain(jobs: Path) -> list[dict[str, Any]]:
    """The records as the crawl wrote them, without the large fields."""
    return [{name: record[name] for name in COLUMNS} for record in records(jobs / "j/pages.jsonl")]


def test_by_default_whole_records_go_to_stdout(jobs: Path) -> None:
    result = export(jobs)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert objects(result.stdout) == plain(jobs)


def test_several_files_by_their_endings(jobs: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"
    result = export(jobs, "-o", str(one), "-o", str(two))
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert result.stderr == f"6 records -> {one}, {two}\n"
    assert records(one) == plain(jobs) == objects(gzip.decompress(two.read_bytes()).decode())
    assert sorted(tmp_path.iterdir()) == [one, two], "nothing is left over"


def test_fields_in_the_order_in_which_they_are_named(jobs: Path) -> None:
    result = export(jobs, "--field", "status", "--field", "url", "--field", "redirected_from")
    assert [list(each) for each in objects(result.stdout)] == [["status", "url", "redirected_from"]] * 6
    expected = [{name: each[name] for name in ("status", "url", "redirected_from")} for each in plain(jobs)]
    assert objects(result.stdout) == expected


def test_large_fields_come_from_the_outputs_in_step(jobs: Path) -> None:
    result = export(jobs, "--where", "status = 200", "--field", "text", "--field", "url", "--field", "html")
    assert result.returncode == 0, result.stderr
    whole = [each for each in records(jobs / "j/pages.jsonl") if each["status"] == 200]
    assert len(whole) == 4
    assert objects(result.stdout) == [
        {name: each[name] for name in ("text", "url", "html")} for each in whole
    ]


def test_large_fields_of_a_compressed_output(jobs: Path, tmp_path: Path) -> None:
    with Site() as site:
        site.page("/", "<p>front", links=["/1"])
        site.page("/1", "<p>one")
        job = tmp_path / "z"
        Crawler(job=str(job), records=str(job / "p.jsonl.gz"), field=("text",)).run_sync([site.url("/")])
        found = export(tmp_path, "--field", "text", job="z")
        assert [each["text"] for each in objects(found.stdout)] == ["front /1", "one"]
        (job / "p.jsonl.gz").unlink()
        gone = export(tmp_path, "--field", "text", job="z")
        assert gone.returncode == 2
        assert "--field text: it is in the job's outputs alone" in gone.stderr


def test_large_fields_of_an_output_in_zstd(tmp_path: Path) -> None:
    """As a sink of that ending writes them: a frame for each commit, and the next one half there."""
    with Site() as site:
        site.page("/", "<p>front", links=["/1"])
        site.page("/1", "<p>one")
        Crawler(job=str(tmp_path / "j"), field=("text",)).run_sync([site.url("/")])
    pages = tmp_path / "j/pages.jsonl"
    frames = [zstd.compress(line) for line in pages.read_bytes().splitlines(keepends=True)]
    (tmp_path / "j/pages.jsonl.zst").write_bytes(b"".join(frames) + frames[0][:9])
    with sqlite3.connect(tmp_path / "j/job.db") as db:
        db.execute("UPDATE output SET path = 'pages.jsonl.zst'")
        db.execute("UPDATE mark SET length = ?", (sum(map(len, frames)),))
    db.close()
    result = export(tmp_path, "--field", "text")
    assert result.returncode == 0, result.stderr
    assert [each["text"] for each in objects(result.stdout)] == ["front /1", "one"]


def test_an_output_that_is_another_file_by_now_gives_no_fields(tmp_path: Path) -> None:
    with Site() as site:
        site.page("/", "<p>front", links=["/1"])
        Crawler(job=str(tmp_path / "j"), field=("text",)).run_sync([site.url("/")])
        pages = tmp_path / "j/pages.jsonl"
        pages.write_bytes(b"".join(reversed(pages.read_bytes().splitlines(keepends=True))))
        result = export(tmp_path, "--field", "text", "-o", "out.jsonl")
        assert result.returncode == 2
        assert "is not the file that this job wrote" in result.stderr
        assert sorted(each.name for each in tmp_path.iterdir()) == ["j"]


# -- --where ---------------------------------------------------------------------------------


def literal(value: object) -> str:
    """As SQL writes it."""
    if value is None:
        return "NULL"
    if isinstance(value, list):
        value = msgspec.json.encode(value).decode()
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


@pytest.mark.parametrize("column", COLUMNS)
def test_every_field_is_a_column_with_its_type(jobs: Path, column: str) -> None:
    """Found again by its own value: numbers as numbers, truth as truth, lists as JSON."""
    (row,) = [each for each in plain(jobs) if each["redirected_from"]]
    result = export(jobs, "--where", f"{column} IS {literal(row[column])}", "--field", "url")
    assert result.returncode == 0, result.stderr
    expected = [{"url": each["url"]} for each in plain(jobs) if each[column] == row[column]]
    assert objects(result.stdout) == expected


@pytest.mark.parametrize(
    ("where", "number"),
    [
        ("1", 6),
        ("0", 0),
        ("status = 404", 1),
        ("status = '404'", 1),
        ("status >= 300 AND NOT status BETWEEN 400 AND 499", 1),
        ("reason IN ('fetched', 'redirected') AND depth = 1", 4),
        ("title LIKE 'it''s%'", 1),
        ("nofollow", 1),
        ("nofollow = false", 5),
        ("links > 1 OR elapsed < 0", 1),
        ("url GLOB '*/[12]'", 2),
        ("referrer IN (SELECT url FROM record WHERE referrer IS NULL)", 5),
        ("EXISTS (SELECT 1 FROM json_each(redirected_from) WHERE value LIKE '%/old')", 1),
        ("location IS NOT NULL -- redirects only", 1),
        ("fetched_at > '2020-01-01' AND sha256 IS NOT NULL", 5),
    ],
)
def test_records_are_chosen_by_an_expression(jobs: Path, where: str, number: int) -> None:
    result = export(jobs, "--where", where, "--field", "url")
    assert result.returncode == 0, result.stderr
    assert len(objects(result.stdout)) == number


INJECTIONS = (
    "1); DROP TABLE record; --",
    "1; DROP TABLE record",
    "1) UNION SELECT 1, value FROM meta WHERE (1",
    "1) UNION ALL SELECT _id, _line FROM record WHERE (1",
    "1) ORDER BY 1 --",
    "(SELECT value FROM meta LIMIT 1)",
    "EXISTS (SELECT 1 FROM sqlite_master)",
    "EXISTS (SELECT 1 FROM main.host)",
    "EXISTS (SELECT 1 FROM pragma_table_info('record'))",
    "load_extension('evil')",
    "LOAD_EXTENSION('evil', 'init')",
    "readfile('/etc/passwd')",
    "writefile('made', 'by us')",
    "ATTACH 'made.db' AS made",
    "1); ATTACH 'made.db' AS made; --",
    "PRAGMA query_only=OFF",
    "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n)",
    "(INSERT INTO meta VALUES ('a', 'b'))",
    "(DELETE FROM record RETURNING 1)",
)


@pytest.mark.parametrize("where", INJECTIONS)
def test_an_expression_can_read_records_and_nothing_else(jobs: Path, where: str) -> None:
    before = (jobs / "j/job.db").read_bytes()
    result = export(jobs, "--where", where)
    assert result.returncode == 2, result.stdout
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "the columns are url, reason, status, depth" in result.stderr
    assert (jobs / "j/job.db").read_bytes() == before
    assert not list(jobs.glob("made*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--where", "statsu = 1"),
            "--where: no such column: statsu; text is in 'single quotes', the columns",
        ),
        (("--where", "reason = fetched"), "no such column: fetched"),
        (("--where", "status ="), "syntax error"),
        (("--where", ""), "syntax error"),
        (("--where", "url = ?"), "--where: "),
        (("--where", "json_extract(url, '$.a')"), "malformed JSON"),
        (("--field", "titel"), "--field: 'titel' is no field; did you mean 'title'?"),
        (("--field", "headers"), "--field headers: this job did not keep it"),
        (("-o", "x.foo"), "the ending says the format"),
        (("-o", "there.jsonl"), "-o there.jsonl: exists; choose another name, or --force"),
        (("-o", "j/pages.jsonl", "--force"), "the job itself writes it"),
        (("-o", "no/such/x.jsonl"), "does not exist"),
        (("-o", "a.jsonl", "-o", "./a.jsonl"), "named twice"),
        (("-o", "new.jsonl", "--where", "lengths"), "no such column: lengths"),
        (("--were", "1"), "did you mean '--where'"),
    ],
)
def test_mistakes_get_one_line_exit_code_2_and_no_file(jobs: Path, words: tuple[str, ...], said: str) -> None:
    (jobs / "there.jsonl").write_text('{"my": "data"}\n')
    before = sorted(each.name for each in (*jobs.iterdir(), *(jobs / "j").iterdir()))
    result = export(jobs, *words)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr
    assert (jobs / "there.jsonl").read_text() == '{"my": "data"}\n'
    assert sorted(each.name for each in (*jobs.iterdir(), *(jobs / "j").iterdir())) == before


def test_no_job_is_said_as_by_status(skitter: Skitter, tmp_path: Path) -> None:
    result = skitter("export", "nowhere", "-o", "a.jsonl")
    assert (result.returncode, result.stdout) == (2, "")
    assert "nowhere holds no job" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_force_puts_the_new_file_in_the_place_of_the_old_one(jobs: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("theirs\n" * 10_000)
    assert export(jobs, "-o", str(path), "--where", "depth = 0", "--force").returncode == 0
    assert [each["depth"] for each in records(path)] == [0]


def test_an_export_that_fails_leaves_what_was_there(jobs: Path, tmp_path: Path) -> None:
    """The error comes with the last record only."""
    path = tmp_path / "a.jsonl"
    path.write_text("theirs\n")
    where = "json_extract(CASE WHEN status = 404 THEN 'x' ELSE '1' END, '$')"
    result = export(jobs, "-o", str(path), "--force", "--where", where)
    assert result.returncode == 2
    assert path.read_text() == "theirs\n"
    assert list(tmp_path.iterdir()) == [path]


# -- many records ----------------------------------------------------------------------------

MANY = 30_000


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a job ``j`` of many records, made with SQL."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "j").mkdir()
    database = Database(folder / "j/job.db")
    rows = []
    for number in range(MANY):
        url = f"http://many.example/{number}"
        record = Record(
            url=url, reason=Reason.FETCHED, status=200, depth=1, fetched_at="2026-01-01T00:00:00Z"
        )
        rows.append((key_of(url), msgspec.json.encode(record)))
    with database.transaction():
        database.connection.executemany(
            "INSERT INTO record (key, host, reason, line) VALUES (?, 1, 'fetched', ?)", rows
        )
    database.close()
    return folder


def test_many_records_are_a_stream(many: Path, tmp_path: Path) -> None:
    code = """
import os, resource, sys
from skitter.cli.main import main
assert main(sys.argv[1:]) == 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    used = []
    for where in ("size < 0", "1"):
        path = tmp_path / "all.jsonl"
        words = ("export", str(many / "j"), "-o", str(path), "--force", "--where", where)
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, env=BARE)
        assert done.returncode == 0, done.stderr
        used.append(int(done.stdout))
    assert path.read_bytes().count(b"\n") == MANY
    assert path.stat().st_size > 12_000_000
    assert used[1] - used[0] < 10_000, "KiB, of 12 MB that were written"


def test_a_reader_that_goes_away_ends_it_quietly(many: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "skitter", "export", str(many / "j")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=BARE,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b'{"url":"http://many.example/0"')
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 141


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_no_half_file(many: Path, tmp_path: Path, number: signal.Signals, code: int) -> None:
    """It stands still where nobody reads its standard output any further."""
    command = [sys.executable, "-m", "skitter", "export", str(many / "j"), "-o", "a.jsonl", "-o", "-"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=BARE, cwd=tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    assert len(list(tmp_path.iterdir())) == 1
    process.send_signal(number)
    process.wait(60)
    process.stdout.close()
    assert process.returncode == code
    assert list(tmp_path.iterdir()) == []


def test_what_is_committed_meanwhile_is_for_the_next_export(many: Path) -> None:
    """A writer goes on beside it: what is read is of one moment."""
    process = subprocess.Popen(
        [sys.executable, "-m", "skitter", "export", str(many / "j"), "--field", "url"],
        stdout=subprocess.PIPE,
        env=BARE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    writer = sqlite3.connect(many / "j/job.db", isolation_level=None)
    writer.execute("INSERT INTO record (key, host, reason, line) VALUES (0, 1, 'fetched', '{}')")
    lines = process.stdout.read().splitlines()
    process.stdout.close()
    assert process.wait(60) == 0
    assert len(lines) == MANY - 1
    writer.execute("DELETE FROM record WHERE key = 0")
    writer.close()


def test_chosen_fields_keep_their_types(jobs: Path, tmp_path: Path) -> None:
    """Also where no record is chosen, and where the first of a list is empty."""
    for name in ("a.parquet", "a.csv", "a.sqlite"):
        words = ("--field", "fetched_at", "--field", "redirected_from", "--field", "status", "--field", "url")
        done = export(jobs, "-o", str(tmp_path / name), *words)
        assert done.returncode == 0, done.stderr
    table = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    assert table.column_names == ["fetched_at", "redirected_from", "status", "url"]
    assert [str(field.type) for field in table.schema] == [
        "timestamp[us, tz=UTC]", "list<element: string>", "int64", "string",
    ]  # fmt: skip
    with closing(sqlite3.connect(tmp_path / "a.sqlite")) as db:
        kinds = {row[1]: row[2] for row in db.execute("PRAGMA table_info(records)")}
        assert (kinds["status"], kinds["url"]) == ("INTEGER", "TEXT")
        assert db.execute("SELECT count(*) FROM records").fetchone()[0] == table.num_rows > 0
    done = export(
        jobs, "-o", str(tmp_path / "a.parquet"), "--force", "--field", "url", "--where", "status = 999"
    )
    assert done.returncode == 0, done.stderr
    assert pyarrow.parquet.read_table(tmp_path / "a.parquet").num_rows == 0
    done = export(jobs, "-o", str(tmp_path / "a.warc.gz"), "--field", "url")
    assert (done.returncode, "leave out --field" in done.stderr) == (2, True)
