"""One process a job. The kernel holds the lock: it cannot outlive its owner."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from skitter.errors import JobError, StorageError

__all__ = ["LOCK", "JobLock", "hold", "owner_of"]

LOCK = "lock"


if sys.platform == "win32":  # no such locks: two processes on one job are the operator's to avoid

    def _lock(file: int, *, shared: bool = False) -> None:
        pass

else:
    import fcntl

    def _lock(file: int, *, shared: bool = False) -> None:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


# `status` looks whether a lock is held by taking it for a moment: that is waited for.
_TRIES, _PAUSE = 10, 0.03


def _flock(file: int) -> None:
    """Take the lock or raise OSError, after a moment of patience."""
    for remaining in reversed(range(_TRIES)):
        try:
            _lock(file)
        except OSError:
            if not remaining:
                raise
            time.sleep(_PAUSE)
        else:
            return


def hold(file: int, path: str) -> None:
    """Keep others from writing to the open ``file`` until it is closed. Raises JobError if one does."""
    try:
        _flock(file)
    except OSError:
        raise JobError(f"{path} is being written by another process; choose another -o") from None


class JobLock:
    """An advisory lock on a file that names its owner's process id."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises JobError, with the owner's process id, if another process has it."""
        try:
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)  # it is emptied: never another file
            self._file = os.open(self._path, flags, 0o600)
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}") from error
        try:
            _flock(self._file)
        except OSError:
            owner = os.read(self._file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            self._file = None
            raise JobError(
                f"{self._path.parent} is in use by process {owner}; wait for it, stop it, "
                "or choose another --job"
            ) from None
        try:
            if self._is_there(self._file):
                os.ftruncate(self._file, 0)
                os.write(self._file, f"{os.getpid()}\n".encode())
                return
        except OSError as error:
            self.release()
            raise StorageError(f"{self._path}: {error.strerror}") from error
        self.release()  # its former owner took it away meanwhile
        self.acquire()

    def _is_there(self, file: int) -> bool:
        try:
            return self._path.stat().st_ino == os.fstat(file).st_ino
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Give it back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def owner_of(folder: Path) -> int | None:
    """The process that works on the job in ``folder`` now, or None. Takes nothing away from it."""
    try:
        file = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return None
    try:
        _lock(file, shared=True)
        return None
    except OSError:
        text = os.read(file, 32).decode("ascii", "replace").strip()
        return int(text) if text.isdecimal() else None
    finally:
        os.close(file)
