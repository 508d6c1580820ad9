"""What skitter runs on, for whoever looks into a failure."""

from __future__ import annotations

import platform
import sqlite3
from importlib.metadata import version
from xml.parsers import expat

from skitter.version import VERSION

__all__ = ["versions"]


def versions() -> str:
    """One line: skitter, Python, and the libraries that have had security fixes that matter here."""
    return (
        f"skitter {VERSION}, Python {platform.python_version()}, aiohttp {version('aiohttp')},"
        f" SQLite {sqlite3.sqlite_version}, {expat.EXPAT_VERSION.replace('_', ' ')},"
        f" turbohtml {version('turbohtml')}"
    )
