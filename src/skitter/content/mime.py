"""Media types: what the header says, and what is worth parsing for links."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["is_html", "media_type"]

_TYPE = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+/[!#$%&'*+.^_`|~0-9a-z-]+")
# What is looked at of the field: no media type is longer than a few hundred characters with its parameters.
_LONGEST = 4096
_HTML = frozenset({"text/html", "application/xhtml+xml"})


@lru_cache(maxsize=256)  # a site has a handful of them
def media_type(header: str | None) -> tuple[str | None, str | None]:
    """Type (lower-case, without parameters) and charset parameter of a Content-Type field.

    Of a field that was sent several times, the last type that is one counts; it keeps the charset of
    the one before if that is of the same type (Fetch Standard, "extract a MIME type").
    """
    essence: str | None = None
    charset: str | None = None
    for part in _outside_quotes((header or "")[:_LONGEST]):
        found = part.partition(";")[0].strip().lower()
        said = _charset(part)
        if not _TYPE.fullmatch(found):
            charset = charset or (said if not found else None)  # "; charset=utf-8" still says something
            continue
        charset = said or (charset if found == essence else None)
        essence = found
    return essence, charset


def _outside_quotes(text: str) -> list[str]:
    """Split at commas that are not inside a quoted string."""
    pieces = text.split('"')
    for number in range(1, len(pieces), 2):
        pieces[number] = pieces[number].replace(",", "\0")
    return [part.replace("\0", ",") for part in '"'.join(pieces).split(",")]


def _charset(part: str) -> str | None:
    for parameter in part.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            label = value.strip().strip('"').strip()
            return label if label and label.isascii() else None  # all labels of the Encoding Standard are
    return None


def is_html(essence: str | None, body: bytes) -> bool:
    """HTML or XHTML by its type; without a type, by how it begins (MIME Sniffing Standard, 7.1)."""
    if essence is not None:
        return essence in _HTML
    start = body[:512].lstrip(b"\xef\xbb\xbf \t\r\n\f").lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<!--", b"<title"))
