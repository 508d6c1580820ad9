"""The sites that are crawled, as folders of files: `python sites.py FOLDER [KIND] [COPIES]`.

The real tree is the manual of Python 3.11 as Debian packages it: 526 pages that link to each other, 96 KB and
310 links each on average. Several copies of it are symbolic links, beside an index that links to each. Where
it can not be had, a tree with the same statistics is generated, and the tables say so.
"""

from __future__ import annotations

import html
import random
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from serving import unpack

__all__ = ["MANUAL_PAGES", "Site", "copies", "generated", "manual", "reachable", "small_pages"]

MANUAL_PAGES = 527
_INSTALLED = Path("usr/share/doc/python3.11/html")
_ANCHOR = re.compile(r"""<a\s[^>]*?href=["']([^"']*)["']""", re.IGNORECASE)

# What was counted in the manual: sizes are close to log-normal; of 310 hrefs 35 % are to the page itself,
# 87 % have a fragment and 5 % are to other hosts; without fragments 39 different ones remain.
_MEDIAN, _SIGMA = 54_000, 1.07
_SMALLEST, _LARGEST = 9_000, 1_500_000
_BYTES_A_LINK = 308
_TO_ITSELF, _ELSEWHERE, _NO_FRAGMENT = 0.35, 0.05, 0.12
_TARGETS = 30
_FOLDERS = ("library", "reference", "howto", "c-api")
_WORDS = ["sequence", "module", "returns", "value", "object", "argument", "default", "raises", "buffer"]
# About 250 bytes and six tags to each link, as in the manual, most of them around single words of code.
_UNIT = (
    '<p id="{name}">{text} <a class="reference internal" href="{href}" title="{name}">'
    '<code class="xref py py-func docutils literal notranslate"><span class="pre">{name}()</span></code></a>'
    " {more} <em>{name}</em><span>.</span></p>\n"
)


@dataclass(frozen=True)
class Site:
    """A folder to serve; how many HTML pages a crawl from its `/` finds, and what it is in words."""

    folder: Path
    pages: int
    words: str


def manual() -> Path | None:
    """The manual's folder: as installed, or Debian's package in the cache. None without apt."""
    installed = Path("/") / _INSTALLED
    if installed.is_dir():
        return installed
    unpacked = unpack("python3.11-doc")
    found = unpacked / _INSTALLED if unpacked else None
    return found if found and found.is_dir() else None


def copies(folder: Path, number: int) -> Site:
    """So many copies of the real tree below `folder`, and an index page."""
    folder.mkdir(parents=True, exist_ok=True)
    source = manual()
    words = "Python's manual"
    if source is None:
        source = folder.parent / "generated"
        words = "a generated tree like Python's manual (which could not be had)"
        if not source.exists():
            write(source, generated(MANUAL_PAGES))
    for place in range(number):
        link = folder / f"c{place}"
        if not link.is_symlink():
            link.symlink_to(source.resolve(), target_is_directory=True)
    (folder / "index.html").write_text(_index(f"c{place}/index.html" for place in range(number)))
    pages = 1 + number * len(reachable(source))
    return Site(folder, pages, f"{words}, {number} {'copies' if number > 1 else 'copy'}")


def generated(pages: int, seed: int = 1) -> dict[str, str]:
    """A tree with the statistics of the manual: text by path. All of it can be reached from index.html."""
    chance = random.Random(seed)
    paths = ["index.html"]
    paths += [f"{_FOLDERS[number % 4]}/{chance.choice(_WORDS)}-{number}.html" for number in range(1, pages)]
    return {path: _page(place, paths, chance) for place, path in enumerate(paths)}


