"""WARC 1.1 in a file, plain or compressed: what went over the wire, and how each URL ended (ISO 28500)."""

from __future__ import annotations

import gzip
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from struct import pack
from typing import Any
from uuid import uuid4

from skitter.errors import ConfigError
from skitter.escape import printable
from skitter.exchange import Exchange
from skitter.model import Held, Mark, Record, Row
from skitter.sinks.appended import AppendedFile
from skitter.version import VERSION

__all__ = ["WarcSink", "archive_is_ours"]

_SOFTWARE = f"skitter/{VERSION}"
_FIELDS = "application/warc-fields"
_SAME_PAYLOAD = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
_STANDARD = "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/"
# zlib's own default. warcio's 9 takes half as long again for a page that came plain, and saves 0.1 %.
_LEVEL = 6
# Payloads that are known again: some 6 MB.
_REMEMBERED = 20_000
# Heritrix cuts a way from the seed there, and says how much it has left out.
_LONGEST_WAY = 50
_HEAD = 4096

_END = b"\r\n\r\n"  # of a record
# RFC 1952, 2.3: deflate, no name, no time, whatever system.
_GZIP = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"

Fields = list[tuple[str, str]]


class WarcSink:
    """One file. The records of a URL are committed together, each a member of the gzip file of its own where
    the name ends in ``.gz``."""

    def __init__(
        self,
        path: str,
        name: str | None = None,
        about: Mapping[str, str] | None = None,
        *,
        private: bool = False,
    ) -> None:
        """``name`` is what the job knows the output by, if not by its path; ``about`` goes into the file's
        first record; ``private`` is for files of the job's own folder. Raises ConfigError if warcio is
        missing."""
        self.name = name or path
        self._about = about or {}
        self._writer = _Writer(path, compressed=path.endswith(".gz"))
        self._file = AppendedFile(path, private=private)
        self._is_empty = True
        self._seen: OrderedDict[bytes, tuple[str, str]] = OrderedDict()  # URL and date by payload

    def held(self, mark: Mark, head: bytes) -> Held:
        """Is what ``mark`` stands for there? Raises StorageError."""
        return self._file.held(mark, head)

    def open(self, offset: int | None, began: Callable[[bytes], None] | None = None) -> None:
        """Make the file (``offset`` None), or cut it to ``offset`` bytes and go on. ``began`` is told how the
        file begins, before its first byte is written.

        Raises JobError if another process writes it, StorageError.
        """
        self._file.open(offset, began)
        self._is_empty = not offset

    def write(self, rows: Sequence[Row]) -> Mark:
        """Append; what the file holds now. Raises StorageError."""
        parts = [part for row in rows for part in self._records(row)]
        if parts and self._is_empty:
            parts.insert(0, self._writer.info(self._about))
            self._is_empty = False
        return self._file.append(b"".join(parts))

    def sync(self) -> None:
        """Wait until the disk has it all. Raises StorageError."""
        self._file.sync()

    def finish(self) -> None:
        """It is whole after every commit."""

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def _records(self, row: Row) -> list[bytes]:
        """What is written for a URL. One without an answer has but its end: so each has that once."""
        record, exchange = row.record, row.exchange
        write, fields = self._writer.record, _of(record)
        if exchange is None:
            return [write("metadata", fields, _FIELDS, _metadata(row))]
        where = [("WARC-IP-Address", exchange.address)] if exchange.address else []
        name = _new_name()
        beside = [*fields, ("WARC-Concurrent-To", name)]
        return [
            self._response(record, exchange, [*fields, *where], name),
            write("request", [*beside, *where], _http("request"), exchange.request),
            write("metadata", beside, _FIELDS, _metadata(row)),
        ]

    def _response(self, record: Record, exchange: Exchange, fields: Fields, name: str) -> bytes:
        """The answer, or that it was the same as one before."""
        if exchange.cut:
            fields = [*fields, ("WARC-Truncated", exchange.cut)]
        digest = sha256(exchange.body).digest()
        before = self._seen.get(digest)
        if before is not None and not exchange.cut:
            self._seen.move_to_end(digest)
            same = ("WARC-Refers-To-Target-URI", before[0]), ("WARC-Refers-To-Date", before[1])
            return self._writer.record(
                "revisit", [*fields, ("WARC-Profile", _SAME_PAYLOAD), *same],
                _http("response"), exchange.head, digest=digest, name=name,
            )  # fmt: skip
        if exchange.body and not exchange.cut:
            self._seen[digest] = record.url, record.fetched_at
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
        block = exchange.head + exchange.body
        packed = len(exchange.body) if b"\r\ncontent-encoding:" in exchange.head.lower() else 0
        return self._writer.record(
            "response", fields, _http("response"), block, digest=digest, name=name, packed=packed
        )


