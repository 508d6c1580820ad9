"""A job with several outputs, ways to damage these between two runs, and what has to be true afterwards."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import skitter
from skitter.config import build
from skitter.events import Event, Noted
from skitter.job import open_job
from skitter.model import Summary
from skitter.testing import Site

__all__ = ["ALL_ITEMS", "ALL_PAGES", "FIELD", "ITEMS", "OUTPUTS", "PACKED", "PAGES", "PLAIN",
           "Jobs", "cut", "junk", "pages", "quick_folder", "zeros"]  # fmt: skip

PAGES = 24
PLAIN, PACKED, ITEMS = "pages.jsonl", "pages.jsonl.gz", "items.jsonl"
OUTPUTS = (PLAIN, PACKED, ITEMS)
ALL_ITEMS = {f"/p/{n}" for n in range(PAGES)}
ALL_PAGES = {"/", "/moved", *ALL_ITEMS}
FIELD = {"field": ("text",)}


@contextmanager
def pages() -> Iterator[Site]:
    """A front page, its pages, and a redirect to one of them."""
    with Site() as site:
        site.page("/", "front", links=["/moved", *(f"/p/{n}" for n in range(PAGES))], title="front")
        site.redirect("/moved", "/p/3")
        for n in range(PAGES):
            site.page(f"/p/{n}", f"<h1>product {n}</h1>", title=f"page {n}")
        yield site


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory, where there is such a disk: all damage is done by the tests, and the many runs
    need not wait for a real disk at their ends."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(prefix="skitter-test-", dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


class Jobs:
    """One job on one site, its outputs in one folder; ``notes`` is what the operator is told."""

    def __init__(self, site: Site, folder: Path, **options: Any) -> None:
        self.site, self.folder = site, folder
        self.job = folder / "j"
        self.notes: list[str] = []
        self._options = options

    def _crawler(self, outputs: tuple[str, ...], options: dict[str, Any]) -> skitter.Crawler:
        def observe(event: Event) -> None:
            if isinstance(event, Noted):
                self.notes.append(event.text)

        made = skitter.Crawler(
            job=str(self.job),
            records=[str(self.folder / name) for name in outputs if name != ITEMS],
            output=[str(self.folder / name) for name in outputs if name == ITEMS],
            concurrency=2,  # a commit, and so a mark, after every second page
            observe=observe,
            **{**self._options, **options},
        )

        @made.on("*/p/*")
        def product(page: skitter.Page) -> dict[str, str]:
            return {"url": page.url}

        return made

    def run(self, limit: int | None = None, outputs: tuple[str, ...] = OUTPUTS, **options: Any) -> Summary:
        return self._crawler(outputs, {"limit": limit, **options}).run_sync([self.site.url("/")])

    def recover(self, outputs: tuple[str, ...] = OUTPUTS) -> None:
        """What a start does before anything is requested, and nothing else."""
        config = self._crawler(outputs, {}).config
        paths = [str(self.folder / name) for name in outputs if name != ITEMS]
        config = build(("{}", {"output": paths, "field": config.output.field}))
        job = open_job(str(self.job), config, "crawl", (str(self.folder / ITEMS),))
        job.store.close()
        job.close()

    def path(self, name: str) -> Path:
        return self.folder / name

    def lines(self, name: str) -> list[Any]:
        data = self.path(name).read_bytes()
        text = (gzip.decompress(data) if name.endswith(".gz") else data).decode()
        assert text == "" or text.endswith("\n"), "no line is torn"
        return [json.loads(line) for line in text.splitlines()]

    def order(self, name: str) -> list[str]:
        """Which pages an output holds, line by line."""
        return [line["url"].removeprefix(self.site.origin) for line in self.lines(name)]

    def paths(self, name: str) -> set[str]:
        """Which pages an output holds; none of them twice."""
        found = Counter(self.order(name))
        assert not [url for url, number in found.items() if number > 1], name
        return set(found)

    def without_text(self, name: str) -> int:
        return sum("text" not in line for line in self.lines(name) if line["reason"] == "fetched")

    def marks(self, name: str) -> list[tuple[int, int]]:
        """How many records in how many bytes after each commit, oldest first."""
        known = f"items:{self.path(name)}" if name == ITEMS else str(self.path(name))
        return self.sql(
            "SELECT upto, length FROM mark JOIN output ON id = output WHERE path = ? ORDER BY upto", known
        )

    def sql(self, query: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(self.job / "job.db")) as db:
            return db.execute(query, values).fetchall()

    def is_sound(self) -> bool:
        """Do the counters say what the tables hold (I4, I6, I9)?"""
        assert self.sql("PRAGMA integrity_check") == [("ok",)]
        counted = "SELECT reason, count(*), sum(json_extract(CAST(line AS TEXT), '$.size')) FROM record"
        assert self.sql("SELECT * FROM tally ORDER BY 1") == self.sql(f"{counted} GROUP BY 1 ORDER BY 1")
        ((pending,),) = self.sql("SELECT count(*) FROM pending")
        assert self.sql("SELECT value FROM meta WHERE name = 'pending'") == [(str(pending),)]
        assert self.sql("SELECT count(*) FROM seen WHERE key NOT IN (SELECT key FROM record)") == [(pending,)]
        assert self.sql("SELECT count(*), coalesce(max(id), 0) FROM record") == [
            self.sql("SELECT coalesce(max(id), 0), count(*) FROM record")[0]
        ]
        ((seq,),) = self.sql("SELECT coalesce(max(seq), 0) FROM pending")
        assert int(self.sql("SELECT value FROM meta WHERE name = 'seq'")[0][0]) >= seq
        return True

    def is_whole(self, *refilled: str, items: set[str] = ALL_ITEMS) -> bool:
        """Has the finished job everything once, with large fields but in what was refilled?"""
        assert self.is_sound()
        assert self.sql("SELECT count(*) FROM pending") == [(0,)]
        for name in (PLAIN, PACKED):
            assert self.paths(name) == ALL_PAGES
            assert name in refilled or not self.without_text(name)
        return self.paths(ITEMS) == items


# What damage can be


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def zeros(path: Path, number: int) -> None:
    """A file system that kept the length over a power cut, and not the bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: max(0, len(data) - number)] + bytes(min(number, len(data))))


def junk(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"url": "never committed"}\n{"torn')
