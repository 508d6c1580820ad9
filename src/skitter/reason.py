"""The words for endings: of a URL, and of a run."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["FinishReason", "Reason"]


class Reason(StrEnum):
    """The one word that says how a URL ended. docs/reference.md explains each."""

    FETCHED = "fetched"
    NOT_MODIFIED = "not_modified"
    REDIRECTED = "redirected"
    REDIRECT_LOOP = "redirect_loop"
    HTTP_ERROR = "http_error"
    ROBOTS_DENIED = "robots_denied"
    TRAP = "trap"
    UNREACHABLE = "unreachable"
    DNS_FAILED = "dns_failed"
    TLS_FAILED = "tls_failed"
    TIMED_OUT = "timed_out"
    TOO_SLOW = "too_slow"
    TOO_LARGE = "too_large"
    REFUSED_ADDRESS = "refused_address"
    MALFORMED = "malformed"
    UNPARSABLE = "unparsable"
    PROXY_ERROR = "proxy_error"
    HANDLER_ERROR = "handler_error"
    GAVE_UP = "gave_up"
    CANCELLED = "cancelled"

    def __repr__(self) -> str:
        return repr(self.value)


class FinishReason(StrEnum):
    """Why a run ended."""

    DONE = "done"  # nothing is left
    LIMIT = "limit"  # --limit reached
    TIME_LIMIT = "time_limit"  # --time-limit reached
    WAITING = "waiting"  # all that remains must wait longer than --max-wait
    DISK_LOW = "disk_low"  # less room than --min-free
    STOPPED = "stopped"  # asked to stop: Ctrl-C, SIGTERM, Crawler.stop()

    def __repr__(self) -> str:
        return repr(self.value)
