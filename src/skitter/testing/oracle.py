"""A web of many hosts that knows the right answer for every URL: to prove that a crawl loses nothing."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType

from aiohttp import web

from skitter.testing.pages import Answer, Expected, draw, expect
from skitter.testing.server import ServerThread, listen
from skitter.testing.web import DELAY, make_web

__all__ = ["Expected", "Logged", "Oracle"]

_HOST = "127.0.0.1"
_UNKNOWN = Answer(404, b"There is no such page.\n", {"Content-Type": "text/plain; charset=utf-8"})


@dataclass(frozen=True, slots=True)
class Logged:
    """One request: time.monotonic() when its head had been read, its URL exactly as asked for, and the
    status that was answered (None until then, and for good if the client left before)."""

    time: float
    url: str
    status: int | None = None


class Oracle:
    """A deterministic web on the loopback address, each host on a port of its own, that says beforehand how
    a crawl of it has to end, and remembers every request.

    It serves from a thread of its own, so it outlives the crawls that are killed against it. Use it with
    `with`, or call `start` and `stop`. The ports are chosen at the first start and kept from then on, also
    over a stop; with the same ports the same arguments make the same web.

    There are ordinary pages with links in many spellings, and among them: documents that are no HTML,
    redirects (chains of two as well, and to other hosts), dead links, pages with two addresses, pages whose
    first request fails with a 500 or a 503 (also if the client does not wait for it), and pages that
    robots.txt disallows. The first host has a sitemap; where there are hosts enough, one has no robots.txt
    and three ask for a Crawl-delay. From 40 pages on there is at least one of each kind.
    """

    def __init__(
        self,
        *,
        pages: int = 5000,
        hosts: int = 40,
        seed: int = 1,
        latency: float = 0.01,
        retry_after: bool = True,
    ) -> None:
        """Make a web of ``pages`` URLs on ``hosts`` hosts that answers after ``latency`` seconds on average.

        With ``retry_after`` one page's first answer is a 503 that asks to wait for a second. Raises
        ValueError unless 1 <= hosts <= pages.
        """
        self._web = make_web(pages=pages, hosts=hosts, seed=seed, retry_after=retry_after)
        self._hosts = hosts
        self._seed = seed
        self._latency = latency
        self._origins: tuple[str, ...] = ()
        self._answers: dict[str, Answer] = {}
        self._expected: Mapping[str, Expected] = MappingProxyType({})
        self._memory = _Memory()
        self._thread: ServerThread | None = None

    def start(self) -> None:
        """Start to answer; when this returns, every host can be reached.

        Raises RuntimeError when it runs already, and OSError when a port has been taken by somebody since
        the last stop.
        """
        if self._thread is not None:
            raise RuntimeError("the oracle runs already")
        ports = [int(origin.rpartition(":")[2]) for origin in self._origins] or [0] * self._hosts
        with ExitStack() as bound:
            listeners = [bound.enter_context(listen(_HOST, port)) for port in ports]
            if not self._origins:
                self._settle_at([listener.getsockname()[1] for listener in listeners])
            self._thread = ServerThread(listeners, self._answer)
            bound.pop_all()  # they are the thread's from now on

    def stop(self) -> None:
        """Stop within about a second, dropping what is unanswered; the log stays readable.

        Does nothing when the oracle does not run.
        """
        if self._thread is not None:
            self._thread.stop()
            self._thread = None

    def __enter__(self) -> Oracle:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        where = self._origins[0] if self._thread else "stopped"
        return f"<Oracle {where}, {len(self._memory.log)} requests>"

    @property
    def origins(self) -> tuple[str, ...]:
        """The hosts: "http://127.0.0.1:PORT" each. RuntimeError before the first start."""
        self._need_ports()
        return self._origins

    @property
    def seeds(self) -> tuple[str, ...]:
        """What a crawl begins with: the front page of the first host. RuntimeError before the first start."""
        return (f"{self.origins[0]}/",)

    @property
    def expected(self) -> Mapping[str, Expected]:
        """How a complete crawl has to end (with `--scope any`): exactly these URLs, a record each.

        By canonical URL; robots.txt and the sitemap are no part of it. RuntimeError before the first start.
        """
        self._need_ports()
        return self._expected

    @property
    def delays(self) -> Mapping[str, float]:
        """The Crawl-delay in seconds, by origin, of the hosts that ask for one.

        RuntimeError before the first start.
        """
        origins = self.origins
        return {origins[host]: DELAY for host in sorted(self._web.delayed_hosts)}

    @property
    def requests(self) -> list[Logged]:
        """Every request so far, in order of arrival, robots.txt and the sitemap included: a copy."""
        return list(self._memory.log)

    @property
    def strays(self) -> list[Logged]:
        """Requests for URLs that this web does not have: they were answered 404.

        robots.txt and sitemap.xml may be asked for on any host.
        """
        usual = {origin + path for origin in self._origins for path in ("/robots.txt", "/sitemap.xml")}
        known = self._expected.keys() | usual
        return [asked for asked in self.requests if asked.url not in known]

    def forget(self) -> None:
        """Forget the requests, and which URLs have failed once already: before a new crawl."""
        self._memory = _Memory()

    def counts(self) -> Counter[str]:
        """How often each URL was asked for."""
        return Counter(asked.url for asked in self.requests)

    def gaps(self, origin: str) -> list[float]:
        """The seconds between successive requests to a host, in order of arrival.

        A request arrives when the server has read it. On a busy machine that may be late, which makes the
        gap before it longer and the one after it shorter.
        """
        times = [asked.time for asked in self.requests if asked.url.startswith(origin + "/")]
        return [after - before for before, after in pairwise(times)]

    def _need_ports(self) -> None:
        if not self._origins:
            raise RuntimeError("the oracle has no ports before it is started")

    def _settle_at(self, ports: list[int]) -> None:
        origins = tuple(f"http://{_HOST}:{port}" for port in ports)
        self._answers = draw(self._web, origins, seed=self._seed, latency=self._latency)
        places = zip(self._web.places, self._answers.items(), strict=False)
        self._expected = MappingProxyType({url: expect(place, answer) for place, (url, answer) in places})
        self._origins = origins
        # Now rather than in the middle of a crawl, where it would hold up the server for tens of
        # milliseconds: what the log says of gaps between requests would be wrong by as much.
        gc.collect()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        # Whatever `forget` does meanwhile, this request belongs to the crawl that sent it.
        memory = self._memory
        url = _origin(request) + request.raw_path
        entry = memory.arrived(url)
        answer = memory.choose(url, self._answers.get(url, _UNKNOWN))
        if answer.latency:
            await asyncio.sleep(answer.latency)
        memory.answered(entry, answer.status)
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


class _Memory:
    """What was asked, and what has failed once; written by the server's thread alone and read by any."""

    def __init__(self) -> None:
        self.log: list[Logged] = []
        self._stumbled: set[str] = set()

    def arrived(self, url: str) -> int:
        self.log.append(Logged(time.monotonic(), url))
        return len(self.log) - 1

    def answered(self, entry: int, status: int) -> None:
        self.log[entry] = replace(self.log[entry], status=status)

    def choose(self, url: str, answer: Answer) -> Answer:
        """The answer, or what comes before it the first time."""
        if answer.first is None or url in self._stumbled:
            return answer
        self._stumbled.add(url)
        return answer.first


def _origin(request: web.BaseRequest) -> str:
    """The host that was really asked; if the client has left already, the one that it named."""
    name = request.transport.get_extra_info("sockname") if request.transport else None
    return f"http://{name[0]}:{name[1]}" if name else f"http://{request.host}"
