"""Seeds from the command line and from a file, as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import TextIO

from skitter.engine.seeds import read_seed
from skitter.errors import ConfigError

__all__ = ["read_seeds"]

# So many lines are looked at before anything is made or contacted; a mistake further down stops the
# run where it stands, with everything saved.
_LOOK_AHEAD = 1000
_STDIN = 0


def read_seeds(urls: list[str], path: str | None) -> tuple[str | None, Iterator[str]]:
    """The first URL that was given as an argument (canonical), and all seeds.

    Raises ConfigError: no seed, a file that cannot be read, or something that is no URL.
    """
    given = [read_seed(url) for url in urls]
    if path is None:
        if not given:
            raise ConfigError("no URL given: name one, or a file of them with -i FILE")
        return given[0], iter(given)
    lines = _lines(_open(path), path)
    # Standard input may come slowly: nothing waits for its second line.
    ahead = list(islice(lines, 1 if path == "-" else _LOOK_AHEAD))
    if not given and not ahead:
        raise ConfigError(f"-i {path}: holds no URL")
    return given[0] if given else None, chain(given, ahead, lines)


def _open(path: str) -> TextIO:
    # Not sys.stdin: the interpreter closes that at its end, and would wait for a thread in it.
    place = _STDIN if path == "-" else path
    try:
        return open(place, closefd=place != _STDIN, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise ConfigError(f"-i {path}: {(error.strerror or '').lower()}") from None


def _lines(file: TextIO, path: str) -> Iterator[str]:
    with file:
        try:
            for number, line in enumerate(file, 1):
                text = line.strip().removeprefix("\ufeff")
                if text and not text.startswith("#"):
                    yield _checked(text, path, number)
        except OSError as error:
            raise ConfigError(f"-i {path}: {(error.strerror or '').lower()}") from None


def _checked(text: str, path: str, number: int) -> str:
    try:
        return read_seed(text)
    except ConfigError as error:
        raise ConfigError(f"-i {path}, line {number}: {error}; mend or remove it") from None
