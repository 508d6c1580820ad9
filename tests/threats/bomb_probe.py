"""A program: fetch each URL of the command line, and say for each what came of it, in how many seconds and
with how many KiB more at the peak than before."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from skitter.clock import SystemClock
from skitter.config import Http, Limits
from skitter.model import Failure, Request
from skitter.net import AiohttpFetcher


def peak() -> int:
    """KiB at most since this program began. Not from getrusage: there Linux counts the parent's, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


async def main() -> None:
    limits = Limits()
    fetcher = AiohttpFetcher(Http(), limits, SystemClock())
    first, *urls = sys.argv[1:]
    await fetcher.fetch(Request(first, limits.max_body, reach="loopback"), lambda: None)  # what loads once
    for url in urls:
        before, start = peak(), time.perf_counter()
        answer = await fetcher.fetch(Request(url, limits.max_body, reach="loopback"), lambda: None)
        took = time.perf_counter() - start
        grown = peak() - before
        reason = answer.reason if isinstance(answer, Failure) else "fetched"
        print(json.dumps([reason, took, grown]), flush=True)  # noqa: T201
    await fetcher.close()


if __name__ == "__main__":
    asyncio.run(main())
