"""A Frontier of your own: of each host only so many URLs are taken, for a look at many sites.

Watch for: it wraps the Frontier that is there, so that leases, levels and retries stay as they were. URLs
come by two ways, `admit` (seeds, sitemaps) and `settle` (the links of a page that has ended).
"""

from collections import defaultdict

from msgspec.structs import replace

import skitter
from skitter.frontier import MemoryFrontier
from skitter.testing import local_site


class SampleFrontier:
    def __init__(self, inner, most):
        self._inner, self._most = inner, most
        self._taken = defaultdict(set)
        self.open, self.lease, self.knows, self.close = inner.open, inner.lease, inner.knows, inner.close

    async def admit(self, entries, roots=()):
        return await self._inner.admit(self._few(entries), roots)

    async def settle(self, batch, write=None):
        few = tuple(replace(each, found=self._few(each.found)) for each in batch.settlements)
        return await self._inner.settle(replace(batch, settlements=few), write)

    def _few(self, entries):
        for entry in entries:
            if len(self._taken[entry.origin]) < self._most:
                self._taken[entry.origin].add(entry.key)
        return tuple(each for each in entries if each.key in self._taken[each.origin])


with local_site() as birds, local_site() as shells:
    crawler = skitter.Crawler(frontier=SampleFrontier(MemoryFrontier(), 7))
    crawler.run_sync([birds.url("/birds/"), shells.url("/shells/")])
    print("asked of each:", len(birds.targets()), len(shells.targets()))
