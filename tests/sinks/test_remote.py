"""Outputs in an object store, over HTTP to one on loopback: sent whole at the end, if they changed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from tests import formats

from skitter.errors import ConfigError
from skitter.sinks import sink_for
from skitter.testing import Site

PAGES = 20
NAMES = ("pages.jsonl.zst", "pages.csv", "pages.sqlite", "pages.parquet")


class Store:
    """A bucket, and how a process finds it."""

    def __init__(self, port: int) -> None:
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        self._client = boto3.client(
            "s3", endpoint_url=self.environment["AWS_ENDPOINT_URL"], region_name="us-east-1",
            aws_access_key_id="key", aws_secret_access_key="secret",
        )  # fmt: skip
        self._client.create_bucket(Bucket="bucket")

    def put(self, name: str, content: bytes) -> None:
        self._client.put_object(Bucket="bucket", Key=name, Body=content)

    def get(self, name: str) -> bytes:
        return bytes(self._client.get_object(Bucket="bucket", Key=name)["Body"].read())

    def times(self) -> dict[str, str]:
        """When each object was put there last."""
        found = self._client.list_objects_v2(Bucket="bucket").get("Contents", [])
        return {each["Key"]: str(each["LastModified"]) for each in found}

    def forget(self) -> None:
        for name in self.times():
            self._client.delete_object(Bucket="bucket", Key=name)


@pytest.fixture(scope="module")
def store_of_all() -> Iterator[Store]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield Store(server.get_host_and_port()[1])
    server.stop()


@pytest.fixture
def store(store_of_all: Store) -> Store:
    store_of_all.forget()
    return store_of_all


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as site:
        site.page("/", "front", links=[f"/p/{n}" for n in range(PAGES)])
        for n in range(PAGES):
            site.page(f"/p/{n}", f"<h1>product {n}</h1>")
        yield site


def skitter(store: Store, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**store.environment, "PYTHONPATH": ":".join(sys.path), "HOME": str(folder), "PATH": ""}
    return subprocess.run(
        [sys.executable, "-m", "skitter", *words], capture_output=True, text=True, cwd=folder, env=environment
    )


def crawl(store: Store, site: Site, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    outputs = [word for name in NAMES for word in ("-o", f"s3://bucket/a/{name}")]
    return skitter(store, folder, "crawl", site.url("/"), "--job", "j", *outputs, *more)


def test_every_format_is_sent_and_again_when_it_has_grown(store: Store, site: Site, tmp_path: Path) -> None:
    for limit, expected in ((["-n", "7"], 7), ([], PAGES + 1)):
        ended = crawl(store, site, tmp_path, *limit)
        assert ended.returncode == 0, ended.stderr
        assert f"s3://bucket/a/{NAMES[0]}" in ended.stderr
        for name in NAMES:
            (tmp_path / name).write_bytes(store.get(f"a/{name}"))
            assert not formats.faults(tmp_path / name)
            assert len({record["url"] for record in formats.read(tmp_path / name)}) == expected
    assert set(store.times()) == {f"a/{name}" for name in NAMES}


def test_a_finished_job_sends_only_what_the_store_has_not(store: Store, site: Site, tmp_path: Path) -> None:
    crawl(store, site, tmp_path)
    content, lost = store.get("a/pages.csv"), store.get("a/pages.jsonl.zst")
    store.forget()
    store.put("a/pages.csv", b"changed by somebody")
    assert crawl(store, site, tmp_path).returncode == 0
    assert store.get("a/pages.jsonl.zst") == lost
    assert content
    assert store.get("a/pages.csv") == b"changed by somebody"


def test_what_lies_there_is_left_alone(store: Store, site: Site, tmp_path: Path) -> None:
    store.put("a/pages.csv", b"precious")
    for ended in (
        crawl(store, site, tmp_path),
        skitter(store, tmp_path, "fetch", site.url("/"), "-o", "s3://bucket/a/pages.csv"),
    ):
        assert ended.returncode == 2
        assert "s3://bucket/a/pages.csv: exists" in ended.stderr
    assert store.get("a/pages.csv") == b"precious"
    assert set(store.times()) == {"a/pages.csv"}


def test_fresh_begins_anew(store: Store, site: Site, tmp_path: Path) -> None:
    crawl(store, site, tmp_path, "-n", "5")
    ended = crawl(store, site, tmp_path, "-n", "3", "--fresh")
    assert ended.returncode == 0, ended.stderr
    (tmp_path / "pages.csv").write_bytes(store.get("a/pages.csv"))
    assert len(formats.read(tmp_path / "pages.csv")) == 3


def test_without_a_job_nothing_stays_here(store: Store, site: Site, tmp_path: Path) -> None:
    ended = skitter(store, tmp_path, "fetch", site.url("/p/1"), "-o", "s3://bucket/one.parquet")
    assert ended.returncode == 0, ended.stderr
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "one.parquet").write_bytes(store.get("one.parquet"))
    assert len(formats.read(tmp_path / "one.parquet")) == 1


def test_what_could_not_be_sent_is_not_lost(tmp_path: Path) -> None:
    """A store that takes nothing; what was gathered for it stays where the message says."""
    code = """
import sys
import fsspec
from skitter.errors import StorageError
from skitter.model import Reason, Record, Row
from skitter.sinks import sink_for
sink = sink_for("memory://a/pages.jsonl")
sink.open(None)
sink.write([Row(Record(url="http://a.test/", reason=Reason.FETCHED, depth=0, fetched_at=""))])
fsspec.filesystem("memory").pipe("/a", b"a file where the folder should be")
try:
    sink.finish()
except StorageError as error:
    print(str(error).rpartition(" is in ")[2])
sink.close()
"""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"TMPDIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
    )
    assert Path(ended.stdout.strip()).read_bytes().startswith(b'{"url":"http://a.test/"'), ended.stderr


def test_a_store_that_cannot_be_asked_is_said_before_the_crawl(
    store: Store, site: Site, tmp_path: Path
) -> None:
    before = len(site.requests)
    ended = skitter(store, tmp_path, "crawl", site.url("/"), "-o", "s3://no-such-bucket/a.csv")
    assert (ended.returncode, len(site.requests)) == (2, before), ended.stderr
    assert "make it first" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_an_unknown_store_and_a_missing_extra_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"no such store.*s3://, gs://, az://, memory://"):
        sink_for("ftp://host/pages.csv")
    monkeypatch.setattr("skitter.sinks.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs gcsfs.*pip install 'skitter\[gs\]'"):
        sink_for("gs://bucket/pages.csv")
