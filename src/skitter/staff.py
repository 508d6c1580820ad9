"""Puts the parts of a worker process together, as :mod:`skitter.crawler` does those of its owner."""

from __future__ import annotations

import mmap
import os
import socket
from collections.abc import Callable

from skitter.aside import Aside
from skitter.config import Config
from skitter.engine import Crew, Handlers, HookedFetcher, Stopper, UserCode, Worker, memory_for
from skitter.events import Event, Observer
from skitter.net import AiohttpFetcher, run_loop
from skitter.nursery import Nursery
from skitter.observe.memory import memory_used
from skitter.observe.watchdog import Watchdog
from skitter.ports import Clock, Fetcher

__all__ = ["crew_of", "fetcher_of", "handlers_of"]


def _number(config: Config) -> int:
    """How many worker processes there are to be; 1 stands for none beside this process."""
    wanted = config.limits.processes
    if wanted:
        return wanted
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fetcher_of(config: Config, clock: Clock, lag: Callable[[float], float], code: UserCode) -> Fetcher:
    """What fetches in this process. Raises ConfigError."""
    if code.fetcher is not None:
        return HookedFetcher(code.fetcher, code.hooks)
    archives = config.output.archives
    fetcher = AiohttpFetcher(config.http, config.limits, clock, lag, archives=archives)
    return HookedFetcher(fetcher, code.hooks)


def handlers_of(code: UserCode, stop: Callable[[], None]) -> Handlers | None:
    """What takes pages in this process; ``stop`` ends the crawl."""
    if not code.routes:
        return None
    return Handlers(code.routes, stop) if code.stops else Handlers(code.routes)


def crew_of(
    config: Config,
    home: Fetcher,
    clock: Clock,
    observe: Observer,
    code: UserCode,
    adopt: Callable[[Stopper], None],
    *,
    wants_pages: bool,
) -> Crew | None:
    """Worker processes for a run, if there are to be any. They are forked from this process as it is now.

    ``wants_pages``: whoever runs the crawl wants to have its pages, with their bodies. Raises ConfigError.
    """

    number = _number(config)
    if number == 1:
        return None

    def work(line: socket.socket, memory: mmap.mmap) -> None:
        run_loop(_work(config, clock, code, adopt, line, memory, wants_pages=wants_pages))

    nursery = Nursery(work, memory_for(config))
    return Crew(config, nursery, number, home, observe)


async def _work(
    config: Config,
    clock: Clock,
    code: UserCode,
    adopt: Callable[[Stopper], None],
    line: socket.socket,
    memory: mmap.mmap,
    *,
    wants_pages: bool,
) -> None:
    """A worker's life."""
    tell: list[Callable[[Event], None]] = []
    stop: list[Callable[[], None]] = []

    def adopted(stopper: Stopper) -> None:
        stop.append(stopper.stop)
        adopt(stopper)

    watch = Watchdog(config.limits.slow_callback, lambda event: tell[0](event))
    aside = Aside()
    worker = Worker(
        config,
        fetcher_of(config, clock, watch.lag, code),
        clock,
        memory,
        handlers=handlers_of(code, lambda: stop[0]()),
        hooks=code.hooks,
        share=memory_used,
        wants_pages=wants_pages,
        aside=aside.read,
    )
    tell.append(worker.tell)
    await worker.run(line, watch, adopted)
    aside.close()
    os._exit(0)  # the owner has hung up: there is nothing left to be tidy for
