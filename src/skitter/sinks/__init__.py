"""Where records go: one file a format. The ending of a path says which."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import msgspec

from skitter.errors import ConfigError
from skitter.model import Row
from skitter.ports import Sink
from skitter.sinks.appended_sink import AppendedSink
from skitter.sinks.arrow import ItemShape, RecordShape
from skitter.sinks.columns import Column, record_columns
from skitter.sinks.csv import CsvItems, CsvRecords
from skitter.sinks.jsonl import JsonLines
from skitter.sinks.line import item_lines, line_of
from skitter.sinks.ours import looks_ours
from skitter.sinks.parquet import PARQUET_ROWS, ParquetSink, part_of, refuse_part
from skitter.sinks.remote import STORES, RemoteSink, is_remote, remote_exists, remove_remote
from skitter.sinks.sqlite import SqliteSink
from skitter.sinks.stdout import StdoutSink
from skitter.sinks.tables import ItemTable, RecordTable
from skitter.sinks.warc import WarcSink

__all__ = ["ENDINGS", "SPOOL", "Form", "StdoutSink", "is_remote", "looks_ours", "parts_beside",
           "refuse_parts", "remote_exists", "remove_remote", "sink_for"]  # fmt: skip

# The folder of a job's where it keeps what is not whole before a run ends.
SPOOL = ".spool"


class Form(msgspec.Struct, frozen=True):
    """What an output holds and how it is kept, whatever its format."""

    items: bool = False  # what handlers make, not records
    fields: tuple[str, ...] = ()  # the extra ones of the records (``--field``)
    private: bool = False  # it lies in the job's own folder; the user's other files are as he makes files
    spool: Path | None = None  # where a job keeps what is not whole yet; without a job: beside the output
    about: Mapping[str, str] = {}  # what an archive says of the crawl
    columns: tuple[str, ...] = ()  # of a record only these, in this order: a row has them as its item

    @property
    def lines(self) -> Callable[[Row], bytes]:
        """What makes JSON of a row."""
        return item_lines if self.items or self.columns else line_of

    @property
    def record(self) -> Sequence[Column]:
        """The columns of a record."""
        if not self.columns:
            return record_columns(self.fields)
        # Those of every record come first there, and count.
        known = {column.name: column for column in reversed(record_columns(self.columns))}
        return [known[name] for name in dict.fromkeys(self.columns)]


def sink_for(path: str, name: str | None = None, form: Form | None = None) -> Sink:
    """The sink for records, or for items; ``-`` is JSONL on standard output. Nothing is made before it is
    opened. Raises ConfigError for an unknown ending, or one that needs an extra.

    ``name`` is what the job knows the output by, if not by its path.
    """
    form = form or Form()
    if path == "-":
        return StdoutSink(form.lines, name)
    make = next((make for ending, make in _MAKERS.items() if path.endswith(ending)), None)
    if make is None:
        known = ", ".join(ENDINGS)
        raise ConfigError(f"-o {path!r}: the ending says the format; known are {known} (and - for stdout)")
    if is_remote(path):
        return _remote(path, name, form, make)
    return make(path, name, form)


def _json_lines(path: str, name: str | None, form: Form) -> Sink:
    return AppendedSink(path, name, JsonLines(form.lines), private=form.private)


def _csv(path: str, name: str | None, form: Form) -> Sink:
    encoder = CsvItems() if form.items else CsvRecords(form.record)
    return AppendedSink(path, name, encoder, private=form.private)


def _sqlite(path: str, name: str | None, form: Form) -> Sink:
    table = ItemTable() if form.items else RecordTable(form.record)
    return SqliteSink(path, name, table, private=form.private)


def _parquet(path: str, name: str | None, form: Form) -> Sink:
    _need("pyarrow", "parquet", path)
    return ParquetSink(
        path,
        name,
        form.lines,
        ItemShape() if form.items else RecordShape(form.record),
        kind="items" if form.items else "records",
        rows=_in_spool(form, name or path, path) + PARQUET_ROWS if form.spool else None,
        private=form.private,
    )


def _warc(path: str, name: str | None, form: Form) -> Sink:
    if form.items:
        raise ConfigError(f"{path}: items are no web pages; a name in .jsonl holds them")
    return WarcSink(path, name, form.about, private=form.private)


_Maker = Callable[[str, str | None, Form], Sink]
_MAKERS: dict[str, _Maker] = {
    ".jsonl": _json_lines,
    ".jsonl.gz": _json_lines,
    ".jsonl.zst": _json_lines,
    ".csv": _csv,
    ".csv.gz": _csv,
    ".csv.zst": _csv,
    ".sqlite": _sqlite,
    ".parquet": _parquet,
    ".warc": _warc,
    ".warc.gz": _warc,
}
ENDINGS = tuple(_MAKERS)


def _remote(path: str, name: str | None, form: Form, make: _Maker) -> Sink:
    scheme = path.partition("://")[0]
    if scheme not in STORES:
        known = ", ".join(f"{scheme}://" for scheme in STORES)
        raise ConfigError(f"-o {path!r}: no such store is known; known are {known}")
    _need(*STORES[scheme], path)
    private = msgspec.structs.replace(form, private=form.spool is not None)
    folder = Path(_in_spool(form, name or path, path)) if form.spool else None
    return RemoteSink(path, name, partial(_local, make, name or path, private), folder)


def _local(make: _Maker, name: str, form: Form, path: str) -> Sink:
    """The sink of the file here that is sent."""
    return make(path, name, form)


def _in_spool(form: Form, name: str, path: str) -> str:
    """A place of its own for each output, by the name that the job knows it by."""
    assert form.spool is not None
    return str(form.spool / f"{sha256(name.encode()).hexdigest()[:8]}-{path.rpartition('/')[2]}")


def _need(module: str, extra: str, path: str) -> None:
    if find_spec(module) is None:
        raise ConfigError(
            f"-o {path}: needs {module}, which is not installed: pip install 'skitter[{extra}]'"
        )


def refuse_parts(path: str) -> None:
    """Raises JobError if something that is not ours is in the way of what is made beside an output."""
    if path.endswith(".parquet") and not is_remote(path):
        refuse_part(path)


def parts_beside(path: str) -> Sequence[Path]:
    """What an output of that path may have left beside itself: a log of a database, half of a file, the rows
    that one was to be made of."""
    if path.endswith(".sqlite"):
        return [Path(path + ending) for ending in ("-wal", "-shm", "-journal")]
    return [Path(part_of(path)), Path(path + PARQUET_ROWS)] if path.endswith(".parquet") else []
