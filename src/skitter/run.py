"""One run of a crawl: puts the default parts together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType

from skitter.aside import Aside
from skitter.clock import SystemClock
from skitter.config import Config
from skitter.disk import Disks
from skitter.engine import (
    Engine,
    Stopper,
    UserCode,
)
from skitter.engine.governor import Governor
from skitter.engine.tell import Deliver
from skitter.events import Noted, Observer
from skitter.frontier import MemoryFrontier, SqliteFrontier
from skitter.job import open_job
from skitter.observe.memory import memory_used
from skitter.observe.watchdog import Watchdog
from skitter.outputs import plain_sinks
from skitter.ports import Frontier
from skitter.rules.scope import Bounds
from skitter.sinks.about import about
from skitter.staff import crew_of, fetcher_of, handlers_of

__all__ = ["Run"]


class Run:
    """One run with its parts: an async context manager that closes them all."""

    def __init__(
        self,
        config: Config,
        command: str,
        folder: str | None,
        *,
        observe: Observer,
        deliver: Deliver | None = None,
        code: UserCode = UserCode(),  # noqa: B008 (frozen)
        items: tuple[str, ...] = (),
        adopt: Callable[[Stopper], None] = lambda stopper: None,
    ) -> None:
        """Open the job in ``folder``, or none; ``items`` are outputs for what handlers make; a worker process
        gives ``adopt`` what may stop the crawl. Raises ConfigError, JobError (nothing made), StorageError."""
        clock = SystemClock()
        watch = Watchdog(config.limits.slow_callback, observe)
        # First what can find fault with the settings; then workers; then files, of which those have none.
        Bounds(config.scope)
        home = fetcher_of(config, clock, watch.lag, code)
        self._crew = crew_of(config, home, clock, observe, code, adopt, wants_pages=deliver is not None)
        self._fetcher = self._crew or home
        with self._disbanding():
            self._open(config, command, folder, items, observe, code)
        self._aside = Aside()
        self.engine = Engine(
            config,
            fetcher=self._fetcher,
            frontier=self._frontier,
            sinks=self._sinks,
            clock=clock,
            observe=observe,
            deliver=deliver,
            handlers=handlers_of(code, lambda: self.engine.stop()),
            hooks=code.hooks,
            watch=watch,
            governor=Governor(config.limits.concurrency, memory_used, observe, self._crew),
            disk_low=Disks((folder, *self.outputs), config.output.min_free).low,
            aside=self._aside.read,
        )

    @contextmanager
    def _disbanding(self) -> Iterator[None]:
        """Workers that are there are not left behind by what goes wrong now."""
        try:
            yield
        except BaseException:
            if self._crew is not None:
                self._crew.disband()
            raise

    def _open(
        self,
        config: Config,
        command: str,
        folder: str | None,
        items: tuple[str, ...],
        observe: Observer,
        code: UserCode,
    ) -> None:
        """The frontier and the outputs: a job's, or memory and plain files."""
        self.folder = folder
        self._job = open_job(folder, config, command, items) if folder else None
        for note in self._job.notes if self._job else ():
            observe(Noted(note))
        self._frontier: Frontier
        if self._job is not None:
            self._sinks, self._frontier = self._job.sinks, SqliteFrontier(self._job.store)
        else:
            for sink in code.sinks:
                sink.open(None)
            own = plain_sinks(config.output.output, items, config.output.field, about(config))
            self._sinks = (*own, *code.sinks)
            self._frontier = code.frontier or MemoryFrontier(by_level=config.scope.by_level)
        self.outputs = self._job.outputs if self._job else (*config.output.output, *items)

    async def __aenter__(self) -> Engine:
        return self.engine

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._aside.close()
        with ExitStack() as closing:  # whatever one of them raises, the others are closed
            if self._job is not None:
                closing.callback(self._job.close)
            for sink in self._sinks:
                closing.callback(sink.close)
            try:
                await self._fetcher.close()
            finally:
                await self._frontier.close()
