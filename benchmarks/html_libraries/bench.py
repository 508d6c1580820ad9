"""Compare HTML libraries on the two tasks of a crawler; prints Markdown.

    python bench.py [FOLDER] [--rounds 7] [--mutants 2000] [--libraries turbohtml,lxml]

FOLDER holds .html files, at any depth. README.md says what is measured and how.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from peers import NAMES, Peer, load

CORPUS = Path("/usr/share/doc/python3.11/html")
SEED = 20261122
# BeautifulSoup takes some fifty times as long: it gets every tenth page, and one round in three.
SLOW = {"beautifulsoup": (10, 3)}
MUTANT_SOURCE = 48 * 1024
MUTANT_LIMIT = 256 * 1024
CHILD_TIMEOUT = 900
NESTED = [b"<div>", b"<a href=x>", b"<b><p>", b"<table><td>", b"<svg><p>", b"<template>", b"<"]


def read_corpus(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.rglob("*.html"))]


def cpu_per_megabyte(task: Callable[[bytes], Any], pages: list[bytes]) -> float:
    """CPU seconds for a megabyte of HTML."""
    gc.collect()
    started = time.process_time()
    for page in pages:
        task(page)
    return (time.process_time() - started) / sum(map(len, pages)) * 1e6


def time_tasks(names: list[str], pages: list[bytes], rounds: int) -> None:
    """Interleaved rounds; each round starts with another library."""
    libraries = {name: load(name) for name in names}
    taken: dict[tuple[str, str], list[float]] = {}
    for count in range(rounds):
        turn = count % len(names)
        for name in names[turn:] + names[:turn]:
            every, one_in = SLOW.get(name, (1, 1))
            if count % one_in:
                continue
            peer = libraries[name]
            for task, call in (("a", peer.hrefs), ("b", peer.record), ("parse", peer.parser())):
                spent = cpu_per_megabyte(call, pages[::every])
                taken.setdefault((name, task), []).append(spent)
    print_times(libraries, taken, sum(map(len, pages)) / len(pages) / 1e6)


def print_times(libraries: dict[str, Peer], taken: dict[tuple[str, str], list[float]], size: float) -> None:
    medians = {key: statistics.median(values) * size * 1e3 for key, values in taken.items()}
    best = {task: min(ms for (_, its), ms in medians.items() if its == task) for task in ("parse", "a", "b")}
    print("| library | parse, ms/page | (a), ms/page | ratio | (b), ms/page | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, peer in libraries.items():
        parse, a, b = (medians[name, task] for task in ("parse", "a", "b"))
        ratios = f"{a:.2f} | {a / best['a']:.2f} | {b:.2f} | {b / best['b']:.2f} |"
        print(f"| {peer.name} {peer.version} | {parse:.2f} | {ratios}")


def run_child(mode: str, name: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, __file__, str(folder), "--child", mode, "--libraries", name, *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=CHILD_TIMEOUT, check=False)


def in_children(names: list[str], folder: Path) -> None:
    """Memory and threads: a fresh process for each library and question."""
    print("\n| library | import, MB | peak growth, MB | 2 threads, throughput | CPU / wall |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in names:
        memory = json.loads(run_child("memory", name, folder).stdout)
        threads = [json.loads(run_child("threads", name, folder).stdout) for _ in range(3)]
        gain = statistics.median(reply["gain"] for reply in threads)
        busy = statistics.median(reply["busy"] for reply in threads)
        print(f"| {name} | {memory['import']:.1f} | {memory['peak']:.1f} | {gain:.2f}x | {busy:.2f} |")


def resident(field: str) -> float:
    """Resident memory of this process in MB, VmRSS or VmHWM. Linux; ru_maxrss would include the parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {field} line")


def child_memory(name: str, folder: Path) -> dict[str, float]:
    """Peak growth over all pages, read one at a time: the bytes of a page count for every library."""
    before = resident("VmRSS")
    peer = load(name)
    imported = resident("VmRSS")
    for path in sorted(folder.rglob("*.html")):
        peer.record(path.read_bytes())
    return {"import": imported - before, "peak": resident("VmHWM") - imported}


def child_threads(name: str, folder: Path) -> dict[str, float]:
    """The same work once on this thread, then on each of two threads at once."""
    every = SLOW.get(name, (1, 1))[0]
    pages, peer = read_corpus(folder)[::every], load(name)

    def work() -> None:
        parse = peer.parser()
        for page in pages:
            parse(page)

    work()
    started = time.perf_counter()
    work()
    alone = time.perf_counter() - started
    threads = [threading.Thread(target=work) for _ in range(2)]
    started, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    both = time.perf_counter() - started
    return {"gain": 2 * alone / both, "busy": (time.process_time() - cpu) / both}


def mutants(pages: list[bytes], count: int) -> Iterator[bytes]:
    """Documents broken in a way that the seed decides: flipped, cut, repeated, spliced."""
    dice = random.Random(SEED)
    pages = [page for page in pages if len(page) <= MUTANT_SOURCE] or pages
    for _ in range(count):
        page = bytearray(dice.choice(pages))
        for _ in range(dice.randint(1, 4)):
            mutate(page, dice)
        yield bytes(page[:MUTANT_LIMIT])


