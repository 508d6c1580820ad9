"""Parts for testing crawlers, used by skitter's own tests and meant for yours.

`Site` is a real web server on the loopback address that remembers what it was asked; `FakeClock`
runs asyncio code in virtual time, and `FakeFetcher` is a web in memory to go with it.
`skitter.testing.endpoints` and `skitter.testing.demo` fill a `Site` with the pages that
`skitter serve` shows.
"""

from skitter.testing.clock import FakeClock
from skitter.testing.fetcher import Asked, FakeFetcher
from skitter.testing.site import Seen, Site

__all__ = ["Asked", "FakeClock", "FakeFetcher", "Seen", "Site"]
