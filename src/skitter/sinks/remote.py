"""An output in an object store: written here like any other, and sent there whole when the run ends."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

from skitter.errors import JobError, StorageError
from skitter.model import Held, Mark, Row
from skitter.ports import Sink

__all__ = ["STORES", "RemoteSink", "is_remote", "remote_exists", "remove_remote"]

# What a path of each scheme needs: the module of fsspec's that knows it, and the extra that brings it.
STORES = {
    "s3": ("s3fs", "s3"),
    "gs": ("gcsfs", "gs"),
    "az": ("adlfs", "azure"),
    "memory": ("fsspec", "s3"),
}
_SENT = ".sent"
_CHUNK = 1024 * 1024


def is_remote(path: str) -> bool:
    """Does the path name a place in a store, as ``s3://bucket/pages.csv`` does?"""
    return "://" in path


def remote_exists(path: str) -> bool:
    """Is something there? Raises JobError if nothing can be: better now than after the crawl."""
    try:
        store, name = _store(path)
        if store.exists(name):
            return True
        bucket, _, rest = name.partition("/")
        is_missing = bool(bucket and rest) and not store.exists(bucket)
    except Exception as error:  # each store has errors of its own
        raise JobError(f"-o {path}: {_said(error)}") from error
    if is_missing:
        raise JobError(f"-o {path}: there is no {bucket} that we may write to; make it first")
    return False


def remove_remote(path: str) -> None:
    """Remove it, if it is there. Raises JobError."""
    try:
        store, name = _store(path)
        if store.exists(name):
            store.rm_file(name)
    except Exception as error:
        raise JobError(f"-o {path}: {_said(error)}") from error


def _store(path: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    store, name = url_to_fs(path)
    store.invalidate_cache()  # what it once listed says nothing of now
    return store, name


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


class RemoteSink:
    """Keeps a whole file here, and a copy of it there, made at the end of each run that changed it."""

    def __init__(self, path: str, name: str | None, make: Callable[[str], Sink], folder: Path | None) -> None:
        """``make`` makes the sink of a path here. ``folder`` is where the job keeps such files; without a
        job it is one that is removed in the end."""
        self.name = name or path
        self._path = path
        self._make = make
        self._kept = folder is not None  # beyond the run
        self._folder = folder
        self._sink: Sink | None = None

    def _local(self) -> Sink:
        if self._sink is None:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="skitter-"))
            self._sink = self._make(str(self._file()))
        return self._sink

    def _file(self) -> Path:
        assert self._folder is not None
        return self._folder / self._path.rpartition("/")[2]

    def held(self, mark: Mark, head: bytes) -> Held:
        """Is what ``mark`` stands for in the file here? What lies in the store is not looked at."""
        return self._local().held(mark, head)

    def open(self, offset: int | None, began: Callable[[bytes], None] | None = None) -> None:
        """Begin, or go on. Raises JobError, StorageError."""
        sink = self._local()
        assert self._folder is not None
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{self._folder}: {error.strerror}") from error
        sink.open(offset, began)

    def write(self, rows: Sequence[Row]) -> Mark | None:
        """Write here; what the file here holds now. Raises StorageError."""
        return self._local().write(rows)

    def sync(self) -> None:
        """Wait until the disk here has it all. Raises StorageError."""
        self._local().sync()

    def finish(self) -> None:
        """Send the whole file, unless the store has it. Raises StorageError; the next run sends it again."""
        self._local().finish()
        file = self._file()
        if not file.exists():  # a Parquet file without rows
            return
        stamp, sent = _stamp(file), file.with_name(file.name + _SENT)
        try:
            store, name = _store(self._path)
            if sent.exists() and sent.read_text() == stamp and store.exists(name):
                return
            store.put_file(str(file), name)
            if self._kept:
                sent.write_text(stamp)
        except Exception as error:
            what = "run the same command again" if self._kept else f"what was written is in {file}"
            self._kept = True
            raise StorageError(f"{self._path}: {_said(error)}; {what}") from error

    def close(self) -> None:
        """Release the files."""
        if self._sink is not None:
            self._sink.close()
        if self._folder is not None and not self._kept:
            shutil.rmtree(self._folder, ignore_errors=True)


def _stamp(file: Path) -> str:
    crc = 0
    with file.open("rb") as content:
        while piece := content.read(_CHUNK):
            crc = crc32(piece, crc)
    return f"{file.stat().st_size} {crc}\n"
