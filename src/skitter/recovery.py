"""The outputs of a job, brought to what the job has committed, before anything is requested.

Each is cut back to its newest mark. One that lost its end (a power cut, or somebody's hand) is cut to the
newest mark that it still has; what it lacks is written again from the records, or, where records do not
hold what was in it (items, large fields), those pages are pending again. Every step can be repeated after
a crash inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from skitter.config import ARCHIVES
from skitter.errors import JobError
from skitter.failpoint import reached
from skitter.frontier import Ledger
from skitter.model import Held, Mark
from skitter.outputs import ITEMS, blame, closed_on_error, is_inside, name_in_job, path_of
from skitter.ports import Sink
from skitter.sinks import SPOOL, Form, sink_for

__all__ = ["is_whole", "job_sinks"]

_ROWS_AT_ONCE = 1000
_LONGEST_LINE = 1024 * 1024
Note = Callable[[str], None]


class _Output(msgspec.Struct):
    """One output of this run, and what is there of it."""

    path: str
    name: str  # what the job knows it by
    sink: Sink
    is_items: bool
    lacks: str  # what there is in it that records do not hold, in words
    exact: bool  # it holds what the database does not: it cannot be written again from there
    known: Mark | None = None  # what was committed; None: this job never wrote it
    found: Mark | None = None  # what is there of it


def job_sinks(
    ledger: Ledger,
    folder: Path,
    outputs: Sequence[str],
    items: Sequence[str],
    note: Note,
    *,
    fields: tuple[str, ...] = (),
    about: Mapping[str, str] | None = None,
) -> tuple[Sink, ...]:
    """Open the outputs of a job as it left them, and filled with what they lack.

    ``fields`` are large ones that records are written with, and that the database does not keep. ``about``
    is what an archive says of the crawl. ``note`` is told what the operator should know. Raises JobError for
    a file that is not ours, which is left alone, and StorageError.
    """
    every = [_output(folder, path, fields, about or {}, is_items=False) for path in outputs]
    every += [_output(folder, path, fields, {}, is_items=True) for path in items]
    files = [output for output in every if output.path != "-"]
    for output in files:
        with blame(output.path):
            _look(ledger, output)
    _give_back(ledger, files, note)
    _begin(ledger, [output for output in files if output.known is None], note)
    sinks = [output.sink for output in every]
    with closed_on_error(sinks):
        for output in every:
            with blame(output.path):
                _open(ledger, output, note)
    return tuple(sinks)


def _output(
    folder: Path, path: str, fields: tuple[str, ...], about: Mapping[str, str], *, is_items: bool
) -> _Output:
    name = (ITEMS if is_items else "") + name_in_job(folder, path)
    form = Form(is_items, fields, is_inside(folder, path), folder / SPOOL, about)
    lacks = "the large fields" if fields else ""
    if path.endswith(ARCHIVES):
        lacks = "requests and answers"
    return _Output(path, name, sink_for(path, name, form), is_items, lacks, is_items or lacks != "")


# -- what is there ---------------------------------------------------------------------------


def is_whole(ledger: Ledger, folder: Path, name: str) -> bool:
    """Is the output that the job knows as ``name`` there, as it was left or without its end?"""
    form = Form(items=name.startswith(ITEMS), spool=folder / SPOOL)
    sink = sink_for(path_of(folder, name), name, form)
    mark = next(ledger.marks(name), Mark(0))
    return sink.held(mark, ledger.head(name)) in (Held.WHOLE, Held.SHORT)


def _look(ledger: Ledger, output: _Output) -> None:
    """Find the newest mark that the file still has."""
    head = ledger.head(output.name)
    for mark in ledger.marks(output.name):
        output.known = output.known or mark
        match output.sink.held(mark, head):
            case Held.WHOLE:
                if mark.length and not mark.size and not _ends_as_ours(ledger, output, mark):
                    raise JobError(_not_ours(output))
                output.found = mark
                return
            case Held.OTHER:
                raise JobError(_not_ours(output))
            case Held.GONE:
                _gone(output)
                return
    if output.known is not None:
        output.found = Mark(0)


def _ends_as_ours(ledger: Ledger, output: _Output, mark: Mark) -> bool:
    """A job of the first format knows its outputs by the URL of their last record alone."""
    if not Path(output.path).is_file():
        return True
    with Path(output.path).open("rb") as file:
        file.seek(max(0, mark.length - _LONGEST_LINE))
        tail = file.read(min(mark.length, _LONGEST_LINE))
    last = tail[:-1].rpartition(b"\n")[2]
    if output.is_items or len(last) == len(tail) - 1 < mark.length - 1:  # a line that is longer than that
        return tail.endswith(b"\n")
    (row,) = ledger.rows(mark.upto - 1, 1)
    return tail.endswith(b"\n") and last.startswith(b'{"url":' + msgspec.json.encode(row.record.url))


def _gone(output: _Output) -> None:
    """A file that was taken away is made again, if it can be."""
    assert output.known is not None
    if output.is_items and output.known.length:
        raise JobError(f"{output.path}, the file of items of this job, is gone; put it back, or --fresh")
    output.found = output.known if output.is_items else Mark(0)
    output.exact = output.is_items


def _not_ours(output: _Output) -> str:
    if output.is_items:
        return f"{output.path} is not the file of items that this job wrote; put it back, or --fresh"
    return f"{output.path} is not the file that this job wrote; choose another -o"


# -- what is lost ----------------------------------------------------------------------------


def _give_back(ledger: Ledger, outputs: Sequence[_Output], note: Note) -> None:
    """Make the pages pending again whose part of an output is lost and cannot be made from records."""
    exact = [output for output in outputs if output.exact and output.found is not None]
    damaged = [output for output in exact if output.found != output.known]
    if not damaged:
        return
    shortest = min(damaged, key=_records_found)
    after = _common(ledger, shortest, exact)
    number = ledger.give_back(after)
    reached("inside-recovery")
    for output in exact:
        output.found = next(ledger.marks(output.name), None)
    note(f"{shortest.path}: its end is lost; {number:,} pages that were in it are visited again")


def _common(ledger: Ledger, shortest: _Output, exact: Sequence[_Output]) -> int:
    """The most records that all of these have a mark at."""
    for mark in ledger.marks(shortest.name):
        if mark.upto > _records_found(shortest):
            continue
        if all(
            ledger.mark_at(output.name, mark.upto) is not None or _records_known(output) < mark.upto
            for output in exact
        ):
            return mark.upto
    return 0


def _records_found(output: _Output) -> int:
    return output.found.upto if output.found else 0


def _records_known(output: _Output) -> int:
    return output.known.upto if output.known else 0


# -- opening ---------------------------------------------------------------------------------


def _open(ledger: Ledger, output: _Output, note: Note) -> None:
    if output.path == "-":
        output.sink.open(None)
    else:
        _go_on(ledger, output, note)


def _begin(ledger: Ledger, outputs: Sequence[_Output], note: Note) -> None:
    """Outputs that the job never wrote."""
    ended = ledger.ended()
    for output in outputs:
        output.known = output.found = Mark(ended if output.is_items else 0)
        ledger.keep(output.name, output.known)
        if output.is_items and ended:
            note(_without_items(output, ended))
        reached("inside-recovery")


def _go_on(ledger: Ledger, output: _Output, note: Note) -> None:
    """Cut an output to the newest mark that it has and that still counts; then it gets what it lacks."""
    most = _records_found(output)
    mark = next((mark for mark in ledger.marks(output.name) if mark.upto <= most), Mark(0))
    if mark != output.known:
        ledger.keep(output.name, mark)
        reached("inside-recovery")
    output.sink.open(mark.length, partial(ledger.begin, output.name))
    reached("inside-recovery")
    lacks = ledger.ended() - mark.upto
    if not output.is_items:
        _fill(ledger, output, mark.upto, note)
    elif lacks:
        ledger.keep(output.name, msgspec.structs.replace(mark, upto=ledger.ended()))
        note(_without_items(output, lacks))


def _fill(ledger: Ledger, output: _Output, held: int, note: Note) -> None:
    """Append the records that the output lacks."""
    if output.lacks and ledger.ended() > held:
        note(f"{output.path}: without {output.lacks} of {ledger.ended() - held:,} pages visited before")
    while chunk := ledger.rows(held, _ROWS_AT_ONCE):
        held += len(chunk)
        written = output.sink.write(chunk)
        assert written is not None, "only what standard output took cannot be cut off"
        reached("inside-recovery")
        ledger.keep(output.name, msgspec.structs.replace(written, upto=held))


def _without_items(output: _Output, pages: int) -> str:
    return f"{output.path}: without the items of {pages:,} pages visited before"
