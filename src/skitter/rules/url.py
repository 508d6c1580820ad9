"""Canonical URLs: the WHATWG URL Standard, and three normalisations on top.

On top of the Standard's parsing: the fragment is dropped, percent-escapes of unreserved characters
are decoded (RFC 3986, 6.2.2.2) and hexadecimal digits are upper-case (6.2.2.1). Nothing else is
touched; path and query keep their case and order. The result is a fixed point.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b

import ada_url

__all__ = [
    "MAX_URL",
    "authority_of",
    "canonical",
    "hostname_of",
    "key_of",
    "keys_of",
    "origin_of",
    "sitemap_key",
    "target_of",
    "without_userinfo",
]

# RFC 9110, 4.1 asks everybody to support at least 8,000 octets; nobody links to more on purpose.
MAX_URL = 8192

_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PREFIX_BITS = 16


def canonical(text: str, base: str | None = None) -> str | None:
    """The canonical form of an http or https URL; None for anything else.

    ``text`` may be relative if ``base`` (absolute) is given. User information is kept, as the
    Standard does; whoever admits a URL drops it (:func:`without_userinfo`).
    """
    if len(text) > MAX_URL:
        return None
    try:
        href = ada_url.join_url(base, text) if base else ada_url.normalize_url(text)
    except ValueError:  # not a URL, or text with lone surrogates
        return None
    if not href.startswith(("http://", "https://")) or len(href) > MAX_URL:
        return None
    href = href.partition("#")[0]
    return _normalise_escapes(href) if "%" in href else href


def _normalise_escapes(href: str) -> str:
    """Normalise the escapes of path and query; the Standard has dealt with the rest."""
    start = href.index("/", 8)
    rest = href[start:]
    # With a stray "%" about ("%%37e"), decoding could make new escapes out of its neighbours, and the
    # result would not be a fixed point: then only the case of the digits is normalised.
    replace = _upper if _STRAY_PERCENT.search(rest) else _decode_unreserved
    return href[:start] + _ESCAPE.sub(replace, rest)


def _upper(match: re.Match[str]) -> str:
    return match[0].upper()


def _decode_unreserved(match: re.Match[str]) -> str:
    char = chr(int(match[1], 16))
    return char if char in _UNRESERVED else match[0].upper()


def without_userinfo(url: str) -> str:
    """``url`` (canonical) without ``user:password@``."""
    start = url.index("//") + 2
    end = url.index("/", start)
    at = url.rfind("@", start, end)
    return url if at < 0 else url[:start] + url[at + 1 :]


def origin_of(url: str) -> str:
    """Scheme, host and port of a canonical URL without user information: ``https://example.com``."""
    return url[: url.index("/", 8)]


def authority_of(url: str) -> str:
    """Host and port, the same for http and https on their own ports: ``example.com``."""
    start = url.index("//") + 2
    return url[start : url.index("/", start)]


def hostname_of(url: str) -> str:
    """The host alone; an IPv6 address keeps its brackets."""
    authority = authority_of(url)
    head, colon, port = authority.rpartition(":")
    return head if colon and port.isdigit() else authority


def target_of(url: str) -> str:
    """Path and query, as they go into the request line and are matched against robots.txt."""
    return url[url.index("/", 8) :]


def key_of(url: str) -> int:
    """A 64-bit fingerprint, signed: 16 bits of the origin's hash, 48 of the URL's.

    URLs of a host are neighbours on disk. 16 + 48 rather than 24 + 40 bits: with a million URLs on
    one host the chance of any collision is 0.2 % instead of 36 %, and over many hosts it is the
    same; the neighbourhoods stay small (docs/decisions.md).
    """
    path_hash = int.from_bytes(blake2b(url.encode(), digest_size=6).digest())
    return (_origin_prefix(origin_of(url)) << (64 - _PREFIX_BITS)) | path_hash


def sitemap_key(url: str) -> int:
    """The key of a URL as a sitemap: the same address may be visited as a page, too, and has a record then.
    No canonical URL has a fragment."""
    return key_of(f"{url}#sitemap")


def keys_of(urls: list[str]) -> bytes:
    """Keys of many URLs, 8 bytes each, big-endian."""
    return b"".join([key_of(url).to_bytes(8, signed=True) for url in urls])


@lru_cache(maxsize=4096)
def _origin_prefix(origin: str) -> int:
    return int.from_bytes(blake2b(origin.encode(), digest_size=2).digest(), signed=True)
