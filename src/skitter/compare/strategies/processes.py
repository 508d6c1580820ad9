"""processes: the same call in many processes. It works like threads, at the price of a whole
interpreter for each request under way; it pays where the work is computing, not waiting."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import requests

from skitter.compare.lab import Lab
from skitter.compare.timing import LOGGER, Trip, trip_to

__all__ = ["run"]

# Seconds in which all processes have to be there.
_START = 60.0
_everybody: Barrier  # set in each worker process


def run(lab: Lab) -> None:
    """All at once, a process each."""
    lab.has_workers = True
    context = _fresh_processes()
    everybody = context.Barrier(lab.workers)
    start = partial(ProcessPoolExecutor, lab.workers, context, _begin)
    with start((everybody, LOGGER.getEffectiveLevel())) as pool:
        list(pool.map(_wait, range(lab.workers)))  # passed when every process is there
        with lab.measured():
            trips = list(pool.map(partial(_fetch, lab.options), lab.urls))
    lab.add([trip for trip, _ in trips], sum(cpu for _, cpu in trips))


def _fetch(options: dict[str, Any], url: str) -> tuple[Trip, float]:
    cpu = time.process_time()
    with trip_to(url) as trip:
        trip.answered(requests.get(url, **options))
    return trip, time.process_time() - cpu


def _fresh_processes() -> multiprocessing.context.BaseContext:
    # Should we be killed, nobody has to be told of the semaphores that are tidied up after us.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker")
    # Not "fork": this process has threads. A fork server imports once, and its children start at once.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    context.set_forkserver_preload([__name__])
    return context


def _begin(everybody: Barrier, level: int) -> None:
    global _everybody
    _everybody = everybody
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.basicConfig(
        level=level, format="%(asctime)s.%(msecs)03d %(levelname)-7s %(message)s", datefmt="%H:%M:%S"
    )


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _wait(_: int) -> None:
    _everybody.wait(_START)
