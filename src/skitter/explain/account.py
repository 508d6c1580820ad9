"""From what the job knows of a URL to the answer. Pure: rows and rules in, an :class:`Explanation` out."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from skitter.explain.next import next_of
from skitter.explain.rulings import Case, bounds_of, denials, follows, rulings
from skitter.explain.values import (
    Explanation,
    History,
    HostAccount,
    Linkers,
    Outlook,
    RobotsAccount,
    Ruling,
    Try,
)
from skitter.model import Attempt, Reason, Record
from skitter.observe.hosts import words
from skitter.rules.scope import Bounds

__all__ = ["explain"]

# Reasons that name the rule which ended a URL without a request.
_RULES = {Reason.ROBOTS_DENIED: "robots", Reason.TRAP: "trap", Reason.REFUSED_ADDRESS: "address"}
_ROBOTS = "robots.txt: "  # how the error begins where the file could not be had


def explain(history: History) -> Explanation:
    """Why the URL was, or was not, crawled."""
    bounds = bounds_of(history)
    state = _state(history)
    rules = rulings(history, bounds, _case(history))
    never = state in ("refused", "unseen")
    if_linked = _if_linked(history, bounds) if never else None
    if state == "ended":
        rules = _as_ended(history, rules)
        rule, answer = _ended(history)
    elif state == "pending":
        rule, answer = "admitted", _pending(history)
    elif state == "sitemap":
        rule, answer = "admitted", f"a sitemap, {history.sitemap}: it has no record"
    elif if_linked is not None and state == "unseen" and history.namesake is None:
        rule, answer = if_linked.rule or "not_linked", _unseen(history, if_linked)
    else:
        refused = _refused(history, bounds)
        rules = _with(rules, refused)
        rule, answer = refused.rule, f"not admitted: {refused.words}"
    return Explanation(
        history.job, history.owner, history.typed, history.url,
        state=state, admitted=not never, rule=rule, answer=answer, rules=rules,
        found=history.found, redirected=history.redirected, redirects=history.redirects,
        attempts=_tries(history), requests=_requests(history), record=history.record,
        linked=history.linked, pages=history.pages, host=_host(history),
        next=next_of(history, state, rule, rules),
        if_linked=if_linked, if_seed=_if_seed(history, bounds) if never else None,
    )  # fmt: skip


def _state(history: History) -> str:
    if history.record is not None:
        return "ended"
    if history.waiting is not None:
        return "pending"
    if history.sitemap is not None and not history.linked:
        return "sitemap"
    return "refused" if history.linked or history.redirected else "unseen"


def _case(history: History) -> Case:
    """How the URL came to the crawler, or would come: from the nearest page that leads to it."""
    known = history.record or history.waiting
    if known is not None:
        hops = known.redirected_from if isinstance(known, Record) else known.hops
        how = history.found[0].how if history.found else "link"
        page = hops[-1] if hops else known.referrer
        return Case(known.depth, known.depth == 0, how == "sitemap", page)
    if history.linkers:
        first = history.linkers[0].first
        return Case(first.depth + 1, from_page=first.url)
    if history.redirects:
        first = history.redirects[0]
        return Case(first.depth, first.depth == 0, from_page=first.url)
    return Case()


# -- what became of it -----------------------------------------------------------------------


def _ended(history: History) -> tuple[str, str]:
    record = history.record
    assert record is not None
    rule = _RULES.get(record.reason, "admitted")
    if rule == "admitted" and not record.attempts and (record.error or "").startswith(_ROBOTS):
        rule = "robots"
    if rule == "admitted":
        status = f" (HTTP {record.status})" if record.status is not None else ""
        leads = f", to {record.location}" if record.location else ""
        return rule, f"admitted; it ended as {record.reason}{status}{leads}"
    said = record.error or ""
    if record.reason is Reason.ROBOTS_DENIED:
        said = f"{history.url[: history.url.index('/', 8)]}/{said}"
    asked = "fetched, but nothing was followed" if record.attempts else "not fetched"
    return rule, f"admitted, but {asked}: {record.reason}: {said}"


def _pending(history: History) -> str:
    waiting = history.waiting
    assert waiting is not None
    if not waiting.attempts:
        return "admitted, and still to be fetched"
    status = f", last answer HTTP {waiting.status}" if waiting.status is not None else ""
    return f"admitted, and to be tried again (so far {waiting.attempts}{status})"


def _as_ended(history: History, rules: tuple[Ruling, ...]) -> tuple[Ruling, ...]:
    """Of what has ended, its record knows what the rules said when it was its turn."""
    record = history.record
    assert record is not None
    rule = _RULES.get(record.reason)
    known = []
    for each in rules:
        if each.rule == rule and not (rule == "robots" and each.allows is False):
            each = Ruling(each.rule, False, record.error or record.reason)
        elif each.rule == "trap" and each.allows is False:
            each = Ruling("trap", True, "it was among the first of its kind")
        elif each.rule == "address" and record.attempts:
            each = Ruling("address", True, "it was contacted")
        elif each.rule == "robots" and each.allows is False and record.attempts:
            each = replace(
                each, words=f"{each.words}; that was not known, or not obeyed, when it was fetched"
            )
        known.append(each)
    return tuple(known)


# -- what was never admitted -----------------------------------------------------------------


def _unseen(history: History, if_linked: Outlook) -> str:
    more = f" ({history.pending:,} URLs are still pending)" if history.pending else ""
    return f"never seen: no page of the job links to it{more}; if one did: {if_linked.words}"


def _refused(history: History, bounds: Bounds) -> Ruling:
    """The rule that kept the URL out, of those that came nearest to letting it in."""
    if history.namesake is not None:
        return Ruling("collision", False, f"the job takes it for {history.namesake}, which has the same key")
    case = _case(history)
    for ruling in rulings(history, bounds, replace(case, depth=None))[:3]:
        if ruling.allows is False:
            return ruling
    if not history.linked:
        return Ruling(
            "not_linked", False, f"{history.redirects[0].url} redirects to it, which was not followed"
        )
    return max((_not_followed(history, each) for each in history.linkers), key=_nearness)[1]


def _not_followed(history: History, linkers: Linkers) -> tuple[int, Ruling]:
    """Why links of these pages were not followed, and how many rules had allowed it before."""
    ruling = follows(history.settings.scope, linkers.first)
    if ruling.allows is False:
        return ("trap", "depth", "nofollow").index(ruling.rule), ruling
    page = linkers.first.url
    handlers = ", or a handler chose other links" if history.has_items else ""
    words = f"{page} links to it with rel=nofollow only{handlers}"
    if linkers.number > 1:
        words = f"{words} (as {linkers.number:,} pages of depth {linkers.first.depth} do)"
    return 3, Ruling("nofollow", False, words)


def _nearness(found: tuple[int, Ruling]) -> int:
    return found[0]


def _with(rules: tuple[Ruling, ...], refused: Ruling) -> tuple[Ruling, ...]:
    """The rules, with the one that decided in its own words."""
    if refused.rule in ("collision", "not_linked"):
        return rules
    if any(each.rule == refused.rule for each in rules):
        return tuple(refused if each.rule == refused.rule else each for each in rules)
    return *rules[:4], refused, *rules[4:]


# -- what would happen now -------------------------------------------------------------------


def _if_linked(history: History, bounds: Bounds) -> Outlook:
    most = history.settings.scope.depth
    if most == 0:
        return Outlook(False, "depth", "refused: deeper than depth 0 (--depth)")
    depth = 1 if most is not None else None
    case = Case(depth)
    for ruling in rulings(history, bounds, case)[:4]:
        if ruling.allows is False:
            return Outlook(False, ruling.rule, f"refused: {ruling.words}")
    condition = "" if most is None else f", if the page is at depth {most - 1} at most"
    return _outlook(denials(history, bounds, case), condition)


def _if_seed(history: History, bounds: Bounds) -> Outlook:
    excluded = bounds.refuses_seed(history.url)
    if excluded is not None:
        return Outlook(False, "exclude", f"refused: {excluded} (--exclude)")
    return _outlook(denials(history, bounds, Case(0, is_seed=True)))


def _outlook(rules: tuple[Ruling, ...], condition: str = "") -> Outlook:
    for ruling in rules:
        if ruling.allows is False:
            return Outlook(True, ruling.rule, f"admitted{condition}, but not fetched: {ruling.words}")
    unknown = [ruling.rule for ruling in rules if ruling.allows is None]
    rest = f", if {' and '.join(unknown)} (not known yet) allow it" if unknown else ""
    return Outlook(True, None, f"admitted and fetched{condition}{rest}")


# -- requests, and the host ------------------------------------------------------------------


def _tries(history: History) -> tuple[Try, ...]:
    tries = [_try(attempt) for attempt in history.attempts]
    record = history.record
    if record is not None and record.attempts:
        tries.append(Try(record.fetched_at, record.reason, record.status, record.elapsed, record.error))
    return tuple(tries)


def _try(attempt: Attempt) -> Try:
    return Try(_time(attempt.at), attempt.reason, attempt.status, attempt.seconds, attempt.error)


def _requests(history: History) -> int:
    known = history.record or history.waiting
    return known.attempts if known is not None else 0


def _host(history: History) -> HostAccount | None:
    state = history.host
    if state is None:
        return None
    copy = state.robots
    robots = None
    if copy is not None:
        url = f"{state.origin}/robots.txt"
        robots = RobotsAccount(url, copy.status, _time(copy.fetched_at), len(copy.body))
    return HostAccount(
        state.origin, words(state, history.now), int(state.window), state.limit, state.delay, state.pace,
        _time(state.gate) if state.gate > history.now else None, state.why, state.latency, state.failures,
        state.refusals, history.host_pending, robots,
    )  # fmt: skip


def _time(at: float) -> str:
    """As in a record."""
    try:
        said = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return "the end of time"
    return said.replace("+00:00", "Z")
