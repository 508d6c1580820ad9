"""The network: the only importer of aiohttp outside of testing. One hop a call, capped and timed."""

from skitter.net.fetcher import AiohttpFetcher
from skitter.net.loop import run_loop

__all__ = ["AiohttpFetcher", "run_loop"]
