"""Decoding of Content-Encoding, bounded on its output.

Every stage yields pieces of at most 64 KiB, lazily, so that whoever counts can stop in the middle
of a bomb: neither time nor memory depends on what the bytes would become.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from typing import Protocol

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["MAX_CODINGS", "BodyDecoder", "DamagedBody", "TooManyCodings"]

# B3: no server has a reason for more; curl refuses at five, too.
MAX_CODINGS = 5
_PIECE = 64 * 1024
# The library allots 32 KiB, then 64 KiB and so on until it has reached its limit: one step, then.
_BROTLI_LIMIT = 1
# RFC 9659: a zstd frame of a content coding needs a window of at most 8 MiB (2^23).
_ZSTD_WINDOW = {int(zstd.DecompressionParameter.window_log_max): 23}


class DamagedBody(Exception):
    """The bytes are not what Content-Encoding says."""


class TooManyCodings(Exception):
    """More than MAX_CODINGS codings."""


class _Stage(Protocol):
    def pieces(self, data: bytes) -> Iterator[bytes]: ...

    def complete(self) -> bool: ...


class _Zlib:
    """gzip (RFC 1952, all members) and deflate (RFC 1950, or the raw RFC 1951 of some servers)."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._inflate: zlib._Decompress | None = None  # None between members
        self._head = b""  # too short yet to tell zlib from raw
        self._members = 0
        self._closed = False  # what follows is padding

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inflate is None:
                data = self._begin(data)
            if self._inflate is None:
                return
            piece = self._inflate.decompress(data, _PIECE)
            data = self._inflate.unconsumed_tail
            while not data and len(piece) == _PIECE:  # a match may still be in zlib's own hands
                yield piece
                piece = self._inflate.decompress(b"", _PIECE)
            if self._inflate.eof:
                data, self._inflate = self._inflate.unused_data, None
                self._members += 1
            if piece:
                yield piece

    def _begin(self, data: bytes) -> bytes:
        """Open a member if one begins here; the data to feed to it."""
        if self._members and not (self._gzip and data.startswith(b"\x1f")):
            self._closed = True
        if self._closed:
            return b""
        if self._gzip:
            self._inflate = zlib.decompressobj(31)
            return data
        self._head += data
        if len(self._head) < 2:
            return b""
        data, self._head = self._head, b""
        self._inflate = zlib.decompressobj(15 if _has_zlib_header(data) else -15)
        return data

    def complete(self) -> bool:
        return self._inflate is None and self._members > 0


def _has_zlib_header(data: bytes) -> bool:
    return data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0


class _Brotli:
    """RFC 7932. The library takes bytes after the end of the stream for damage; so do we, always."""

    def __init__(self) -> None:
        self._decoder = brotli.Decompressor()

    def pieces(self, data: bytes) -> Iterator[bytes]:
        if data and self._decoder.is_finished():
            raise DamagedBody("bytes after the end of the brotli stream")
        # It says that it can take more input while it still has output; only an empty answer is the end.
        while not self._decoder.is_finished():
            piece = self._decoder.process(data, output_buffer_limit=_BROTLI_LIMIT)
            data = b""
            if not piece:
                return
            yield piece

    def complete(self) -> bool:
        return bool(self._decoder.is_finished())


class _Zstd:
    """RFC 8878, all frames."""

    def __init__(self) -> None:
        self._decoder = zstd.ZstdDecompressor(options=_ZSTD_WINDOW)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._decoder.eof and data:
                self._decoder = zstd.ZstdDecompressor(options=_ZSTD_WINDOW)
            if not data and (self._decoder.eof or self._decoder.needs_input):
                return
            yield self._decoder.decompress(data, _PIECE)
            data = self._decoder.unused_data if self._decoder.eof else b""

    def complete(self) -> bool:
        return self._decoder.eof


def _stage(coding: str) -> _Stage | None:
    match coding:
        case "gzip" | "x-gzip":
            return _Zlib(gzip=True)
        case "deflate":
            return _Zlib(gzip=False)
        case "br":
            return _Brotli()
        case "zstd":
            return _Zstd()
    return None


class BodyDecoder:
    """Undoes a chain of content codings, the last applied first."""

    def __init__(self, content_encoding: str | None) -> None:
        """Raises TooManyCodings. Names that nobody knows are taken for no coding, as browsers do."""
        names = [name.strip().lower() for name in (content_encoding or "").split(",")]
        names = [name for name in names if name and name != "identity"]
        if len(names) > MAX_CODINGS:
            raise TooManyCodings
        stages = [_stage(name) for name in reversed(names)]
        self._stages = [stage for stage in stages if stage is not None]
        self.unknown = next((n for n, s in zip(reversed(names), stages, strict=True) if s is None), None)

    @property
    def transparent(self) -> bool:
        """Do the bytes pass as they are?"""
        return not self._stages

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decoded pieces, lazily: of at most 64 KiB each where something is decoded. Raises DamagedBody."""
        try:
            yield from _expand(self._stages, data)
        except (zlib.error, brotli.error, zstd.ZstdError) as error:
            raise DamagedBody(str(error)) from None

    def complete(self) -> bool:
        """Has every stage seen its end?"""
        return all(stage.complete() for stage in self._stages)


def _expand(stages: list[_Stage], data: bytes) -> Iterator[bytes]:
    if not stages:
        yield data
        return
    first, *others = stages
    for piece in first.pieces(data):
        if piece:
            yield from _expand(others, piece)
