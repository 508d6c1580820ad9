"""A worker process: fetches what it is told, reads it, runs handlers, and says what came of it.

It decides nothing that concerns others: which URL is next, and when, is its owner's affair, and so are
all files. It keeps nothing that cannot be lost.
"""

from __future__ import annotations

import asyncio
import mmap
import random
import socket
from collections.abc import Callable
from typing import Protocol

import msgspec
from msgspec.structs import replace

from skitter.config import Config
from skitter.engine.governor import Governor
from skitter.engine.handlers import Handlers
from skitter.engine.hooks import Hooks
from skitter.engine.reader import ReadAside
from skitter.engine.visit import Visited, Visitor
from skitter.engine.wire import (
    SLOT,
    Answered,
    Assign,
    Broke,
    Cancel,
    Channel,
    Leave,
    Message,
    Order,
    Pulse,
    Sent,
    Settled,
    Told,
)
from skitter.errors import StorageError
from skitter.events import Blocked, Event
from skitter.model import Entry, Failure, Headers, Request, Response
from skitter.ports import Clock, Fetcher, Watch
from skitter.rules.known import Known
from skitter.rules.scope import Bounds

__all__ = ["Stopper", "Worker"]

# As many as the frontier itself remembers.
_KNOWN = 2**19
# How often the owner hears how we are, if it has changed.
_PULSE = 0.05


class Stopper(Protocol):
    """What a handler may tell the crawl."""

    def stop(self) -> None:
        """Take no new URLs."""

    def abort(self) -> None:
        """Stop now."""

    def pause(self) -> None:
        """Begin no new visits."""

    def resume(self) -> None:
        """Go on."""


