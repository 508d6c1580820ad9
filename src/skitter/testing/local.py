"""The local test web site as one thing: every endpoint and the demonstration pages."""

from __future__ import annotations

from skitter.testing import demo, endpoints
from skitter.testing.site import Site

__all__ = ["local_site"]


def local_site(host: str = "127.0.0.1", port: int = 0, *, keep_log: bool = True) -> Site:
    """The site of ``skitter serve``, not started yet: ``with local_site() as site: site.url("/delay/1")``.

    Arguments are those of :class:`skitter.testing.Site`.
    """
    site = Site(host, port, keep_log=keep_log)
    endpoints.install(site)
    demo.build(site)
    return site
