"""Is what lies where an output is to be of our making, so that it may be written anew?"""

from __future__ import annotations

import csv
import gzip
import sys
import zlib
from pathlib import Path

import msgspec

from skitter.model import Record
from skitter.sinks import parquet, sqlite
from skitter.sinks.appended_sink import unpacked
from skitter.sinks.csv import begins_with_records
from skitter.sinks.tables import RECORDS_KIND
from skitter.sinks.warc import archive_is_ours

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["looks_ours"]

_OBJECT = msgspec.json.Decoder(dict[str, object])
_FIELDS = frozenset(Record.__struct_fields__)
# What reading a stranger's file as one of ours raises. ValidationError is a DecodeError.
_UNLIKE = (
    msgspec.DecodeError,
    EOFError,
    gzip.BadGzipFile,
    zlib.error,
    zstd.ZstdError,
    UnicodeError,
    csv.Error,
)


def looks_ours(path: Path) -> bool:
    """Is there no file, an empty one, or one that holds records as we write them? Raises OSError."""
    if not path.exists() or not path.is_file() or not path.stat().st_size:
        return True
    ending = path.name.removesuffix(".gz").removesuffix(".zst").rpartition(".")[2]
    try:
        match ending:
            case "sqlite":
                with path.open("rb") as file:
                    return sqlite.is_of_kind(file.read(100), RECORDS_KIND)
            case "parquet":
                return parquet.is_of_kind(path, "records")
            case "warc":
                return archive_is_ours(path)
            case "csv":
                with unpacked(str(path)) as file:
                    return begins_with_records(file)
        with unpacked(str(path)) as file:
            line = file.readline()
        return not line or set(_OBJECT.decode(line)) >= _FIELDS
    except _UNLIKE:
        return False
