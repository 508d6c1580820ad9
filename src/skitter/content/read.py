"""From a response to what it says."""

from __future__ import annotations

import msgspec

from skitter.content.hrefs import Hrefs
from skitter.content.html import read_html
from skitter.content.mime import is_html, media_type
from skitter.content.robots_meta import directives
from skitter.model import Reading, Response

__all__ = ["Unreadable", "read"]


class Unreadable(msgspec.Struct, frozen=True):
    """A document that could not be read, and why, in words for the record."""

    why: str


def read(
    response: Response, token: str, fields: frozenset[str] = frozenset(), hrefs: Hrefs | None = None
) -> Reading:
    """Read a fetched response; ``token`` is our product token, ``fields`` as in ``--field``;
    ``hrefs`` knows what earlier pages said.

    Only HTML and XHTML are parsed. Whatever the bytes are, the result is a value: a document that
    exceeds a bound is read up to there, and a ``note`` says so.
    """
    essence, charset = media_type(response.headers.get("content-type"))
    noindex, nofollow = directives(
        [value for name, value in response.headers.pairs if name.lower() == "x-robots-tag"], token
    )
    if not is_html(essence, response.body):
        return Reading(content_type=essence, charset=charset, noindex=noindex, nofollow=nofollow)
    reading = read_html(response.body, response.url, charset, token, fields, hrefs)
    return msgspec.structs.replace(
        reading,
        content_type=essence,
        noindex=noindex or reading.noindex,
        nofollow=nofollow or reading.nofollow,
    )
