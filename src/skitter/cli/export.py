"""skitter export: a job's records in another format."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from typing import NoReturn

from skitter.cli.parser import say
from skitter.export import export
from skitter.job import DATABASE
from skitter.observe.text import printable

__all__ = ["run"]


def run(found: argparse.Namespace) -> int:
    """Write the records of ``JOB``; how many, and where they are, goes to stderr."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # half a file is not to stay behind
            signal.signal(signal.Signals[name], _end)
    outputs = found.output or ["-"]
    number = export(
        Path(found.job) / DATABASE,
        outputs,
        where=found.where,
        fields=found.field or (),
        force=found.force,
    )
    files = [output for output in outputs if output != "-"]
    if files:
        say(printable(f"{number:,} record{'s' * (number != 1)} -> {', '.join(files)}"))
    return 0


def _end(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)
