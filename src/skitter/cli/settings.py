"""Settings of a command from flags, SKITTER_* variables and a configuration file."""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from skitter.cli.secrets import from_files
from skitter.config import Config, build, options
from skitter.errors import ConfigError
from skitter.failpoint import FAILPOINT, TRACE, check
from skitter.values import nearest

__all__ = ["settings"]

_PREFIX = "SKITTER_"


def settings(
    found: argparse.Namespace,
    fixed: Mapping[str, object] | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Config:
    """Flags win, then variables, then the file. ``fixed`` are set by the command itself; ``note`` is told
    what the operator should know.

    Raises ConfigError with the place of the mistake.
    """
    check()
    variables = _variables(os.environ)
    path = found.config or next((text for _, name, text in variables if name == "config"), None)
    flags = {name: value for name, value in vars(found).items() if name in options()}
    sources: list[tuple[str, Mapping[str, object]]] = [
        *(_file(str(path)) if path else ()),
        *((variable, {name: value}) for variable, name, value in variables if name != "config"),
        ("--{}", flags),
    ]
    return build(*((label, from_files(values, note)) for label, values in sources), ("{}", fixed or {}))


def _variables(environment: Mapping[str, str]) -> list[tuple[str, str, object]]:
    """Variables, the options that they set, and their values; options that may be repeated take one value
    a line."""
    known = options()
    values: list[tuple[str, str, object]] = []
    for variable, value in environment.items():
        name = variable.removeprefix(_PREFIX).lower()
        if not variable.startswith(_PREFIX) or variable in (FAILPOINT, TRACE):
            continue
        if name not in known and name != "config":
            close = nearest(variable, [_PREFIX + option.upper() for option in known])
            raise ConfigError(f"{variable}: unknown variable{close}")
        many = name in known and known[name].many
        values.append((variable, name, value.splitlines() if many else value))
    return values


def _file(path: str) -> list[tuple[str, dict[str, Any]]]:
    """The values of a TOML file: at the top, or in tables named after a group or a command."""
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--config {path}: {(error.strerror or '').lower()}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config {path}: not TOML: {error}") from None
    top: dict[str, Any] = {}
    sources = [(f"{path}: {{}}", top)]
    tables = {option.group for option in options().values()} | {"crawl", "fetch"}
    for name, value in content.items():
        if not isinstance(value, dict):
            top[name] = value
        elif name in tables:
            sources.append((f"{path}: [{name}] {{}}", value))
        else:
            raise ConfigError(f"{path}: [{name}]: unknown table{nearest(name, tables)}")
    return sources
