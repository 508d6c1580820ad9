"""What durability costs: the same crawl with everything in memory and no output, with a job (SQLite and
JSONL), and with a job that waits for the disk at each commit. Interleaved, medians, one process a crawl.

    python benchmarks/durability/run.py [--rounds 5] [--pages 4000] [--size 8]
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

import skitter
from skitter.testing import Site

MODES = ("memory", "job", "durable")
WORDS = ("crawl", "host", "page", "link", "delay", "window", "frontier", "record", "sink", "lease", "gate")


def serve(pages: int, size: int) -> None:
    """A site of ``pages`` pages of about ``size`` KiB with twelve links each; says its address, serves until
    its standard input ends."""
    chance = random.Random(1)
    with Site(keep_log=False) as site:
        for number in range(pages):
            links = [f"/p/{4 * number + 1 + n}" for n in range(4) if 4 * number + 1 + n < pages]
            links += [f"/p/{chance.randrange(pages)}" for _ in range(8)]
            text = "".join(f"<p>{' '.join(chance.choices(WORDS, k=60))}</p>\n" for _ in range(size * 18 // 8))
            site.page(f"/p/{number}", text, title=f"page {number}", links=links)
        print(site.url("/p/0"), flush=True)
        sys.stdin.read()


def crawl(mode: str, url: str) -> None:
    """One crawl; its figures as JSON on standard output."""
    folder = tempfile.mkdtemp()
    options = {} if mode == "memory" else {"job": f"{folder}/job", "records": f"{folder}/pages.jsonl"}
    crawler = skitter.Crawler(per_host=64, durable=mode == "durable", **options)
    began = time.perf_counter()
    summary = crawler.run_sync([url])
    wall = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    shutil.rmtree(folder)
    figures = {"pages": summary.total, "wall": wall, "cpu": used.ru_utime + used.ru_stime}
    print(json.dumps({**figures, "rss": used.ru_maxrss / 1024}))


def measure(rounds: int, pages: int, size: int) -> None:
    """Run all, in turns, and print the table."""
    myself = [sys.executable, __file__]
    with subprocess.Popen(
        [*myself, "--serve", "--pages", str(pages), "--size", str(size)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        url = server.stdout.readline().strip()
        found: dict[str, list[dict[str, float]]] = {mode: [] for mode in MODES}
        for _ in range(rounds):
            for mode in MODES:
                ended = subprocess.run(
                    [*myself, "--mode", mode, url], capture_output=True, text=True, check=True
                )
                found[mode].append(json.loads(ended.stdout))
        server.stdin.close()
    print(
        f"skitter {skitter.__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )
    print(f"{rounds} rounds, {pages:,} pages of {size} KiB, one host with a window of 64; medians\n")
    print("| crawl | pages/s | of memory | CPU s | RSS MiB |\n|---|---|---|---|---|")
    best = statistics.median(run["wall"] for run in found["memory"])
    for mode, runs in found.items():
        wall, cpu, rss = (statistics.median(run[key] for run in runs) for key in ("wall", "cpu", "rss"))
        print(f"| {mode} | {runs[0]['pages'] / wall:,.0f} | {best / wall:.0%} | {cpu:.2f} | {rss:.0f} |")


def main() -> None:
    """Measure, or be one of the parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pages", type=int, default=4000)
    parser.add_argument("--size", type=int, default=8, help="of a page, in KiB")
    parser.add_argument("--mode", choices=MODES)
    parser.add_argument("--serve", action="store_true")
    found = parser.parse_args()
    if found.serve:
        serve(found.pages, found.size)
    elif found.mode:
        crawl(found.mode, found.url)
    else:
        measure(found.rounds, found.pages, found.size)


if __name__ == "__main__":
    main()
