"""skitter fetch: exactly these URLs."""

from __future__ import annotations

import argparse

from skitter.cli.running import run_command

__all__ = ["run"]


def run(found: argparse.Namespace) -> int:
    """Run; the exit code."""
    return run_command(found, "fetch", {"scope": "page", "depth": 0})
