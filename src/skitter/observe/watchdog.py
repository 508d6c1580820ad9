"""The crawl's own look at its event loop: whose code holds it, said once a place, counted always."""

from __future__ import annotations

from skitter.events import Blocked, Observer
from skitter.observe.blocking import Held, LoopWatch, Still

__all__ = ["Watchdog"]


class Watchdog:
    """A Watch that tells observers of every callback that held the loop for ``threshold`` seconds."""

    def __init__(self, threshold: float, observe: Observer) -> None:
        """A ``threshold`` of 0 watches nothing."""
        self.blocked = 0
        self._threshold = threshold
        self._observe = observe
        self._told: set[tuple[str, str, int]] = set()
        self._watch = LoopWatch(threshold, self._tell) if threshold else None

    def start(self) -> None:
        """Begin; called on the loop."""
        if self._watch is not None:
            self._watch.start()

    def stop(self) -> None:
        """End; called on the loop."""
        if self._watch is not None:
            self._watch.stop()

    def lag(self, waited: float = float("inf")) -> float:
        """How many of the last ``waited`` seconds what the loop does in this turn comes late."""
        return self._watch.lag(waited) if self._watch is not None else 0.0

    def _tell(self, still: Still) -> None:
        for held in still.held:
            if held.seconds >= self._threshold:
                self._report(held, over=still.over)

    def _report(self, held: Held, *, over: bool) -> None:
        place = held.place
        key = (place.name, place.file, place.line)
        self.blocked += over and place.users
        self._observe(
            Blocked(
                name=place.name,
                file=place.file,
                line=place.line,
                call=place.call,
                url=place.url,
                seconds=held.seconds,
                users=place.users,
                first=key not in self._told,
                over=over,
            )
        )
        self._told.add(key)
