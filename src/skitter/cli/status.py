"""skitter status: counts of a job, while it runs and after."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import datetime
from pathlib import Path

import msgspec

from skitter.escape import escape_json
from skitter.frontier.status import HostWork, JobStatus, read_status
from skitter.job import DATABASE
from skitter.lock import owner_of
from skitter.model import Reason
from skitter.observe.hosts import words
from skitter.observe.text import printable, seconds, size

__all__ = ["run"]


def run(found: argparse.Namespace) -> int:
    """Print the counts of ``JOB`` to stdout."""
    folder = Path(found.job)
    status = read_status(folder / DATABASE)
    owner = owner_of(folder)
    if found.json:
        facts = {"running": owner, **msgspec.to_builtins(status), "rate": _rate(status)}
        sys.stdout.write(escape_json(msgspec.json.encode(facts).decode()) + "\n")
    else:
        sys.stdout.write("\n".join(map(printable, _lines(status, owner))) + "\n")
    return 0


def _rate(status: JobStatus) -> float | None:
    """Fetched pages a second between the first record and the last, pauses included."""
    span = _span(status)
    return round(status.by_reason.get(Reason.FETCHED, 0) / span, 2) if span else None


def _span(status: JobStatus) -> float:
    if status.first_at is None or status.last_at is None:
        return 0.0
    return (datetime.fromisoformat(status.last_at) - datetime.fromisoformat(status.first_at)).total_seconds()


def _lines(status: JobStatus, owner: int | None) -> list[str]:
    if owner is not None:
        state = f"running, process {owner}"
    else:
        done = not status.pending and status.by_reason
        state = "finished" if done else "unfinished, not running"
    rate = _rate(status)
    lines = [
        f"{status.job}: {state}",
        f"  ended    {sum(status.by_reason.values()):>10,}",
        *(f"    {reason:<15}{number:>10,}" for reason, number in status.by_reason.items()),
        f"  pending  {status.pending:>10,}",
        f"  hosts    {status.hosts:>10,}",
        f"  size     {size(status.size):>10}",
    ]
    if rate is not None:
        lines.append(f"  rate     {rate:>10,.1f} pages/s over {seconds(_span(status))}")
    lines += [f"  trap     {number:>10,}  {rule}" for rule, number in status.traps.items()]
    if status.traps:
        lines.append("                      (begin with --include PATTERN or --no-trap-guard to take them)")
    lines.append("  busiest hosts: pending, ended")
    lines += [f"    {_host(host)}" for host in status.busiest]
    now = time.time()
    if status.pending and status.held_back:
        lines.append("  held back")
        lines += [f"    {state.origin}: {words(state, now)}" for state in status.held_back]
    if status.slowest:
        lines.append("  slowest hosts: time to first byte")
        lines += [
            f"    {seconds(state.latency):>8}  {state.origin}: {words(state, now)}"
            for state in status.slowest
        ]
    return lines


def _host(host: HostWork) -> str:
    line = f"{host.pending:>8,} {host.ended:>8,}  {host.origin}"
    wait = host.gate - datetime.now().astimezone().timestamp()
    return f"{line} (waits {seconds(wait)})" if host.pending and wait > 1 else line