class _Writer:
    """Makes records of it with warcio, which is imported only where there is an archive."""

    def __init__(self, path: str, *, compressed: bool) -> None:
        """Raises ConfigError if there is no warcio."""
        self._path = path
        self._compressed = compressed
        try:
            from warcio.recordloader import ArcWarcRecord
            from warcio.statusandheaders import StatusAndHeaders
            from warcio.warcwriter import WARCWriter
        except ImportError:
            raise ConfigError(
                f"-o {path}: needs warcio, which is not installed: pip install 'skitter[warc]'"
            ) from None
        self._kind: Any = ArcWarcRecord
        self._fields: Any = StatusAndHeaders
        self._file: Any = WARCWriter

    def record(
        self,
        kind: str,
        fields: Fields,
        content_type: str,
        block: bytes,
        *,
        digest: bytes | None = None,
        name: str | None = None,
        packed: int = 0,
    ) -> bytes:
        """One record. ``digest`` is the SHA-256 of its payload, where it has one; so many bytes at the end of
        the block are ``packed`` already."""
        every = [
            ("WARC-Type", kind),
            ("WARC-Record-ID", name or _new_name()),
            *fields,
            ("WARC-Block-Digest", f"sha256:{sha256(block).hexdigest()}"),
        ]
        if digest is not None:
            every.append(("WARC-Payload-Digest", f"sha256:{digest.hex()}"))
        head = self._fields("", every, protocol="WARC/1.1")
        # To warcio all are of a kind that it writes as they are: of the HTTP heads that it knows of, it
        # escapes what is not ASCII.
        record = self._kind("warc", "warcinfo", head, BytesIO(block), None, content_type, len(block))
        out = BytesIO()
        self._file(out, gzip=False, warc_version="1.1").write_record(record)
        data = out.getvalue()
        return _member(data, packed and packed + len(_END)) if self._compressed else data

    def info(self, about: Mapping[str, str]) -> bytes:
        """What is known of the file, for its beginning."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        fields = [("WARC-Date", now), ("WARC-Filename", printable(Path(self._path).name))]
        said = [("software", _SOFTWARE), ("format", "WARC File Format 1.1"), ("conformsTo", _STANDARD)]
        return self.record("warcinfo", fields, _FIELDS, _lines([*said, *about.items()]))


def _member(data: bytes, packed: int) -> bytes:
    """A member of a gzip file. The last ``packed`` bytes are stored as they are: what is compressed already
    becomes no smaller, and to try it would take 0.5 ms for 36 KB."""
    if not packed:
        return gzip.compress(data, _LEVEL, mtime=0)
    start = len(data) - packed
    head = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    rest = zlib.compressobj(0, zlib.DEFLATED, -zlib.MAX_WBITS)
    deflated = (
        head.compress(data[:start]),
        head.flush(zlib.Z_FULL_FLUSH),
        rest.compress(data[start:]),
        rest.flush(),
    )
    return b"".join((_GZIP, *deflated, pack("<LL", zlib.crc32(data), len(data) & 0xFFFFFFFF)))


def archive_is_ours(path: Path) -> bool:
    """Is a file empty, or does it begin as ours do? Raises OSError."""
    with path.open("rb") as plain, gzip.open(plain) if path.suffix == ".gz" else plain as file:
        try:
            head = file.read(_HEAD)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return False
    return not head or (head.startswith(b"WARC/1.1\r\n") and b"\r\n\r\nsoftware: skitter/" in head)


def _of(record: Record) -> Fields:
    return [("WARC-Target-URI", record.url), ("WARC-Date", record.fetched_at)]


def _http(kind: str) -> str:
    return f"application/http; msgtype={kind}"


def _new_name() -> str:
    return f"<urn:uuid:{uuid4()}>"


def _metadata(row: Row) -> bytes:
    """How the URL was met and how it ended, in the words of the standard (annex C) and of Heritrix."""
    record = row.record
    hops = record.redirected_from
    return _lines(
        [
            ("via", hops[-1] if hops else record.referrer),
            ("hopsFromSeed", _way("L" * record.depth + "R" * len(hops))),
            ("fetchTimeMs", str(round(record.elapsed * 1000)) if row.exchange else None),
            ("reason", record.reason),
            ("error", record.error),
            *[("outlink", f"{url} L =NAVLINK_MISC") for url in row.outlinks],
        ]
    )


def _way(hops: str) -> str:
    left_out = len(hops) - _LONGEST_WAY
    return f"{left_out}+{hops[left_out:]}" if left_out > 0 else hops


def _lines(fields: Sequence[tuple[str, str | None]]) -> bytes:
    """One line a field: what strangers wrote makes no line of its own (F5)."""
    return "".join([f"{name}: {printable(value)}\r\n" for name, value in fields if value]).encode()
