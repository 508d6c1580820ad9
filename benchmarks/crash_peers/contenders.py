"""How each crawler is started, and how what it stored is read back."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

__all__ = ["CONTENDERS", "Contender", "Output"]

HERE = Path(__file__).resolve().parent


@dataclass
class Output:
    """What a crawler has stored: records by URL, hashes by URL, and what could not be read."""

    records: Counter[str] = field(default_factory=Counter)
    hashes: dict[str, str] = field(default_factory=dict)
    torn: int = 0
    strays: int = 0

    def add(self, text: str | bytes) -> None:
        """Count one record, given as JSON."""
        try:
            record = json.loads(text)
            url = record["url"]
        except (ValueError, TypeError, KeyError):
            self.torn += 1
            return
        # skitter also writes a record for what is no page: redirects, errors, what robots.txt denies.
        if record.get("reason", "fetched") == "fetched":
            self.records[url] += 1
            self.hashes[url] = record["sha256"]


@dataclass(frozen=True)
class Contender:
    """A crawler in one setting. Its command is the same at every start; it runs in a folder of its own."""

    name: str
    package: str
    command: Callable[[str], list[str]]
    read: Callable[[Path], Output]
    environment: Mapping[str, str] = MappingProxyType({})


def _scrapy(*settings: str) -> Callable[[str], list[str]]:
    def command(seed: str) -> list[str]:
        options = [part for setting in ("JOBDIR=job", *settings) for part in ("-s", setting)]
        spider = ["runspider", str(HERE / "scrapy_spider.py"), "-a", f"seed={seed}"]
        return [sys.executable, "-m", "scrapy", *spider, "-o", "pages.jsonl", *options]

    return command


def _crawlee(storage: str) -> Callable[[str], list[str]]:
    return lambda seed: [sys.executable, str(HERE / "crawlee_crawler.py"), storage, seed]


def _skitter(seed: str) -> list[str]:
    options = ["--scope", "any", "--concurrency", "64", "--job", "job", "--output", "pages.jsonl", "--quiet"]
    return [sys.executable, "-m", "skitter", "crawl", seed, *options]


def _read_lines(folder: Path) -> Output:
    path = folder / "pages.jsonl"
    # A file that does not end in a newline ends in a torn line, which shows when it is parsed.
    return _read(folder, path.read_bytes().splitlines() if path.exists() else ())


def _read_files(folder: Path) -> Output:
    paths = (folder / "storage" / "datasets" / "default").glob("*.json")
    return _read(folder, (path.read_bytes() for path in paths if path.name != "__metadata__.json"))


def _read_database(folder: Path) -> Output:
    path = folder / "storage" / "crawlee.db"
    if not path.exists():
        return Output()
    with closing(sqlite3.connect(path)) as database:
        output = _read(folder, [row[0] for row in database.execute("SELECT data FROM dataset_records")])
        output.torn += database.execute("PRAGMA integrity_check").fetchone()[0] != "ok"
    return output


def _read(folder: Path, records: Iterable[str | bytes]) -> Output:
    output = Output(strays=sum(1 for _ in folder.rglob("*.tmp")))
    for record in records:
        output.add(record)
    return output


_KEPT = MappingProxyType({"CRAWLEE_PURGE_ON_START": "0", "CRAWLEE_STORAGE_DIR": "storage"})

CONTENDERS = {
    "skitter": Contender("skitter, JSONL", "skitter", _skitter, _read_lines),
    "scrapy-files": Contender("Scrapy, file queues, JSONL", "scrapy", _scrapy(), _read_lines),
    "scrapy-sqlite": Contender(
        "Scrapy, SQLite queues, JSONL",
        "scrapy",
        _scrapy(
            "SCHEDULER_DISK_QUEUE=scrapy.squeues.PickleLifoSQLiteQueue",
            "SCHEDULER_START_DISK_QUEUE=scrapy.squeues.PickleFifoSQLiteQueue",
        ),
        _read_lines,
    ),
    "crawlee-files": Contender("Crawlee, file storage", "crawlee", _crawlee("files"), _read_files, _KEPT),
    "crawlee-sql": Contender("Crawlee, SQL storage", "crawlee", _crawlee("sql"), _read_database, _KEPT),
}
