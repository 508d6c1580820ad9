"""Values of settings as people write them: times, sizes, words. Pure; every parser raises ValueError with
what to write instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from ipaddress import ip_network
from os import PathLike, fspath
from urllib.parse import urlsplit

__all__ = [
    "BadSecret",
    "nearest",
    "parse_choice",
    "parse_duration",
    "parse_flag",
    "parse_header",
    "parse_least_size",
    "parse_network",
    "parse_pair",
    "parse_percent",
    "parse_processes",
    "parse_proxy",
    "parse_size",
    "parse_text",
    "parse_whole",
]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(B|KB|MB|GB|KiB|MiB|GiB)")
_BYTES = {
    "B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3,
    "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3,
}  # fmt: skip


def parse_duration(value: object) -> float:
    """Seconds: a number, ``0``, or text with a unit: ``500ms 2s 10m 1h 2d``. Raises ValueError."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif value == "0":
        seconds = 0.0
    elif match := _DURATION.fullmatch(str(value).strip()):
        seconds = float(match[1]) * _SECONDS[match[2]]
    else:
        raise ValueError("give a time with its unit, such as 500ms, 2s, 10m or 1h")
    if not 0 <= seconds < float("inf"):
        raise ValueError("a time cannot be negative")
    return seconds


def parse_size(value: object) -> int:
    """Bytes: a whole number, or text with a unit: ``64KiB 10MiB 1GB``. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        size = int(float(match[1]) * _BYTES[match[2]])
        if size > 0:
            return size
    raise ValueError("give a size with its unit, such as 64KiB, 10MiB or 1GB")


def parse_least_size(value: object) -> int:
    """A size, or ``0`` for none. Raises ValueError."""
    return 0 if value in (0, "0") and value is not False else parse_size(value)


def parse_network(value: object) -> str:
    """A network such as ``10.0.0.0/8`` or one address, or the name of some. Raises ValueError."""
    if value in ("cdn", "loopback", "all", "none"):
        return str(value)
    try:
        return str(ip_network(str(value), strict=False))
    except ValueError:
        raise ValueError("give a network such as 10.0.0.0/8, or cdn, loopback, all, none") from None


def parse_processes(value: object) -> int:
    """A whole number from 1 on; 0 for ``auto``. Raises ValueError."""
    return 0 if value == "auto" else parse_whole(1)(value)


def parse_whole(least: int) -> Callable[[object], int]:
    """A parser of whole numbers, ``least`` or more."""

    def parse(value: object) -> int:
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        raise ValueError(f"give a whole number, {least} or more")

    return parse


def parse_percent(value: object) -> float:
    """From 0 to 100. Raises ValueError."""
    try:
        number = float(str(value).rstrip("%"))
    except ValueError:
        number = -1.0
    if 0 <= number <= 100:
        return number
    raise ValueError("give a percentage from 0 to 100")


# A server that believed one of these would take the next request for a body (RFC 9112, 6).
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"})


def parse_text(value: object) -> str:
    """Printable, and not nothing; a path is its text. Raises ValueError."""
    value = fspath(value) if isinstance(value, PathLike) else value
    if isinstance(value, str) and value and value.isprintable():
        return value
    raise ValueError("give some printable text")


def parse_flag(value: object) -> bool:
    """``true yes 1`` or ``false no 0``. Raises ValueError."""
    known = {True: True, False: False, "1": True, "true": True, "yes": True,
             "0": False, "false": False, "no": False}  # fmt: skip
    if isinstance(value, bool | str):
        parsed = known.get(value.lower() if isinstance(value, str) else value)
        if parsed is not None:
            return parsed
    raise ValueError("give true or false")


def parse_choice(*known: str) -> Callable[[object], str]:
    """A parser of one of these words."""

    def parse(value: object) -> str:
        if value in known:
            return str(value)
        raise ValueError(f"choose one of: {', '.join(known)}{nearest(str(value), known)}")

    return parse


class BadSecret(ValueError):
    """What is wrong with a value that may hold a password: the message has to stand without the value."""


def parse_header(value: object) -> str:
    """``Name: value``. Raises BadSecret."""
    name, colon, content = _secret(value).partition(":")
    if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise BadSecret("give a header as 'Name: value'")
    if name.lower() in _FRAMING:
        raise BadSecret(f"{name} says where a request ends, and there is no body: leave it out")
    if name.lower() == "proxy-authorization":  # in a tunnel it would go to the origin (A8)
        raise BadSecret(f"{name} is for a proxy: give it as -x http://USER:PASS@HOST:PORT")
    return f"{name}: {content.strip()}"


def parse_proxy(value: object) -> str:
    """``http://HOST:PORT``, with ``USER:PASS@`` before the host if the proxy wants it. Raises BadSecret."""
    text = _secret(value)
    try:
        # A port that is none raises; without a host the URL means nothing.
        is_one = bool(re.fullmatch(r"https?://[^/?#\s]+/?", text) and urlsplit(text).hostname)
        is_one = is_one and urlsplit(text).port != 0
    except ValueError:
        is_one = False
    if not is_one:
        raise BadSecret(
            "write it as http://HOST:PORT or http://USER:PASS@HOST:PORT, with %40 for @ and %2F for / in PASS"
        )
    return text


def parse_pair(separator: str, example: str) -> Callable[[object], str]:
    """A parser of text with a separator in it, as in ``example``. It raises BadSecret."""

    def parse(value: object) -> str:
        if separator in (text := _secret(value)):
            return text
        raise BadSecret(f"write it as {example}")

    return parse


def _secret(value: object) -> str:
    try:
        return parse_text(value)
    except ValueError as error:
        raise BadSecret(str(error)) from None


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'depth'?`` or nothing, for the end of a message."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
