"""The JSONL sink: whole lines, cut back to what is committed, never somebody else's file."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from skitter.errors import ConfigError, StorageError
from skitter.model import Held, Mark, Reason, Record, Row
from skitter.sinks import sink_for
from skitter.sinks.appended_sink import AppendedSink
from skitter.sinks.jsonl import JsonLines


def jsonl(path: Path) -> AppendedSink:
    return AppendedSink(str(path), None, JsonLines())


def row(url: str, **extra: str) -> Row:
    record = Record(url=url, reason=Reason.FETCHED, depth=0, fetched_at="2026-01-01T00:00:00Z")
    return Row(record, dict(extra) or None)


def urls(path: Path) -> list[str]:
    text = path.read_text()
    assert text == "" or text.endswith("\n")
    return [json.loads(line)["url"] for line in text.splitlines()]


def test_one_line_a_record_with_all_fields_of_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    sink = jsonl(path)
    sink.open(None)
    assert sink.write([row("http://a.test/\u2028\n", html="<p>é\n")]).length == path.stat().st_size
    sink.close()
    (line,) = path.read_bytes().split(b"\n")[:-1]
    assert list(json.loads(line)) == [
        "url", "reason", "status", "depth", "referrer", "location", "redirected_from", "content_type",
        "charset", "lang", "title", "description", "canonical", "size", "truncated", "sha256", "links",
        "noindex", "nofollow", "lastmod", "fetched_at", "ttfb", "elapsed", "attempts", "error", "html",
    ]  # fmt: skip
    assert json.loads(line)["html"] == "<p>é\n"


def test_what_was_not_committed_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    sink = jsonl(path)
    sink.open(None)
    committed = sink.write([row("http://a.test/1")])
    sink.write([row("http://a.test/2")])
    sink.close()
    with path.open("ab") as file:
        file.write(b'{"url":"torn')
    sink = jsonl(path)
    sink.open(committed.length)
    assert urls(path) == ["http://a.test/1"]
    sink.write([row("http://a.test/3")])
    sink.close()
    assert urls(path) == ["http://a.test/1", "http://a.test/3"]


def written(path: Path, *names: str) -> list[Mark]:
    """A commit for each name."""
    sink = jsonl(path)
    sink.open(None)
    marks = [sink.write([row(f"http://a.test/{name}", html=name * 1000)]) for name in names]
    sink.close()
    return marks


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.jsonl.zst"])
def test_what_is_there_is_known_again_by_its_last_bytes(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    marks = written(path, "1", "2", "3")
    head, sink = path.read_bytes()[:64], jsonl(path)
    with path.open("ab") as file:
        file.write(b"not committed")
    assert [sink.held(mark, head) for mark in (Mark(0), *marks)] == [Held.WHOLE] * 4
    whole = path.read_bytes()
    for size in range(0, marks[2].length, 7):
        path.write_bytes(whole[:size])
        assert [sink.held(mark, head) is Held.WHOLE for mark in marks] == [
            mark.length <= size for mark in marks
        ]
    path.write_bytes(whole[: marks[1].length + 3] + b"\0" * 5000)
    assert [sink.held(mark, head) for mark in marks] == [Held.WHOLE, Held.WHOLE, Held.SHORT]
    path.unlink()
    assert sink.held(marks[0], head) is Held.GONE


def test_a_file_that_is_not_the_one_we_wrote_is_known(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    (mark,) = written(path, "1")
    same_start = path.read_bytes()[:200]
    head = same_start[:64]
    for data in (b"notes\n", b"x" * 20_000, same_start + b"x" * 20_000):
        path.write_bytes(data)
        assert jsonl(path).held(mark, head) is Held.OTHER
        assert path.read_bytes() == data


def test_the_beginning_is_told_before_it_is_written(tmp_path: Path) -> None:
    """What was written and never committed is known by it; where nothing was begun, nothing is ours."""
    path, told = tmp_path / "out.jsonl", []
    sink = jsonl(path)
    sink.open(None, lambda head: told.append((head, path.stat().st_size)))
    sink.write([])
    for name in "ab":
        sink.write([row(f"http://a.test/{name}")])
    sink.close()
    assert told == [(path.read_bytes()[:64], 0)]
    assert sink.held(Mark(0), told[0][0]) is Held.WHOLE
    assert sink.held(Mark(0), b"") is Held.OTHER
    assert sink.held(Mark(0), b"precious") is Held.OTHER


def test_compressed_lines_end_a_member_at_each_commit(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl.gz"
    marks = written(path, "1", "2", "3")
    lines = gzip.decompress(path.read_bytes()).splitlines()
    assert [json.loads(line)["url"][-1] for line in lines] == ["1", "2", "3"]
    sink = jsonl(path)
    sink.open(marks[1].length)
    sink.write([])
    sink.close()
    assert len(gzip.decompress(path.read_bytes()).splitlines()) == 2


def test_a_write_that_fails_leaves_no_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    code = """
import resource, signal, sys
from skitter.model import Reason, Record, Row
from skitter.sinks import sink_for
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
sink = sink_for(sys.argv[1])
sink.open(None)
for n in range(100):
    sink.write([Row(Record(url=f"http://a.test/{n}", reason=Reason.FETCHED, depth=0, fetched_at=""))])
"""
    ended = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert "StorageError" in ended.stderr
    assert len(urls(path)) > 2, "every line parses"


def test_a_full_disk_is_a_storage_error(tmp_path: Path) -> None:
    path = tmp_path / "full.jsonl"
    path.symlink_to("/dev/full")
    sink = jsonl(path)
    sink.open(None)
    with pytest.raises(StorageError, match="No space left"):
        sink.write([row("http://a.test/")])
    sink.close()


def test_the_ending_says_the_format() -> None:
    assert sink_for("-").name == "-"
    assert sink_for("a/b.jsonl").name == "a/b.jsonl"
    with pytest.raises(ConfigError, match="ending says the format"):
        sink_for("pages.txt")
