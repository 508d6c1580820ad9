"""The outputs of a run, checked before anything is made; those of a run without a job, opened."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from skitter.errors import ConfigError, JobError, SkitterError, StorageError
from skitter.lock import hold
from skitter.ports import Sink
from skitter.sinks import Form, is_remote, looks_ours, remote_exists, sink_for

__all__ = [
    "ITEMS",
    "blame",
    "check_outputs",
    "closed_on_error",
    "is_file_here",
    "is_inside",
    "name_in_job",
    "path_of",
    "plain_sinks",
    "refuse_busy",
    "refuse_strangers",
]

# What the job puts before the name of an output that holds items: it cannot be filled from records.
ITEMS = "items:"
# The operator's to mend; any other error is the disk's.
_OPERATOR = frozenset({errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR,
                       errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.EEXIST})  # fmt: skip


@contextmanager
def blame(what: str) -> Iterator[None]:
    """Tell the operator's mistakes (JobError) from the disk's (StorageError)."""
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


def check_outputs(outputs: Sequence[str], folder: Path | None) -> None:
    """Can these be written? ``folder`` may still have to be made. Raises ConfigError."""
    places = {os.path.realpath(output) if is_file_here(output) else output for output in outputs}
    if len(places) < len(outputs):
        raise ConfigError("-o: the same output is named twice")
    for output in outputs:
        _check_output(output, folder)


def _check_output(output: str, folder: Path | None) -> None:
    sink_for(output)
    if not is_file_here(output):
        return
    path = Path(output).absolute()
    if path.is_dir():
        raise ConfigError(f"-o {output}: is a folder; name a file in it")
    if folder is not None and path.parent == folder.absolute() and not path.parent.exists():
        return
    if not path.parent.is_dir():
        raise ConfigError(f"-o {output}: the folder {path.parent} does not exist; make it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError(f"-o {output}: may not be written")


def is_file_here(output: str) -> bool:
    """Is it a path of this machine's: neither standard output nor in an object store?"""
    return output != "-" and not is_remote(output)


def refuse_busy(path: Path) -> None:
    """Raises JobError if another process writes to the file."""
    with path.open("rb") as file:
        hold(file.fileno(), str(path))


def plain_sinks(
    outputs: Sequence[str],
    items: Sequence[str] = (),
    fields: tuple[str, ...] = (),
    about: Mapping[str, str] | None = None,
) -> tuple[Sink, ...]:
    """Outputs of a run that has no job: files of ours are written anew, others are left alone. ``fields`` are
    the extra ones of records; ``about`` is what an archive says of the crawl."""
    check_outputs((*outputs, *items), None)
    for output in outputs:
        if is_file_here(output) and not looks_ours(Path(output)):
            raise JobError(f"-o {output}: exists, and skitter did not make it; choose another name")
    for output in items:  # an item can be anything: whose file it is cannot be told
        if is_file_here(output) and Path(output).is_file() and Path(output).stat().st_size:
            raise JobError(f"{output}: exists; move it away, or give a job to go on with it")
    for output in (*outputs, *items):  # what lies in a store is not read: whose it is cannot be told either
        if is_remote(output) and remote_exists(output):
            raise JobError(f"-o {output}: exists; remove it, or give a job to go on with it")
    records, made = Form(fields=fields, about=about or {}), Form(items=True)
    sinks = [sink_for(output, form=records) for output in outputs]
    sinks += [sink_for(output, form=made) for output in items]
    with closed_on_error(sinks):
        for sink, output in zip(sinks, (*outputs, *items), strict=True):
            with blame(output):
                sink.open(None)
    return tuple(sinks)


@contextmanager
def closed_on_error(sinks: Sequence[Sink]) -> Iterator[None]:
    """What was opened before one that could not be must not stay locked."""
    try:
        yield
    except BaseException:
        for sink in sinks:
            sink.close()
        raise


def refuse_strangers(
    outputs: Sequence[str], items: Sequence[str], known: Sequence[str], folder: Path, *, fresh: bool = False
) -> None:
    """Raises JobError for a file with something in it that the job does not know as what it is to be;
    ``fresh``: the job is to begin anew."""
    for output in (*outputs, *items):
        kind = ITEMS if output in items else ""
        if output == "-" or kind + name_in_job(folder, output) in known:
            continue
        path = Path(output)
        if remote_exists(output) if is_remote(output) else path.is_file() and path.stat().st_size:
            may_be_lost = not (fresh or kind or is_remote(output))
            advice = "move it away, or --fresh to lose it" if may_be_lost else "move it away"
            raise JobError(f"-o {output}: exists and is not of this job; {advice}")


def is_inside(folder: Path, output: str) -> bool:
    """Does this output lie in the job's own folder? Then it is closed to others, as records may hold what the
    user's credentials opened; elsewhere it is like all that he makes. A link lies where it is, not where it
    leads."""
    return is_file_here(output) and Path(output).parent.resolve().is_relative_to(folder.resolve())


def name_in_job(folder: Path, output: str) -> str:
    """What the job knows an output by: relative within its folder, so that it can be moved; else absolute.
    What is in no folder is known by the name that it has."""
    if not is_file_here(output):
        return output
    path, inside = Path(output).resolve(), folder.resolve()
    return str(path.relative_to(inside)) if path.is_relative_to(inside) else str(path)


def path_of(folder: Path, name: str) -> str:
    """Where the output lies that the job knows as ``name``."""
    path = name.removeprefix(ITEMS)
    return path if is_remote(path) else str(folder / path)
