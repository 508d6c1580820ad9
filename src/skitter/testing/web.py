"""A web that can be known by heart: its places, what each of them is, and how they are linked.

This is the map alone, without a byte of a page (:mod:`skitter.testing.pages` draws those): pure, and the
same for the same arguments. Places are numbers; 0 is the front page of host 0, and a tree of ordinary pages
leads from it to every other place.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest
from typing import NamedTuple

__all__ = ["DELAY", "WORDS", "Kind", "Place", "Stumble", "Web", "make_web"]

# What the hosts that ask for a Crawl-delay ask for, in seconds, and how many places such a host has at
# most: it is done after a second, so that it does not hold up a crawl of many thousand pages.
DELAY = 0.05
_DELAYED_PLACES = 20
_DELAYED_HOSTS = 3
# From this size on a web has at least one place of each kind.
_COMPLETE = 40
_REDIRECTS = (301, 302, 303, 307, 308)

_WORD_LIST = (
    "amber anchor apple autumn barley basin birch bridge candle canyon cedar cellar chalk cherry cliff clover"
    " copper coral cotton cricket dune eagle ember falcon fern field flint forest fountain garden ginger"
    " glacier granite gravel harbour hazel heather heron hollow island ivory juniper kettle lantern lavender"
    " lemon linen maple marble market meadow mill moss oak olive orchard otter paper pebble pepper pine plum"
    " pond poppy quarry rain reed river robin saffron salt shell silver spruce stone summer thistle thyme"
    " timber tower valley velvet walnut water wheat willow winter wren"
)
WORDS = tuple(_WORD_LIST.split())
_SECTIONS = ("articles", "guides", "news", "people", "places", "recipes")


class Kind(Enum):
    """What a place is."""

    PAGE = "page"  # an HTML page with links
    TWIN = "twin"  # a second address of a page, with the same body, which names the first as canonical
    DOCUMENT = "document"  # no HTML
    REDIRECT = "redirect"
    DEAD = "dead"  # a 404
    PRIVATE = "private"  # disallowed by robots.txt; nothing is linked from it


# How much of the web is of each kind; the rest are ordinary pages. At least so many from _COMPLETE on: one
# redirect, and a chain of two.
_SHARES = {
    Kind.REDIRECT: (0.04, 3),
    Kind.DEAD: (0.03, 1),
    Kind.DOCUMENT: (0.03, 1),
    Kind.PRIVATE: (0.02, 1),
    Kind.TWIN: (0.01, 1),
}
# Pages whose first answer is a 500, or a 503. Few: each costs a polite crawler up to two seconds of waiting,
# a 503 for its whole host, which is why there is one a host at most where there are hosts enough.
_SHARE_500 = 0.03
_SHARE_503 = 0.01


class Stumble(NamedTuple):
    """How a first answer fails; ``retry_after`` in seconds, None if it does not say."""

    status: int
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """One URL: its host (a number) and its path with the query, in canonical spelling.

    ``status`` is that of its answer, ``first`` is how the very first one fails, if it does. ``target`` is
    where a redirect leads, or whose twin this is. ``pace`` is how slow it is: uniform in [0, 2).
    """

    kind: Kind
    host: int
    path: str
    status: int = 200
    first: Stumble | None = None
    target: int | None = None
    links: tuple[int, ...] = ()
    pace: float = 1.0


@dataclass(frozen=True, slots=True)
class Web:
    """All places by number, and what is special about hosts: who has which robots.txt."""

    places: tuple[Place, ...]
    private_hosts: frozenset[int]  # their robots.txt disallows /private/
    delayed_hosts: frozenset[int]  # their robots.txt has a Crawl-delay of DELAY
    lawless_host: int | None  # has no robots.txt


def make_web(*, pages: int, hosts: int, seed: int, retry_after: bool) -> Web:
    """Make a web of ``pages`` places on ``hosts`` hosts. Raises ValueError unless 1 <= hosts <= pages."""
    if not 1 <= hosts <= pages:
        raise ValueError(f"a web has at least one page for each host, not {pages} for {hosts}")
    chance = random.Random(seed)
    children = _tree(pages, chance)
    kinds = _kinds(pages, len(children), chance)
    delayed = frozenset(range(2, min(hosts, 2 + _DELAYED_HOSTS)))
    private = frozenset(range(0, hosts, 2)) - delayed
    owners = _owners(kinds, hosts, delayed, private, chance)
    targets = _targets(kinds, len(children), chance)
    stumbles = _stumbles(kinds, owners, delayed, len(children), retry_after, chance)
    links = _links(kinds, owners, children, chance)
    fronts = _fronts(kinds, owners)
    places = [
        Place(
            kind=kind,
            host=owners[number],
            path="/" if fronts.get(owners[number]) == number else _path(kind, number, chance),
            status=_status(kind, number),
            first=stumbles.get(number),
            target=targets.get(number),
            links=links.get(number, ()),
            pace=chance.random() * 2,
        )
        for number, kind in enumerate(kinds)
    ]
    return Web(tuple(places), private, delayed, 1 if hosts > 1 else None)


def _tree(pages: int, chance: random.Random) -> list[range]:
    """The children of each page that has any, eight to ten of them."""
    children = []
    known = 1
    while known < pages:
        end = min(pages, known + chance.randint(8, 10))
        children.append(range(known, end))
        known = end
    return children


def _kinds(pages: int, hubs: int, chance: random.Random) -> list[Kind]:
    """Whatever is no ordinary page is a leaf of the tree."""
    kinds = [Kind.PAGE] * pages
    leaves = list(range(max(1, hubs), pages))
    chance.shuffle(leaves)
    for kind, (share, least) in _SHARES.items():
        for _ in range(_number(share, least, pages)):
            kinds[leaves.pop()] = kind
    return kinds


def _number(share: float, least: int, pages: int) -> int:
    return max(round(share * pages), least) if pages >= _COMPLETE else int(share * pages)


def _owners(
    kinds: Sequence[Kind], hosts: int, delayed: frozenset[int], private: frozenset[int], chance: random.Random
) -> list[int]:
    """The host of each place: all have about as many, those with a delay have few."""
    few = [host for host in delayed for _ in range(min(_DELAYED_PLACES, len(kinds) // hosts))]
    others = [host for host in range(hosts) if host not in delayed]
    rest = [others[number % len(others)] for number in range(1, len(kinds) - len(few))]
    chance.shuffle(rest)
    # Those that may own something private last, as private places take from the end.
    rest.sort(key=private.__contains__)
    owned = {number: rest.pop() for number, kind in enumerate(kinds) if kind is Kind.PRIVATE}
    pool = rest + few
    chance.shuffle(pool)
    return [0, *(owned[n] if n in owned else pool.pop() for n in range(1, len(kinds)))]


def _targets(kinds: Sequence[Kind], hubs: int, chance: random.Random) -> dict[int, int]:
    """Where redirects lead, each fourth by way of another one, and whose twins the twins are."""
    pages = [number for number, kind in enumerate(kinds) if kind is Kind.PAGE]
    redirects = [number for number, kind in enumerate(kinds) if kind is Kind.REDIRECT]
    twins = [number for number, kind in enumerate(kinds) if kind is Kind.TWIN]
    targets = {number: chance.choice(pages) for number in redirects}
    for first, second in zip(redirects[1::4], redirects[2::4], strict=False):
        targets[first] = second
    originals = chance.sample([number for number in pages if number >= hubs], len(twins))
    return targets | dict(zip(twins, originals, strict=True))


def _stumbles(
    kinds: Sequence[Kind],
    owners: Sequence[int],
    delayed: frozenset[int],
    hubs: int,
    retry_after: bool,
    chance: random.Random,
) -> dict[int, Stumble]:
    """Pages that fail at first, and how."""
    leaves = [n for n in range(max(1, hubs), len(kinds)) if kinds[n] is Kind.PAGE]
    candidates = _spread([n for n in leaves if owners[n] not in delayed], owners)
    asking = candidates[:1] if retry_after else []
    refusing = candidates[len(asking) :][: _refusals(len(kinds), len(set(owners) - delayed) - len(asking))]
    # Some of the others have children, but not the topmost ones: the whole web would wait for each.
    others = [*range(hubs // 4 + 1, hubs), *(n for n in leaves if n not in {*asking, *refusing})]
    failing = chance.sample(others, min(len(others), _number(_SHARE_500, 1, len(kinds))))
    return {
        **dict.fromkeys(asking, Stumble(503, 1)),
        **dict.fromkeys(refusing, Stumble(503)),
        **dict.fromkeys(failing, Stumble(500)),
    }


def _refusals(pages: int, hosts: int) -> int:
    """How many pages answer 503 at first: no more than there are hosts for, but one in any case."""
    return min(_number(_SHARE_503, 1, pages), max(1, hosts))


def _spread(numbers: Iterable[int], owners: Sequence[int]) -> list[int]:
    """Reorder: first one place of each host, then a second one of each, and so on."""
    by_host: dict[int, list[int]] = {}
    for number in numbers:
        by_host.setdefault(owners[number], []).append(number)
    return [n for layer in zip_longest(*by_host.values()) for n in layer if n is not None]


def _status(kind: Kind, number: int) -> int:
    if kind is Kind.REDIRECT:
        return _REDIRECTS[number % len(_REDIRECTS)]
    return 404 if kind is Kind.DEAD else 200


def _fronts(kinds: Sequence[Kind], owners: Sequence[int]) -> dict[int, int]:
    """The front page of each host that has a page at all: its first one."""
    fronts: dict[int, int] = {}
    for number, (kind, host) in enumerate(zip(kinds, owners, strict=True)):
        if kind is Kind.PAGE:
            fronts.setdefault(host, number)
    return fronts


def _links(
    kinds: Sequence[Kind], owners: Sequence[int], children: Sequence[range], chance: random.Random
) -> dict[int, tuple[int, ...]]:
    """The links of each page: its children, its host's first place, places anywhere (most of them on its
    host) and now and then itself."""
    homes: dict[int, list[int]] = {}
    for number, host in enumerate(owners):
        homes.setdefault(host, []).append(number)
    everywhere = range(len(kinds))

    def links_of(number: int) -> Iterator[int]:
        home = homes[owners[number]]
        yield home[0]
        yield from children[number] if number < len(children) else ()
        for _ in range(chance.randint(2, 6)):
            yield chance.choice(home if chance.random() < 0.7 else everywhere)
        if chance.random() < 0.2:
            yield number

    return {number: tuple(links_of(number)) for number, kind in enumerate(kinds) if kind is Kind.PAGE}


def _path(kind: Kind, number: int, chance: random.Random) -> str:
    word = chance.choice(WORDS)
    match kind:
        case Kind.PRIVATE:
            return f"/private/{word}-{number}"
        case Kind.REDIRECT:
            return chance.choice((f"/old/{word}-{number}", f"/go?to={number}"))
        case Kind.DOCUMENT:
            return f"/files/{word}-{number}." + chance.choice(("pdf", "txt"))
        case Kind.TWIN:
            return f"/print?page={number}&paper=a4"
    section = chance.choice(_SECTIONS)
    return chance.choice(
        (
            f"/{section}/{word}-{number}",
            f"/{section}/{word}/{number}/",
            f"/~{word}/{section}-{number}.html",
            f"/{section}?id={number}&view={word}",
            f"/archive/{2000 + number % 26}/{word}-{number}.html",
        )
    )
