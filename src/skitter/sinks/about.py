"""What an archive says about the crawl that made it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import asdict, fields

from skitter.config import Config, Http, Limits, Politeness, Scope

__all__ = ["about"]

# It has a field of its own; the other is a path of this machine.
_LEFT_OUT = ("user_agent", "ca_file")


def about(config: Config) -> dict[str, str]:
    """Fields of ``application/warc-fields``. Options that are secrets are not among them, nor names of
    files."""
    groups = (config.scope, config.limits, config.politeness, config.http)
    words = [word for group in groups for word in _words(group)]
    return {
        "robots": "ignore" if config.politeness.no_robots else "obey",
        "http-header-user-agent": config.http.user_agent,
        "options": shlex.join(words),
    }


def _words(group: Scope | Limits | Politeness | Http) -> Iterator[str]:
    """Of options that are not at their defaults. A secret is known by not being shown by ``repr``."""
    values = asdict(group)
    for option in fields(group):
        value = values[option.name]
        if not option.repr or option.name in _LEFT_OUT or value == option.default:
            continue
        flag = "--" + option.name.replace("_", "-")
        for one in value if isinstance(value, tuple) else (value,):
            yield flag
            if one is not True:
                yield f"{one:g}" if isinstance(one, float) else str(one)
