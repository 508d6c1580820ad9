"""Links as they are written, resolved once a crawl.

Pages of a folder share most of what they link to: the navigation, the index, each other. What a
relative reference means depends on the folder of its base alone, with few exceptions; so it is
kept by folder. On 5,271 pages of a manual two of three references are found here, and of the others
nearly all by the URL that they lead to.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping

from skitter.model import Link
from skitter.rules.url import canonical, key_of, origin_of, without_userinfo

__all__ = ["Hrefs", "link_to"]

# References kept of one folder, and of all (of those used lately twice as many at most): 20 MB.
_A_FOLDER = 8_192
_ALL = 32_768
# What RFC 3986, 5.2.2 (and the URL Standard, for "http:x") resolve without the base's last segment and
# query: a reference with a path of its own. Tabs and line ends are dropped in parsing, and could hide one.
_FOLDER_DECIDES = re.compile("(?!https?:(?!//))[^\x00-\x20?#][^\t\n\r]{0,500}", re.IGNORECASE).fullmatch

_Folder = dict[str, Link | None]


def link_to(url: str, *, follow: bool = True) -> Link:
    """A link to a canonical URL."""
    return Link(url, key_of(url), sys.intern(origin_of(url)), follow)


class Hrefs:
    """What references mean, by the folder that they are relative to. Bounded; may be used by threads."""

    def __init__(self) -> None:
        # Two generations: a folder that is used moves into the young one.
        self._young: dict[str, _Folder] = {}
        self._old: dict[str, _Folder] = {}
        self._room = _ALL
        self._links: dict[str, Link] = {}  # of the young generation, by URL: folders share most of theirs

    def resolve(self, said: Mapping[str, bool], base: str) -> tuple[Link, ...]:
        """Links of a document in its order, each URL once. ``said`` has its references without fragments,
        and whether one of their mentions may be followed; so is a link if one of its spellings may be."""
        folder = self._folder(base)
        found: dict[int, Link] = {}
        for raw, follow in said.items():
            try:
                link = folder[raw]
            except KeyError:
                link = self._resolve(raw, base, folder)
            if link is None:
                continue
            if not follow:
                link = found.get(link.key) or Link(link.url, link.key, link.origin, follow=False)
            found[link.key] = link
        return tuple(found.values())

    def _folder(self, base: str) -> _Folder:
        path = base.partition("?")[0]
        name = path[: path.rindex("/") + 1]
        folder = self._young.get(name)
        if folder is None:
            folder = self._young[name] = self._old.pop(name, {})
            self._take(len(folder) + 1)
        return folder

    def _take(self, number: int) -> None:
        """Begin a new generation when the young one is full."""
        self._room -= number
        if self._room < 0:
            self._old, self._young, self._room, self._links = self._young, {}, _ALL, {}

    def _resolve(self, raw: str, base: str, folder: _Folder) -> Link | None:
        url = canonical(raw, base) if raw else base
        link = None if url is None else self._links.get(url)
        if link is None and url is not None:
            link = self._links[url] = link_to(without_userinfo(url) if "@" in url else url)
        if _FOLDER_DECIDES(raw):
            if len(folder) >= _A_FOLDER:  # thousands of its pages have links of their own
                folder.clear()
            folder[raw] = link
            self._take(1)
        return link
