"""A Sink of your own: tab-separated lines of status, URL and title.

Watch for: `write` answers with a mark of what the file holds then. It is committed together with the URLs,
and `open` gets the committed length back and cuts the file there. `AppendedFile` does both, exactly once.
"""

import asyncio
import tempfile
from pathlib import Path

from skitter.clock import SystemClock
from skitter.config import build
from skitter.engine import Engine
from skitter.frontier import MemoryFrontier
from skitter.net import AiohttpFetcher
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


async def main(path):
    config, clock = build(("{}", {"limit": 5})), SystemClock()
    fetcher, sink = AiohttpFetcher(config.http, config.limits, clock), TsvSink(path)
    sink.open(None)
    parts = {"fetcher": fetcher, "frontier": MemoryFrontier(), "sinks": [sink], "clock": clock}
    with local_site() as site:
        await Engine(config, **parts, observe=lambda event: None).run([site.url("/birds/")])
    await fetcher.close()
    sink.close()


pages = Path(tempfile.mkdtemp()) / "pages.tsv"
asyncio.run(main(pages))
print(pages.read_text("utf-8"), end="")
