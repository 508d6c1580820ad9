"""From a job to files: a snapshot of its records, written in pieces, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

import msgspec

from skitter.config import ARCHIVES
from skitter.disk import sync_folder
from skitter.errors import ConfigError, JobError
from skitter.export.fields import check_fields, rows_of
from skitter.export.selection import select
from skitter.frontier.snapshot import snapshot
from skitter.model import Row
from skitter.outputs import ITEMS, blame, check_outputs, closed_on_error, is_inside, name_in_job
from skitter.ports import Sink
from skitter.sinks import Form, is_remote, parts_beside, remote_exists, sink_for

__all__ = ["export"]

_ROWS_AT_ONCE = 1000


class _Target(msgspec.Struct, frozen=True):
    """An output, and the file that is written until it is whole: the same one for a pipe."""

    path: str
    part: str


def export(
    database: Path,
    outputs: Sequence[str],
    *,
    where: str | None = None,
    fields: Sequence[str] = (),
    force: bool = False,
) -> int:
    """Write the job's records, as they are at this moment, to each of ``outputs``; how many there are.

    ``where`` is an SQL expression over the record's fields; of ``fields`` nothing else is written, in this
    order. A file comes into being whole, or not at all; one that exists is overwritten only with ``force``.
    Raises ConfigError, JobError, StorageError, and BrokenPipeError when the reader of stdout has gone.
    """
    check_fields(fields)
    check_outputs(outputs, None)
    for output in outputs:
        if fields and output.endswith(ARCHIVES):
            raise ConfigError(f"-o {output}: an archive has whole records; leave out --field")
    folder = database.parent
    with snapshot(database) as db:
        known = {path.removeprefix(ITEMS) for (path,) in db.execute("SELECT path FROM output")}
        targets = [_target(folder, output, known, force=force) for output in outputs]
        with closing(select(db, where)) as selected, closing(rows_of(db, folder, selected, fields)) as rows:
            first = list(islice(rows, _ROWS_AT_ONCE))  # what is wrong with the expression shows before a file
            try:
                return _write(targets, folder, first, rows, columns=tuple(fields))
            finally:
                for target in targets:
                    _tidy(target)


def _tidy(target: _Target) -> None:
    """Of what came to nothing, nothing is left."""
    if target.part != target.path:
        for file in (Path(target.part), *parts_beside(target.part)):
            with suppress(OSError):
                file.unlink()


def _target(folder: Path, output: str, known: set[str], *, force: bool) -> _Target:
    path = Path(output)
    if is_remote(output) and not force and remote_exists(output):
        raise ConfigError(f"-o {output}: exists; choose another name, or --force to overwrite it")
    if output == "-" or is_remote(output) or (path.exists() and not path.is_file()):
        return _Target(output, output)  # a pipe, say
    if name_in_job(folder, output) in known:
        raise JobError(f"-o {output}: the job itself writes it; choose another name")
    if path.exists() and not force:
        raise ConfigError(f"-o {output}: exists; choose another name, or --force to overwrite it")
    return _Target(output, str(path.with_name(f".part-{os.getpid()}-{path.name}")))


def _write(
    targets: Sequence[_Target],
    folder: Path,
    first: list[Row],
    rows: Iterator[Row],
    *,
    columns: tuple[str, ...],
) -> int:
    sinks = [sink_for(target.part, form=_form(folder, target, columns)) for target in targets]
    number = 0
    with closed_on_error(sinks):
        for target, sink in zip(targets, sinks, strict=True):
            with blame(f"-o {target.path}"):
                sink.open(None)
        while first:
            for sink in sinks:
                sink.write(first)
            number += len(first)
            first = list(islice(rows, _ROWS_AT_ONCE))
        for target, sink in zip(targets, sinks, strict=True):
            _finish(target, sink)
    return number


def _form(folder: Path, target: _Target, columns: tuple[str, ...]) -> Form:
    return Form(columns=columns, private=target.part != "-" and is_inside(folder, target.part))


def _finish(target: _Target, sink: Sink) -> None:
    """All is written: the file gets its name."""
    sink.sync()
    sink.finish()
    sink.close()
    if target.part != target.path and not Path(target.part).exists():
        raise ConfigError(
            f"-o {target.path}: no record is chosen, and without one nothing is known of columns"
        )
    if target.part != target.path:
        with blame(f"-o {target.path}"):
            Path(target.part).replace(target.path)
            sync_folder(Path(target.path).absolute().parent)
