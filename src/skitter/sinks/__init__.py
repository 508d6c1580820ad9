"""Where records go: one file a format. The ending of a path says which."""

from __future__ import annotations

from collections.abc import Mapping

from skitter.config import ARCHIVES
from skitter.errors import ConfigError
from skitter.ports import Sink
from skitter.sinks.jsonl import JsonlSink
from skitter.sinks.line import item_lines, line_of
from skitter.sinks.stdout import StdoutSink
from skitter.sinks.warc import WarcSink, archive_is_ours

__all__ = ["JsonlSink", "StdoutSink", "WarcSink", "archive_is_ours", "sink_for"]

_ENDINGS = (".jsonl", ".jsonl.gz", *ARCHIVES)


def sink_for(
    path: str,
    name: str | None = None,
    *,
    items: bool = False,
    private: bool = False,
    about: Mapping[str, str] | None = None,
) -> Sink:
    """The sink for records, or for ``items``; ``-`` is JSONL on standard output. Raises ConfigError.

    ``name`` is what the job knows the output by, if not by its path. ``private`` is for a file of the job's
    own folder; one that the user put elsewhere is made as he makes files, and may be a link. ``about`` is
    what an archive says of the crawl.
    """
    lines = item_lines if items else line_of
    if path == "-":
        return StdoutSink(lines, name)
    if path.endswith(ARCHIVES):
        if items:
            raise ConfigError(f"{path}: items are no web pages; a name in .jsonl holds them")
        return WarcSink(path, name, about, private=private)
    if path.endswith(_ENDINGS):
        return JsonlSink(path, name, lines, private=private)
    known = ", ".join(_ENDINGS)
    raise ConfigError(f"-o {path!r}: the ending says the format; known are {known} (and - for stdout)")
