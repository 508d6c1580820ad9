"""A demonstration site: the field guide of Merrow Island, which exists nowhere else.

`build` gives a site these pages, the same ones each time (a test walks them and counts):

- 237 pages that links lead to and robots.txt allows: the front page, 180 species, 20 pages of
  lists (rel=next and prev), 12 months, 8 habitats, 9 walks, 3 indexes of these, and 4 others;
- 6 pages under /private/, which are linked but disallowed by robots.txt;
- 1 page, /guestbook, that only one link marked rel=nofollow leads to;
- 4 dead links (404);
- 5 redirects (301, 302, 308): /home, /map and /guide lead to a page at once, /flora leads to
  /plants and that to /flowers/, a chain of two hops;
- /robots.txt and /sitemap.xml, which names the 237 pages.
"""

import dataclasses
import html
import math
import random
from collections.abc import Iterable, Iterator, Sequence

from aiohttp import web

from skitter.testing.site import Site

__all__ = ["Demo", "build", "robots"]

_PER_LIST = 10  # species on one page of a list: 36 make four pages
_NOTEBOOK_PATHS = ("", "nests", "roosts", "seedlings", "sightings", "letters")
_DEAD = ("/news/", "/downloads/map.pdf", "/walks/lighthouse", "/glossary/letters")
_REDIRECTS = (
    ("/home", "/", 301),
    ("/map", "/walks/", 302),
    ("/guide", "/about", 308),
    ("/flora", "/plants", 301),
    ("/plants", "/flowers/", 302),
)
_MONTHS = (
    ("January", "short days and hard light; the tide line is the place to look"),
    ("February", "the first catkins, and geese moving at night"),
    ("March", "wind from every side, and the earliest flowers in the lee of walls"),
    ("April", "everything arrives at once, most of it before breakfast"),
    ("May", "the loudest month, best heard from the upper path"),
    ("June", "long evenings, when moths and late walkers share the lanes"),
    ("July", "heat on the dunes and quiet in the wood"),
    ("August", "seed heads, young birds and low water in the streams"),
    ("September", "clear mornings, spider silk, and the first arrivals from the north"),
    ("October", "colour in the valley and fungus on every stump"),
    ("November", "fog, mud, and very good listening"),
    ("December", "mosses at their greenest while all else waits"),
)
_HABITATS = (
    ("Salt marsh", "Twice a day the sea comes in among the grass, and twice a day it leaves."),
    ("Shingle", "A bank of round stones that moves a little with every storm."),
    ("Dunes", "Sand held together by roots, dry on top and cool a hand's breadth down."),
    ("Old wood", "The only wood on the island that nobody planted."),
    ("Stream side", "A band of wet ground, seldom wider than a jump, on both banks."),
    ("Stone walls", "Dry walls older than the fields they divide, and warmer than either."),
    ("Hill pasture", "Short turf, grazed in summer and left to the wind in winter."),
    ("Rock pools", "Small seas, each with its own weather, uncovered at low water."),
)
_WALKS = (
    "Harbour round",
    "Marsh wall",
    "Two mills",
    "Long shingle",
    "North head",
    "Chapel path",
    "Dune ridge",
    "Hidden valley",
    "Whole island",
)
_STYLE = (
    ":root{color-scheme:light dark;--ink:#1d2b27;--soft:#5b6b66;--line:#d5dcd8;--back:#fbfaf6;"
    "--link:#0b6e5f}@media(prefers-color-scheme:dark){:root{--ink:#e4ebe7;--soft:#9aaca5;"
    "--line:#33413c;--back:#141b18;--link:#6fd0bd}}body{margin:0 auto;max-width:44rem;padding:1rem;"
    "font:1.05rem/1.6 Georgia,serif;color:var(--ink);background:var(--back)}a{color:var(--link)}"
    "nav,footer{font:.9rem/1.8 system-ui,sans-serif;color:var(--soft)}nav a{margin-right:.9rem}"
    "header{border-bottom:1px solid var(--line);padding-bottom:.5rem}footer{border-top:1px solid "
    "var(--line);margin-top:2.5rem;padding-top:.5rem}h1{line-height:1.2;margin:1rem 0}"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Demo:
    """What `build` has added, as paths: what a crawl of the demonstration should find.

    `pages` may be fetched, `disallowed` may not (robots.txt), `unfollowed` is behind rel=nofollow,
    `dead` is linked but missing, and `redirects` answer with a redirect.
    """

    pages: tuple[str, ...]
    disallowed: tuple[str, ...]
    unfollowed: tuple[str, ...]
    dead: tuple[str, ...]
    redirects: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class _Section:
    slug: str
    epithets: tuple[str, ...]
    kinds: tuple[str, ...]
    blurb: str
    looks: str  # one sentence a line, in which {size} and {colour} are filled in
    habits: str  # one sentence a line


@dataclasses.dataclass(frozen=True, slots=True)
class _Species:
    name: str
    path: str
    section: _Section
    habitat: int
    month: int  # the first of the three in which it is seen
    text: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class _Page:
    path: str
    title: str
    summary: str
    body: str
    trail: tuple[tuple[str, str], ...] = ()  # (path, title) of the pages above this one
    head: str = ""


_SECTIONS = (
    _Section(
        "birds",
        ("Dusk", "Reed", "Salt", "Ringed", "Northern", "Lesser"),
        ("plover", "warbler", "tern", "finch", "owl", "heron"),
        "Residents, summer visitors, and travellers that stay for an afternoon.",
        "The back is {colour}, the breast paler, and the whole bird {size}.\n"
        "In flight a bar of {colour} shows on the wing, which settles most arguments.\n"
        "Young birds lack the {colour} cap until their second autumn.",
        "It feeds alone at first light, and in loose company for the rest of the day.\n"
        "The call is two notes, the second lower, given mostly when it is leaving.\n"
        "It nests low, sits tight, and is best watched from the path.",
    ),
    _Section(
        "mosses",
        ("Pale", "Velvet", "Wall", "Spring", "Amber", "Hooded"),
        ("feather-moss", "cup-moss", "thread-moss", "star-moss", "fork-moss", "plait-moss"),
        "Small, patient, and at their best when everything else is over.",
        "It makes cushions, {colour} above and brown beneath, that are {size}.\n"
        "Dry, it looks dead; a minute after rain it is {colour} again.\n"
        "The capsules stand clear of the leaves on {colour} stalks.",
        "It spreads by fragments, on boots and hooves as well as on the wind.\n"
        "It marks places where water lingers, even in a dry year.\n"
        "It needs shade in the afternoon, and nothing else that the island lacks.",
    ),
    _Section(
        "beetles",
        ("Bronze", "Spotted", "Dune", "Narrow", "Midnight", "Hollow"),
        ("ground beetle", "click beetle", "leaf beetle", "water beetle", "longhorn", "ladybird"),
        "Turn a stone, look closely, and put the stone back as it was.",
        "The wing cases are {colour} and finely grooved; the insect is {size}.\n"
        "A sheen of {colour} shows in sun, and none at all on a grey day.\n"
        "The legs are {colour}, which tells it from its nearest relations.",
        "It hunts by night, along walls and the edges of paths.\n"
        "Larvae live in rotten wood for two years, the adults for two weeks.\n"
        "When touched it drops, draws in its legs, and waits.",
    ),
    _Section(
        "shells",
        ("Banded", "Chalky", "Rose", "Blunt", "Lantern", "Deep"),
        ("whelk", "cockle", "limpet", "periwinkle", "razor", "scallop"),
        "What the tide leaves, and who lived in it.",
        "The shell is {size} and {colour}, with a bloom that rubs off.\n"
        "Inside, the shell is {colour} and smooth as a cup.\n"
        "Worn pieces keep a trace of {colour} long after the ridges are gone.",
        "Alive it keeps below the tide line and is seldom seen.\n"
        "Empty shells gather in drifts after an easterly wind.\n"
        "It grazes the film on stones and leaves a clean track behind it.",
    ),
    _Section(
        "flowers",
        ("Marsh", "Slender", "Bell", "Downy", "Cliff", "Early"),
        ("orchid", "campion", "vetch", "speedwell", "thrift", "gentian"),
        "From the first in the lee of the walls to the last on the cliffs.",
        "The flowers are {colour}, in loose heads; the plant is {size}.\n"
        "The petals are {colour} at the edge and nearly white at the heart.\n"
        "The leaves lie flat in a rosette, tinged {colour} below.",
        "Bees visit it in the morning, and moths take over at dusk.\n"
        "It closes an hour before rain, and has been right all week.\n"
        "It seeds into bare ground and is crowded out within a few years.",
    ),
)
_COLOURS = ("ash grey", "russet", "slate blue", "straw yellow", "olive", "ivory", "plum")
_SIZES = ("small", "rather small", "of middling size", "rather large", "large")


def build(site: Site, *, delay: float = 0.02) -> Demo:
    """Add the demonstration to `site`; each page is answered after `delay` seconds.

    The delay stands for a network, so that fetching several pages at once can be seen to pay.
    """
    public, private = _public_pages(), tuple(_private_pages())
    guestbook = _Page("/guestbook", "Guestbook", "What visitors wrote.", _p("Came back twice."))
    for page in (*public, *private, guestbook):
        site.page(page.path, _render(page), delay=delay)
    for path, location, status in _REDIRECTS:
        site.redirect(path, location, status)
    robots(site)
    pages = tuple(page.path for page in public)
    _sitemap(site, pages)
    return Demo(
        pages=pages,
        disallowed=tuple(page.path for page in private),
        unfollowed=(guestbook.path,),
        dead=_DEAD,
        redirects=tuple(path for path, _, _ in _REDIRECTS),
    )


def robots(site: Site) -> None:
    """Add a robots.txt that disallows /private/ and names /sitemap.xml on the host asked."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        rules = "User-agent: *\nDisallow: /private/\n"
        return web.Response(text=f"{rules}\nSitemap: http://{request.host}/sitemap.xml\n")

    site.handler("/robots.txt", answer)


def _sitemap(site: Site, paths: Sequence[str]) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        # Absolute URLs, of the host that was asked: the port is not known before the start.
        origin = "http://" + html.escape(request.host)
        entries = "\n".join(f"<url><loc>{origin}{path}</loc></url>" for path in paths)
        text = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{entries}\n</urlset>'
        return web.Response(text=text, content_type="application/xml", charset="utf-8")

    site.handler("/sitemap.xml", answer)


def _public_pages() -> tuple[_Page, ...]:
    families = tuple(tuple(_species(section)) for section in _SECTIONS)
    every = tuple(species for family in families for species in family)
    pages = [*_island_pages(), *_month_pages(every), *_habitat_pages(every), *_walk_pages()]
    for family in families:
        pages += _list_pages(family)
        pages += (_species_page(family, at) for at in range(len(family)))
    return tuple(pages)


def _species(section: _Section) -> Iterator[_Species]:
    for name in (f"{epithet} {kind}" for epithet in section.epithets for kind in section.kinds):
        path = f"/{section.slug}/{_slug(name)}"
        # Seeded with its own path, a species stays the same when others are added.
        dice = random.Random(path)
        filling = {"colour": dice.choice(_COLOURS), "size": dice.choice(_SIZES)}
        looks = " ".join(dice.sample(section.looks.splitlines(), 2)).format(**filling)
        text = (looks, " ".join(dice.sample(section.habits.splitlines(), 2)))
        yield _Species(name, path, section, dice.randrange(8), dice.randrange(12), text)


def _species_page(family: Sequence[_Species], at: int) -> _Page:
    this = family[at]
    habitat, month = _HABITATS[this.habitat][0], _MONTHS[this.month][0]
    where = (
        f"Look for it in one kind of place: {_a(_habitat(this.habitat), habitat.lower())}."
        f" It is most easily seen for three months from {_a(_month(this.month), month)} on."
    )
    others = [family[(at + step) % len(family)] for step in (1, 2, 7)]
    body = _p(*this.text, where) + "<h2>Compare with</h2>" + _ul(_named(others))
    summary = f"{this.name}: how to know it, and where and when to look for it on Merrow Island."
    title = this.section.slug.title()
    return _Page(this.path, this.name, summary, body, ((f"/{this.section.slug}/", title),))


def _list_pages(family: Sequence[_Species]) -> Iterator[_Page]:
    section = family[0].section
    count = math.ceil(len(family) / _PER_LIST)
    paths = [f"/{section.slug}/", *(f"/{section.slug}/page/{n}" for n in range(2, count + 1))]
    for at, path in enumerate(paths):
        turns = [("prev", each) for each in paths[max(at - 1, 0) : at]]
        turns += [("next", each) for each in paths[at + 1 : at + 2]]
        head = "".join(f'<link rel="{rel}" href="{target}">' for rel, target in turns)
        arrows = " ".join(f'<a rel="{rel}" href="{target}">{rel}</a>' for rel, target in turns)
        listed = family[at * _PER_LIST : (at + 1) * _PER_LIST]
        title = section.slug.title() + (f", page {at + 1}" if at else "")
        body = _p(section.blurb) + _ul(_named(listed)) + f"<nav>{arrows}</nav>"
        trail = ((paths[0], section.slug.title()),) if at else ()
        yield _Page(path, title, f"{title}: {section.blurb}", body, trail, head)


def _month_pages(every: Sequence[_Species]) -> Iterator[_Page]:
    months = [(_month(at), name) for at, (name, _) in enumerate(_MONTHS)]
    yield _Page("/months/", "Months", "The island's year, month by month.", _ul(months))
    for at, (name, gist) in enumerate(_MONTHS):
        seen = [each for each in every if (at - each.month) % 12 < 3][::3]
        body = _p(f"{name} on the island: {gist}.") + "<h2>To be seen</h2>" + _ul(_named(seen))
        yield _Page(_month(at), name, f"{name}: {gist}.", body, (("/months/", "Months"),))


def _habitat_pages(every: Sequence[_Species]) -> Iterator[_Page]:
    habitats = [(_habitat(at), name) for at, (name, _) in enumerate(_HABITATS)]
    flora = _p(f"For plants alone, see the {_a('/flora', 'flora')}.")
    yield _Page("/habitats/", "Habitats", "Eight kinds of place.", _ul(habitats) + flora)
    for at, (name, gist) in enumerate(_HABITATS):
        found = [each for each in every if each.habitat == at]
        body = _p(gist) + "<h2>Found here</h2>" + _ul(_named(found))
        yield _Page(_habitat(at), name, f"{name}. {gist}", body, (("/habitats/", "Habitats"),))


def _walk_pages() -> Iterator[_Page]:
    walks = [(f"/walks/{_slug(name)}", name) for name in _WALKS]
    closed = ("/walks/lighthouse", "Lighthouse (closed)")
    yield _Page("/walks/", "Walks", "Nine ways round the island.", _ul([*walks, closed]))
    for at, (path, name) in enumerate(walks):
        dice = random.Random(path)
        first, second = (_a(_habitat(n), _HABITATS[n][0].lower()) for n in dice.sample(range(8), 2))
        length = dice.randrange(2, 15)
        text = f"{length} kilometres from the harbour and back, through {first} and {second}."
        after_path, after = walks[(at + 1) % len(walks)]
        body = _p(text, f"With time left, go on with the walk called {_a(after_path, after)}.")
        summary = f"{name}: a walk of {length} kilometres on Merrow Island."
        yield _Page(path, name, summary, body, (("/walks/", "Walks"),))


def _island_pages() -> Iterator[_Page]:
    sections = [(f"/{each.slug}/", each.slug.title()) for each in _SECTIONS]
    front = _p(
        "Merrow Island is nine kilometres long and lies a short crossing from nowhere.",
        f"This is {_a('/guide', 'a guide')} to what lives here, with some {_a('/news/', 'news')}.",
    )
    yield _Page("/", "Field guide", "The field guide of Merrow Island.", front + _ul(sections))
    about = _p(
        f"The guide is the work of its {_a('/keepers', 'keepers')}, who explain their terms in the"
        f" {_a('/glossary', 'glossary')}. To come and see, read {_a('/visit', 'how to visit')}.",
        f"Every species has a page of its own; all begin {_a('/home', 'at home')}.",
    )
    yield _Page("/about", "About this guide", "Who keeps this guide, and how.", about)
    visit = _p(
        f"The boat goes at high water. Take {_a('/map', 'the map')}, or print"
        f" {_a('/downloads/map.pdf', 'the large one')}, and choose among {_a('/walks/', 'walks')}.",
        'On leaving, sign the <a rel="nofollow" href="/guestbook">guestbook</a>.',
    )
    yield _Page("/visit", "Visiting", "How to come to Merrow Island.", visit)
    terms = _p(
        "Lee: the side away from the wind. Wrack: what the last tide left. Turf: grass kept short.",
        f"Terms are also sorted {_a('/glossary/letters', 'by letter')}.",
    )
    yield _Page("/glossary", "Glossary", "Words used in this guide.", terms)
    notebooks = [(page.path, page.title) for page in _private_pages()]
    keepers = _p("Three people, two dogs. Their notebooks are not for robots:") + _ul(notebooks)
    yield _Page("/keepers", "The keepers", "The people behind the guide.", keepers)


def _private_pages() -> Iterator[_Page]:
    for name in _NOTEBOOK_PATHS:
        title = f"Notebook: {name}" if name else "Notebooks"
        body = _p("Places named here stay here.", f"Back to {_a('/keepers', 'the keepers')}.")
        yield _Page(f"/private/{name}", title, "For the keepers' eyes.", body)


def _render(page: _Page) -> str:
    sections = ((f"/{each.slug}/", each.slug.title()) for each in _SECTIONS)
    others = (("/habitats/", "Habitats"), ("/months/", "Months"), ("/walks/", "Walks"))
    menu = " ".join(_a(*link) for link in (*sections, *others, ("/about", "About")))
    crumbs = " / ".join([*(_a(*link) for link in (("/", "Merrow"), *page.trail)), page.title])
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{page.title} - Merrow Island</title>"
        f'<meta name="description" content="{html.escape(page.summary)}">{page.head}'
        f"<style>{_STYLE}</style></head>\n<body><header><nav>{menu}</nav></header>\n"
        f"<main><nav>{crumbs}</nav>\n<h1>{page.title}</h1>\n{page.body}</main>\n"
        f"<footer>Merrow Island is made up; so is all that lives on it.</footer></body></html>\n"
    )


def _named(species: Iterable[_Species]) -> list[tuple[str, str]]:
    return [(each.path, each.name) for each in species]


def _habitat(at: int) -> str:
    return f"/habitats/{_slug(_HABITATS[at][0])}"


def _month(at: int) -> str:
    return f"/months/{_slug(_MONTHS[at][0])}"


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


def _a(path: str, text: str) -> str:
    return f'<a href="{path}">{text}</a>'


def _p(*paragraphs: str) -> str:
    return "".join(f"<p>{each}</p>\n" for each in paragraphs)


def _ul(links: Iterable[tuple[str, str]]) -> str:
    return "<ul>\n" + "".join(f"<li>{_a(*link)}</li>\n" for link in links) + "</ul>\n"
