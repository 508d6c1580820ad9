"""The few things that the engine needs from outside. Anything of this shape will do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from skitter.model import (
    Batch,
    Change,
    Entry,
    Failure,
    Headers,
    Held,
    Lease,
    Mark,
    Opening,
    Request,
    Response,
    Row,
)

__all__ = ["Clock", "Fetcher", "Frontier", "Lost", "Sink", "Take", "Watch"]


class Clock(Protocol):
    """The one source of time."""

    def now(self) -> float:
        """Seconds since the epoch; never runs backwards within a run, whatever is done to the date."""

    def stamp(self) -> str:
        """The same, with what a later run needs to tell how much time has passed since."""


# Takes a body as it comes, piece by piece, with the head's fields; False when no more of it is wanted.
Take = Callable[[Headers, bytes], Awaitable[bool]]


class Lost(Exception):
    """Whoever made the request is gone; what came of it is not known. It can be made again."""


class Fetcher(Protocol):
    """Makes one hop. It follows no redirect, repeats nothing, and never sleeps."""

    async def fetch(
        self, request: Request, sent: Callable[[], None], take: Take | None = None
    ) -> Response | Failure:
        """Fetch ``request.url``; call ``sent`` when the request has gone out on the wire. The body of an
        answer below 300 goes to ``take``, if that is given, and not into the response. May raise Lost, and
        StorageError when a limit of this machine is reached."""

    async def addresses(self, origin: str) -> Sequence[str]:
        """The addresses of an origin's host. None if they cannot be known, or not yet. Never raises for a
        name that cannot be resolved."""

    async def close(self) -> None:
        """Close all connections."""


class Frontier(Protocol):
    """Everything known of every URL: pending, leased, settled. One conformance suite tests them all."""

    async def open(self) -> Opening:
        """Say what is there. All leases of earlier owners count as returned."""

    async def admit(self, entries: Sequence[Entry], roots: Sequence[str] = ()) -> Change:
        """Take URLs from outside (seeds) and scope roots. Known ones are left as they are."""

    async def lease(
        self,
        wants: Mapping[str, int],
        now: float,
        hosts: int = 0,
        each: int = 1,
        forgotten: Sequence[str] = (),
    ) -> Sequence[Lease]:
        """Lend up to so many due URLs of each named host, shallow and early ones first; then, ``each`` at
        most, those of up to ``hosts`` hosts with work that were not lent in this run. Fewer: no more.
        What was known of ``forgotten`` hosts comes with their next lease, as it does with the first."""

    def knows(self, key: int) -> bool:
        """Is the URL of this key admitted, and that committed? False may also mean that nobody remembers, or
        that the frontier wants to hear of it again. Never blocks; from any thread."""

    async def settle(self, batch: Batch, write: Callable[[], Mapping[str, Mark]] | None = None) -> Change:
        """Commit, all or nothing. ``write`` is called first, where it may block: it writes the outputs, and
        gives the marks that are committed with the batch. Raises StorageError when the disk refuses."""

    async def close(self) -> None:
        """Release files and threads."""


class Sink(Protocol):
    """Where records go. Called in one thread at a time, never on the event loop; may block."""

    name: str

    def held(self, mark: Mark, head: bytes) -> Held:
        """Is what ``mark`` stands for in the output, which begins with ``head`` (nothing: it is to be empty)?
        Raises StorageError."""

    def open(self, offset: int | None, began: Callable[[bytes], None] | None = None) -> None:
        """Begin; ``offset`` is the committed length (cut back to it) or None for a new output. ``began`` is
        told how the output begins, before its first byte is written."""

    def write(self, rows: Sequence[Row]) -> Mark | None:
        """Append and hand to the kernel; what the output holds now, None if nothing of it can be cut off
        again. Raises StorageError."""

    def sync(self) -> None:
        """Wait until the disk has it all. Raises StorageError."""

    def finish(self) -> None:
        """The run has ended, and all that was written is committed and synced: make what can only be made
        whole, unless it is there. Called once, last but :meth:`close`. Raises StorageError; then the next
        run makes it."""

    def close(self) -> None:
        """Release the file."""


class Watch(Protocol):
    """Looks whether the event loop stands still, from the start of a run to its end."""

    blocked: int  # how often code of the user's has held the loop too long

    def start(self) -> None:
        """Begin; called on the loop."""

    def stop(self) -> None:
        """End; called on the loop."""

    def lag(self, waited: float) -> float:
        """How many of the last ``waited`` seconds what the loop does in this turn comes late."""
