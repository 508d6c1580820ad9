"""From bytes as they arrive to blocks of decoded bytes, and what their text is encoded in.

No piece is larger than 64 KiB, whatever the bytes become.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

__all__ = ["Blocks", "Gunzip", "codec_of"]

_PIECE = 64 * 1024
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_DECLARED = re.compile(rb"""\s{0,64}<\?xml[^>]{0,99}?\sencoding\s{0,9}=\s{0,9}["']([\w.-]{1,40})["']""").match
# Encodings that occur, as the Encoding Standard understands their names; a server's label must not reach
# the codecs of Python (B14). The others, and the protocol itself, are UTF-8.
_CODECS = {
    "utf-8": "utf-8",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    **{f"iso-8859-{part}": f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
    **{f"windows-125{page}": f"cp125{page}" for page in range(9)},
    "koi8-r": "koi8-r",
    "koi8-u": "koi8-u",
    "shift_jis": "cp932",
    "euc-jp": "euc-jp",
    "euc-kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb18030": "gb18030",
    "big5": "big5hkscs",
}


class Blocks:
    """Cuts what comes in pieces into blocks of one size."""

    __slots__ = ("_rest", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._rest = bytearray()

    def cut(self, data: bytes, *, last: bool) -> Iterator[bytes]:
        """The blocks that are full by now, lazily; with ``last`` also what is left over."""
        start = 0
        if self._rest:
            start = self._size - len(self._rest)
            self._rest += data[:start]
            if len(self._rest) == self._size:
                yield self.rest()
        while start + self._size <= len(data):
            yield data[start : start + self._size]
            start += self._size
        self._rest += data[start:]
        if last and self._rest:
            yield self.rest()

    def rest(self) -> bytes:
        """What is left over: less than a block."""
        rest, self._rest = bytes(self._rest), bytearray()
        return rest


class Gunzip:
    """gzip (RFC 1952, all members) if it begins so; else the bytes as they are."""

    __slots__ = ("_broken", "_gzip", "_inflate", "_members", "_padding")

    def __init__(self) -> None:
        self._gzip: bool | None = None
        self._inflate: zlib._Decompress | None = None  # None between members
        self._members = 0
        self._padding = False  # what follows the last member
        self._broken = False

    def pieces(self, block: bytes) -> Iterator[bytes]:
        """Decoded pieces, lazily: of at most 64 KiB each. Damage is not raised, but ends them. The first
        block needs two bytes at least to be known for what it is."""
        if self._gzip is None:
            self._gzip = block.startswith(b"\x1f\x8b")
        try:
            yield from self._inflated(block) if self._gzip else (block,)
        except zlib.error:
            self._broken = True

    def _inflated(self, block: bytes) -> Iterator[bytes]:
        while block and not self._broken:
            if self._inflate is None:
                self._padding = self._padding or (self._members > 0 and not block.startswith(b"\x1f"))
                if self._padding:
                    return
                self._inflate = zlib.decompressobj(31)
            piece = self._inflate.decompress(block, _PIECE)
            block = self._inflate.unconsumed_tail
            while not block and len(piece) == _PIECE:  # a match may still be in zlib's own hands
                yield piece
                piece = self._inflate.decompress(b"", _PIECE)
            if self._inflate.eof:
                block, self._inflate = self._inflate.unused_data, None
                self._members += 1
            if piece:
                yield piece

    def damage(self, *, last: bool) -> str | None:
        """What is wrong with the bytes so far; ``last`` says that there are no more."""
        if self._broken:
            return "damaged gzip data"
        return "the gzip data end too early" if last and self._inflate is not None else None


def codec_of(head: bytes, charset: str | None) -> str:
    """The codec for a file that begins so: byte-order mark, header, XML declaration (RFC 7303, 3)."""
    for mark, codec in _MARKS:
        if head.startswith(mark):
            return codec
    declared = _DECLARED(head)
    labels = ((charset or "").lower(), declared[1].decode("ascii").lower() if declared else "")
    return next((_CODECS[label] for label in labels if label in _CODECS), "utf-8")
