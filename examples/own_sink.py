"""A Sink of your own: tab-separated lines of status, URL and title.

Watch for: `write` answers with a mark of what the file holds then. It is committed together with the URLs,
and `open` gets the committed length back and cuts the file there. `AppendedFile` does both, exactly once.
"""

import tempfile
from pathlib import Path

import skitter
from skitter.sinks.appended import AppendedFile
from skitter.testing import local_site


class TsvSink:
    def __init__(self, path):
        self.name = str(path)
        self._file = AppendedFile(self.name)
        self.held, self.open = self._file.held, self._file.open
        self.sync, self.close = self._file.sync, self._file.close

    def write(self, rows):
        records = [row.record for row in rows]
        lines = [f"{each.status}\t{each.url}\t{each.title or ''}\n" for each in records]
        return self._file.append("".join(lines).encode())

    def finish(self):
        pass  # lines are whole already


pages = Path(tempfile.mkdtemp()) / "pages.tsv"
with local_site() as site:
    skitter.Crawler(sinks=[TsvSink(pages)], limit=5).run_sync([site.url("/birds/")])
print(pages.read_text("utf-8"), end="")
