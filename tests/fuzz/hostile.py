"""What the fuzz tests share: how much, how fast, and strategies for what strangers send."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

__all__ = ["EXAMPLES", "FUZZ", "URL_SEEDS", "header_text", "mutated", "mutated_text", "quick", "split"]

# Examples of a test: the usual number keeps all of them together below half a minute.
EXAMPLES = int(os.environ.get("SKITTER_FUZZ_EXAMPLES", "300"))
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,  # see quick()
    print_blob=True,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
# Seconds of the processor for one example; the aim is a tenth of it.
_MOST = 0.5

_DATA = Path(__file__).parent.parent / "data" / "urltestdata.json"
URL_SEEDS: list[str] = [
    case["input"] for case in json.loads(_DATA.read_text(encoding="utf-8")) if isinstance(case, dict)
]

T = TypeVar("T")
_Mutation = tuple[int, float, float, bytes]


@contextmanager
def quick() -> Iterator[None]:
    """Fail if the block takes long: somebody would have to wait for it."""
    start = time.process_time()
    yield
    spent = time.process_time() - start
    assert spent < _MOST, f"{spent:.3f} s"


def mutated(seeds: Sequence[bytes], tokens: Sequence[bytes], size: int = 20_000) -> st.SearchStrategy[bytes]:
    """Valid documents with parts lost, doubled, moved, overwritten, or mixed with another; or any bytes.

    ``tokens`` are what the format is made of; ``size`` is the most bytes.
    """
    piece = st.one_of(st.sampled_from(tokens), st.sampled_from(tokens), st.binary(max_size=8))
    change = st.tuples(st.integers(0, 5), st.floats(0, 1), st.floats(0, 1), piece)
    changes = st.lists(change, max_size=6)
    changed = st.builds(_changed, st.sampled_from(seeds), changes, st.sampled_from(seeds))
    soup = st.lists(piece, max_size=40).map(b"".join)
    return _mostly(changed, st.one_of(soup, st.binary(max_size=300))).map(lambda data: data[:size])


def mutated_text(seeds: Sequence[str], tokens: Sequence[str]) -> st.SearchStrategy[str]:
    """The same for text; with lone surrogates where a token has fallen apart."""
    data = mutated([seed.encode() for seed in map(_clean, seeds)], [token.encode() for token in tokens])
    utf8 = data.map(lambda raw: raw.decode("utf-8", "surrogateescape"))
    return _mostly(utf8, st.one_of(data.map(lambda raw: raw.decode("latin-1")), st.text(max_size=60)))


def header_text(seeds: Sequence[str], tokens: Sequence[str]) -> st.SearchStrategy[str]:
    """Values of header fields as the fetcher hands them on: no line end and no NUL, but anything else."""
    table = {ord(char): " " for char in "\r\n\0"}
    return mutated_text(seeds, tokens).map(lambda text: _clean(text).translate(table))


def _mostly(usual: st.SearchStrategy[T], seldom: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    return st.integers(0, 9).flatmap(lambda die: usual if die else seldom)


def _clean(text: str) -> str:
    """Lone surrogates are replaced."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def split(data: bytes, cuts: Sequence[float]) -> list[bytes]:
    """``data`` in pieces, cut at these parts of its length."""
    places = [0, *sorted(int(cut * len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


def _changed(data: bytes, changes: Sequence[_Mutation], other: bytes) -> bytes:
    for kind, one, two, piece in changes:
        start = int(one * len(data))
        end = start + int(two**4 * len(data))  # small changes get further into a parser
        match kind:
            case 0:
                data = data[:start] + data[end:]
            case 1:
                data = data[:start] + piece + data[start:]
            case 2:
                data = data[:start] + piece + data[start + len(piece) :]
            case 3:
                data = data[:end] + data[start:end] + data[end:]
            case 4:
                data = data[:start] + other[start:end] + data[start:]
            case _:
                data = data[:start] + piece * 50 + data[end:]
        data = data[:100_000]
    return data
