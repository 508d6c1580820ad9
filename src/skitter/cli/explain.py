"""skitter explain: why a URL was, or was not, crawled, and what happens next."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import msgspec

from skitter.engine.seeds import read_seed
from skitter.escape import escape_json
from skitter.explain import explain, lines, read_history
from skitter.job import DATABASE
from skitter.lock import owner_of
from skitter.observe.text import printable

__all__ = ["run"]


def run(found: argparse.Namespace) -> int:
    """Print the explanation of ``URL`` to stdout; exit code 0 for whatever is a URL."""
    url = read_seed(found.url)
    folder = Path(found.job)
    history = read_history(folder / DATABASE, _typed(found.url, url), url, owner_of(folder), time.time())
    said = explain(history)
    if found.json:
        sys.stdout.write(escape_json(msgspec.json.encode(said).decode()) + "\n")
    else:
        sys.stdout.write("\n".join(map(printable, lines(said))) + "\n")
    return 0


def _typed(text: str, url: str) -> str:
    """What was typed, unless it has what may be a password (A11)."""
    return url if "@" in text else text.strip()
