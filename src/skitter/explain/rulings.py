"""What each rule says of a URL, in words: the rules of the crawl, asked once more. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from skitter.config import Scope
from skitter.explain.values import History, Linker, Ruling
from skitter.model import Reason
from skitter.rules.addresses import ANY, PUBLIC, is_open, kind_named
from skitter.rules.robots_verdict import from_copy
from skitter.rules.scope import Bounds
from skitter.rules.traps import patterns_of, shape_of
from skitter.rules.url import origin_of, target_of

__all__ = ["Case", "bounds_of", "denials", "follows", "rulings"]

_ROOTS_SHOWN = 3


class Case(msgspec.Struct, frozen=True):
    """How the URL is taken to come to the crawler: as a seed, or as a link at ``depth`` (None: not known)."""

    depth: int | None = None
    is_seed: bool = False
    listed: bool = False  # a sitemap names it
    from_page: str | None = None  # the URL of the page that leads to it


def bounds_of(history: History) -> Bounds:
    """The area of the job, as its seeds have drawn it."""
    bounds = Bounds(history.settings.scope)
    bounds.add_roots(history.roots)
    return bounds


def rulings(history: History, bounds: Bounds, case: Case) -> tuple[Ruling, ...]:
    """Every rule in the order of the crawl: those that admit, then those that may end a URL unfetched."""
    admit = (_scope, _exclude, _include, _depth)
    return *(rule(history, bounds, case) for rule in admit), *denials(history, bounds, case)


def denials(history: History, bounds: Bounds, case: Case) -> tuple[Ruling, ...]:
    """The rules that end an admitted URL without a request."""
    return _address(history, case), _robots(history), _trap(history, bounds, case)


# -- is it admitted? -------------------------------------------------------------------------


def _scope(history: History, bounds: Bounds, case: Case) -> Ruling:
    scope = history.settings.scope
    if case.is_seed:
        return Ruling("scope", True, "a seed is exempt")
    if scope.scope == "page":
        return Ruling("scope", False, "scope 'page': no link is followed")
    root = bounds.root_around(history.url)
    if root is not None:
        return Ruling("scope", True, f"inside scope {scope.scope!r}, drawn around {root}")
    refused = bounds.refuses_place(history.url)
    if refused is None:
        return Ruling("scope", True, f"scope {scope.scope!r} takes every URL")
    return Ruling("scope", False, f"{refused}, drawn around {_some(history.roots)}")


def _some(roots: tuple[str, ...]) -> str:
    rest = len(roots) - _ROOTS_SHOWN
    return ", ".join(roots[:_ROOTS_SHOWN]) + (f" and {rest:,} more" if rest > 0 else "") or "nothing yet"


def _exclude(history: History, bounds: Bounds, case: Case) -> Ruling:
    refused = bounds.refuses_seed(history.url)
    if refused is not None:
        return Ruling("exclude", False, f"{refused} (--exclude)")
    patterns = history.settings.scope.exclude
    return Ruling("exclude", True, "no pattern matches" if patterns else "no pattern given")


def _include(history: History, bounds: Bounds, case: Case) -> Ruling:
    patterns = history.settings.scope.include
    if not patterns:
        return Ruling("include", True, "no pattern given")
    if case.is_seed:
        return Ruling("include", True, "a seed is exempt")
    text = bounds.included_by(history.url)
    if text is not None:
        return Ruling("include", True, f"included by {text!r}")
    return Ruling("include", False, f"matches no include pattern: {', '.join(map(repr, patterns))}")


def _depth(history: History, bounds: Bounds, case: Case) -> Ruling:
    most = history.settings.scope.depth
    if most is None:
        return Ruling("depth", True, "no limit")
    if case.is_seed:
        return Ruling("depth", True, f"a seed has depth 0, at most {most} is allowed")
    if case.depth is None:
        return Ruling("depth", most > 0 or None, f"at most {most}: if a page at depth {most - 1} links to it")
    if case.depth > most:
        return Ruling("depth", False, f"depth {case.depth} is deeper than depth {most} (--depth)")
    return Ruling("depth", True, f"depth {case.depth} of at most {most}")


def follows(scope: Scope, page: Linker) -> Ruling:
    """Does the crawl follow links of this page at all, and this far?"""
    if page.reason is Reason.TRAP:
        return Ruling("trap", False, f"nothing is followed from {page.url}, which is a trap itself")
    if scope.depth is not None and page.depth + 1 > scope.depth:
        words = f"depth {page.depth + 1} is deeper than depth {scope.depth} (--depth)"
        return Ruling("depth", False, f"{words}: {page.url} at depth {page.depth} links to it")
    if page.nofollow:
        return Ruling("nofollow", False, f"{page.url} says nofollow, in meta robots or X-Robots-Tag")
    return Ruling("nofollow", True, f"{page.url} says nothing against it")


# -- is it asked for? ------------------------------------------------------------------------


def _address(history: History, case: Case) -> Ruling:
    kind = kind_named(origin_of(history.url))
    if kind is None:
        return Ruling(
            "address", None, "the host's name says nothing; its addresses are judged when it is asked"
        )
    if kind == PUBLIC:
        return Ruling("address", True, "a public address")
    reaches = _reaches(history, case)
    if any(is_open(kind, reach, private=history.settings.allow_private) for reach in reaches):
        why = "named as a seed" if case.is_seed else "what leads there is at such an address itself"
        return Ruling("address", True, f"{kind}: {why}")
    if kind == "metadata":
        return Ruling("address", False, "a metadata service is never contacted")
    return Ruling(
        "address", False, f"{kind}: contacted for seeds, from such addresses, or with --allow-private"
    )


def _reaches(history: History, case: Case) -> Iterable[str]:
    """The kinds of addresses that may lead here."""
    if case.is_seed:
        return (ANY,)
    if case.from_page is not None:
        return (kind_named(origin_of(case.from_page)) or PUBLIC,)
    return history.kinds or (PUBLIC,)


def _robots(history: History) -> Ruling:
    url = f"{origin_of(history.url)}/robots.txt"
    if history.settings.no_robots:
        return Ruling("robots", True, "robots.txt is ignored (--no-robots)")
    copy = history.host.robots if history.host is not None else None
    if copy is None:
        return Ruling("robots", None, f"{url} is not known yet")
    rules = from_copy(copy, history.settings.agent)
    ruling = rules.judge(target_of(history.url))
    if ruling.rule is None:
        what = "no rule matches" if copy.status < 300 else f"HTTP {copy.status} allows everything"
        return Ruling("robots", True, f"{url}: {what}")
    kind = "Allow" if ruling.allowed else "Disallow"
    words = f"{url} line {ruling.rule.line}: {kind}: {ruling.rule.pattern} (group {rules.agent})"
    return Ruling("robots", ruling.allowed, words)


def _trap(history: History, bounds: Bounds, case: Case) -> Ruling:
    if history.settings.scope.no_trap_guard:
        return Ruling("trap", True, "no rule is asked (--no-trap-guard)")
    if case.is_seed:
        return Ruling("trap", True, "a seed is none")
    if case.listed:
        return Ruling("trap", True, "what a sitemap lists is none")
    text = bounds.included_by(history.url)
    if text is not None:
        return Ruling("trap", True, f"what is included by {text!r} is none")
    strange = shape_of(history.url, case.depth or 0)
    if strange is not None:
        return Ruling("trap", False, strange)
    said = []
    for pattern in patterns_of(history.url):
        number = history.patterns.get(pattern.key, 0)
        if number >= pattern.most:
            return Ruling("trap", False, str(pattern))
        said.append(f"{pattern.rule}: {number:,} of at most {pattern.most:,} URLs like {pattern.shape}")
    return Ruling("trap", True, "; ".join(said) or "nothing is strange about it")
