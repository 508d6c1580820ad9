"""Which URLs are admitted: scope around the seeds, include and exclude patterns, depth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

from skitter.config import Scope
from skitter.errors import ConfigError
from skitter.rules.domain import registrable_domain
from skitter.rules.pattern import compile_pattern
from skitter.rules.url import authority_of, hostname_of

__all__ = ["Bounds"]


class Bounds:
    """The area to crawl: frozen settings, and roots that grow with the seeds.

    A root is what the scope is drawn around: the seed's authority for ``host``, authority and
    folder for ``prefix``, the registrable domain for ``domain``. ``page`` and ``any`` need none.
    """

    def __init__(self, settings: Scope) -> None:
        """Raises ConfigError for a pattern that cannot be understood."""
        self._kind = settings.scope
        self._depth = settings.depth
        self._include = [(text, _pattern("include", text)) for text in settings.include]
        self._exclude = [(text, _pattern("exclude", text)) for text in settings.exclude]
        self._roots: dict[str, None] = {}
        self._refused_by_scope = f"outside scope {self._kind!r}"

    def add_roots(self, roots: Iterable[str]) -> None:
        """Take over the roots of a former run."""
        self._roots.update(dict.fromkeys(roots))

    def add_root(self, url: str) -> str | None:
        """Draw the scope around ``url`` too; the new root, or None if there is none to remember."""
        root = self._root_of(url)
        if root is None or root in self._roots:
            return None
        self._roots[root] = None
        return root

    def roots(self, after: int = 0) -> tuple[str, ...]:
        """All roots in the order in which they were added, without the first ``after``."""
        return tuple(islice(self._roots, after, None)) if after < len(self._roots) else ()

    def _root_of(self, url: str) -> str | None:
        match self._kind:
            case "host":
                return authority_of(url)
            case "prefix":
                return _folder_of(url)
            case "domain":
                return registrable_domain(hostname_of(url))
        return None

    def refuses(self, url: str, depth: int) -> str | None:
        """The rule that refuses a discovered URL, in words; None if it is admitted."""
        if self._depth is not None and depth > self._depth:
            return f"deeper than depth {self._depth}"
        return self.refuses_place(url) or self.refuses_seed(url) or self._refuses_include(url)

    def refuses_seed(self, url: str) -> str | None:
        """The rule that refuses a seed: only an exclude pattern can; the user named it, after all."""
        for text, excludes in self._exclude:
            if excludes(url):
                return f"excluded by {text!r}"
        return None

    def includes(self, url: str) -> bool:
        """Does an include pattern name the URL?"""
        return self.included_by(url) is not None

    def included_by(self, url: str) -> str | None:
        """The include pattern that names the URL, as the user wrote it; None if none does."""
        for text, includes in self._include:
            if includes(url):
                return text
        return None

    def root_around(self, url: str) -> str | None:
        """The root that the URL lies within; None if there is none, as always with ``page`` and ``any``."""
        root = self._folder_around(url) if self._kind == "prefix" else self._root_of(url)
        return root if root in self._roots else None

    def refuses_place(self, url: str) -> str | None:
        """The scope, in words, if it is not drawn around this URL."""
        match self._kind:
            case "any":
                return None
            case "host" if authority_of(url) in self._roots:
                return None
            case "prefix" if self._folder_around(url) is not None:
                return None
            case "domain" if registrable_domain(hostname_of(url)) in self._roots:
                return None
        return self._refused_by_scope

    def _folder_around(self, url: str) -> str | None:
        """Try each folder above the URL: their number is small, that of the seeds may not be."""
        folder = _folder_of(url)
        while folder:
            if folder in self._roots:
                return folder
            folder = folder[: folder.rfind("/", 0, -1) + 1]
        return None

    def _refuses_include(self, url: str) -> str | None:
        if self._include and not self.includes(url):
            return "matches no include pattern"
        return None


def _pattern(option: str, text: str) -> Callable[[str], bool]:
    try:
        return compile_pattern(text)
    except ValueError as error:
        raise ConfigError(f"--{option}: {error}") from None


def _folder_of(url: str) -> str:
    """Authority and path up to the last slash: ``example.com/docs/``."""
    address = url[url.index("//") + 2 :].partition("?")[0]
    return address[: address.rindex("/") + 1]
