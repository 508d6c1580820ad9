"""The crawler of the soak: the job that `skitter crawl` would run, and a pulse of its event loop.

    python crawl.py FOLDER SEEDS OPTIONS [--heap]

SEEDS is a file with a URL a line, OPTIONS are those of the command, as JSON. Prints a line of JSON a second:
what only this process itself knows. `--heap` adds a census of all objects, by type, every 30 s: that holds
the loop for as long as it takes, so the lag of such a run is not to be looked at.
"""

from __future__ import annotations

import _sqlite3
import asyncio
import ctypes
import gc
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from skitter.config import Config, build
from skitter.net import run_loop
from skitter.observe.stats import Stats
from skitter.run import Run

# The loop is to come back after so long, fifty times a second; what it is late is its lag.
_BEAT = 0.02
_CENSUS = 30.0  # seconds
_TYPES = 40  # that are told of a census


async def crawl(config: Config, folder: str, seeds: list[str], heap: bool) -> int:
    """Crawl, with the pulse beside it; the exit code."""
    stats = Stats()
    async with Run(config, "crawl", folder, observe=stats) as engine:
        pulse = asyncio.create_task(_pulse(stats, heap))
        summary = await engine.run(iter(seeds))
        pulse.cancel()
    by_reason = {str(reason): number for reason, number in summary.by_reason.items()}
    _say(ended=str(summary.finish_reason), total=summary.total, by_reason=by_reason, pending=summary.pending)
    return 0


async def _pulse(stats: Stats, heap: bool) -> None:
    counted = time.monotonic()
    while True:
        lags, waits = [], []
        told = time.monotonic()
        while time.monotonic() - told < 1.0:
            # Not loop.time(): uvloop's stands still within one turn of the loop.
            slept, waited = time.monotonic(), _waited()
            await asyncio.sleep(_BEAT)
            lags.append(time.monotonic() - slept - _BEAT)
            waits.append(_waited() - waited)
        _say(
            lags=[round(max(0.0, lag) * 1000, 2) for lag in lags],
            waits=[round(wait * 1000, 2) for wait in waits],
            tasks=len(asyncio.all_tasks()) - 1,  # without this one
            fetched=stats.fetched_now,
            done=stats.done,
            pending=stats.pending,
            in_flight=stats.in_flight,
        )
        if heap and time.monotonic() - counted > _CENSUS:
            counted = time.monotonic()
            _say(heap=_census())


def _waited() -> float:
    """For how many seconds so far this thread could have run, but another one had the core."""
    with Path("/proc/thread-self/schedstat").open() as file:
        return int(file.read().split()[1]) / 1e9


def _census() -> dict[str, int]:
    """How many objects there are of the most frequent types that the garbage collector knows; and what memory
    is in use: by Python in blocks, by C and by SQLite (which is C's) in KiB."""
    gc.collect()
    return {
        "(Python: blocks)": sys.getallocatedblocks(),
        **_of_malloc(),
        "(SQLite: KiB)": ctypes.CDLL(_sqlite3.__file__).sqlite3_memory_used() // 1024,
        **dict(Counter(type(each).__qualname__ for each in gc.get_objects()).most_common(_TYPES)),
    }


def _of_malloc() -> dict[str, int]:
    """What glibc says of malloc: used, and kept though nobody uses it; elsewhere nothing."""
    ask = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if ask is None:
        return {}
    ask.restype = _MallInfo
    info = ask()
    return {
        "(malloc: used KiB)": (info.uordblks + info.hblkhd) // 1024,
        "(malloc: unused KiB)": info.fordblks // 1024,
    }


class _MallInfo(ctypes.Structure):
    """struct mallinfo2 of glibc 2.33 and later: in bytes, most fields of no interest here."""

    _fields_ = [
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd")),
        *((name, ctypes.c_size_t) for name in ("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")),
    ]


def _say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    folder, seeds, options = sys.argv[1:4]
    settings = build(("the soak", json.loads(options)))
    urls = Path(seeds).read_text().split()
    sys.exit(run_loop(crawl(settings, folder, urls, "--heap" in sys.argv)))
