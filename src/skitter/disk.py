"""The disks that a run writes to: their room, and waiting for them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["Disks", "sync_folder"]

# A disk that never had as much room as is wanted: it has to keep this share free.
_SHARE_OF_SMALL = 10


def sync_folder(folder: Path) -> None:
    """Wait until the names of the files in ``folder`` are on the disk. Raises OSError."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows has no such thing to wait for
        return
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


class Disks:
    """The file systems of a job and its outputs, each looked at once a call."""

    def __init__(self, paths: Iterable[str | None], least: int) -> None:
        """``paths`` are files and folders, which may still have to be made, ``-``, None and what lies in
        an object store are none;
        ``least`` is in bytes, 0 for never."""
        self._least = least
        self._folders = (
            _one_a_disk([path for path in paths if path and path != "-" and "://" not in path])
            if least
            else ()
        )

    def low(self) -> str | None:
        """One line that says which disk has too little room, or None."""
        for folder in self._folders:
            try:
                disk = os.statvfs(folder)
            except OSError:  # it will be told by whoever writes there
                continue
            free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
            least = self._least if size > self._least else size // _SHARE_OF_SMALL
            if free < least:
                return (
                    f"the disk of {folder} has {_mib(free)} left, and {_mib(least)} have to stay free "
                    "(--min-free): free some space, then run the same command again"
                )
        return None


def _one_a_disk(paths: Iterable[str]) -> Sequence[Path]:
    if not hasattr(os, "statvfs"):  # Windows: a full disk is noticed when it is full
        return ()
    found: dict[int, Path] = {}
    for path in paths:
        place = Path(path).absolute()
        while not place.is_dir() and place != place.parent:
            place = place.parent
        found.setdefault(place.stat().st_dev, place)
    return tuple(found.values())


def _mib(number: int) -> str:
    return f"{number / 2**20:,.0f} MiB"
