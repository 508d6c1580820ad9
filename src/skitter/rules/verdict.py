"""What becomes of a URL after a visit: a table from status or failure to a verdict."""

from __future__ import annotations

from skitter.model import Done, Entry, Failure, Reason, Redirect, Response, RetryAt, Verdict
from skitter.rules.ask import is_safe
from skitter.rules.backoff import full_jitter, retry_after
from skitter.rules.url import canonical, without_userinfo

__all__ = ["LEAST_WAIT", "MAX_HOPS", "OVERLOADED", "REDIRECTS", "REFUSALS", "judge"]

# The statuses that name another place (RFC 9110, 15.4); 300, 304, 305 and 306 do not.
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# "Not now": the host is asked less, and Retry-After is obeyed (RFC 6585, 4; RFC 9110, 15.6.4).
REFUSALS = frozenset({429, 503})
# A gateway gave up waiting for what is behind it (RFC 9110, 15.6.5).
OVERLOADED = 504
# May pass by itself: RFC 9110 408, RFC 8470 425, and the gateway family (520-529: CDNs' own).
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
# Of the proxy, not of the site (RFC 9110, 15.5.8); behind CONNECT aiohttp says so itself.
_PROXY_REFUSES = 407
# A Retry-After below a second says nothing: the usual backoff and the usual price.
LEAST_WAIT = 1.0
# The Fetch Standard's redirect limit, and that of browsers.
MAX_HOPS = 20


def judge(
    answer: Response | Failure,
    entry: Entry,
    *,
    retries: int,
    now: float,
    chance: float,
    host_answered: bool = False,
) -> Verdict:
    """Decide. ``entry.attempts`` and ``entry.spent`` are those before this visit.

    ``chance`` is uniform in [0, 1). When no connection comes about to a host that has answered
    before, it is the network's or the host's fault: the URL pays no try, the host waits.
    """
    if isinstance(answer, Failure):
        free = answer.host_fault and host_answered
        if not answer.transient or (entry.spent >= retries and not free) or _is_in_doubt(answer, entry):
            return Done(answer.reason, answer.message)
        at = now + full_jitter(entry.spent, chance)
        return RetryAt(at, answer.reason, answer.message, free)
    if answer.status in REDIRECTS:
        return _redirect(answer, entry)
    if answer.status in _TRANSIENT:
        return _transient(answer, entry, retries, now, chance)
    return _final(answer)


def _is_in_doubt(failure: Failure, entry: Entry) -> bool:
    """Has something been sent that must not be done twice (RFC 9110, 9.2.2)?"""
    return not failure.host_fault and not is_safe(entry.ask)


def _transient(answer: Response, entry: Entry, retries: int, now: float, chance: float) -> RetryAt | Done:
    error = f"HTTP {answer.status}"
    if answer.status in REFUSALS:
        asked = retry_after(answer.headers.get("retry-after"), now)
        if asked is not None and asked >= LEAST_WAIT:
            return RetryAt(now + asked, Reason.HTTP_ERROR, error, free=True)
    if entry.spent >= retries or (answer.status not in REFUSALS and not is_safe(entry.ask)):
        return Done(Reason.HTTP_ERROR, error)
    return RetryAt(now + full_jitter(entry.spent, chance), Reason.HTTP_ERROR, error)


def _redirect(answer: Response, entry: Entry) -> Verdict:
    location = answer.headers.first("location")
    if not location:
        return Done(Reason.HTTP_ERROR, f"HTTP {answer.status} without Location")
    target = canonical(location, answer.url)
    if target is None:
        return Done(Reason.REDIRECTED, "leads to no http or https URL")
    target = without_userinfo(target)
    repeats = target == entry.url and is_safe(entry.ask)  # after a POST the same page is asked for
    if repeats or target in entry.hops:
        return Done(Reason.REDIRECT_LOOP, f"back to {target}")
    if len(entry.hops) + 1 > MAX_HOPS:
        return Done(Reason.REDIRECT_LOOP, f"more than {MAX_HOPS} redirects")
    # Who asked for the first over TLS gets the second without (RFC 9110, 17.1 has the reasons to tell).
    downgrade = entry.url.startswith("https:") and target.startswith("http:")
    return Redirect(target, "leads from https to http" if downgrade else None)


def _final(answer: Response) -> Done:
    if 200 <= answer.status < 300:
        return Done(Reason.FETCHED, answer.note)
    if answer.status == 304:
        return Done(Reason.NOT_MODIFIED)
    if answer.status == _PROXY_REFUSES:
        return Done(Reason.PROXY_ERROR, f"the proxy refused: HTTP {answer.status}")
    return Done(Reason.HTTP_ERROR, f"HTTP {answer.status}")
