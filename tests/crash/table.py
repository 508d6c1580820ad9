"""The table of a run: what was killed how often, what was checked, what was violated."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from tests.crash.trial import Outcome

import skitter

__all__ = ["table"]

_MODES = {
    "K1": "SIGKILL at any time",
    "K2": "SIGKILL at each system call",
    "K3": "SIGKILL at each failpoint",
    "K4": "power loss: log and outputs cut",
    "K5": "disk full, I/O errors, no more files",
    "K6": "signals, closed pipe, frozen, starved",
    "K7": "SIGKILL of worker processes",
    "I12": "two processes, one job",
}


def table(outcomes: Sequence[Outcome], *, seed: int) -> str:
    """In Markdown, with date and versions."""
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, seed {seed}: skitter {skitter.__version__}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"{platform.system()} {platform.release()}, {platform.machine()}",
        "",
        "| mode | how | cases | kills, faults, cuts | invariants checked | violations | minutes |",
        "|---|---|---|---|---|---|---|",
    ]
    for mode, how in _MODES.items():
        found = [outcome for outcome in outcomes if outcome.mode == mode]
        if found:
            lines.append(_line(mode, how, found))
    lines += ["", *(f"- not tried: {o.mode} {o.case}: {o.skipped}" for o in outcomes if o.skipped)]
    return "\n".join(lines).rstrip()


def _line(mode: str, how: str, outcomes: Sequence[Outcome]) -> str:
    tried = [outcome for outcome in outcomes if not outcome.skipped]
    checked = _sorted(name for outcome in tried for name in outcome.checked)
    kills, violations = sum(o.kills for o in tried), sum(len(o.violations) for o in tried)
    minutes = sum(o.seconds for o in tried) / 60
    return f"| {mode} | {how} | {len(tried)} | {kills} | {' '.join(checked)} | {violations} | {minutes:.1f} |"


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(set(names), key=lambda name: int(name[1:]))
