"""Parts for testing crawlers, used by skitter's own tests and meant for yours.

`Site` is a real web server on the loopback address that remembers what it was asked; `FakeClock`
runs asyncio code in virtual time, and `FakeFetcher` is a web in memory to go with it. `Oracle` is a
web of many hosts that says beforehand how a crawl has to end for every URL (`Expected`), for proofs
that a crawl loses nothing, whatever happens to it. `FaultProxy` stands before any server and does to
its connections what networks do (`Faults`): resets, silence, slowness.
`local_site` makes the `Site` that `skitter serve` shows, filled by `skitter.testing.endpoints` and
`skitter.testing.demo`.
"""

from skitter.testing.clock import FakeClock
from skitter.testing.fetcher import Asked, FakeFetcher
from skitter.testing.local import local_site
from skitter.testing.oracle import Expected, Logged, Oracle
from skitter.testing.proxy import FaultProxy, Faults
from skitter.testing.site import Seen, Site

__all__ = [
    "Asked",
    "Expected",
    "FakeClock",
    "FakeFetcher",
    "FaultProxy",
    "Faults",
    "Logged",
    "Oracle",
    "Seen",
    "Site",
    "local_site",
]
