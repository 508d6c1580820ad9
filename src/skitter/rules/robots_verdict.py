"""What the answer to a request for robots.txt means (RFC 9309, 2.3.1)."""

from __future__ import annotations

import msgspec

from skitter.model import Done, Failure, Reason, Response, RobotsCopy
from skitter.rules import robots
from skitter.rules.backoff import retry_after
from skitter.rules.url import canonical, without_userinfo
from skitter.rules.verdict import LEAST_WAIT, REDIRECTS, REFUSALS

__all__ = ["Again", "Denied", "Hop", "Known", "RobotsVerdict", "from_copy", "judge_robots"]


class Known(msgspec.Struct, frozen=True):
    """The rules are known, and may be kept."""

    robots: robots.Robots
    copy: RobotsCopy


class Hop(msgspec.Struct, frozen=True):
    """The file is somewhere else (2.3.1.2)."""

    url: str


class Again(msgspec.Struct, frozen=True):
    """Ask again later; nothing may be fetched meanwhile (2.3.1.4). ``free`` costs no try."""

    error: str
    free: bool


class Denied(msgspec.Struct, frozen=True):
    """The file cannot be had: everything is disallowed, and every URL of the host ends so."""

    done: Done


RobotsVerdict = Known | Hop | Again | Denied


def judge_robots(
    answer: Response | Failure, *, token: str, hops: int, tries: int, retries: int, now: float
) -> RobotsVerdict:
    """Decide; ``tries`` are those that failed before this one, ``hops`` the redirects followed."""
    if isinstance(answer, Failure):
        if answer.transient and tries < retries:
            return Again(answer.message, free=False)
        return Denied(Done(answer.reason, f"robots.txt: {answer.message}"))
    status = answer.status
    if status in REDIRECTS:
        location = answer.headers.first("location")
        target = canonical(location, answer.url) if location else None
        if target is not None and hops < robots.MAX_REDIRECTS:
            return Hop(without_userinfo(target))
        return _known(404, b"", token, now)  # beyond five hops it counts as unavailable
    asked = retry_after(answer.headers.get("retry-after"), now) if status in REFUSALS else None
    if asked is not None and asked >= LEAST_WAIT:
        return Again(f"HTTP {status}", free=True)
    if (status >= 500 or status == 429) and tries < retries:
        return Again(f"HTTP {status}", free=False)
    if status >= 500:
        return Denied(Done(Reason.HTTP_ERROR, f"robots.txt: HTTP {status}"))
    if answer.truncated and len(answer.body) < robots.MAX_BYTES and tries < retries:
        return Again("cut short", free=False)  # the rules that are missing would count as "allowed"
    return _known(status, answer.body if status < 300 else b"", token, now)


def from_copy(copy: RobotsCopy, token: str) -> robots.Robots:
    """The rules of a copy that a former run kept."""
    return robots.parse(copy.body, token) if copy.status < 300 else robots.allow_all()


def _known(status: int, body: bytes, token: str, now: float) -> Known:
    copy = RobotsCopy(status, body, now)
    return Known(from_copy(copy, token), copy)
