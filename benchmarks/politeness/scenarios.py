"""What the servers are like: how many requests they work on at once, and for how long they are crawled."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BURST", "PAGE", "QUICK", "RATE", "RETRY_AFTER", "SCENARIOS", "Phase", "Scenario", "chosen"]

PAGE = 0.05  # seconds that a worker spends on a page
QUICK = 0.002  # seconds until the bucket's server answers
RATE = 10.0  # tokens a second
BURST = 10.0  # tokens that the bucket holds
RETRY_AFTER = 1  # seconds; asked for with each 429


@dataclass(frozen=True)
class Phase:
    """From `begin` to `end`, in seconds since the first request, the server has so many workers."""

    begin: float
    end: float
    workers: int


@dataclass(frozen=True)
class Scenario:
    """One server. `workers` has pairs (from this second on, so many); without any it is the token bucket."""

    workers: tuple[tuple[float, int], ...] = ()
    seconds: float = 30.0
    random: bool = False  # are the costs of pages exponentially distributed, or all alike
    links: int = 2  # on each page, to pages that no other page links to

    @property
    def is_bucket(self) -> bool:
        return not self.workers

    def phases(self, seconds: float) -> list[Phase]:
        """The phases of a crawl that takes `seconds`."""
        end = seconds
        found = []
        for begin, workers in reversed(self.workers):
            if begin < end:
                found.append(Phase(begin, end, workers))
                end = begin
        return found[::-1]


SCENARIOS = {
    **{f"fifo-{workers}": Scenario(((0.0, workers),)) for workers in (1, 2, 4, 8, 16)},
    "random": Scenario(((0.0, 8),), random=True),
    "steps": Scenario(((0.0, 8), (10.0, 4), (20.0, 8))),
    # A refusal has no links, so the pages must have more.
    "bucket": Scenario(seconds=60.0, links=20),
}


def chosen(names: str) -> list[str]:
    """The scenarios that a comma-separated list names; `fifo` means all that start with `fifo-`."""
    wanted = names.split(",")
    found = [key for key in SCENARIOS if key in wanted or key.split("-")[0] in wanted]
    unknown = set(wanted) - set(found) - {key.split("-")[0] for key in found}
    if unknown:
        raise SystemExit(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    return found
