"""How each crawler is started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scenarios import Scenario

__all__ = ["CONTENDERS", "Contender", "Task"]

HERE = Path(__file__).resolve().parent
_WINDOW = 64  # requests in flight at most, where the crawler is to find out how many are right


@dataclass(frozen=True)
class Task:
    """What is to be crawled: from this URL, for so many seconds, with this Python."""

    url: str
    scenario: Scenario
    seconds: float
    python: str


@dataclass(frozen=True)
class Contender:
    """A crawler in one setting, and the package whose version the table shows."""

    label: str  # in which {} is for the version
    package: str
    is_peer: bool  # does it run with the Python of --peers
    command: Callable[[Task], list[str]]

    def version(self, python: str) -> str:
        """The version that this Python has installed."""
        code = f"from importlib.metadata import version; print(version('{self.package}'))"
        if self.package == "skitter":  # which may be a working copy
            code = "from skitter.version import VERSION; print(VERSION)"
        answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
        return answer.stdout.strip()

    def python(self, peers: str) -> str:
        return peers if self.is_peer else sys.executable


def _skitter(task: Task) -> list[str]:
    options = ["--job", "job", "--time-limit", f"{task.seconds:g}s", "--quiet"]
    if not task.scenario.is_bucket:
        options += ["--per-host", str(_WINDOW)]
    return [task.python, "-m", "skitter", "crawl", task.url, *options]


def _scrapy(task: Task, target: float) -> list[str]:
    settings = [f"AUTOTHROTTLE_TARGET_CONCURRENCY={target}"]
    if not task.scenario.is_bucket:
        settings += [f"CONCURRENT_REQUESTS={_WINDOW}", f"CONCURRENT_REQUESTS_PER_DOMAIN={_WINDOW}"]
    options = [part for setting in settings for part in ("-s", setting)]
    spider = ["runspider", str(HERE / "scrapy_spider.py"), "-a", f"seed={task.url}"]
    return [task.python, "-m", "scrapy", *spider, *options]


def _crawlee(task: Task) -> list[str]:
    return [task.python, str(HERE / "crawlee_crawler.py"), task.url]


def _uncontrolled(task: Task) -> list[str]:
    return [task.python, str(HERE / "uncontrolled.py"), task.url, str(task.seconds)]


CONTENDERS = {
    "skitter": Contender("skitter {}", "skitter", False, _skitter),
    "scrapy": Contender("Scrapy {}", "scrapy", True, partial(_scrapy, target=1.0)),
    "scrapy-8": Contender("Scrapy {}, target 8", "scrapy", True, partial(_scrapy, target=8.0)),
    "crawlee": Contender("Crawlee {}", "crawlee", True, _crawlee),
    "uncontrolled": Contender("uncontrolled (aiohttp {})", "aiohttp", False, _uncontrolled),
}