def _page(place: int, paths: list[str], chance: random.Random) -> str:
    size = min(max(chance.lognormvariate(0, _SIGMA) * _MEDIAN, _SMALLEST), _LARGEST)
    own = paths[place]
    # Two children make a tree of which all can be reached; a dozen pages are linked from everywhere.
    children = [child for child in (2 * place + 1, 2 * place + 2) if child < len(paths)]
    around = [chance.randrange(len(paths)) for _ in range(_TARGETS - len(children) - 12)]
    targets = [_relative(own, paths[at]) for at in [*children, *around, *range(min(12, len(paths)))]]
    units = [
        _UNIT.format(**_fields(href, chance)) for href in _hrefs(targets, int(size / _BYTES_A_LINK), chance)
    ]
    return f"<!DOCTYPE html>\n<html><head><title>{own}</title></head><body>\n{''.join(units)}</body></html>\n"


def _hrefs(targets: list[str], number: int, chance: random.Random) -> Iterator[str]:
    """Each target once, then as the shares say."""
    yield from targets
    for _ in range(number - len(targets)):
        name = f"{chance.choice(_WORDS)}.{chance.choice(_WORDS)}"
        kind = chance.random()
        if kind < _TO_ITSELF:
            yield f"#{name}"
        elif kind < _TO_ITSELF + _ELSEWHERE:
            yield f"https://docs.example.org/{name}"
        else:
            yield chance.choice(targets) + ("" if chance.random() < _NO_FRAGMENT else f"#{name}")


def _fields(href: str, chance: random.Random) -> dict[str, str]:
    text, more = " ".join(chance.choices(_WORDS, k=5)), " ".join(chance.choices(_WORDS, k=3))
    return {"href": href, "text": text, "more": more, "name": chance.choice(_WORDS)}


def _relative(own: str, other: str) -> str:
    """As the manual's pages spell it: without the folder if it is the same one."""
    folder, _, name = other.rpartition("/")
    here = own.rpartition("/")[0]
    if folder == here:
        return name
    return f"{'../' if here else ''}{other}"


def write(folder: Path, pages: dict[str, str]) -> None:
    """Write pages as files."""
    for path, text in pages.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def small_pages(folder: Path, number: int) -> Site:
    """Pages of 1 KB with ten links each, all of which can be reached."""
    done = folder / "done"
    if not done.exists() or done.read_text() != str(number):
        chance = random.Random(1)
        names = ["/", *(f"/{place // 200}/{place}.html" for place in range(1, number))]
        for place, name in enumerate(names):
            children = [child for child in (2 * place + 1, 2 * place + 2) if child < number]
            around = [chance.randrange(number) for _ in range(10 - len(children))]
            links = "".join(f'<p><a href="{names[at]}">page {at}</a></p>\n' for at in [*children, *around])
            text = f"<!DOCTYPE html><title>Page {place}</title>\n{links}<p>{'lorem ipsum ' * 46}</p>\n"
            file = folder / (name.lstrip("/") or "index.html")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        done.write_text(str(number))
    return Site(folder, number, f"{number:,} pages of 1 KB")


def reachable(folder: Path) -> set[str]:
    """Paths of the HTML pages that links lead to from index.html, by reading the files."""
    seen, waiting, pages = {"/index.html"}, ["/index.html"], set()
    while waiting:
        path = waiting.pop()
        file = folder / unquote(path[1:])
        if file.suffix != ".html" or not file.is_file():
            continue
        pages.add(path)
        for href in set(_ANCHOR.findall(file.read_text(encoding="utf-8", errors="replace"))):
            link = urlsplit(urljoin(f"http://here{path}", html.unescape(href)))
            if link.netloc == "here" and link.path not in seen:
                seen.add(link.path)
                waiting.append(link.path)
    return pages


def _index(links: Iterator[str]) -> str:
    lines = "".join(f'<p><a href="{link}">{link}</a></p>\n' for link in links)
    return f"<!DOCTYPE html><title>Copies</title>\n{lines}"


def main(folder: str, kind: str = "manual", number: str = "10") -> None:
    """Make one site, and say what it is."""
    make = {"manual": copies, "small": small_pages}[kind]
    print(make(Path(folder), int(number)))


if __name__ == "__main__":
    main(*sys.argv[1:])
