"""The fixtures that skitter brings for its users' tests, in a project of theirs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = """
import asyncio
import skitter

def test_what_the_crawler_asked(site):
    site.page("/", links=["/a", "/b"], title="front")
    site.page("/a", title="a")
    titles = {page.title for page in skitter.crawl_sync(site.url("/"))}
    assert titles == {"front", "a", None}
    assert sorted(site.targets()) == ["/", "/a", "/b"]

def test_each_has_its_own(site):
    assert site.targets() == []

def test_an_hour_passes_at_once(fake_clock):
    began = fake_clock.now()
    fake_clock.run(asyncio.sleep(3600))
    assert fake_clock.now() - began == 3600
"""
LAZY = """
import sys

def test_nothing_is_loaded_that_is_not_used():
    assert "aiohttp" not in sys.modules
    assert "skitter.testing" not in sys.modules
"""


def test_they_are_there_without_an_import(tmp_path: Path) -> None:
    for name, text in (("test_shop.py", TESTS), ("test_lazy.py", LAZY)):
        (tmp_path / name).write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", name],
            cwd=tmp_path, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--fixtures", "-q"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "A web site of the test's own" in done.stdout