class _Remote:
    """Lets handlers stop the crawl, also from their threads."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        self._give("stop")

    def abort(self) -> None:
        self._give("abort")

    def pause(self) -> None:
        self._give("pause")

    def resume(self) -> None:
        self._give("resume")

    def _give(self, word: str) -> None:
        self._loop.call_soon_threadsafe(self._channel.put, Order(word))


class Worker:
    """To be made and run on the worker's own loop."""

    def __init__(
        self,
        config: Config,
        fetcher: Fetcher,
        clock: Clock,
        memory: mmap.mmap,
        *,
        handlers: Handlers | None,
        hooks: Hooks = Hooks(),  # noqa: B008 (frozen)
        share: Callable[[], float],
        wants_pages: bool,
        aside: ReadAside | None = None,
    ) -> None:
        """``memory`` is shared with the owner, ``share`` says how much of the machine's is in use."""
        self._config = config
        self._fetcher = fetcher
        self._clock = clock
        self._memory = memory
        self._free = list(range(0, len(memory), SLOT))
        self._wants_pages = wants_pages
        self._bounds = Bounds(config.scope)
        self._known = Known(_KNOWN)
        self._found: dict[int, list[int]] = {}  # keys that a visit found, until it is committed
        self._visitor = Visitor(
            config, self._bounds, clock, random.random, self._knows, handlers, aside, hooks
        )
        self._governor = Governor(config.limits.concurrency, share, self.tell)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._over = asyncio.Event()
        self._gone = asyncio.Event()  # is the owner?
        self._channel = Channel(self._receive, self._lose)
        self._loop = asyncio.get_running_loop()

    def tell(self, event: Event) -> None:
        """Let the owner's observers know that user code holds this loop. From any thread."""
        if isinstance(event, Blocked):
            self._loop.call_soon_threadsafe(self._channel.put, Told(event))

    async def run(self, line: socket.socket, watch: Watch, adopt: Callable[[Stopper], None]) -> None:
        """Work until the owner says that it is over, or is gone. ``adopt`` is given what handlers may stop
        the crawl with."""
        adopt(_Remote(self._channel))
        await asyncio.get_running_loop().create_connection(lambda: self._channel, sock=line)
        watch.start()
        for work, name in ((self._governor.run(), "governor"), (self._feel(), "pulse")):
            self._tasks[-len(self._tasks) - 1] = asyncio.create_task(work, name=name)
        await self._over.wait()
        watch.stop()  # what held the loop last is told still
        await asyncio.sleep(0)
        self._channel.close()
        await self._gone.wait()

    def _lose(self) -> None:
        self._over.set()
        self._gone.set()

    def _knows(self, key: int) -> bool:
        return not self._config.scope.by_level and key in self._known

    async def _feel(self) -> None:
        told = (self._governor.limit, False)
        while True:
            await asyncio.sleep(_PULSE)
            self._channel.flush()
            now = (self._governor.limit, self._governor.is_busy)
            if now != told:
                told = now
                self._channel.put(Pulse(*now))

    # -- what the owner says -----------------------------------------------------------------

    def _receive(self, message: Message) -> None:
        if isinstance(message, Assign):
            self._bounds.add_roots(message.roots)
            for number in message.committed:
                self._known.update(self._found.pop(number, ()))
            task = asyncio.create_task(self._do(message.number, message.request), name=message.request.url)
            self._tasks[message.number] = task
        elif isinstance(message, Leave):
            self._over.set()
        elif isinstance(message, Cancel) and message.number in self._tasks:
            self._tasks[message.number].cancel()

    async def _do(self, number: int, request: Request) -> None:
        started = self._clock.now()
        say = self._channel.put if request.paced else self._channel.put_by
        try:
            answer = await self._fetcher.fetch(request, lambda: say(Sent(number)))
            if request.visit is None:
                self._channel.put(_answered(number, answer))
                return
            self._channel.put(_answered(number, _bare(answer)))
            visited = await self._read(number, request.visit, answer, started, answered=request.host_answered)
            self._channel.put(self._settled(number, visited, answer))
        except asyncio.CancelledError:
            pass  # nobody waits for it
        except StorageError as error:
            self._channel.put(Broke(number, str(error), storage=True))
        except BaseException as error:  # of the user's code it may be any: the owner waits for an answer
            self._channel.put(Broke(number, f"{type(error).__name__}: {error}", storage=False))
        finally:
            del self._tasks[number]

    async def _read(
        self, number: int, entry: Entry, answer: Response | Failure, started: float, *, answered: bool
    ) -> Visited:
        """Leave word which page it is, in case that this process does not survive it."""
        slot = self._free.pop() if self._free else None
        try:
            if slot is not None:
                self._memory[slot : slot + SLOT] = number.to_bytes(SLOT)
            return await self._visitor.settle(entry, answer, started, host_answered=answered)
        finally:
            if slot is not None:
                self._memory[slot : slot + SLOT] = bytes(SLOT)
                self._free.append(slot)

    def _settled(self, number: int, visited: Visited, answer: Response | Failure) -> Settled:
        settlement = visited.settlement
        self._found[number] = [entry.key for entry in settlement.found]
        items = b""
        if settlement.row is not None and settlement.row.items:
            items = msgspec.json.encode(settlement.row.items)
            settlement = replace(settlement, row=replace(settlement.row, items=()))
        said = Settled(number, settlement, visited.roots, visited.again, items=items)
        if self._wants_pages and visited.page is not None:
            if answer.exchange is not None:  # the row has it
                answer = replace(answer, exchange=None)
            said.response = answer if isinstance(answer, Response) else None
            said.failure = answer if isinstance(answer, Failure) else None
            said.reading = visited.page.reading
        return said


def _bare(answer: Response | Failure) -> Response | Failure:
    """What the owner has to know to treat the host right."""
    wait = answer.headers.get("retry-after")
    headers = Headers((("retry-after", wait),)) if wait is not None else Headers()
    if isinstance(answer, Response):
        return replace(answer, headers=headers, body=b"", exchange=None)
    return replace(answer, headers=headers, exchange=None)


def _answered(number: int, answer: Response | Failure) -> Answered:
    if isinstance(answer, Response):
        return Answered(number, answer, None)
    return Answered(number, None, answer)
