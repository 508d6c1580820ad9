"""A web that exists only in memory: for tests in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from skitter.model import Failure, Headers, Reason, Request, Response
from skitter.ports import Clock, Take

__all__ = ["Asked", "FakeFetcher"]


class Asked(msgspec.Struct, frozen=True):
    """One request: when it went out (seconds since the epoch), and for what."""

    time: float
    url: str


class FakeFetcher:
    """The Fetcher port over a dictionary. Unknown URLs answer 404, after ``latency`` seconds.

    ``asked`` lists the requests in order; ``most_in_flight`` counts the most at one time.
    """

    def __init__(self, clock: Clock, latency: float = 0.0) -> None:
        self.asked: list[Asked] = []
        self.most_in_flight = 0
        self._clock = clock
        self._latency = latency
        self._latencies: dict[str, float] = {}
        self._answers: dict[str, Callable[[int], Response | Failure]] = {}
        self._counts: Counter[str] = Counter()
        self._in_flight = 0

    def page(
        self,
        url: str,
        body: str = "",
        *,
        links: Iterable[str] = (),
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        latency: float | None = None,
    ) -> None:
        """Put a page at ``url``; ``links`` become anchors after ``body``."""
        html = body + "".join(f'<a href="{link}">{link}</a>' for link in links)
        fields = {"Content-Type": "text/html; charset=utf-8", **(headers or {})}
        response = Response(url, status, Headers(tuple(fields.items())), html.encode())
        self.answers(url, [response], latency=latency)

    def answers(
        self, url: str, answers: Sequence[Response | Failure | int], *, latency: float | None = None
    ) -> None:
        """Answer one after the other, the last one for ever; a number is an empty page's status."""
        fixed = [
            Response(url, answer, Headers()) if isinstance(answer, int) else answer for answer in answers
        ]
        self._answers[url] = lambda n: fixed[min(n, len(fixed) - 1)]
        if latency is not None:
            self._latencies[url] = latency

    def fails(self, url: str, reason: Reason, *, transient: bool = True, host_fault: bool = False) -> None:
        """Never bring an answer for ``url``."""
        self.answers(url, [Failure(reason, reason.value, transient, host_fault)])

    def times(self, part: str = "") -> list[float]:
        """When URLs that contain ``part`` were asked for."""
        return [asked.time for asked in self.asked if part in asked.url]

    async def fetch(
        self, request: Request, sent: Callable[[], None], take: Take | None = None
    ) -> Response | Failure:
        """Answer after the page's latency."""
        start = self._clock.now()
        self.asked.append(Asked(start, request.url))
        number = self._counts[request.url]
        self._counts[request.url] += 1
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            sent()
            await asyncio.sleep(self._latencies.get(request.url, self._latency))
        finally:
            self._in_flight -= 1
        answer = self._answers.get(request.url)
        found = answer(number) if answer else Response(request.url, 404, Headers())
        if take is not None and isinstance(found, Response) and found.status < 300:
            await take(found.headers, found.body)
            found = msgspec.structs.replace(found, body=b"")
        elapsed = self._clock.now() - start
        return msgspec.structs.replace(found, sent_at=start, ttfb=elapsed, elapsed=elapsed)

    async def addresses(self, origin: str) -> Sequence[str]:
        """Nobody knows where the hosts of this web are: they are public, and share no server."""
        return ()

    async def close(self) -> None:
        """Nothing to close."""
