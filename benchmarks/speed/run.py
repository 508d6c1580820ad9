"""Crawl the same sites with skitter, a bare loop, Scrapy, Crawlee and wget2; prints Markdown, draws pictures.

    python run.py --out FOLDER [--workloads a1,a10,b,c1,c,d,e] [--contenders bare,skitter] [--rounds 5]

README.md says what is run and how. FOLDER keeps each run as a line of results.jsonl; tables and pictures are
of all that is there. So it can be run in parts, and `--contenders ""` only prints. `--profile` records where
skitter spends its time instead.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measuring
from contenders import CONTENDERS
from tables import Result, keep, load, table
from workloads import WORKLOADS, Workload

_HERE = Path(__file__).resolve().parent
_FRONTIER = "e"
_FRONTIER_LIMIT = 3600  # seconds
_CORE = 0  # of the programs in rows of one core; the server has core 1


def measure(key: str, contender: str, cores: int, sites: Path) -> Result | None:
    """One run. None, with a line that says so, where the program can not be had."""
    about, program = WORKLOADS[key], CONTENDERS[contender]
    version = program.version()
    if version is None:
        return _skip(f"{contender}: {program.package} is not installed")
    place = "/dev/shm" if program.in_memory and Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as folder, about.serve(sites, cores) as serving:
        command = program.command(serving.task)
        outcome = measuring.run(command, Path(folder), about.limit, _CORE if cores == 1 else None)
    if outcome.ended == "exit 2" and "--processes" in command:
        return _skip(f"{contender}: this skitter has no --processes")
    assert serving.count is not None
    count = vars(serving.count)
    facts = {"ended": outcome.ended, "wall": outcome.wall, "cpu": outcome.cpu, "rss": outcome.rss}
    about_run = (
        key,
        contender,
        cores,
        version,
        time.strftime("%Y-%m-%d %H:%M:%S"),
        serving.words,
        serving.expected,
    )
    return Result(*about_run, **count, **facts, said=outcome.said)


def _skip(why: str) -> None:
    print(f"<!-- left out: {why} -->", flush=True)


def _wanted(about: Workload, contenders: list[str] | None) -> list[tuple[str, int]]:
    return [row for row in about.rows if contenders is None or row[0] in contenders]


def rounds(key: str, contenders: list[str] | None, number: int, out: Path) -> None:
    """All programs once, then all again: what the machine does meanwhile meets all of them."""
    missing: set[tuple[str, int]] = set()
    for place in range(number):
        for row in _wanted(WORKLOADS[key], contenders):
            if row in missing:
                continue
            result = measure(key, *row, out.resolve() / "sites")
            if result is None:
                missing.add(row)
                continue
            keep(result, out)
            words = (
                f"{result.distinct:,} in {result.wall:.2f} s, CPU {result.cpu:.2f} s, {result.rss:.0f} MiB"
            )
            fault = f" WRONG: {result.wrong}" if result.wrong else ""
            print(f"<!-- {time.strftime('%H:%M:%S')} {key} {place + 1} {row}: {words}{fault} -->", flush=True)


def frontier(urls: str, out: Path) -> None:
    """Measure the frontier alone; its own lines are kept as they are."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(_HERE / "frontier.py"), "--urls", urls, "--folder", folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=_FRONTIER_LIMIT)
    with (out / "frontier.jsonl").open("a") as sink:
        sink.write(done.stdout)


def profile(key: str, out: Path) -> None:
    """Where skitter spends its time, as a flame graph."""
    picture = out.resolve() / f"profile-{key}.svg"
    spy = [str(Path(sys.executable).parent / "py-spy"), "record", "--threads", "-o", str(picture)]
    about = WORKLOADS[key]
    with tempfile.TemporaryDirectory() as folder, about.serve(out.resolve() / "sites", 1) as serving:
        command = CONTENDERS["skitter"].command(serving.task)
        outcome = measuring.run([*spy, "--", *command], Path(folder), about.limit)
    print(f"<!-- {picture.name}: {outcome.ended} -->")
    if outcome.ended != "exit 0":
        print(outcome.said)


def machine() -> str:
    """The line above the tables."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    parts = [
        time.strftime("%Y-%m-%d"),
        f"{os.cpu_count()} x {model}",
        f"{platform.system()} {platform.release()}",
        f"{platform.python_implementation()} {platform.python_version()}",
        f"SQLite {sqlite3.sqlite_version}",
    ]
    return ", ".join(parts)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for results and pictures")
    parser.add_argument("--workloads", default=",".join([*WORKLOADS, _FRONTIER]), help="comma-separated")
    parser.add_argument("--contenders", default="all", help=f"of {','.join(CONTENDERS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--urls", default="1000000,10000000", help="sizes of the frontier (workload e)")
    parser.add_argument("--profile", action="store_true", help="flame graphs of skitter (workloads a1, a10)")
    return parser.parse_args()


def _prepare(options: argparse.Namespace) -> list[str]:
    """Folders and limits; return the workloads that are wanted."""
    # So that what was started is ended also when a time limit ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    (options.out / "sites").mkdir(parents=True, exist_ok=True)
    wanted = [key for key in options.workloads.split(",") if key]
    unknown = set(wanted) - {*WORKLOADS, _FRONTIER}
    if unknown:
        raise SystemExit(f"no such workload: {', '.join(sorted(unknown))}")
    if hard < 12_000 and {"c", "d"} & set(wanted):
        print(f"<!-- only {hard:,} files may be open: c and d will not be complete -->")
    return wanted


def _chosen(names: str) -> list[str] | None:
    """The contenders of a comma-separated list, which may be empty; None is all."""
    if names == "all":
        return None
    found = [key for key in names.split(",") if key]
    unknown = set(found) - set(CONTENDERS)
    if unknown:
        raise SystemExit(
            f"no such contender: {', '.join(sorted(unknown))}; there are {', '.join(CONTENDERS)}"
        )
    return found


def _print(out: Path) -> None:
    results = load(out)
    print(machine())
    for key, about in WORKLOADS.items():
        found = [result for result in results if result.workload == key]
        if found:
            print(f"\n### {about.title}\n\n{found[-1].site}; {found[0].at} to {found[-1].at}\n")
            print(table(key, results))
    if (out / "frontier.jsonl").exists():
        from frontier import table as frontier_table

        print(f"\n### e: the frontier alone\n\n{frontier_table(out / 'frontier.jsonl')}")


def main() -> None:
    options = _options()
    wanted = _prepare(options)
    contenders = _chosen(options.contenders)
    if options.profile:
        for key in ("a1", "a10"):
            if key in wanted:
                profile(key, options.out)
        return
    for key in wanted:
        if key in WORKLOADS:
            rounds(key, contenders, options.rounds, options.out)
        elif contenders is None:
            frontier(options.urls, options.out)
    _print(options.out)
    from pictures import draw

    draw(options.out)


if __name__ == "__main__":
    main()
