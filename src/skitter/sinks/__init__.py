"""Where records go: one file a format. The ending of a path says which."""

from __future__ import annotations

from skitter.errors import ConfigError
from skitter.ports import Sink
from skitter.sinks.jsonl import JsonlSink
from skitter.sinks.line import item_lines, line_of
from skitter.sinks.stdout import StdoutSink

__all__ = ["JsonlSink", "StdoutSink", "sink_for"]

_ENDINGS = (".jsonl", ".jsonl.gz")


def sink_for(path: str, name: str | None = None, *, items: bool = False, private: bool = False) -> Sink:
    """The sink for records, or for ``items``; ``-`` is JSONL on standard output. Raises ConfigError.

    ``name`` is what the job knows the output by, if not by its path. ``private`` is for a file of the job's
    own folder; one that the user put elsewhere is made as he makes files, and may be a link.
    """
    lines = item_lines if items else line_of
    if path == "-":
        return StdoutSink(lines, name)
    if path.endswith(_ENDINGS):
        return JsonlSink(path, name, lines, private=private)
    known = ", ".join(_ENDINGS)
    raise ConfigError(f"-o {path!r}: the ending says the format; known are {known} (and - for stdout)")
