"""Secrets in files: ``--auth @FILE`` keeps them out of the process list, as curl's ``-H @FILE`` does."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from skitter.config import options
from skitter.errors import ConfigError

__all__ = ["from_files"]

# No header name, cookie name or proxy begins with "@". A user name that does has to be in a file itself.
_MARK = "@"
_SECRET = ("header", "cookie", "auth", "proxy")


def from_files(values: Mapping[str, object], note: Callable[[str], None]) -> dict[str, object]:
    """``values`` by option name, with what stands in a file in the place of each ``@FILE``: one value a line.

    ``note`` is told of files that others may read. Raises ConfigError.
    """
    return {name: _read(name, value, note) if name in _SECRET else value for name, value in values.items()}


def _read(name: str, value: object, note: Callable[[str], None]) -> object:
    option = options()[name]
    given = value if isinstance(value, list | tuple) else [value]
    if not any(isinstance(item, str) and item.startswith(_MARK) for item in given):
        return value
    found: list[object] = []
    for item in given:
        is_file = isinstance(item, str) and item.startswith(_MARK)
        found += _lines(option.flag, str(item).removeprefix(_MARK), note) if is_file else [item]
    if option.many:
        return found
    if len(found) != 1:
        raise ConfigError(f"{option.flag} {given[0]}: holds {len(found)} lines; one is wanted")
    return found[0]


def _lines(flag: str, path: str, note: Callable[[str], None]) -> list[str]:
    """The lines of a file that are not blank. A password may begin or end with a space."""
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            mode = os.fstat(file.fileno()).st_mode
            lines = [line.removesuffix("\n") for line in file if line.strip()]
    except OSError as error:
        raise ConfigError(f"{flag} @{path}: {(error.strerror or '').lower()}") from None
    except (UnicodeDecodeError, ValueError):  # or a name with NUL in it
        raise ConfigError(f"{flag} @{path}: not text in UTF-8") from None
    # What the user asked for is done; a pipe (`<(pass show site)`) is nobody else's.
    if stat.S_ISREG(mode) and mode & 0o077 and hasattr(os, "getuid"):
        note(f"{flag} @{path}: others may read this file: chmod 600 {path}")
    return lines
