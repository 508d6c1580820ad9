"""How each program is started. All run in an empty folder of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["CONTENDERS", "Contender", "Task"]

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Task:
    """What is to be crawled: a site from its first page, or, without a URL, what a file lists."""

    url: str
    seeds: Path
    at_once: int  # where the workload says how many


@dataclass(frozen=True)
class Contender:
    """A program in one setting."""

    label: str  # in which {} is for the version
    package: str
    command: Callable[[Task], list[str]]
    in_memory: bool = False  # its folder is not on a disk
    also_fine: str = "exit 0"  # how else it ends when all went well

    def version(self) -> str | None:
        """The version that is installed, or None."""
        if self.package == "wget2":
            found = shutil.which("wget2")
            said = (
                subprocess.run([found, "--version"], capture_output=True, text=True).stdout if found else ""
            )
            return said.split()[2] if said else None
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None


def _script(*words: str) -> Callable[[Task], list[str]]:
    return lambda task: [sys.executable, str(_HERE / words[0]), *words[1:], task.url]


def _bare(task: Task) -> list[str]:
    if not task.url:
        return [sys.executable, str(_HERE / "bare_hosts.py"), str(task.seeds), str(task.at_once)]
    return [sys.executable, str(_HERE / "bare.py"), task.url]


def _bare_each(task: Task) -> list[str]:
    return [*_bare(task), "64", "each"]


def _client(task: Task, *options: str) -> list[str]:
    return [sys.executable, str(_HERE / "bare_fetch.py"), str(task.seeds), *options]


def _tuned_client(task: Task) -> list[str]:
    return _client(task, "--tuned")


def _skitter(task: Task, *options: str) -> list[str]:
    command = [
        sys.executable,
        "-m",
        "skitter",
        "crawl",
        *([task.url] if task.url else ["-i", str(task.seeds)]),
    ]
    if task.at_once:
        command += ["-c", str(task.at_once)]
    return [*command, "--job", "job", "-q", *options]


def _fetch(task: Task, *options: str) -> list[str]:
    at_once = str(task.at_once)
    much = ["-c", at_once, "--per-host", at_once]
    return [
        sys.executable,
        "-m",
        "skitter",
        "fetch",
        "-i",
        str(task.seeds),
        "-o",
        "out.jsonl",
        *much,
        "-q",
        *options,
    ]


def _wget2(task: Task) -> list[str]:
    # It ends with 8 when any link was dead, and the manual has one.
    # Only what the others follow too: no pictures, no style sheets; and no limit of depth.
    return ["wget2", "-r", "-l", "0", "--follow-tags=a", "--max-threads=64", "--quiet", task.url]


_MANY = ("--per-host", "64")
_TWO = ("--processes", "2")

CONTENDERS = {
    "bare": Contender("bare loop (aiohttp {})", "aiohttp", _bare),
    "bare-each": Contender("bare loop, each href resolved (aiohttp {})", "aiohttp", _bare_each),
    "client": Contender("lean client (aiohttp {})", "aiohttp", _client),
    "client-gc": Contender(
        "lean client, gc tuned (aiohttp {})", "aiohttp", lambda task: _client(task, "--tuned")
    ),
    "skitter": Contender("skitter {}", "skitter", lambda task: _skitter(task, *_MANY)),
    "skitter-default": Contender("skitter {}, defaults", "skitter", _skitter),
    "skitter-p2": Contender("skitter {}, 2 processes", "skitter", lambda task: _skitter(task, *_MANY, *_TWO)),
    "fetch": Contender("skitter {}", "skitter", _fetch),
    "fetch-p2": Contender("skitter {}, 2 processes", "skitter", lambda task: _fetch(task, *_TWO)),
    "hosts": Contender("skitter {}", "skitter", _skitter),
    "hosts-p2": Contender("skitter {}, 2 processes", "skitter", lambda task: _skitter(task, *_TWO)),
    "scrapy": Contender("Scrapy {}", "scrapy", _script("scrapy_spiders.py", "plain")),
    "scrapy-tuned": Contender("Scrapy {}, tuned", "scrapy", _script("scrapy_spiders.py", "tuned")),
    "crawlee": Contender("Crawlee {}", "crawlee", _script("crawlee_crawlers.py", "plain")),
    "crawlee-tuned": Contender("Crawlee {}, tuned", "crawlee", _script("crawlee_crawlers.py", "tuned")),
    "wget2": Contender("wget2 {}", "wget2", _wget2, True, "exit 8"),
}