def mutate(page: bytearray, dice: random.Random) -> None:
    kind, size = dice.randrange(5), max(len(page), 1)
    start = dice.randrange(size)
    if kind == 0:
        for _ in range(dice.randint(1, 64)):
            position = dice.randrange(size)
            page[position : position + 1] = bytes([dice.randrange(256)])
    elif kind == 1:
        del page[start:]
    elif kind == 2:
        del page[start : start + dice.randint(1, 200)]
    elif kind == 3:
        page[start:start] = page[start : start + dice.randint(1, 4096)] * dice.randint(1, 8)
    else:  # one tag many times over: deep nesting
        page[start:start] = dice.choice(NESTED) * dice.randint(1, 5000)


def child_mutants(name: str, folder: Path, count: int, first: int) -> None:
    """A line before each document and its digest after it: the parent sees where a crash was."""
    peer = load(name)
    for index, page in enumerate(mutants(read_corpus(folder), count)):
        if index < first:
            continue
        print(index, end=" ", flush=True)
        try:
            peer.record(page)
            found = "\n".join(sorted(peer.hrefs(page))).encode("utf-8", "surrogatepass")
            print(hashlib.sha256(found).hexdigest()[:16], flush=True)
        except Exception as error:
            print("!" + type(error).__name__, flush=True)


def survive(name: str, folder: Path, count: int) -> tuple[dict[int, str], int]:
    """Digests or exceptions by document, and the number of crashes."""
    said: dict[int, str] = {}
    crashes = 0
    while len(said) < count:
        child = run_child("mutants", name, folder, "--mutants", str(count), "--first", str(len(said)))
        for line in child.stdout.splitlines():
            index, _, outcome = line.partition(" ")
            said[int(index)] = outcome or f"crash {child.returncode}"
        if child.returncode == 0:
            break
        if child.returncode > 0:
            raise RuntimeError(child.stderr)
        crashes += 1
    return said, crashes


def robustness(names: list[str], folder: Path, count: int) -> None:
    print(f"\n| library | crashes in {count:,} | exceptions | same hrefs as {names[0]} | seconds |")
    print("| --- | ---: | --- | ---: | ---: |")
    first: dict[int, str] = {}
    for name in names:
        started = time.perf_counter()
        said, crashes = survive(name, folder, count)
        spent = time.perf_counter() - started
        first = first or said
        same = sum(outcome == first[index] for index, outcome in said.items())
        failed = [outcome[1:] for outcome in said.values() if outcome.startswith("!")]
        kinds = ", ".join(f"{failed.count(kind)} {kind}" for kind in sorted(set(failed))) or "none"
        print(f"| {name} | {crashes} | {kinds} | {same:,} | {spent:.0f} |")


def nesting(names: list[str]) -> None:
    """CPU time and links found behind many open tags: is a library linear, and does it read to the end?"""
    print("\n| library | 20,000 nested div, ms | 40,000, ms | link behind them |")
    print("| --- | ---: | ---: | --- |")
    for name in names:
        peer = load(name)
        pages = [b"<div>" * count + b"<a href=end>x</a>" for count in (20_000, 40_000)]
        few, many = (cpu_per_megabyte(peer.hrefs, [page]) * len(page) / 1e3 for page in pages)
        found = "found" if peer.hrefs(pages[0]) else "lost"
        print(f"| {name} | {few:.1f} | {many:.1f} | {found} |")


def agreement(names: list[str], folder: Path) -> None:
    """Distinct hrefs and whole records, page by page; every disagreement is listed."""
    libraries = [load(name) for name in names]
    total = dict.fromkeys(names, 0)
    differing: list[str] = []
    for path in sorted(folder.rglob("*.html")):
        page = path.read_bytes()
        hrefs = [peer.hrefs(page) for peer in libraries]
        records = [peer.record(page) for peer in libraries]
        for name, found in zip(names, hrefs, strict=True):
            total[name] += len(found)
        odd = [n for n, h, r in zip(names, hrefs, records, strict=True) if (h, r) != (hrefs[0], records[0])]
        if odd:
            differing.append(f"- {path.relative_to(folder)}: {', '.join(odd)} not as {names[0]}")
    print("\nDistinct hrefs, page by page:", ", ".join(f"{name} {count:,}" for name, count in total.items()))
    print(f"Pages on which libraries disagree: {len(differing)}", *differing, sep="\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=CORPUS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--mutants", type=int, default=2000)
    parser.add_argument("--libraries", default=",".join(NAMES), help="default: %(default)s")
    parser.add_argument("--child", choices=["memory", "threads", "mutants"], help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    names = options.libraries.split(",")
    if options.child == "memory":
        print(json.dumps(child_memory(names[0], options.folder)))
    elif options.child == "threads":
        print(json.dumps(child_threads(names[0], options.folder)))
    elif options.child == "mutants":
        child_mutants(names[0], options.folder, options.mutants, options.first)
    else:
        pages = read_corpus(options.folder)
        print(f"{len(pages)} pages, {sum(map(len, pages)) / len(pages) / 1e3:.0f} KB on average\n")
        time_tasks(names, pages, options.rounds)
        in_children(names, options.folder)
        agreement(names, options.folder)
        robustness(names, options.folder, options.mutants)
        nesting(names)


if __name__ == "__main__":
    main()
