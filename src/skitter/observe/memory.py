"""How much of the memory that we may use is in use."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

__all__ = ["memory_used"]

_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


def memory_used() -> float:
    """The share in use, 0 to 1: of the machine's memory, or of the control group's if that is tighter.

    0 where the system does not say (it is read as Linux has it: /proc/meminfo, cgroup version 2).
    """
    return max(_machine(), _group())


def _machine() -> float:
    with suppress(OSError, ValueError, KeyError):
        lines = (line.split() for line in _MEMINFO.read_text().splitlines())
        sizes = {words[0]: int(words[1]) for words in lines}
        return 1 - sizes["MemAvailable:"] / sizes["MemTotal:"]
    return 0.0


def _group() -> float:
    with suppress(OSError, ValueError):
        most = int((_CGROUP / "memory.max").read_text())  # or the word "max": no limit
        used = int((_CGROUP / "memory.current").read_text())
        # The page cache counts as used, and is given back when it is needed.
        facts = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        return (used - int(facts.get("inactive_file", "0"))) / most
    return 0.0
