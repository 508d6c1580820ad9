"""How soon a job with a million pending URLs goes on after SIGKILL, and in how much memory (THREATS I10).

    python benchmarks/durability/pending.py [--urls 1000000] [--hosts 40 --hosts 1000000]

The URLs lie on hosts 127.x.y.z; a server listens on the first 64 of them and notes the first request.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from skitter.config import build
from skitter.job import open_job
from skitter.model import Entry
from skitter.rules.url import key_of, origin_of

LISTENING, WATCHED = 64, 4.0
AT_ONCE = 5000


def address(host: int) -> str:
    """127.0.0.1, 127.0.0.2 and so on."""
    number = host + 1
    return f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def fill(folder: str, urls: int, hosts: int, port: int) -> None:
    """Make a job with so many pending URLs, and die in the middle of it."""
    config = build(("{}", {"scope": "any", "no_robots": True}))
    store = open_job(folder, config, "crawl").store
    for first in range(0, urls, AT_ONCE):
        entries = []
        for number in range(first, min(first + AT_ONCE, urls)):
            url = f"http://{address(number % hosts)}:{port}/section/{number}/a-page-of-some-name.html"
            entries.append(Entry(url, key_of(url), origin_of(url), depth=1, referrer=f"http://{address(0)}/"))
        store.admit(entries, [])
    os.kill(os.getpid(), signal.SIGKILL)


async def first_request(sockets: list[socket.socket], command: list[str]) -> tuple[float, float]:
    """Start the command; seconds until its first request, and MiB at most in its first seconds."""
    arrived = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                arrived.set()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    servers = [await asyncio.start_server(answer, sock=each) for each in sockets]
    began = time.monotonic()
    process = subprocess.Popen(command)
    await asyncio.wait_for(arrived.wait(), 60)
    taken = time.monotonic() - began
    await asyncio.sleep(WATCHED)
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    most = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    process.kill()
    process.wait()
    for server in servers:
        server.close()
    return taken, most / 1024


def measure(urls: int, hosts: int) -> None:
    """One line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        first = socket.create_server((address(0), 0))
        port = first.getsockname()[1]
        others = [socket.create_server((address(n), port)) for n in range(1, min(hosts, LISTENING))]
        job = f"{folder}/job"
        numbers = [str(urls), str(hosts), str(port)]
        subprocess.run([sys.executable, __file__, "--fill", job, *numbers], check=False)
        command = [sys.executable, "-m", "skitter", "crawl", f"http://{address(0)}:{port}/", "--job", job]
        command += ["--scope", "any", "--no-robots", "-q"]
        taken, most = asyncio.run(first_request([first, *others], command))
        print(f"| {urls:,} | {hosts:,} | {taken:.2f} | {most:.0f} |", flush=True)


def main() -> None:
    """Measure, or be the part that fills a job."""
    if sys.argv[1:2] == ["--fill"]:
        fill(sys.argv[2], *map(int, sys.argv[3:6]))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--urls", type=int, default=1_000_000)
    parser.add_argument("--hosts", type=int, action="append")
    found = parser.parse_args()
    print("| pending URLs | hosts | first request after s | RSS MiB |\n|---|---|---|---|", flush=True)
    for hosts in found.hosts or (40, 1_000_000):
        measure(found.urls, hosts)


if __name__ == "__main__":
    main()
