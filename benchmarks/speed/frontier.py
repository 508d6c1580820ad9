"""skitter's SQLite frontier alone: `python frontier.py [--urls 1000000,10000000] [--folder FOLDER]`.

Pages with 100 links each are settled, 32 pages a commit, as the engine does: leased, and given a record and
the keys of their links. Ten links of a page are new, so there are ten times as many checks as URLs. Of the
known ones 80 % are among the last 100,000 that were added, the others uniform over all. Making the links is
timed for itself, batch by batch, and not counted. Prints a line of JSON at each of the sizes.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skitter.frontier import Database, Store
from skitter.model import Batch, Entry, Lease, Reason, Record, Row, Settlement

__all__ = ["table"]

_PAGES = 32  # a commit
_LINKS = 100  # a page
_NEW = 10  # of these
_LATELY = 100_000
_RECENT = 0.8  # share of the known ones that are among the lately added
_ORIGIN = "http://a.example"
_STAMP = "2026-01-01T00:00:00Z"
_MIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


class Links:
    """Makes the links of pages. URL n has the n-th key, so nothing has to be remembered."""

    def __init__(self) -> None:
        self.added = 0
        self._chance = np.random.default_rng(1)

    def batch(self) -> list[tuple[tuple[Entry, ...], bytes]]:
        """For each page of a commit: its links as entries, and their keys as the store keeps them."""
        return [self._page() for _ in range(_PAGES)]

    def _page(self) -> tuple[tuple[Entry, ...], bytes]:
        added, known = self.added, _LINKS - _NEW
        recent = round(known * _RECENT)
        numbers = np.concatenate(
            (
                self._chance.integers(max(0, added - _LATELY), max(1, added), recent),
                self._chance.integers(0, max(1, added), known - recent),
                np.arange(added, added + _NEW),
            )
        )
        self.added += _NEW
        keys = _keys(numbers)
        entries = [
            Entry(f"{_ORIGIN}/section/page-{number}.html", key, _ORIGIN, 3)
            for number, key in zip(numbers.tolist(), keys.tolist(), strict=True)
        ]
        return tuple(entries), keys.astype(">i8").tobytes()


def _keys(numbers: np.ndarray) -> np.ndarray:
    """Keys that are spread like a hash's: the finalizer of splitmix64."""
    value = numbers.astype(np.uint64) * np.uint64(_MIX[0])
    value ^= value >> np.uint64(30)
    value *= np.uint64(_MIX[1])
    value ^= value >> np.uint64(27)
    value *= np.uint64(_MIX[2])
    return (value ^ (value >> np.uint64(31))).view(np.int64)


def _settlement(entry: Entry, found: tuple[Entry, ...], keys: bytes) -> Settlement:
    record = Record(
        url=entry.url,
        reason=Reason.FETCHED,
        status=200,
        depth=entry.depth,
        content_type="text/html",
        title="A page",
        size=96_000,
        sha256="0" * 64,
        links=_LINKS,
        fetched_at=_STAMP,
        ttfb=0.01,
        elapsed=0.02,
        attempts=1,
    )
    return Settlement(entry, Row(record), found=found, links=keys)


def _entries(leases: Sequence[Lease]) -> tuple[Entry, ...]:
    (lease,) = leases
    return lease.entries


def measure(urls: Sequence[int], path: Path) -> None:
    """Fill a frontier up to each of the sizes, and say at each what that took since the size before."""
    store = Store(Database(path))
    links = Links()
    store.admit(
        [Entry(f"{_ORIGIN}/{number}", -1 - number, _ORIGIN) for number in range(_PAGES)], ["a.example"]
    )
    before, rss = 0, _rss()
    for size in urls:
        making = wall = cpu = 0.0
        # Checks and pages go on at the same pace, so what is measured includes a lease and a record a page.
        while links.added < size:
            began = time.perf_counter()
            pages = links.batch()
            made, used = time.perf_counter(), time.process_time()
            entries = _entries(store.lease({_ORIGIN: _PAGES}, 1.0))
            batch = Batch(tuple(map(_settlement, entries, *zip(*pages, strict=True))), stamp=_STAMP)
            store.settle(batch)
            wall += time.perf_counter() - made
            cpu += time.process_time() - used
            making += made - began
        checks = (links.added - before) * _LINKS // _NEW
        facts = {"urls": links.added, "checks": checks, "wall": wall, "cpu": cpu, "making": making}
        memory = {
            "rss_start": rss,
            "rss": _rss(),
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        disk = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
        about = {"sqlite": sqlite3.sqlite_version, "at": time.strftime("%Y-%m-%d %H:%M:%S")}
        print(json.dumps({**facts, **memory, "disk": disk / 1024**2, **about}), flush=True)
        before = links.added
    store.close()


def _rss() -> float:
    """MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024**2


def table(path: Path) -> str:
    """The results as Markdown, newest run last."""
    heads = ["URLs", "checks", "checks/s", "pages/s", "CPU us/check", "making links, s", "RSS at start, MiB"]
    heads += ["RSS, MiB", "on disk, MiB"]
    lines = [f"| at | {' | '.join(heads)} |", "| --- |" + " ---: |" * len(heads)]
    for text in path.read_text().splitlines():
        at = json.loads(text)
        rate = at["checks"] / at["wall"]
        cells = [f"{at['urls']:,}", f"{at['checks']:,}", f"{rate:,.0f}", f"{rate / _LINKS:,.0f}"]
        cells += [f"{1e6 * at['cpu'] / at['checks']:.2f}", f"{at['making']:.0f}", f"{at['rss_start']:.0f}"]
        cells += [f"{at['rss']:.0f}", f"{at['disk']:,.0f}"]
        lines.append(f"| {at['at']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--urls", default="1000000,10000000", help="sizes, ascending, comma-separated")
    parser.add_argument("--folder", type=Path, help="where the database is (default: a temporary folder)")
    options = parser.parse_args()
    sizes = [int(size) for size in options.urls.split(",")]
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        measure(sizes, Path(folder) / "job.db")


if __name__ == "__main__":
    main()
