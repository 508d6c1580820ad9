"""G7: a crawl that is stopped from within a handler, or whose stream is broken out of.

``python stopping_program.py HOW AFTER CONCURRENCY JOB SEED RECORDS...``; one JSON object on stdout tells what
was left, and how many seconds the end took.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import skitter

__all__ = ["main"]


async def _in_handler(crawler: skitter.Crawler, seed: str, after: int, how: str) -> float:
    """Stop or abort in the handler of the ``after``-th page; when that was."""
    pages, told = 0, time.monotonic()

    async def handle(page: skitter.Page) -> None:
        nonlocal pages, told
        pages += 1
        if pages == after:
            told = time.monotonic()
            crawler.abort() if how == "abort" else crawler.stop()

    crawler.on("*")(handle)
    await crawler.run([seed])
    return told


async def _broken_out_of(options: dict[str, Any], seed: str, after: int) -> float:
    pages = skitter.crawl(seed, **options)
    seen = 0
    async for _ in pages:
        seen += 1
        if seen == after:
            break
    told = time.monotonic()
    await pages.aclose()
    return told


async def main(how: str, after: str, concurrency: str, job: str, seed: str, *records: str) -> None:
    """Crawl, stop, tell."""
    options: dict[str, Any] = {"job": job, "records": records, "scope": "any"}
    options["concurrency"] = int(concurrency)
    if how == "break":
        told = await _broken_out_of(options, seed, int(after))
    else:
        told = await _in_handler(skitter.Crawler(**options), seed, int(after), how)
    taken = time.monotonic() - told
    tasks = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    sys.stdout.write(json.dumps({"seconds": taken, "tasks": tasks}) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
