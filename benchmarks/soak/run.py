"""The soak: a long crawl of bad servers, and whether anything grows.

    python run.py [--minutes 30] [--out FOLDER]

Writes samples.csv (one row a second), soak.png and report.md into the folder, and prints the table. The exit
code is 1 if a bound was broken, or if the crawl did not go as it should.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from figures import Sample, load, table
from pictures import draw

_HERE = Path(__file__).parent
_MIB = 1024 * 1024
_TIMEOUT = 5.0  # seconds until the crawler gives up a request: what a black hole costs
_PATIENCE = 120.0  # seconds that the end of the crawl may take


def main() -> int:
    """The exit code."""
    found = _arguments()
    out = Path(found.out)
    job = out / "job"
    if job.exists():
        shutil.rmtree(job)
    job.mkdir(parents=True)
    options = {
        "time_limit": f"{found.minutes * 60:g}s",
        "per_host": 16,
        "concurrency": 64,
        "timeout": f"{_TIMEOUT:g}s",
        "retries": 3,
        "output": str(job / "pages.jsonl"),
    }
    with _served(found.hosts, found.seed) as (origins, server):
        seeds = out / "seeds.txt"
        seeds.write_text("".join(f"{origin}/\n" for origin in origins))
        ended, code = _soak(out, job, [str(job), str(seeds), json.dumps(options)], found)
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.close()
        faults = json.loads(server.stdout.readline())
    text, is_well = _report(out, ended, faults, code, _records(job / "pages.jsonl"))
    (out / "report.md").write_text(text)
    print(text)
    if is_well and not found.keep:
        shutil.rmtree(job)
    return 0 if is_well else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--out", default=".bench/soak", metavar="FOLDER")
    parser.add_argument("--hosts", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1, help="of the web and of the faults")
    parser.add_argument(
        "--heap", action="store_true", help="count all objects by type every 30 s, into heap.csv"
    )
    parser.add_argument("--keep", action="store_true", help="keep the job's folder")
    return parser.parse_args()


# -- the two processes -----------------------------------------------------------------------------


@contextmanager
def _served(hosts: int, seed: int) -> Iterator[tuple[list[str], subprocess.Popen[str]]]:
    """The web and its proxies, in a process of their own: the crawler's memory is its alone."""
    command = [sys.executable, str(_HERE / "server.py"), str(hosts), str(seed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline()), server
        finally:
            if server.stdin is not None and not server.stdin.closed:
                server.stdin.close()
            server.wait(30)


def _soak(
    out: Path, job: Path, words: Sequence[str], found: argparse.Namespace
) -> tuple[dict[str, Any], int]:
    """Run the crawl to its end, a sample a second; what it said at last, and its exit code."""
    command = [sys.executable, str(_HERE / "crawl.py"), *words, *(["--heap"] if found.heap else [])]
    heaps: list[dict[str, int]] = []
    ended: dict[str, Any] = {}
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as crawler,
        (out / "samples.csv").open("w", newline="") as file,
    ):
        assert crawler.stdout is not None
        try:
            rows = csv.writer(file)
            rows.writerow(Sample._fields)
            began = time.monotonic()
            for line in crawler.stdout:
                said = json.loads(line)
                if "heap" in said:
                    heaps.append(said["heap"])
                elif "ended" in said:
                    ended = said
                elif (at := time.monotonic() - began) < found.minutes * 60:  # then it only drains
                    rows.writerow(_sample(crawler.pid, job, said, at))
                    file.flush()
                    _tell(said, at)
            crawler.wait(_PATIENCE)
        except BaseException:
            crawler.kill()
            raise
    _write_heaps(out / "heap.csv", heaps)
    return ended, crawler.returncode


def _tell(said: Mapping[str, Any], at: float) -> None:
    """How far it is, in one line on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{at / 60:5.1f} min {said['fetched']:>9,} pages ", end="", file=sys.stderr, flush=True)


def _sample(pid: int, job: Path, said: Mapping[str, Any], at: float) -> Sample:
    """What the crawler has said, and what can be seen of it from outside."""
    status = _fields(Path(f"/proc/{pid}/status"))
    database = next(job.glob("*.db"), job / "none")
    return Sample(
        time=round(at, 2),
        fetched=said["fetched"],
        done=said["done"],
        pending=said["pending"],
        in_flight=said["in_flight"],
        rss=status.get("VmRSS", 0) / 1024,
        pss=_fields(Path(f"/proc/{pid}/smaps_rollup")).get("Pss", 0) / 1024,
        descriptors=sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
        threads=status.get("Threads", 0),
        tasks=said["tasks"],
        wal=_size(Path(f"{database}-wal")) / _MIB,
        database=_size(database) / _MIB,
        output=_size(job / "pages.jsonl") / _MIB,
        cpu=sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
        / os.sysconf("SC_CLK_TCK"),
        load=os.getloadavg()[0],
        lags=" ".join(map(str, said["lags"])),
        waits=" ".join(map(str, said["waits"])),
    )


def _fields(file: Path) -> dict[str, int]:
    """The numbers of a file of /proc that has a name and a number a line."""
    found = {}
    for line in file.read_text().splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdecimal():
            found[name] = int(words[0])
    return found


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _write_heaps(file: Path, heaps: Sequence[Mapping[str, int]]) -> None:
    """A row a type, a column a census; those first that grew most."""
    if not heaps:
        return
    names = {name for heap in heaps for name in heap}
    grown = {name: heaps[-1].get(name, 0) - heaps[0].get(name, 0) for name in names}
    with file.open("w", newline="") as sink:
        rows = csv.writer(sink)
        for name in sorted(names, key=lambda name: -grown[name]):
            rows.writerow([name, *(heap.get(name, "") for heap in heaps)])


# -- the result ------------------------------------------------------------------------------------


def _records(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)


def _report(
    out: Path, ended: Mapping[str, Any], faults: dict[str, int], code: int, records: int
) -> tuple[str, bool]:
    """The report, and whether all is well; draws the picture too."""
    samples = load(out / "samples.csv")
    rows = table(samples)
    draw(out / "soak.png", samples)
    wrong = [row.name for row in rows if row.is_broken]
    if code != 0 or ended.get("ended") != "time_limit":
        wrong.append(f"the crawl ended with code {code}, {ended.get('ended', 'in the middle')}")
    if records != ended.get("total"):
        wrong.append(f"{records:,} records of {ended.get('total')} URLs that ended")
    last = samples[-1]
    lines = [
        f"{last.time / 60:.1f} minutes, {last.fetched:,} pages, {last.fetched / last.time:,.0f} a second;"
        f" pending at the end {last.pending:,}, database {last.database:,.0f} MiB;"
        f" CPU {last.cpu / last.time:.0%} of a core, load of the machine {last.load:.1f}",
        "",
        "| | asked | measured | |",
        "|---|---|---|---|",
        *(f"| {row.name} | {row.asked} | {row.measured} | {row.word} |" for row in rows),
        "",
        f"What the proxies did in {faults.pop('exchanges', 0):,} exchanges on"
        f" {faults.pop('connections', 0):,} connections: "
        + ", ".join(f"{name} {number:,}" for name, number in sorted(faults.items())),
        "",
        "How URLs ended: "
        + ", ".join(f"{name} {number:,}" for name, number in ended.get("by_reason", {}).items()),
        "",
        f"WRONG: {'; '.join(wrong)}" if wrong else "All is well.",
    ]
    return "\n".join(lines) + "\n", not wrong


if __name__ == "__main__":
    sys.exit(main())
