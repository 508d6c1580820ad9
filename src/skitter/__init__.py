"""skitter: an asynchronous web crawler that cannot lose a crawl, is polite without being told, and
explains itself. The names below are the public ones; they are loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skitter.crawler import Crawler, crawl, crawl_sync
    from skitter.errors import ConfigError, JobError, SkitterError, StorageError, UsageError
    from skitter.model import FinishReason, Reason, Record, Request, Summary
    from skitter.page import Page

__all__ = [
    "ConfigError",
    "Crawler",
    "FinishReason",
    "JobError",
    "Page",
    "Reason",
    "Record",
    "Request",
    "SkitterError",
    "StorageError",
    "Summary",
    "UsageError",
    "__version__",
    "crawl",
    "crawl_sync",
]

_HOMES = {
    "page": ("Page",),
    "crawler": ("Crawler", "crawl", "crawl_sync"),
    "errors": ("ConfigError", "JobError", "SkitterError", "StorageError", "UsageError"),
    "model": ("FinishReason", "Reason", "Record", "Request", "Summary"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("skitter.version").VERSION
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"skitter.{home}"), name)
    raise AttributeError(f"module 'skitter' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
