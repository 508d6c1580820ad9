"""From bytes to text, by the names of the Encoding Standard."""

from __future__ import annotations

__all__ = ["decode"]

# Encodings of the Standard whose Python codec has another name, or another idea of the same name:
# on the web Shift_JIS means Microsoft's code page, gb2312 means GBK, and so on.
_CODECS = {
    "shift_jis": "cp932",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "euc-kr": "cp949",
    "windows-874": "cp874",
    "iso-8859-8-i": "iso-8859-8",
    "x-mac-cyrillic": "mac_cyrillic",
    "macintosh": "mac_roman",
}


# How the names and labels of the Standard begin that Python has a codec for.
_KNOWN = (
    "utf", "iso", "windows", "cp", "koi8", "mac", "x-mac", "gb", "big5", "euc", "shift", "sjis", "ms_",
    "latin", "ascii", "us-ascii", "ks_c", "hz", "csiso", "arabic", "greek", "hebrew", "cyrillic", "tis-620",
    "dos-874", "x-sjis", "x-gbk", "x-cp", "x-euc", "unicode-1-1-utf-8", "ansi_x3", "ibm",
)  # fmt: skip


def decode(body: bytes, encoding: str | None) -> str:
    """The text, without its byte-order mark; what cannot be decoded becomes U+FFFD.

    ``encoding`` is a name as the HTML parser reports it. One that Python has no codec for
    (x-user-defined, replacement) is read as UTF-8.
    """
    name = (encoding or "utf-8").strip().lower()
    if not name.startswith(_KNOWN):  # Python has codecs that are no charsets: punycode, idna, undefined
        name = "utf-8"
    try:
        text = body.decode(_CODECS.get(name, name), "replace")
    except LookupError:
        text = body.decode("utf-8", "replace")
    return text.removeprefix("\ufeff")
