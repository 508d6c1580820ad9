"""A Fetcher of your own: a folder of files is crawled as if it were served, without a server or a socket.

Watch for: a Fetcher makes one hop and judges nothing. Links, depth, robots.txt and pace are the engine's, so
they hold here as well; what is missing ends as `http_error`, as it would on the web.
"""

import tempfile
from mimetypes import guess_type
from pathlib import Path
from urllib.parse import unquote, urlsplit

import skitter
from skitter.model import Headers, Response


class FolderFetcher:
    def __init__(self, folder):
        self._folder = folder.resolve()

    async def fetch(self, request, sent, take=None):
        sent()  # "the request has gone out": the host's next one may follow at its pace
        path = (self._folder / unquote(urlsplit(request.url).path).lstrip("/")).resolve()
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file() or not path.is_relative_to(self._folder):
            return Response(request.url, 404, Headers())
        kind = guess_type(path.name)[0] or "application/octet-stream"
        body = path.read_bytes()[: request.max_body]
        return Response(request.url, 200, Headers((("Content-Type", kind),)), body)

    async def addresses(self, origin):
        return ()  # nobody has to be looked up

    async def close(self):
        pass


folder = Path(tempfile.mkdtemp())
(folder / "index.html").write_text('<title>Front</title><a href="a.html">A</a> <a href="gone.html">B</a>')
(folder / "a.html").write_text("<title>A</title>")
for page in skitter.crawl_sync("http://folder.test/", fetcher=FolderFetcher(folder)):
    print(page.depth, page.status, page.reason, page.url, page.title)
