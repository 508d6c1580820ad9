"""How long to wait: full jitter, and what a server says in Retry-After."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

__all__ = ["BACKOFF_BASE", "BACKOFF_CAP", "full_jitter", "retry_after"]

# Full jitter over 2 s x 2^n with a cap: "Exponential Backoff And Jitter" (AWS Architecture Blog,
# 2015) measured full jitter as the variant with the least work and contention.
BACKOFF_BASE = 2.0
BACKOFF_CAP = 600.0


def full_jitter(level: int, chance: float) -> float:
    """Seconds to wait before try ``level`` + 1 (0-based). ``chance`` is uniform in [0, 1)."""
    # The exponent is bounded first: 2.0 ** 2000 would be an OverflowError.
    return chance * min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(level, 32))


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After field asks for (RFC 9110, 10.2.3); None if it says nothing usable.

    Both forms are read: delay-seconds and an HTTP date. A date in the past means no wait. Years
    are honoured as they stand (THREATS B13): the host is parked, nothing is held up by it.
    """
    if value is None:
        return None
    text = value.partition(",")[0] if value[:1].isdigit() else value
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:18])
    try:
        moment = parsedate_to_datetime(text)
        # Every HTTP date is UTC, also the forms that do not say so (RFC 9110, 5.6.7).
        date = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return max(0.0, date - now)
