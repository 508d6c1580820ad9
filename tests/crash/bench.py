"""What all cases share: the site, a folder to work in, chance that can be repeated, a clean run."""

from __future__ import annotations

import dataclasses
import itertools
import random
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.crash.crawls import Crawl, start

from skitter.config import options
from skitter.testing import Oracle

__all__ = ["CONCURRENCY", "DURABLE", "Bench", "say"]

# Of every crawl here. Small, so that "as many as the concurrency" is a narrow bound (I3).
CONCURRENCY = 16
DURABLE: Mapping[str, object] = {"durable": True} if "durable" in options() else {}


def say(line: str) -> None:
    """A line of progress."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class Bench:
    """A site that runs, and where jobs are made. ``seed`` repeats all that chance decides."""

    def __init__(self, oracle: Oracle, folder: Path, seed: int) -> None:
        self.oracle = oracle
        self.folder = folder
        self.seed = seed
        self.chance = random.Random(seed)
        self.usual: Mapping[str, int] = {}  # how often each URL is asked for in a clean run
        self._seconds: dict[str, float] = {}
        self._numbers = itertools.count(1)

    def crawl(self, *, library: bool = False, **given: object) -> Crawl:
        """A job that does not exist yet, of the whole site."""
        folder = self.folder / f"{next(self._numbers):04}"
        folder.mkdir(parents=True)
        options = {"concurrency": CONCURRENCY, **given}
        return Crawl(folder, tuple(self.oracle.seeds), library, options)

    def seconds(self, crawl: Crawl) -> float:
        """How long a clean run of such a crawl takes. The first one is the reference for all."""
        if not self.usual:
            self._clean(self.crawl())
            self.usual = self.oracle.counts()
        if crawl.form not in self._seconds:
            like = self.crawl(library=crawl.has_handlers, **crawl.options)
            self._clean(dataclasses.replace(like, every_format=crawl.every_format))
        return self._seconds[crawl.form]

    def _clean(self, crawl: Crawl) -> None:
        self.oracle.forget()
        ended = start(crawl.words(), crawl.folder).wait()
        if ended.code:
            raise RuntimeError(f"a clean run ended with {ended.code}: {ended.stderr}")
        self._seconds[crawl.form] = ended.seconds
        shutil.rmtree(crawl.folder)
        say(f"clean run: {crawl.form}: {ended.seconds:.1f} s")
