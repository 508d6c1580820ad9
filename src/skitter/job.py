"""The job's folder: lock, database, outputs. Everything is checked before anything is made."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import msgspec

from skitter.config import Config, Scope
from skitter.errors import ConfigError, JobError, SkitterError, StorageError
from skitter.frontier import Store
from skitter.lock import LOCK, JobLock
from skitter.ports import Sink
from skitter.rules.url import authority_of
from skitter.sinks import sink_for

__all__ = ["DATABASE", "Job", "check_output", "folder_for", "looks_ours", "open_job", "plain_sinks"]

DATABASE = "job.db"
_PAGES = "pages.jsonl"
_FILL_ROWS = 1000
_OUR_START = b'{"url":"'
# The operator's to mend; any other error is the disk's.
_OPERATOR = frozenset({errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR,
                       errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.EEXIST})  # fmt: skip


class Job(msgspec.Struct, frozen=True):
    """An opened job: hand ``store`` to a frontier and ``sinks`` to an engine."""

    folder: Path
    store: Store
    sinks: tuple[Sink, ...]
    outputs: tuple[str, ...]  # where the records are, for the summary
    lock: JobLock

    def close(self) -> None:
        """Release outputs and lock; the store belongs to its frontier."""
        for sink in self.sinks:
            sink.close()
        self.lock.release()


def folder_for(url: str) -> str:
    """The default folder of a job that begins with ``url``: ``example.com.crawl``."""
    name = authority_of(url).replace("[", "").replace("]", "").replace(":", "-")
    return f"{name}.crawl"


def open_job(folder: str, config: Config, command: str) -> Job:
    """Open or make the job in ``folder``.

    Raises JobError, ConfigError (nothing was changed) or StorageError.
    """
    path = Path(folder)
    outputs = config.output.output or (str(path / _PAGES),)
    _check_folder(path)
    _check_outputs(outputs, path)
    with _blame(folder):
        path.mkdir(mode=0o700, exist_ok=True)
    lock = JobLock(path / LOCK)
    lock.acquire()
    try:
        if config.output.fresh:
            _discard(path, outputs)
        store = _open_store(path, config, command, outputs)
        try:
            sinks = _open_sinks(store, path, outputs)
        except BaseException:
            store.close()
            raise
    except BaseException:
        lock.release()
        _remove_if_new(path)
        raise
    return Job(path, store, sinks, outputs, lock)


def plain_sinks(outputs: Sequence[str]) -> tuple[Sink, ...]:
    """Outputs of a run that has no job: files of ours are written anew, others are left alone."""
    _check_outputs(outputs, None)
    for output in outputs:
        if output != "-" and not looks_ours(Path(output)):
            raise JobError(f"-o {output}: exists, and skitter did not make it; choose another name")
    sinks = tuple(sink_for(output) for output in outputs)
    for sink, output in zip(sinks, outputs, strict=True):
        with _blame(output):
            sink.open(None)
    return sinks


@contextmanager
def _blame(what: str) -> Iterator[None]:
    """Tell the operator's mistakes from the disk's."""
    try:
        yield
    except OSError as error:
        raise _error(what, error) from error
    except StorageError as error:
        if isinstance(error.__cause__, OSError):
            raise _error(what, error.__cause__) from error
        raise


def _error(what: str, error: OSError) -> SkitterError:
    kind = JobError if error.errno in _OPERATOR else StorageError
    return kind(f"{what}: {(error.strerror or str(error)).lower()}")


# -- checks, before anything is made ---------------------------------------------------------


def _check_outputs(outputs: Sequence[str], folder: Path | None) -> None:
    if len({os.path.realpath(output) if output != "-" else "-" for output in outputs}) < len(outputs):
        raise ConfigError("-o: the same output is named twice")
    for output in outputs:
        check_output(output, folder)


def check_output(output: str, folder: Path | None = None) -> None:
    """Can this be written? ``folder`` may still have to be made. Raises ConfigError."""
    sink_for(output)
    if output == "-":
        return
    path = Path(output)
    if path.is_dir():
        raise ConfigError(f"-o {output}: is a folder; name a file in it")
    if path.parent == folder and not path.parent.exists():
        return
    if not path.parent.is_dir():
        raise ConfigError(f"-o {output}: the folder {path.parent} does not exist; make it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError(f"-o {output}: may not be written")


def _check_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise JobError(f"--job {path}: is a file; choose another folder")
    if path.is_dir() and not (path / DATABASE).exists():
        strangers = [file for file in path.iterdir() if file.name != LOCK]
        if strangers:
            raise JobError(f"--job {path}: holds other files and no job; choose another folder")
    if not path.exists() and not path.absolute().parent.is_dir():
        raise JobError(f"--job {path}: the folder {path.parent} does not exist; make it first")


def looks_ours(path: Path) -> bool:
    """Is there no file, an empty one, or one that begins with a record?"""
    if not path.exists() or not path.is_file():
        return True
    with path.open("rb") as file:
        start = file.read(len(_OUR_START))
    return start in (b"", _OUR_START)


# -- making and opening ----------------------------------------------------------------------


def _discard(path: Path, outputs: Sequence[str]) -> None:
    """Remove the state and the outputs of the job: only files that skitter made."""
    made = [Path(output) for output in outputs if output != "-"]
    database = path / DATABASE
    if database.exists():
        store = Store(database)
        made += [path / name for name in store.outputs()]
        store.close()
    for output in made:
        if output.is_file() and not looks_ours(output):
            raise JobError(f"--fresh: {output} was not made by skitter; move it away first")
    with _blame(str(path)):
        for file in (*made, *(path / (DATABASE + end) for end in ("", "-wal", "-shm"))):
            if file.is_file():
                file.unlink()


def _open_store(path: Path, config: Config, command: str, outputs: Sequence[str]) -> Store:
    database = path / DATABASE
    is_new = not database.exists()
    if is_new:
        for output in outputs:
            if output != "-" and Path(output).is_file() and Path(output).stat().st_size:
                raise JobError(f"-o {output}: exists and is of no job here; move it away or use --fresh")
    store = Store(database, by_level=config.scope.by_level)
    try:
        settings = _settings(config.scope, config.output.field, command)
        facts = store.facts()
        if "settings" not in facts:
            store.remember({"settings": msgspec.json.encode(settings).decode()})
        else:
            _check_same(msgspec.json.decode(facts["settings"]), settings)
    except BaseException:
        store.close()
        raise
    return store


def _settings(scope: Scope, fields: tuple[str, ...], command: str) -> dict[str, object]:
    """What the stored state depends on: it may not change from run to run."""
    return {
        "command": command,
        "scope": scope.scope,
        "depth": scope.depth,
        "include": list(scope.include),
        "exclude": list(scope.exclude),
        "field": list(fields),
    }


def _check_same(then: dict[str, object], now: dict[str, object]) -> None:
    for name, value in now.items():
        if then.get(name) != value:
            option = "the command" if name == "command" else f"--{name}"
            raise JobError(
                f"{option} was {_said(then.get(name))} when this job began and is {_said(value)} now; "
                "use the former, another --job, or --fresh"
            )


def _said(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "not given"
    return "not given" if value is None else str(value)


def _open_sinks(store: Store, folder: Path, outputs: Sequence[str]) -> tuple[Sink, ...]:
    known = store.outputs()
    sinks = []
    for output in outputs:
        name = output if output == "-" else _name_in_job(folder, output)
        sink = sink_for(output, name)
        length, filled = known.pop(name, (0, False))
        with _blame(output):
            if output == "-":
                sink.open(None)
            elif filled and Path(output).exists():
                sink.open(length)
            else:
                _fill(store, sink)
        sinks.append(sink)
    for name, (length, _) in known.items():  # left out this time: made again when next asked for
        store.keep_output(name, length, filled=False)
    return tuple(sinks)


def _name_in_job(folder: Path, output: str) -> str:
    """Relative within the folder, so that a job can be moved; absolute elsewhere."""
    path, inside = Path(output).resolve(), folder.resolve()
    return str(path.relative_to(inside)) if path.is_relative_to(inside) else str(path)


def _fill(store: Store, sink: Sink) -> None:
    """Make an output from the job's records, in a way that a crash can interrupt."""
    store.keep_output(sink.name, 0, filled=False)
    sink.open(None)
    length, rows = 0, store.rows()
    while chunk := list(islice(rows, _FILL_ROWS)):
        length = sink.write(chunk)
    store.keep_output(sink.name, length, filled=True)


def _remove_if_new(path: Path) -> None:
    """Leave no empty folder behind when nothing came of it."""
    if not (path / DATABASE).exists():
        (path / LOCK).unlink(missing_ok=True)
        if not any(path.iterdir()):
            path.rmdir()
