"""Real jobs of a real site, each made by a crawl with other settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import skitter
from skitter.explain import Explanation, explain, read_history
from skitter.testing import Site

__all__ = ["build", "crawl", "explained"]

NOW = 2_000_000_000.0  # after everything that these jobs wait for
CYCLE = "/loop/a/b/a/b/a/b/a/b/"


def build(site: Site) -> None:
    """The site that all of these crawls meet."""
    site.robots(
        "User-agent: other\nDisallow: /\n\nUser-agent: *\nDisallow: /private/\nAllow: /private/open\n"
    )
    site.page(
        "/",
        links=[
            "/a", "/docs/1", "/private/x", "/private/open", "/print/p", "http://other.example/", "/meta",
            "/rel", "/header", "/old", "/flaky", "/dead", "/out", CYCLE, "/docs/2?sid=1a2b3c4d", "/two",
        ],
    )  # fmt: skip
    site.page("/two", links=["/a", "/docs/1", "/print/p"])
    for here, there in (("/a", "/a1"), ("/a1", "/a2"), ("/a2", "/a3")):
        site.page(here, links=[there])
    site.page("/docs/1", links=["/docs/2", "/a"])
    site.page("/docs/2*", "the second")
    site.page("/private/open", "open")
    site.page("/meta", '<meta name="robots" content="nofollow"><a href="/behind-meta">x</a>')
    site.page("/rel", '<a rel="nofollow" href="/behind-rel">x</a>')
    site.page("/header", '<a href="/behind-header">x</a>', headers={"X-Robots-Tag": "nofollow"})
    site.redirect("/old", "/older")
    site.redirect("/older", "/new")
    site.page("/new", "new")
    site.redirect("/out", "http://other.example/landing")
    site.errors("/flaky", 500, times=1, then="at last")
    site.page("/island", "nobody links here")


def crawl(site: Site, job: Path, *paths: str, **options: Any) -> Path:
    """Run a crawl from these paths; the job's folder."""
    skitter.Crawler(job=str(job), **options).run_sync([site.url(path) for path in paths or ("/",)])
    return job


def explained(job: Path, url: str, now: float = NOW) -> Explanation:
    """What the job says of a canonical URL."""
    return explain(read_history(job / "job.db", url, url, None, now))
