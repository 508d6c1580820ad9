"""skitter report: one page of HTML about a job, while it runs and after."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from skitter.errors import UsageError
from skitter.job import DATABASE, REPORT, is_report
from skitter.lock import owner_of
from skitter.outputs import blame, is_inside

__all__ = ["run"]


def run(found: argparse.Namespace) -> int:
    """Write the report of ``JOB``, and say on stdout where it is."""
    from skitter.report.figures import read_figures  # after the arguments: `--help` is quick
    from skitter.report.page import page

    folder = Path(found.job)
    target = found.output if found.output is not None else str(folder / REPORT)
    if target != "-":
        _check(Path(target))
    figures = read_figures(folder / DATABASE, owner_of(folder))
    pieces = page(figures, datetime.now().astimezone())
    if target == "-":
        sys.stdout.writelines(pieces)
        return 0
    with blame(target):
        _write(Path(target), pieces, private=is_inside(folder, target))
    sys.stdout.write(f"{target}\n")
    return 0


def _check(path: Path) -> None:
    """Before a million records are read for nothing."""
    if path.is_dir():
        raise UsageError(f"-o {path}: is a folder; name a file in it")
    if path.is_file() and not is_report(path):
        raise UsageError(f"-o {path}: exists, and skitter did not make it; choose another name")


def _write(path: Path, pieces: Iterable[str], *, private: bool) -> None:
    """Whole or not at all. In the job's folder it is the owner's alone, and a link is not followed."""
    if path.exists() and not path.is_file():  # a pipe, a terminal
        with path.open("w", encoding="utf-8") as file:
            file.writelines(pieces)
        return
    final = path if private else path.resolve()
    part = final.with_name(f".{final.name}.{os.getpid()}")
    try:
        mode = 0o600 if private else 0o666
        with os.fdopen(
            os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8"
        ) as file:
            file.writelines(pieces)
        part.replace(final)
    finally:
        part.unlink(missing_ok=True)
