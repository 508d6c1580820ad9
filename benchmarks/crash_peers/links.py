"""The one spelling of a link that the site answers; for crawlers that send links as they are written."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

# What RFC 3986 calls unreserved: written as an escape it means the same.
_UNRESERVED = re.compile(r"%(2d|2e|5f|7e|3\d|[46][1-9a-f]|[57][\da])", re.IGNORECASE)


def plain(url: str) -> str:
    """Return the absolute `url` without dot segments, needless escapes and fragment."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = _UNRESERVED.sub(lambda escape: chr(int(escape[1], 16)), target)
    return urljoin(f"{parts.scheme}://{parts.netloc}/", target)
