"""Endpoints that answer what their path asks for, after the fashion of httpbin.

============================  =======================================================================
path                          answer
============================  =======================================================================
/delay/{seconds}              a small page after that time, at most 60 seconds
/status/{code}                that status, 200 to 599; 429 and 503 come with Retry-After: 1
/redirect/{n}                 n redirects (302), the last of them to /
/bytes/{n}                    n pseudo-random bytes, the same ones each time, at most 100 MB
/gzip /deflate /brotli /zstd  a page in that Content-Encoding
/links/{n}                    a page that links to /links/{n}/0 ... /links/{n}/{n-1}, which link back
/headers                      the request's headers as JSON
/robots.txt                   the demonstration site's robots.txt
============================  =======================================================================

A parameter that makes no sense is answered 400 with one line of text.
"""

import asyncio
import gzip
import html
import json
import math
import random
import sys
import zlib

import brotli
from aiohttp import web

from skitter.testing import demo
from skitter.testing.site import Site

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["MAX_BYTES", "MAX_DELAY", "MAX_LINKS", "install"]

MAX_DELAY = 60.0  # seconds; longer than any crawler's timeout needs to be tried with
MAX_BYTES = 100_000_000
MAX_LINKS = 100_000  # the index page is then about 4 MB

# Large enough that sending costs more than the loop around it, small enough to take turns.
_CHUNK = 64 * 1024

_ENCODED = "".join(f"<p>Line {n} of a page that came compressed.</p>\n" for n in range(100))
_EXAMPLES = (
    "/delay/0.5",
    "/status/404",
    "/status/503",
    "/redirect/3",
    "/bytes/1000",
    "/gzip",
    "/deflate",
    "/brotli",
    "/zstd",
    "/links/10",
    "/headers",
)


def install(site: Site, *, index: str | None = "/") -> None:
    """Add every endpoint to `site`, and at `index` a page that links to an example of each.

    `index=None` adds no such page. Install before `demo.build`, so that "/" is the demonstration.
    """
    site.handler("/delay/*", _delay)
    site.handler("/status/*", _status)
    site.handler("/redirect/*", _redirect)
    site.handler("/bytes/*", _bytes)
    site.handler("/links/*", _links)
    site.handler("/headers", _headers)
    _install_encodings(site)
    demo.robots(site)
    if index is not None:
        site.page(index, "<h1>Endpoints</h1>", title="Endpoints", links=_EXAMPLES)


def _install_encodings(site: Site) -> None:
    # The HTTP coding "deflate" is zlib's format, not bare deflate (RFC 9110, section 8.4.1.2).
    encodings = {
        "gzip": ("gzip", lambda data: gzip.compress(data, mtime=0)),
        "deflate": ("deflate", zlib.compress),
        "brotli": ("br", brotli.compress),
        "zstd": ("zstd", zstd.compress),
    }
    for name, (coding, compress) in encodings.items():
        page = _page(f"Compressed: {name}", _ENCODED).encode()
        site.page(f"/{name}", compress(page), headers={"Content-Encoding": coding})


async def _delay(request: web.BaseRequest) -> web.StreamResponse:
    try:
        seconds = float(_parameter(request))
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:  # nan included
        return _bad("the delay is a number of seconds, 0 or more")
    seconds = min(seconds, MAX_DELAY)
    await asyncio.sleep(seconds)
    return _html(f"Delayed by {seconds:g} s", f"<p>This answer took {seconds:g} seconds.")


async def _status(request: web.BaseRequest) -> web.StreamResponse:
    code = _number(_parameter(request))
    if code is None or not 200 <= code <= 599:
        return _bad("the status is a number from 200 to 599")
    headers = {"Retry-After": "1"} if code in (429, 503) else None
    return web.Response(status=code, text=f"{code}\n", headers=headers)


async def _redirect(request: web.BaseRequest) -> web.StreamResponse:
    hops = _number(_parameter(request))
    if hops is None or hops < 1:
        return _bad("the number of redirects is a whole number, 1 or more")
    location = f"/redirect/{hops - 1}" if hops > 1 else "/"
    return web.Response(status=302, headers={"Location": location})


async def _bytes(request: web.BaseRequest) -> web.StreamResponse:
    size = _number(_parameter(request))
    if size is None:
        return _bad("the size is a whole number of bytes, 0 or more")
    size = min(size, MAX_BYTES)
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    response.content_length = size
    await response.prepare(request)
    if request.method != "HEAD":
        source = random.Random(size)
        for start in range(0, size, _CHUNK):
            await response.write(source.randbytes(min(_CHUNK, size - start)))
    return response


async def _links(request: web.BaseRequest) -> web.StreamResponse:
    count_text, slash, leaf_text = _parameter(request).partition("/")
    count = _number(count_text)
    if count is None or count > MAX_LINKS:
        return _bad(f"the number of links is a whole number up to {MAX_LINKS}")
    if not slash:
        anchors = (f'<li><a href="/links/{count}/{n}">Leaf {n}</a>' for n in range(count))
        return _html(f"{count} links", "<ul>\n" + "\n".join(anchors) + "\n</ul>")
    leaf = _number(leaf_text)
    if leaf is None or leaf >= count:
        return _bad(f"the leaves of this page are 0 to {count - 1}")
    return _html(f"Leaf {leaf}", f'<p><a href="/links/{count}">Back to all {count}</a>')


async def _headers(request: web.BaseRequest) -> web.StreamResponse:
    values = {name: ", ".join(request.headers.getall(name)) for name in request.headers}
    text = json.dumps({"headers": values}, indent=2) + "\n"
    return web.Response(text=text, content_type="application/json")


def _parameter(request: web.BaseRequest) -> str:
    """Return what follows the endpoint's name in the path."""
    return request.path.split("/", 2)[2]


def _number(text: str) -> int | None:
    # int() takes "+1", "1_000" and other scripts' digits too, and refuses very long ones.
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _bad(why: str) -> web.Response:
    return web.Response(status=400, text=why + "\n")


def _html(title: str, body: str) -> web.Response:
    return web.Response(text=_page(title, body), content_type="text/html", charset="utf-8")


def _page(title: str, body: str) -> str:
    head = f"<!doctype html>\n<html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>"
    return f"{head}\n<h1>{html.escape(title)}</h1>\n{body}\n"
