"""Sitemaps, read while they arrive: bytes in, entries out.

The formats are those of https://www.sitemaps.org/protocol.html: the XML of sitemaps and of their
indexes, RSS, Atom and plain text, each gzipped or not. What the bytes are is decided by the bytes.

Nothing grows with the file, and nothing depends on how it came in pieces: it is cut into blocks of
one size before anything looks at it. DOCTYPE is refused as soon as it is declared (X1): no entity is
ever defined, expanded or opened.
"""

from __future__ import annotations

import codecs
import re
from xml.parsers import expat

import msgspec

from skitter.content.blocks import Blocks, Gunzip, codec_of
from skitter.content.mime import media_type
from skitter.rules.url import MAX_URL

__all__ = ["MAX_BYTES", "MAX_URLS", "Listed", "SitemapError", "SitemapReader"]

# The protocol: "no more than 50,000 URLs and no larger than 50 MB (52,428,800 bytes)" uncompressed.
MAX_BYTES = 52_428_800
MAX_URLS = 50_000

# Sizes of blocks: as it arrives, and as the parser gets it. Where a gzip file is damaged, we lose what was
# compressed in the same block; so those are small.
_RAW = 4 * 1024
_BLOCK = 32 * 1024
# expat keeps a token whole, and before 2.6 reads it again for every block: no tag or comment is as long.
_MAX_TOKEN = 256 * 1024
# expat keeps every name of an element or attribute for good: characters of all the different ones.
_MAX_NAMES = 64 * 1024
# A sitemap with its extensions is five deep; pages inside of feeds are deeper.
_MAX_DEPTH = 32
_MAX_LASTMOD = 64

_BLANK = " \t\r\n\f\ufeff"
_LINE_END = re.compile("\r\n|\r|\n")
_ABSOLUTE = re.compile(r"https?://[^/\s]", re.IGNORECASE).match
_CUT_OFF = {expat.errors.codes[text] for text in (
    expat.errors.XML_ERROR_NO_ELEMENTS, expat.errors.XML_ERROR_UNCLOSED_TOKEN,
    expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
)}  # fmt: skip
_HTML = ("<!doctype html", "<html")


class Listed(msgspec.Struct, frozen=True):
    """One entry of a sitemap."""

    url: str  # as written, without white space around; a relative one may come from RSS and Atom only
    lastmod: str | None  # as written, at most 64 characters, printable
    sitemap: bool  # it leads to another sitemap


class SitemapError(Exception):
    """The file is no sitemap, or is not to be read; the message is one short line."""


class SitemapReader:
    """Reads one file. ``full`` says that nothing more will come of it, ``note`` why it was not read
    to its end or not all of it was used, ``kind`` what it is: ``urlset``, ``sitemapindex``, ``text``,
    ``rss``, ``atom``, or None as long as that is not known.

    A file that is damaged is used up to there; only if no URL came before, it is an error.
    """

    __slots__ = ("_blocks", "_charset", "_decoder", "_end", "_format", "_gunzip", "_max_bytes", "_over",
                 "_raw", "_seen", "_shelf", "full")  # fmt: skip

    def __init__(
        self, content_type: str | None, *, max_bytes: int = MAX_BYTES, max_urls: int = MAX_URLS
    ) -> None:
        """``content_type`` is the header field; of it only the charset counts. ``max_bytes`` of decoded
        data and ``max_urls`` entries are read at most."""
        self._charset = media_type(content_type)[1]
        self._max_bytes = max_bytes
        self._shelf = _Shelf(max_urls)
        self._raw = Blocks(_RAW)
        self._gunzip = Gunzip()
        self._blocks = Blocks(_BLOCK)
        self._seen = 0
        self._decoder: codecs.IncrementalDecoder | None = None
        self._format: _Xml | _Lines | None = None
        self._end: str | None = None
        self._over = False
        self.full = False

    @property
    def kind(self) -> str | None:
        """What the file is, as soon as that is known."""
        return None if self._format is None else self._format.kind

    @property
    def note(self) -> str | None:
        """What of the file was not used, and why: one line."""
        dropped = self._shelf.dropped
        left_out = f"{dropped:,} left out: too long or no http(s) URL" if dropped else ""
        return "; ".join(filter(None, (self._end, left_out))) or None

    def feed(self, data: bytes) -> list[Listed]:
        """Take the next bytes, any number; the entries that are complete by now, except that up to 36 KiB
        wait for what follows. Raises SitemapError.

        The work is in proportion to what the bytes become: 64 KiB take 3 ms, and a thousand times as
        long at worst if they are gzipped, so those should come in pieces of a few KiB.
        """
        return self._run(data, last=False)

    def close(self) -> list[Listed]:
        """That was all: the rest of the entries. Raises SitemapError."""
        return self._run(b"", last=True)

    def _run(self, data: bytes, *, last: bool) -> list[Listed]:
        if self._over:
            return []
        self._over = last
        try:
            self._read(data, last)
        except _Enough as enough:
            self._stop(str(enough))
        except SitemapError as error:
            self._fail(str(error))
        except expat.ExpatError as error:
            text = "the file ends too early" if error.code in _CUT_OFF else expat.ErrorString(error.code)
            self._fail(f"{text}, line {error.lineno}")
        return self._shelf.taken()

    def _read(self, data: bytes, last: bool) -> None:
        for raw in self._raw.cut(data, last=last):
            for piece in self._gunzip.pieces(raw):
                room = self._max_bytes - self._seen
                self._seen += len(piece)
                for block in self._blocks.cut(piece[:room], last=False):
                    self._take(block, last=False)
                if len(piece) > room:
                    self._take(self._blocks.rest(), last=False)
                    raise _Enough(f"only the first {self._max_bytes:,} bytes were read")
        damage = self._gunzip.damage(last=last)
        if last or damage:
            self._take(self._blocks.rest(), last=not damage)
        if damage:
            raise SitemapError(damage)

    def _take(self, block: bytes, *, last: bool) -> None:
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder(codec_of(block, self._charset))("replace")
        text = self._decoder.decode(block, last)
        if self._format is None:
            text = text.lstrip(_BLANK)
            if not text:
                return
            if text[:20].lower().startswith(_HTML):
                raise SitemapError("an HTML page, no sitemap")
            self._format = _Xml(self._shelf) if text.startswith("<") else _Lines(self._shelf)
        self._format.take(text, last)

    def _fail(self, message: str) -> None:
        number = self._shelf.count
        self._stop(f"damaged after {number:,} URLs: {message}")
        if not number:
            raise SitemapError(message) from None

    def _stop(self, note: str) -> None:
        self._end = note
        self.full = self._over = True


