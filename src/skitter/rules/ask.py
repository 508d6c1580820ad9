"""How a URL is asked for where that is more than a plain GET: what a user may say, and what becomes of it."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from skitter.model import Ask, Entry, Request
from skitter.rules.url import canonical, key_of, without_userinfo
from skitter.values import parse_header

__all__ = [
    "METHODS",
    "SAFE",
    "Data",
    "ask_for",
    "is_safe",
    "key_with",
    "redirected",
    "request_for",
    "wanted_by",
]

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Where these are repeated, nothing happens that the first did not do (RFC 9110, 9.2.1): only they are tried
# again when nobody knows whether the first try has arrived.
SAFE = frozenset({"GET", "OPTIONS"})
# After these the body goes along (RFC 9110, 15.4.8 and 15.4.9); after the others it is a GET, as browsers do.
_KEEP_METHOD = frozenset({307, 308})

Data = Mapping[str, str] | Sequence[tuple[str, str]] | str | bytes


def ask_for(
    method: str | None,
    headers: Mapping[str, str] | None,
    data: Data | None,
    json: Any,
    meta: Mapping[str, Any] | None,
) -> Ask | None:
    """What the user has said; None for a plain GET. Raises ValueError, TypeError that say what to write."""
    if data is not None and json is not None:
        raise ValueError("give data or json, not both")
    body, kind = _body(data, json)
    verb = (method or ("POST" if kind else "GET")).upper()
    if verb not in METHODS:
        raise ValueError(f"method {method!r}: give one of {' '.join(METHODS)}")
    if kind and verb == "GET":
        raise ValueError("a GET has no body: leave out data and json, or give method='POST'")
    fields = dict([_field(name, value) for name, value in (headers or {}).items()])
    if kind and not any(name.lower() == "content-type" for name in fields):
        fields["Content-Type"] = kind
    if verb == "GET" and not fields and not meta:
        return None
    return Ask(verb, fields, body, _kept(meta))


def _body(data: Data | None, json: Any) -> tuple[bytes, str]:
    """The bytes, and their media type."""
    if json is not None:
        return msgspec.json.encode(json), "application/json"
    if data is None:
        return b"", ""
    if isinstance(data, bytes):
        return data, "application/octet-stream"
    if isinstance(data, str):
        return data.encode(), "text/plain; charset=utf-8"
    return urlencode(data).encode(), "application/x-www-form-urlencoded"


def _field(name: str, value: str) -> tuple[str, str]:
    name, _, content = parse_header(f"{name}: {value}").partition(": ")
    return name, content


def _kept(meta: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """As it comes back from the job's database: also without a crash it is to be the same."""
    if not meta:
        return {}
    try:
        kept = json_module.loads(msgspec.json.encode(meta))
        msgspec.msgpack.encode(kept)  # as worker processes are told it: no numbers beyond 64 bits
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise TypeError(f"meta: {error}; give what JSON can hold") from None
    if not isinstance(kept, dict):
        raise TypeError("meta: give a dict")
    return kept


def wanted_by(request: Request) -> tuple[str, Ask | None]:
    """The canonical URL that a user's request is for, and how. Raises ValueError, TypeError."""
    url = canonical(request.url)
    if url is None:
        raise ValueError(f"Request: {request.url!r} is no absolute http(s) URL")
    data = request.body or None
    return without_userinfo(url), ask_for(request.method, request.headers, data, None, request.meta)


def request_for(entry: Entry, max_body: int, **facts: Any) -> Request:
    """The request of a URL; ``facts`` are the engine's fields of it."""
    ask = entry.ask
    if ask is None:
        return Request(entry.url, max_body, **facts)
    return Request(
        entry.url, max_body, method=ask.method, headers=ask.headers, body=ask.body, meta=ask.meta, **facts
    )


def key_with(url: str, ask: Ask | None) -> int:
    """The key of a URL that is asked for so: what is sent in a body makes it another one."""
    if ask is None or ask.method == "GET":
        return key_of(url)
    return key_of(f"{url}#{ask.method} {ask.body.hex()}")  # no canonical URL has a fragment


def is_safe(ask: Ask | None) -> bool:
    """May it be repeated when nobody knows what came of it?"""
    return ask is None or ask.method in SAFE


def redirected(ask: Ask | None, status: int, *, same_origin: bool) -> Ask | None:
    """How the target of a redirect is asked for. Headers stay with their origin (RFC 9110, 15.4)."""
    if ask is None:
        return None
    headers = ask.headers if same_origin else {}
    if status in _KEEP_METHOD:
        kind = {name: value for name, value in ask.headers.items() if name.lower() == "content-type"}
        return msgspec.structs.replace(ask, headers=headers or kind)
    bare = {name: value for name, value in headers.items() if not name.lower().startswith("content-")}
    return Ask(headers=bare, meta=ask.meta) if bare or ask.meta else None
