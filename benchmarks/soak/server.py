"""What the soak crawls, in a process of its own: a large web in memory, each host behind a fault proxy.

    python server.py HOSTS SEED

Prints the hosts' origins as JSON, serves until its standard input ends, then prints how often it did what.
A page is made from its number when it is asked for, the same one each time (but for ports of links to other
hosts): 5 to 30 KB, 20 to 60 links.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import threading
from collections import Counter
from contextlib import ExitStack, closing
from functools import partial
from itertools import zip_longest

import uvloop

from skitter.testing import FaultProxy, Faults
from skitter.testing.server import listen
from skitter.testing.web import WORDS

__all__ = ["FAULTS", "PAGES"]

# Of each host. On 128 of them that is nearly 13 million, of which 30 minutes see a tenth or two.
PAGES = 100_000
_CHILDREN = 3
_SMALLEST, _LARGEST = 5_000, 30_000  # bytes
_ELSEWHERE = 0.1  # of the links that are no children lead to other hosts
# After 3,000 bytes a reset is in the middle of a page, and of no robots.txt.
FAULTS = Faults(
    reset=0.01,
    black_hole=0.01,
    unavailable=0.01,
    slow=0.01,
    slow_delay=3.0,
    after=3000,
    latency=0.005,
    jitter=0.01,
)

_SECTIONS = ("articles", "guides", "news", "people", "places", "recipes", "stories", "topics")
_ASKED = re.compile(rb"GET (\S+) HTTP/1\.1\r\n")
_NUMBER = re.compile(rb"/[a-z]+/(\d+)$")
_ROBOTS = b"User-agent: *\nDisallow: /private/\n"


class Web:
    """The pages: a tree on each host, with many links besides to pages that are known by then."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self._texts = [f"<p>{' '.join(chance.choices(WORDS, k=90))}</p>\n" for _ in range(64)]
        self._seed = seed
        self.origins: list[str] = []

    def answer(self, host: int, path: bytes) -> bytes:
        """A whole answer of HTTP."""
        if path == b"/robots.txt":
            return _answer("200 OK", "text/plain", _ROBOTS)
        found = _NUMBER.search(path)
        number = int(found[1]) if found else 0 if path == b"/" else PAGES
        if number >= PAGES:
            return _answer("404 Not Found", "text/plain", b"nothing here\n")
        return _answer("200 OK", "text/html; charset=utf-8", self._page(host, number).encode())

    def _page(self, host: int, number: int) -> str:
        chance = random.Random(self._seed + host * PAGES + number)
        links = [_path(child) for child in self._children(number)]
        # Breadth first, what is before the children is known already, by and large.
        known = min(PAGES, _CHILDREN * number + 1 + _CHILDREN)
        for _ in range(int(20 + 41 * chance.random()) - len(links)):
            origin = chance.choice(self.origins) if chance.random() < _ELSEWHERE else ""
            links.append(origin + _path(int(known * chance.random())))
        anchors = [f'<p><a href="{link}">{link.rpartition("/")[2]} of this tree</a></p>\n' for link in links]
        size = _SMALLEST + (_LARGEST - _SMALLEST) * chance.random()
        missing = size - sum(map(len, anchors))
        texts = chance.choices(self._texts, k=max(0, int(missing / len(self._texts[0]))))
        title = f"<!doctype html><title>Page {number} of host {host}</title><h1>Page {number}</h1>\n"
        return title + "".join(map("".join, zip_longest(anchors, texts, fillvalue="")))

    def _children(self, number: int) -> range:
        first = _CHILDREN * number + 1
        return range(min(first, PAGES), min(first + _CHILDREN, PAGES))


def _path(number: int) -> str:
    return f"/{_SECTIONS[number % len(_SECTIONS)]}/{number}"


def _answer(status: str, kind: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Connection(asyncio.Protocol):
    """One connection. Nobody pipelines, so what is unread when an answer is sent is the next request's."""

    def __init__(self, web: Web, host: int) -> None:
        self._web = web
        self._host = host
        self._buffer = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if b"\r\n\r\n" not in self._buffer:
            return
        asked = _ASKED.match(self._buffer)
        self._buffer = b""
        self._transport.write(self._web.answer(self._host, asked[1] if asked else b"?"))


async def serve(hosts: int, seed: int) -> None:
    """Until the standard input ends."""
    loop = asyncio.get_running_loop()
    web = Web(seed)
    with ExitStack() as stack:
        proxies = []
        for host in range(hosts):
            listener = stack.enter_context(closing(listen("127.0.0.1", 0)))
            await loop.create_server(partial(Connection, web, host), sock=listener)
            proxy = FaultProxy(*listener.getsockname(), faults=FAULTS, seed=seed * 1000 + host)
            proxies.append(stack.enter_context(proxy))
        web.origins = [proxy.origin for proxy in proxies]
        print(json.dumps(web.origins), flush=True)
        await loop.run_in_executor(None, sys.stdin.read)
        print(json.dumps(sum((proxy.count for proxy in proxies), Counter())), flush=True)


if __name__ == "__main__":
    # Threads take turns every 5 ms by default, which would be a latency of the proxies that nobody asked for.
    sys.setswitchinterval(0.0005)
    threading.stack_size(512 * 1024)
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