class _Enough(Exception):
    """A cap is reached."""


class _Shelf:
    """Entries that nobody has fetched yet, and how many there have been."""

    __slots__ = ("_entries", "_most", "count", "dropped")

    def __init__(self, most: int) -> None:
        self._entries: list[Listed] = []
        self._most = most
        self.count = 0
        self.dropped = 0

    def add(self, url: str, lastmod: str | None, *, sitemap: bool, relative: bool) -> None:
        # U+FFFD stands for bytes that were no text: nobody meant that URL.
        if len(url) > MAX_URL or "\ufffd" in url or not (relative or _ABSOLUTE(url)):
            self.dropped += 1
            return
        if self.count >= self._most:
            raise _Enough(f"only the first {self._most:,} URLs were read")
        self.count += 1
        self._entries.append(Listed(url, lastmod, sitemap))

    def taken(self) -> list[Listed]:
        entries, self._entries = self._entries, []
        return entries


class _Lines:
    """Plain text: a URL a line. Lines that are none are not meant for us."""

    __slots__ = ("_rest", "_shelf", "kind")

    def __init__(self, shelf: _Shelf) -> None:
        self._shelf = shelf
        self._rest = ""
        self.kind = "text"

    def take(self, text: str, last: bool) -> None:
        lines = _LINE_END.split(self._rest + text)
        # Of a line that is too long, so much is kept that it stays too long.
        self._rest = "" if last else lines.pop().lstrip()[: MAX_URL + 1]
        for line in lines:
            url = line.strip()
            if _ABSOLUTE(url):
                self._shelf.add(url, None, sitemap=False, relative=False)


class _Format(msgspec.Struct, frozen=True):
    """A dialect: its root element is known, its entries are ``depth`` deep."""

    kind: str
    record: str
    depth: int
    address: str
    date: str
    mixed: bool = False  # its elements are of several namespaces


_FORMATS = {
    "urlset": _Format("urlset", "url", 2, "loc", "lastmod"),
    "sitemapindex": _Format("sitemapindex", "sitemap", 2, "loc", "lastmod"),
    "rss": _Format("rss", "item", 3, "link", "pubDate"),
    "RDF": _Format("rss", "item", 2, "link", "date", mixed=True),  # RSS 1.0
    "feed": _Format("atom", "entry", 2, "link", "updated"),
}


