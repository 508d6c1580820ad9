"""Media types: what the header says, and what is worth parsing for links."""

from __future__ import annotations

from email.message import Message

__all__ = ["is_html", "media_type"]

_HTML = frozenset({"text/html", "application/xhtml+xml"})


def media_type(header: str | None) -> tuple[str | None, str | None]:
    """Type (lower-case, without parameters) and charset parameter of a Content-Type field."""
    if not header:
        return None, None
    message = Message()
    message["content-type"] = header
    essence = header.partition(";")[0].strip().lower()
    charset = message.get_param("charset")
    return essence or None, charset if isinstance(charset, str) and charset else None


def is_html(essence: str | None, body: bytes) -> bool:
    """HTML or XHTML by its type; without a type, by how it begins (MIME Sniffing Standard, 7.1)."""
    if essence is not None:
        return essence in _HTML
    start = body[:512].lstrip(b"\xef\xbb\xbf \t\r\n\f").lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<!--", b"<title"))
