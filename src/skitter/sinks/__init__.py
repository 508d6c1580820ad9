"""Where records go: one file a format. The ending of a path says which."""

from __future__ import annotations

from skitter.errors import ConfigError
from skitter.ports import Sink
from skitter.sinks.items import ItemsSink
from skitter.sinks.jsonl import JsonlSink
from skitter.sinks.line import item_lines, line_of
from skitter.sinks.stdout import StdoutSink

__all__ = ["ItemsSink", "JsonlSink", "StdoutSink", "sink_for"]

_BY_ENDING: dict[str, type[JsonlSink]] = {".jsonl": JsonlSink}
_ITEMS_BY_ENDING: dict[str, type[ItemsSink]] = {".jsonl": ItemsSink}


def sink_for(path: str, name: str | None = None, *, items: bool = False) -> Sink:
    """The sink for records, or for ``items``; ``-`` is JSONL on standard output. Raises ConfigError.

    ``name`` is what the job knows the output by, if not by its path.
    """
    if path == "-":
        return StdoutSink(item_lines if items else line_of, name)
    for ending, kind in (_ITEMS_BY_ENDING if items else _BY_ENDING).items():
        if path.endswith(ending):
            return kind(path, name)
    known = ", ".join(_BY_ENDING)
    raise ConfigError(f"-o {path!r}: the ending says the format; known are {known} (and - for stdout)")
