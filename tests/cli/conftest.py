"""The command as a user runs it: a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from skitter.testing import Site, demo, endpoints

Skitter = Callable[..., subprocess.CompletedProcess[str]]

# A bare environment; PYTHONPATH, where it is set, says which skitter is under test.
BARE = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ} | {"TERM": "dumb"}


@pytest.fixture
def skitter(tmp_path: Path) -> Skitter:
    """Run ``skitter`` with these words in ``tmp_path``; variables are added to a bare environment."""

    def run(*words: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "skitter", *words],
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=100,
            env={**BARE, **variables},
        )

    return run


@pytest.fixture
def site() -> Iterator[Site]:
    """An empty web site."""
    with Site() as site:
        yield site


@pytest.fixture
def demo_site() -> Iterator[Site]:
    """The site of ``skitter serve``, without its delays."""
    with Site() as site:
        endpoints.install(site)
        demo.build(site, delay=0.002)
        yield site


def records(path: Path) -> list[dict[str, Any]]:
    """The records of a JSONL file; every line is whole, no URL comes twice."""
    data = path.read_text()
    assert data == "" or data.endswith("\n")
    found = [json.loads(line) for line in data.splitlines()]
    assert len({record["url"] for record in found}) == len(found)
    return found
