"""Open files: the limits of the process, and its standard streams."""

from __future__ import annotations

import io
import os
import sys

from skitter.errors import StorageError

__all__ = ["open_standard_streams", "raise_open_files"]

# Beside the connections: database, outputs, standard streams, the loop's own.
_SPARE = 64
# Without any connection a crawl has some twenty open.
_LEAST = 32


def raise_open_files() -> int | None:
    """Raise the soft limit of open files to the hard one; how many connections that leaves room for, None
    if there is no limit. Raises StorageError if nothing can be done with so few."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return None
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < _LEAST:
        raise StorageError(
            f"only {hard} files may be open here, and {_LEAST} are needed: raise the limit (ulimit -n)"
        )
    return None if hard == resource.RLIM_INFINITY else max(1, hard - _SPARE)


def open_standard_streams() -> None:
    """Where a standard stream is closed, open nowhere in its place: else the next socket would get its
    number, and whatever is printed."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = _writer(1)
    if sys.stderr is None:
        sys.stderr = _writer(2)


def _writer(number: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(io.FileIO(number, "w", closefd=False)))
