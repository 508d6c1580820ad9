"""threads: the same call in many threads. Each still blocks, but only its own thread: while one waits
for its socket, the others run. The price is a thread for each request under way."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import requests

from skitter.compare.lab import Lab

__all__ = ["run"]


def run(lab: Lab) -> None:
    """All at once, a thread each."""

    def fetch(url: str) -> None:
        with lab.request(url) as trip:
            trip.answered(requests.get(url, **lab.options))

    lab.has_workers = True
    with ThreadPoolExecutor(lab.workers) as pool:
        everybody = threading.Barrier(lab.workers)  # passed when every thread is there
        list(pool.map(lambda _: everybody.wait(), range(lab.workers)))
        with lab.measured():
            list(pool.map(fetch, lab.urls))
