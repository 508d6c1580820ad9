"""Times of single requests, as the strategies take them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from skitter.compare.report import Attempt

__all__ = ["LOGGER", "Answer", "Trip", "trip_to"]

LOGGER = logging.getLogger("skitter.compare")


class Answer(Protocol):
    """What is read of an answer of requests."""

    status_code: int
    elapsed: timedelta  # from sending to the end of the headers


class Trip:
    """One request: when it began, when its answer began, when it was over. On time.monotonic()."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.start = time.monotonic()
        self.first_byte: float | None = None
        self.end = 0.0
        self.status = "none"

    def first(self, status: int) -> None:
        """The answer begins: its headers are there."""
        self.first_byte = time.monotonic()
        self.status = str(status)

    def answered(self, answer: Answer) -> None:
        """The whole answer is there, as requests hands it out."""
        self.first_byte = self.start + answer.elapsed.total_seconds()
        self.status = str(answer.status_code)

    def since(self, zero: float) -> Attempt:
        """The times from ``zero`` on."""
        first = None if self.first_byte is None else self.first_byte - zero
        return Attempt(start=self.start - zero, first_byte=first, end=self.end - zero, status=self.status)


@contextmanager
def trip_to(url: str) -> Iterator[Trip]:
    """Time what is done inside; an exception is the request's status, and the experiment goes on."""
    trip = Trip(url)
    LOGGER.info("start %s", url)
    try:
        yield trip
    except Exception as error:  # whatever a client raises is its answer
        trip.first_byte, trip.status = None, type(error).__name__
    trip.end = time.monotonic()
    level = logging.INFO if trip.status.isdecimal() and int(trip.status) < 400 else logging.WARNING
    LOGGER.log(level, "end   %s %s after %.2f s", url, trip.status, trip.end - trip.start)
