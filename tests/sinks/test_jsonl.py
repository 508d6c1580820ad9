"""The JSONL sink: whole lines, cut back to what is committed, never somebody else's file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from skitter.errors import ConfigError, JobError, StorageError
from skitter.model import Reason, Record, Row
from skitter.sinks import JsonlSink, sink_for


def row(url: str, **extra: str) -> Row:
    record = Record(url=url, reason=Reason.FETCHED, depth=0, fetched_at="2026-01-01T00:00:00Z")
    return Row(record, dict(extra) or None)


def urls(path: Path) -> list[str]:
    text = path.read_text()
    assert text == "" or text.endswith("\n")
    return [json.loads(line)["url"] for line in text.splitlines()]


def test_one_line_a_record_with_all_fields_of_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    sink = JsonlSink(str(path))
    sink.open(None)
    assert sink.write([row("http://a.test/\u2028\n", html="<p>é\n")]) == path.stat().st_size
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
    sink = JsonlSink(str(path))
    sink.open(None)
    committed = sink.write([row("http://a.test/1")])
    sink.write([row("http://a.test/2")])
    sink.close()
    with path.open("ab") as file:
        file.write(b'{"url":"torn')
    sink = JsonlSink(str(path))
    sink.open(committed)
    assert urls(path) == ["http://a.test/1"]
    sink.write([row("http://a.test/3")])
    sink.close()
    assert urls(path) == ["http://a.test/1", "http://a.test/3"]


def written(path: Path, *names: str) -> int:
    sink = JsonlSink(str(path))
    sink.open(None)
    length = sink.write([row(f"http://a.test/{name}", html="x" * 100_000) for name in names])
    sink.close()
    return length


def url_of(number: int) -> str:
    return f"http://a.test/{number}"


def test_what_is_there_is_known_again_by_its_last_record(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    length = written(path, "1", "2", "3")
    with path.open("ab") as file:
        file.write(b"not committed")
    assert JsonlSink(str(path)).recover(3, length, url_of) == (3, length)


def test_a_file_cut_short_by_a_power_failure_counts_as_far_as_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    length = written(path, "1", "2", "3")
    line = length // 3
    for size, whole in ((0, 0), (5, 0), (line, 1), (line + 1, 1), (3 * line - 1, 2)):
        written(path, "1", "2", "3")
        path.write_bytes(path.read_bytes()[:size])
        assert JsonlSink(str(path)).recover(3, length, url_of) == (whole, whole * line), size


def test_a_file_that_is_not_the_one_we_wrote_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    for data in (b"notes, longer than what we wrote\n" * 10, b"x" * 200, b'{"url":"http://b.test/"}\n' * 20):
        path.write_bytes(data)
        with pytest.raises(JobError, match="not the file"):
            JsonlSink(str(path)).recover(2, 50, url_of)
        assert path.read_bytes() == data


def test_a_full_disk_is_a_storage_error(tmp_path: Path) -> None:
    path = tmp_path / "full.jsonl"
    path.symlink_to("/dev/full")
    sink = JsonlSink(str(path))
    sink.open(None)
    with pytest.raises(StorageError, match="No space left"):
        sink.write([row("http://a.test/")])
    sink.close()


def test_the_ending_says_the_format() -> None:
    assert sink_for("-").name == "-"
    assert sink_for("a/b.jsonl").name == "a/b.jsonl"
    with pytest.raises(ConfigError, match="ending says the format"):
        sink_for("pages.txt")
