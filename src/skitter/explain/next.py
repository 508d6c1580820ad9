"""What happens next with a URL, when, and what its user can do about it. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from skitter.explain.values import History, Next, Ruling, Waiting
from skitter.observe.hosts import words
from skitter.observe.text import seconds

__all__ = ["next_of"]

# Waits shorter than this are the ordinary pace.
_NEWS = 1.0
_ENDED = "skitter fetch asks for it once more, --fresh starts the whole job over"
# What lets a URL in, by the rule that keeps it out.
_ADVICE = {
    "scope": "name it as a seed of the job: seeds are exempt from --scope",
    "include": "name it as a seed of the job: seeds are exempt from --include",
    "depth": "name it as a seed of the job: a seed has depth 0",
    "nofollow": "name it as a seed of the job",
    "not_linked": "name it as a seed of the job",
    "collision": "skitter fetch asks for it",
    "exclude": "another --exclude makes another job: --fresh, or another --job",
    "robots": f"--no-robots ignores robots.txt; {_ENDED}",
    "trap": "--no-trap-guard --fresh, or an --include pattern that names it, takes it",
    "address": "named as a seed of a new job it is asked for, or with --allow-private --fresh",
    "admitted": _ENDED,
}


def next_of(history: History, state: str, rule: str, rules: tuple[Ruling, ...]) -> Next:
    """What happens next: to what waits, when it is its turn; to all else, nothing by itself."""
    if state == "pending":
        assert history.waiting is not None
        return _waits(history, history.waiting, rules)
    if state == "sitemap":
        return Next(None, "it is read before its host's pages" if history.sitemap == "pending" else "nothing")
    advice = _ADVICE[rule]
    if state == "unseen" and rule in ("robots", "trap", "address"):
        advice = _ADVICE["not_linked"] + (", with --no-robots" if rule == "robots" else "")
    if state == "ended":
        return Next(None, "nothing: a URL ends once in a job", advice)
    if state == "unseen" and history.pending:
        return Next(None, f"{history.pending:,} URLs are pending; one of them may link to it", advice)
    return Next(None, "nothing, by itself", advice)


def _waits(history: History, waiting: Waiting, rules: tuple[Ruling, ...]) -> Next:
    said = []
    limit = history.settings.limit
    if history.owner is None:
        said.append("it waits for the job to go on")
    elif limit is not None and history.fetched >= limit:
        said.append("the run is ending")
    host = history.host
    at = max(waiting.due, host.gate if host else 0.0, host.next_at if host else 0.0)
    if waiting.due - history.now >= _NEWS:
        said.append(f"due in {seconds(waiting.due - history.now)}")
    if host is not None and host.gate - history.now >= _NEWS:
        said.append(f"its host {words(host, history.now)}")
    said.append(f"number {waiting.before + 1:,} in its host's queue")
    for ruling in rules[4:]:
        if ruling.allows is False:
            said.append(f"then it ends unfetched, by {ruling.rule}: {ruling.words}")
            break
    return Next(_time(at) if at > history.now else None, "; ".join(said), _go_on(history))


def _go_on(history: History) -> str | None:
    limit = history.settings.limit
    if limit is not None and history.fetched >= limit:
        return f"raise --limit, which was {limit:,}, and run the same command again"
    return "run the same command again" if history.owner is None else None


def _time(at: float) -> str | None:
    try:
        said = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return None
    return said.replace("+00:00", "Z")
