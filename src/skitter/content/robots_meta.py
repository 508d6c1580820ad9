"""``noindex`` and ``nofollow`` of X-Robots-Tag fields and meta robots elements."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["directives"]

# Directives that take a value: "max-snippet: 20" is not a directive for a crawler of that name.
_WITH_VALUE = frozenset({"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"})

# What is looked at of one field; all directives there are, for ten crawlers, are a tenth of that.
_LONGEST = 16 * 1024


def directives(fields: Iterable[str], token: str) -> tuple[bool, bool]:
    """(noindex, nofollow) as the fields say to the crawler named ``token``.

    Each field is a comma-separated list that may start with the name of the crawler it is meant
    for: ``googlebot: nofollow, noindex``. ``none`` stands for both.
    """
    said: set[str] = set()
    for text in fields:
        applies = True
        for part in text[:_LONGEST].lower().split(","):
            name, colon, value = part.partition(":")
            name = name.strip()
            # A date has colons too ("unavailable_after: Wed, 03 Dec 2030 13:09:53 GMT"), but no name has
            # a space in it.
            if colon and name not in _WITH_VALUE and " " not in name:
                applies = name in (token.lower(), "*")
                part = value
            if applies:
                said.add(part.strip())
    both = "none" in said
    return both or "noindex" in said, both or "nofollow" in said
