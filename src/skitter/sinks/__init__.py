"""Where records go: one file a format. The ending of a path says which."""

from __future__ import annotations

from skitter.errors import ConfigError
from skitter.ports import Sink
from skitter.sinks.jsonl import JsonlSink
from skitter.sinks.stdout import StdoutSink

__all__ = ["JsonlSink", "StdoutSink", "sink_for"]

_BY_ENDING = {".jsonl": JsonlSink}


def sink_for(path: str, name: str | None = None) -> Sink:
    """The sink for a path; ``-`` is JSONL on standard output. Raises ConfigError.

    ``name`` is what the job knows the output by, if not by its path.
    """
    if path == "-":
        return StdoutSink()
    for ending, kind in _BY_ENDING.items():
        if path.endswith(ending):
            return kind(path, name)
    known = ", ".join(_BY_ENDING)
    raise ConfigError(f"-o {path!r}: the ending says the format; known are {known} (and - for stdout)")
