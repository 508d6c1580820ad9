"""Flags from configuration fields, and errors in one line."""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from skitter.config import options
from skitter.errors import UsageError
from skitter.values import nearest

__all__ = ["Parser", "add_options", "parse"]

# The groups of the help, in order.
_TITLES = {
    "output": "input and output",
    "scope": "scope",
    "limits": "limits",
    "politeness": "politeness",
    "http": "HTTP",
    "terminal": "terminal",
}


class Parser(argparse.ArgumentParser):
    """argparse says an error in one line, after which the usage would only hide it."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}; see {self.prog} --help")


def add_options(parser: argparse.ArgumentParser, leave_out: Iterable[str] = ()) -> None:
    """Add a flag for each configuration field but those in ``leave_out``."""
    groups = {name: parser.add_argument_group(title) for name, title in _TITLES.items()}
    for option in options().values():
        if option.name in leave_out:
            continue
        names = [option.flag] if option.short is None else [option.short, option.flag]
        text = option.help.replace("%", "%%")
        if option.is_switch:
            facts: dict[str, Any] = {"action": "store_const", "const": True, "help": text}
        else:
            shown = (
                "" if option.default in (None, ()) else f" (default: {_shown(option.name, option.default)})"
            )
            facts = {"metavar": option.metavar, "help": text + shown.replace("%", "%%")}
            facts["action"] = "append" if option.many else "store"
        groups[option.group].add_argument(*names, dest=option.name, **facts)
    groups["terminal"].add_argument(
        "--config", metavar="FILE", help="the same names in TOML, dashes as underscores, in tables"
    )


def _shown(name: str, default: object) -> str:
    """A default in the units that a person would type."""
    if name == "slow_callback":
        return "100ms"
    if name in ("timeout", "max_wait", "delay"):
        return "1h" if default == 3600.0 else f"{default:g}s" if default else "0"
    if name == "max_body" and isinstance(default, int):
        return f"{default // (1024 * 1024)}MiB"
    return str(default)


def parse(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """Parse, with URLs and flags in any order. Raises UsageError that names the nearest option."""
    if arguments and ("://" in arguments[0] or arguments[0].startswith("www.")):
        url = re.sub(r"//[^/?#]*@", "//", arguments[0])  # no password in messages
        raise UsageError(f"skitter: which command? to crawl it: skitter crawl {url}")
    found, rest = parser.parse_known_args(arguments)
    command = f"skitter {found.command}" if getattr(found, "command", None) else "skitter"
    for word in rest:
        if word.startswith("-"):
            _unknown(command, found, word)
    if rest and not hasattr(found, "urls"):
        raise UsageError(f"{command}: what is {rest[0]!r}? see {command} --help")
    if rest:
        found.urls.extend(rest)
    return found


def _unknown(command: str, found: argparse.Namespace, word: str) -> NoReturn:
    name = word.partition("=")[0]
    known = ["--" + key.replace("_", "-") for key in vars(found)]
    raise UsageError(f"{command}: unknown option {name}{nearest(name, known)}")


def say(text: str) -> None:
    """One line on stderr, if anybody listens there."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