class _Xml:
    """The elements of a sitemap, by local names: half of those with a mistake have it in a namespace.

    Extensions are told by their prefix, which is not the one of the element that they are in.
    """

    __slots__ = ("_date", "_depth", "_fed", "_field", "_format", "_inside", "_names", "_parser", "_prefix",
                 "_room", "_root_prefix", "_shelf", "_space", "_text", "_url")  # fmt: skip

    def __init__(self, shelf: _Shelf) -> None:
        self._shelf = shelf
        self._names: dict[str, str] = {}
        self._parser = expat.ParserCreate("utf-8", intern=self._names)
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = _refuse_doctype
        self._parser.EntityDeclHandler = _refuse_entity
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._finish
        self._fed = 0
        self._depth = 0
        self._format: _Format | None = None
        self._root_prefix = self._prefix = self._space = ""
        self._inside = False  # an entry
        self._url = self._date = ""
        self._field = ""  # the element whose text is being collected
        self._text: list[str] = []
        self._room = 0

    @property
    def kind(self) -> str | None:
        return None if self._format is None else self._format.kind

    def take(self, text: str, last: bool) -> None:
        data = text.encode("utf-8", "replace")
        self._parser.Parse(data, last)
        self._fed += len(data)
        if self._fed - self._parser.CurrentByteIndex > _MAX_TOKEN:
            raise SitemapError(f"a tag or comment longer than {_MAX_TOKEN // 1024} KiB")
        if sum(map(len, self._names)) > _MAX_NAMES:
            raise SitemapError("too many different elements")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise SitemapError(f"elements nested more than {_MAX_DEPTH} deep")
        if self._format is None:
            self._format = self._root(name, attributes)
            return
        level = self._depth - self._format.depth
        if level == 0:
            self._open_record(name, attributes, self._format)
        elif self._inside and level == 1:
            self._open_field(name, attributes, self._format)
        elif self._field:
            self._room = -1  # markup inside: this is no address, nor a date

    def _root(self, name: str, attributes: dict[str, str]) -> _Format:
        self._root_prefix, _, local = name.rpartition(":")
        if local.lower() == "html":
            raise SitemapError("an HTML page, no sitemap")
        if local not in _FORMATS:
            raise SitemapError(f"no sitemap: the first element is <{_excerpt(name)}>")
        self._space = attributes.get("xmlns", "")
        return _FORMATS[local]

    def _open_record(self, name: str, attributes: dict[str, str], form: _Format) -> None:
        self._prefix, _, local = name.rpartition(":")
        self._inside = local == form.record and (form.mixed or self._prefix == self._root_prefix)
        self._url = self._date = ""
        self._space = attributes.get("xmlns") or self._space

    def _open_field(self, name: str, attributes: dict[str, str], form: _Format) -> None:
        prefix, _, local = name.rpartition(":")
        ours = prefix == self._prefix and attributes.get("xmlns", "") in ("", self._space)
        if ours and local == form.address and not self._url:
            if form.kind == "atom":
                rel = attributes.get("rel", "").strip().lower()
                self._url = attributes.get("href", "").strip() if rel in ("", "alternate") else ""
            else:
                self._collect(local)
        elif (ours or form.mixed) and local == form.date and not self._date:
            self._collect(local)

    def _collect(self, field: str) -> None:
        self._field = field
        self._text = []
        self._room = 2 * MAX_URL  # there may be white space around
        self._parser.CharacterDataHandler = self._hear

    def _hear(self, text: str) -> None:
        self._room -= len(text)
        if self._room >= 0:
            self._text.append(text)

    def _finish(self, name: str) -> None:
        assert self._format is not None
        level = self._depth - self._format.depth
        self._depth -= 1
        if level == 1 and self._field:
            self._close_field(self._format)
        elif level == 0 and self._inside:
            self._inside = False
            if self._url:
                index = self._format.kind == "sitemapindex"
                relative = self._format.kind in ("rss", "atom")
                self._shelf.add(self._url, _printable(self._date), sitemap=index, relative=relative)

    def _close_field(self, form: _Format) -> None:
        self._parser.CharacterDataHandler = None  # what is between the fields is nothing to us
        text = "".join(self._text).strip() if self._room >= 0 else ""
        if self._field == form.date:
            self._date = text
        else:
            self._url = text
            self._shelf.dropped += self._room < 0
        self._field = ""


def _refuse_doctype(name: str, system: str | None, public: str | None, subset: bool) -> None:
    # Before any entity is declared, let alone used.
    raise SitemapError("an HTML page, no sitemap" if name.lower() == "html" else "DOCTYPE is not allowed")


def _refuse_entity(*declared: object) -> None:
    raise SitemapError("ENTITY is not allowed")


def _printable(date: str) -> str | None:
    return date[:_MAX_LASTMOD].rstrip() if date and date.isprintable() else None


def _excerpt(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:40])
