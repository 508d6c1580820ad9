"""The local server: it works on so many at once, queues the rest, and says what it saw."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from skitter.compare.server import LabServer, serving


def ask(server: LabServer, number: int) -> list[tuple[int, float]]:
    """So many requests at once: status of each, and when it was answered."""
    start = time.monotonic()

    def one(_: int) -> tuple[int, float]:
        try:
            with urllib.request.urlopen(f"{server.origin}/delay/x") as answer:
                answer.read()
                status = answer.status
        except urllib.error.HTTPError as error:
            status = error.code
            error.close()
        return status, time.monotonic() - start

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


def test_all_at_once_without_a_capacity() -> None:
    with serving(0.3, None, None) as server:
        answers = ask(server, 8)
        assert {status for status, _ in answers} == {200}
        assert min(seconds for _, seconds in answers) >= 0.3
        figures = server.figures()
        assert (figures.requests, figures.max_in_flight, figures.connections) == (8, 8, 8)
        again = server.figures()
        assert (again.requests, again.max_in_flight, again.connections) == (0, 0, 0), "it forgets"


def test_what_is_beyond_the_capacity_queues() -> None:
    with serving(0.2, 2, None) as server:
        seconds = sorted(seconds for _, seconds in ask(server, 6))
        assert seconds[0] >= 0.2
        assert seconds[2] >= 0.4
        assert seconds[5] >= 0.6
        assert server.figures().max_in_flight == 6, "queueing is being in flight"


def test_it_is_at_rest_when_it_has_said_its_figures() -> None:
    """One strategy's given-up requests must not slow the next one down."""
    with serving(0.4, 1, 0.6) as server:
        start = time.monotonic()
        ask(server, 2)
        server.figures()
        assert time.monotonic() - start >= 0.8
        ((status, seconds),) = ask(server, 1)
        assert (status, seconds < 0.6) == (200, True)


def test_the_gateway_gives_up_and_work_that_has_begun_goes_on() -> None:
    """Capacity 1, 0.8 s each: at 1.4 s two are answered 504, one of which is being worked on until 1.6 s."""
    with serving(0.8, 1, 1.4) as server:
        assert sorted(status for status, _ in ask(server, 3)) == [200, 504, 504]
        ((status, seconds),) = ask(server, 1)
        assert status == 200
        assert seconds >= 0.85, "the worker was busy with work that nobody waits for"
