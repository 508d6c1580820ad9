"""Archives: what went over the wire, read again by two other libraries."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import brotli
import fastwarc.warc
import msgspec
import pytest
from tests.threats.wiretap import Tap, answer, html
from warcio.archiveiterator import ArchiveIterator

import skitter
from skitter.errors import ConfigError, JobError
from skitter.events import Event, Noted
from skitter.exchange import Exchange
from skitter.failpoint import FAILPOINT
from skitter.model import Reason, Record, Row
from skitter.sinks import Form, sink_for, warc
from skitter.sinks.warc import WarcSink, archive_is_ours
from skitter.testing import Site

SECRET = "tops3cret"
PAGE = b"<!doctype html><title>t</title>" + b"<p>words and words</p>" * 200
PACKED, PACKED_TOO = gzip.compress(PAGE), gzip.compress(PAGE + b"both")  # with the time in them
MAX_BODY = 20_000


class Closing(Tap):
    """Hangs up where the answer says so."""

    async def _talk(self, reader: Any, writer: Any) -> None:
        while data := await self._head(reader):
            reply = self.answers(data.split(b" ")[1].decode("ascii"))
            writer.write(reply)
            await writer.drain()
            if b"Connection: close" in reply:
                return


def chunked(body: bytes, *fields: str) -> bytes:
    head = "\r\n".join(
        ["HTTP/1.1 200 OK", "Content-Type: text/html", "transfer-Encoding: chunked", *fields, "", ""]
    )
    chunks = b"".join(
        f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in (body[:10], body[10:]) if part
    )
    return head.encode() + chunks + b"0\r\n\r\n"


PAGES = {
    "/robots.txt": answer("200 OK", b"User-agent: *\nDisallow: /denied\n", content_type="text/plain"),
    "/gzip": answer("200 OK", PACKED, "Content-Encoding: gzip"),
    "/br": answer("200 OK", brotli.compress(PAGE + b"br"), "Content-Encoding: br"),
    "/chunked": chunked(PAGE + b"chunked"),
    "/chunked-gzip": chunked(PACKED_TOO, "Content-Encoding: gzip"),
    "/nothing": b"HTTP/1.1 204 No Content\r\n\r\n",
    "/moved": answer("301 Moved", b"gone from here", "Location: /gzip"),
    "/gone": answer("404 Not here", b"no such page"),
    "/empty": answer("200 OK"),
    "/cut": b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\nConnection: close\r\n\r\n" + PAGE[:500],
    "/large": answer("200 OK", PAGE * 9),
    "/same-1": answer("200 OK", b"the same", "X-Number: 1"),
    "/same-2": answer("200 OK", b"the same", "X-Number: 2"),
    "/fields": b"HTTP/1.1 200 \xc9t\xe9\r\ncOntent-TYPE: text/html\r\nX-Two: b\r\nX-two: a\r\n"
    b"X-Latin: caf\xe9\r\nContent-Length: 6\r\n\r\nfields",
    "/version": b"HTTP/2.0 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nversion",
    "/0.9": b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\nto the end",
}  # fmt: skip
LINKS = [*(page for page in PAGES if page != "/robots.txt"), "/denied", "/a%0D%0AX-Evil:%201"]


def answers(target: str) -> bytes:
    if target == "/":
        return html(*LINKS)
    return PAGES.get(target) or answer("200 OK", b"evil", "Content-Encoding: x\x85\xe2\x80\xa8via: evil")


class Crawled(NamedTuple):
    origin: str
    folder: Path
    records: dict[str, Any]
    heads: list[bytes]

    def file(self, name: str) -> bytes:
        data = (self.folder / name).read_bytes()
        return gzip.decompress(data) if name.endswith(".gz") else data


class Read(NamedTuple):
    """A record as warcio reads it."""

    kind: str
    fields: dict[str, str]
    url: str
    head: list[tuple[str, str]]
    line: str
    content: bytes


def content(record: Any) -> bytes:
    """The decoded body. warcio knows brotli by a library that nobody keeps up."""
    http = record.http_headers
    if http is not None and http.get_header("content-encoding") == "br":
        return bytes(brotli.decompress(record.raw_stream.read()))
    return bytes(record.content_stream().read())


def read(file: Path) -> list[Read]:
    """All records, with the digests checked."""
    found = []
    with file.open("rb") as opened:
        for record in ArchiveIterator(opened, check_digests="raise"):
            url = record.rec_headers.get_header("WARC-Target-URI") or ""
            fields = dict(record.rec_headers.headers)
            assert len(fields) == len(record.rec_headers.headers), "no field comes twice"
            head, line = [], ""
            if (http := record.http_headers) is not None:
                head, line = http.headers, f"{http.protocol} {http.statusline}"
            path = "/" + url.partition("//")[2].partition("/")[2]
            found.append(Read(record.rec_type, fields, path, head, line, content(record)))
            assert record.rec_type == "revisit" or record.digest_checker.passed is True
    return found


def of(path: Path, kind: str) -> dict[str, Read]:
    found = [record for record in read(path) if record.kind == kind]
    assert len({record.url for record in found}) == len(found), "each URL once"
    return {record.url: record for record in found}


@pytest.fixture(scope="module", params=[1, 2])
def crawled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crawled]:
    folder = tmp_path_factory.mktemp("warc")
    outputs = [str(folder / name) for name in ("x.warc.gz", "x.warc", "x.jsonl")]
    with Closing(answers) as own:
        skitter.Crawler(
            records=outputs, header=[f"X-Api-Key: {SECRET}", f"aCCept: {SECRET}"], cookie=[f"a={SECRET}"],
            auth=f"carol:{SECRET}", max_body=MAX_BODY, retries=0, processes=request.param,
        ).run_sync([f"{own.origin}/"])  # fmt: skip
        lines = [json.loads(line) for line in (folder / "x.jsonl").read_text().splitlines()]
        records = {line["url"].removeprefix(own.origin): line for line in lines}
        yield Crawled(own.origin, folder, records, own.heads)


FILES = pytest.mark.parametrize("name", ["x.warc.gz", "x.warc"])


@FILES
def test_every_url_has_one_metadata_record_and_every_answer_is_there(crawled: Crawled, name: str) -> None:
    path = crawled.folder / name
    every = Counter(record.kind for record in read(path))
    assert set(crawled.records) == {"/", *LINKS}
    assert set(of(path, "metadata")) == set(crawled.records)
    answered = set(crawled.records) - {"/denied"}
    assert set(of(path, "response")) | set(of(path, "revisit")) == answered
    assert set(of(path, "request")) == answered
    assert every["warcinfo"] == 1
    assert read(path)[0].kind == "warcinfo"


@FILES
def test_bodies_are_those_that_the_records_tell_of(crawled: Crawled, name: str) -> None:
    """Decoded by warcio, which knows nothing of us."""
    found = of(crawled.folder / name, "response")
    checked = [url for url in found if crawled.records[url]["sha256"]]
    assert {"/", "/gzip", "/br", "/chunked", "/chunked-gzip", "/cut", "/empty", "/nothing"} < set(checked)
    for url in checked:
        assert sha256(found[url].content).hexdigest() == crawled.records[url]["sha256"], url


@FILES
def test_fastwarc_reads_the_same(crawled: Crawled, name: str) -> None:
    path = crawled.folder / name
    ours = read(path)
    for decode in ("none", "all"):
        found = list(_by_fastwarc(path.read_bytes(), decode))
        assert [kind for kind, *_ in found] == [record.kind for record in ours]
        assert all(well for _, well, _ in found)
    for record, (_, _, content) in zip(ours, found, strict=True):
        assert record.content == content, record.url


def _url(record: Any) -> str:
    return str(record.headers.get("WARC-Target-URI", "")).lower()


def _by_fastwarc(data: bytes, decode: Any) -> Iterator[tuple[str, bool, bytes]]:
    """Kind, whether the digests hold, and the decoded content."""
    for record in fastwarc.warc.ArchiveIterator(io.BytesIO(data), parse_http=False):
        kind = record.headers.get("WARC-Type")
        assert record.verify_block_digest()
        # It stops at a coding that nobody knows, as it was told by the page at "evil".
        record.parse_http(auto_decode="none" if "evil" in _url(record) else decode)
        well = kind != "response" or decode != "none" or record.verify_payload_digest()
        yield kind or "", well, record.reader.read()


def test_gzip_finds_no_fault_and_each_record_is_a_member(crawled: Crawled) -> None:
    path = crawled.folder / "x.warc.gz"
    assert subprocess.run(["gzip", "-t", path], capture_output=True).stderr == b""
    with path.open("rb") as file:
        records = ArchiveIterator(file)
        offsets = [records.get_record_offset() for _ in records]
    data = path.read_bytes()
    assert len(offsets) == len(read(path))
    assert all(data[offset:].startswith(b"\x1f\x8b") for offset in offsets)


def test_what_is_compressed_already_is_stored_as_it_is(crawled: Crawled) -> None:
    """In the same member, whose head is compressed."""
    data = (crawled.folder / "x.warc.gz").read_bytes()
    assert PACKED in data
    assert b"HTTP/1.1 200 OK" not in data


def test_heads_are_as_they_came(crawled: Crawled) -> None:
    found = of(crawled.folder / "x.warc", "response")
    data = crawled.file("x.warc")
    assert b"\r\n\r\n" + PAGES["/fields"] in data, "order, case, repetition, and bytes beyond ASCII"
    assert b"\r\n\r\n" + PAGES["/gone"] + b"\r\n\r\n" in data
    assert b"\r\n\r\n" + PAGES["/gzip"] + b"\r\n\r\n" in data
    size = len(PACKED_TOO)
    assert found["/chunked-gzip"].head == [
        ("Content-Type", "text/html"),
        ("Content-Length", str(size)),
        ("X-Archive-Orig-transfer-Encoding", "chunked"),
        ("Content-Encoding", "gzip"),
    ]
    assert found["/version"].line == "HTTP/1.1 200 OK", "a version that readers know"
    assert found["/0.9"].line == "HTTP/1.0 200 OK"
    assert found["/nothing"].line == "HTTP/1.1 204 No Content"


def test_what_ends_early_says_why(crawled: Crawled) -> None:
    found = of(crawled.folder / "x.warc", "response")
    cut = {
        url: record.fields["WARC-Truncated"]
        for url, record in found.items()
        if "WARC-Truncated" in record.fields
    }
    assert cut == {"/cut": "disconnect", "/large": "length", "/moved": "unspecified"}
    assert found["/large"].content == (PAGE * 9)[:MAX_BODY]
    assert crawled.records["/large"]["reason"] == "too_large"
    assert found["/moved"].content == b"", "the body of a redirect is not read"


def test_a_payload_that_was_there_is_referred_to(crawled: Crawled) -> None:
    path = crawled.folder / "x.warc"
    revisits, responses = of(path, "revisit"), of(path, "response")
    (url,) = revisits
    other = ({"/same-1", "/same-2"} - {url}).pop()
    fields = revisits[url].fields
    assert fields["WARC-Profile"].endswith("/1.1/revisit/identical-payload-digest")
    assert fields["WARC-Refers-To-Target-URI"] == crawled.origin + other
    assert fields["WARC-Refers-To-Date"] == responses[other].fields["WARC-Date"]
    assert fields["WARC-Payload-Digest"] == responses[other].fields["WARC-Payload-Digest"]
    assert ("X-Number", url[-1]) in revisits[url].head
    assert revisits[url].content == b""


def test_metadata_says_how_a_url_was_met_and_how_it_ended(crawled: Crawled) -> None:
    found = of(crawled.folder / "x.warc", "metadata")
    for url, record in found.items():
        lines = [line.split(": ", 1) for line in record.content.decode().splitlines()]
        said = dict(lines)
        expected = crawled.records[url]
        assert said["reason"] == expected["reason"]
        assert said.get("error") == expected["error"] or url.startswith("/a%0D")
        assert said.get("via") == (expected["redirected_from"] or [expected["referrer"]])[-1]
        assert said.get("hopsFromSeed", "") == "L" * expected["depth"] + "R" * len(
            expected["redirected_from"]
        )
        assert [name for name, _ in lines].count("outlink") == expected["links"]
        assert ("fetchTimeMs" in said) is (url != "/denied")
        assert record.fields["WARC-Date"] == expected["fetched_at"]
    assert f"outlink: {crawled.origin}/gzip L =NAVLINK_MISC".encode() in found["/"].content


def test_the_records_of_a_url_name_each_other(crawled: Crawled) -> None:
    path = crawled.folder / "x.warc"
    answers = of(path, "response") | of(path, "revisit")
    for kind in ("request", "metadata"):
        for url, record in of(path, kind).items():
            beside = record.fields.get("WARC-Concurrent-To")
            assert beside == (answers[url].fields["WARC-Record-ID"] if url != "/denied" else None)
    names = [record.fields["WARC-Record-ID"] for record in read(path)]
    assert len(set(names)) == len(names)
    assert {record.fields["WARC-IP-Address"] for record in answers.values()} == {"127.0.0.1"}


def test_A4_no_secret_is_in_an_archive(crawled: Crawled) -> None:
    """Its requests are what was sent, without the fields that the user gave."""
    data = crawled.file("x.warc") + crawled.file("x.warc.gz")
    sent = b"".join(crawled.heads)
    assert SECRET.encode() in sent
    assert SECRET.encode() not in data
    for name in (b"authorization", b"cookie", b"x-api-key"):
        assert name in sent.lower()
        assert b"\r\n" + name + b":" not in data.lower()
    with (crawled.folder / "x.warc").open("rb") as file:
        requests = [
            (record.http_headers.protocol, [name for name, _ in record.http_headers.headers])
            for record in ArchiveIterator(file)
            if record.rec_type == "request"
        ]
    assert requests == [("GET", ["Host", "User-Agent", "Accept-Encoding"])] * len(requests)


def test_F5_what_strangers_wrote_makes_no_line(crawled: Crawled) -> None:
    """Neither a field of a record nor a line of metadata, and no record."""
    known = {
        "WARC-Type", "WARC-Record-ID", "WARC-Target-URI", "WARC-Date", "WARC-IP-Address", "WARC-Block-Digest",
        "WARC-Payload-Digest", "Content-Type", "Content-Length", "WARC-Concurrent-To", "WARC-Truncated",
        "WARC-Profile", "WARC-Refers-To-Target-URI", "WARC-Refers-To-Date", "WARC-Filename",
    }  # fmt: skip
    said = {"via", "hopsFromSeed", "fetchTimeMs", "reason", "error", "outlink"}
    for record in read(crawled.folder / "x.warc"):
        assert set(record.fields) <= known
        if record.kind == "metadata":
            assert {line.partition(": ")[0] for line in record.content.decode().splitlines()} <= said
    evil = of(crawled.folder / "x.warc", "metadata")["/a%0D%0AX-Evil:%201"]
    assert b"Content-Encoding" in evil.content, "there was something to escape"


def test_F5_an_error_stays_one_line(tmp_path: Path) -> None:
    record = msgspec.structs.replace(
        row(1, b"").record, error="a\r\nvia: evil\u2028via: evil\x85\r\n\r\nWARC/1.1"
    )
    written(tmp_path / "x.warc", Row(record))
    (found,) = of(tmp_path / "x.warc", "metadata").values()
    assert found.content == (
        b"reason: fetched\r\nerror: a\\r\\nvia: evil\\u2028via: evil\\x85\\r\\n\\r\\nWARC/1.1\r\n"
    )


def test_the_first_record_says_who_made_it(crawled: Crawled) -> None:
    said = read(crawled.folder / "x.warc")[0].content.decode()
    assert said.startswith(f"software: skitter/{skitter.__version__}\r\nformat: WARC File Format 1.1\r\n")
    assert "robots: obey\r\n" in said
    assert "options: --max-body 20000 --retries 0" in said


# -- a job -----------------------------------------------------------------------------------

NUMBER = 24
ALL = {"/", *(f"/p/{n}" for n in range(NUMBER))}


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        site.page("/", "front", links=[f"/p/{n}" for n in range(NUMBER)])
        for n in range(NUMBER):
            site.page(f"/p/{n}", f"<h1>page {n}</h1>")
        yield site


def run(site: Site, folder: Path, *names: str, limit: int | None = None, **options: Any) -> list[str]:
    """What the operator is told."""
    notes: list[str] = []

    def observe(event: Event) -> None:
        if isinstance(event, Noted):
            notes.append(event.text)

    skitter.Crawler(
        job=str(folder / "j"), records=[str(folder / name) for name in names], limit=limit, concurrency=2,
        observe=observe, **options,
    ).run_sync([site.url("/")])  # fmt: skip
    return notes


def command(site: Site, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    words = ("crawl", site.url("/"), "--job", "j", "-o", "x.warc.gz", "-o", "x.jsonl", "-c", "4", "-q")
    return subprocess.run(
        [sys.executable, "-m", "skitter", *words],
        cwd=folder, capture_output=True, text=True, timeout=60, env={**os.environ, **variables},
    )  # fmt: skip


@pytest.mark.parametrize(
    "point", ["after-append-before-commit:3", "mid-record:4", "mid-commit:2", "after-fetch:9"]
)
def test_a_killed_crawl_goes_on_with_each_url_once(site: Site, tmp_path: Path, point: str) -> None:
    """What was appended and not committed is cut off: whole records, and no more of them."""
    assert command(site, tmp_path, **{FAILPOINT: point}).returncode == -9
    again = command(site, tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    path = tmp_path / "x.warc.gz"
    assert subprocess.run(["gzip", "-t", path]).returncode == 0
    assert set(of(path, "metadata")) == set(of(path, "response")) == set(of(path, "request")) == ALL
    assert [record.kind for record in read(path)].count("warcinfo") == 1


@pytest.mark.parametrize("name", ["x.warc.gz", "x.warc"])
def test_pages_whose_bodies_are_lost_are_visited_again(site: Site, tmp_path: Path, name: str) -> None:
    run(site, tmp_path, name, "x.jsonl", limit=16)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    notes = run(site, tmp_path, name, "x.jsonl")
    assert any("its end is lost" in note for note in notes)
    assert set(of(path, "metadata")) == set(of(path, "response")) == ALL
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == len(ALL)


def test_an_archive_that_is_added_late_has_the_ends_of_what_was_before(site: Site, tmp_path: Path) -> None:
    run(site, tmp_path, "x.jsonl", limit=10)
    notes = run(site, tmp_path, "x.jsonl", "x.warc.gz")
    assert [
        note for note in notes if "x.warc.gz: without requests and answers of 10 pages visited before" in note
    ]
    path = tmp_path / "x.warc.gz"
    assert set(of(path, "metadata")) == ALL
    assert len(of(path, "response")) == len(ALL) - 10
    assert read(path)[0].kind == "warcinfo"


def test_an_archive_that_is_gone_is_made_again_of_what_records_hold(site: Site, tmp_path: Path) -> None:
    run(site, tmp_path, "x.warc", limit=10)
    (tmp_path / "x.warc").unlink()
    assert any("without requests and answers of 10" in note for note in run(site, tmp_path, "x.warc"))
    assert set(of(tmp_path / "x.warc", "metadata")) == ALL


# -- the sink by itself ----------------------------------------------------------------------


def row(number: int, body: bytes, cut: str = "") -> Row:
    record = Record(
        url=f"http://a.test/{number}", reason=Reason.FETCHED, depth=0, fetched_at="2026-01-01T00:00:00.000Z"
    )
    return Row(record, exchange=Exchange(b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", body, cut))


def written(path: Path, *rows: Row) -> list[str]:
    sink = WarcSink(str(path))
    sink.open(None)
    sink.write(rows)
    sink.close()
    return [record.kind for record in read(path) if record.kind in ("response", "revisit")]


def test_so_many_payloads_are_remembered_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warc, "_REMEMBERED", 2)
    bodies = (b"a", b"b", b"a", b"c", b"b", b"a")
    kinds = written(tmp_path / "x.warc", *(row(number, body) for number, body in enumerate(bodies)))
    assert kinds == ["response", "response", "revisit", "response", "response", "response"]


def test_a_body_that_is_empty_or_cut_is_no_revisit(tmp_path: Path) -> None:
    rows = row(1, b""), row(2, b""), row(3, b"x", "length"), row(4, b"x"), row(5, b"x", "length")
    assert written(tmp_path / "x.warc", *rows) == ["response"] * 5


def test_a_long_way_from_the_seed_is_cut(tmp_path: Path) -> None:
    record = Record(url="http://a.test/", reason=Reason.TRAP, depth=70, fetched_at="2026-01-01T00:00:00Z")
    written(tmp_path / "x.warc", Row(record))
    assert f"hopsFromSeed: 20+{'L' * 50}\r\n".encode() in (tmp_path / "x.warc").read_bytes()


@pytest.mark.parametrize("name", ["x.warc", "x.warc.gz"])
def test_without_a_job_only_our_own_file_is_written_anew(site: Site, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    skitter.Crawler(records=[str(path)], depth=0).run_sync([site.url("/")])
    assert archive_is_ours(path)
    skitter.Crawler(records=[str(path)], depth=0).run_sync([site.url("/")])
    assert len(of(path, "response")) == 1
    theirs = b"WARC/1.1\r\nWARC-Type: warcinfo\r\nContent-Length: 14\r\n\r\nsoftware: wget\r\n\r\n"
    for data in (gzip.compress(theirs) if name.endswith(".gz") else theirs, b"\x1f\x8b\x08", b"notes"):
        path.write_bytes(data)
        assert not archive_is_ours(path)
        with pytest.raises(JobError, match="skitter did not make it"):
            skitter.Crawler(records=[str(path)]).run_sync([site.url("/")])
        assert path.read_bytes() == data


def test_items_are_no_records_of_an_archive() -> None:
    with pytest.raises(ConfigError, match="items are no web pages"):
        sink_for("items.warc.gz", form=Form(items=True))


WITHOUT = """
import sys
sys.modules["warcio"] = None
from skitter.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_without_warcio_one_line_says_what_to_install(tmp_path: Path, site: Site) -> None:
    words = ["crawl", site.url("/"), "-o", "x.warc.gz"]
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        "skitter: -o x.warc.gz: needs warcio, which is not installed: pip install 'skitter[warc]'"
    ]
    assert list(tmp_path.iterdir()) == []
    assert site.requests == []
    words = ["crawl", site.url("/"), "-o", "x.jsonl", "-q"]
    assert subprocess.run([sys.executable, "-c", WITHOUT, *words], cwd=tmp_path, timeout=60).returncode == 0


async def _pages(site: Site) -> AsyncIterator[Any]:
    async for page in skitter.crawl(site.url("/"), limit=3):
        yield page


async def _exchanges(site: Site) -> list[object]:
    return [page.answer.exchange async for page in _pages(site)]


def test_where_there_is_no_archive_nothing_is_kept(site: Site) -> None:
    import asyncio

    assert asyncio.run(_exchanges(site)) == [None] * 3
