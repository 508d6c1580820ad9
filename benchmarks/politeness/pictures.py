"""Pictures of what the server saw: for each scenario a row of panels a contender."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from figures import STEP, Request, answered, moving, occupancy
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from scenarios import PAGE, QUICK, RATE, Scenario

__all__ = ["draw"]

_SEEN = "tab:blue"
_REFUSED = "tab:red"


def draw(
    path: Path, title: str, scenario: Scenario, crawls: Mapping[str, Sequence[Request]], seconds: float
) -> None:
    """Write one picture: per contender the number in the system (for the bucket: answers) and the latency."""
    mpl.use("Agg")  # no display is needed
    size = (11, 1 + 1.9 * len(crawls))
    figure, grid = plt.subplots(len(crawls), 2, figsize=size, sharex=True, sharey="col", squeeze=False)
    rows: list[tuple[Axes, Axes]] = [(left, right) for left, right in grid]
    for (left, right), (name, requests) in zip(rows, crawls.items(), strict=True):
        if scenario.is_bucket:
            _answers(left, requests, seconds)
        else:
            _window(left, scenario, requests, seconds)
        _latency(right, requests, scenario)
        left.set_title(name, loc="left", fontsize=10)
    _label(rows, scenario, seconds)
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _window(panel: Axes, scenario: Scenario, requests: Sequence[Request], seconds: float) -> None:
    """The number in the system, and how many workers there are."""
    bins = occupancy(requests, seconds)
    panel.plot(_times(bins), bins, color=_SEEN, alpha=0.3, linewidth=0.7)
    panel.plot(_times(bins), moving(bins), color=_SEEN)
    for phase in scenario.phases(seconds):
        panel.hlines(phase.workers, phase.begin, phase.end, color="black", linestyle="--", linewidth=0.8)
    panel.set_yscale("log")
    panel.set_ylim(0.3, 150)


def _answers(panel: Axes, requests: Sequence[Request], seconds: float) -> None:
    """Pages and refusals a second, and how many pages the server gives."""
    for status, color in ((200, _SEEN), (429, _REFUSED)):
        bins = moving(answered(requests, seconds, status))
        panel.plot(_times(bins), bins, color=color, label=str(status))
    panel.axhline(RATE, color="black", linestyle="--", linewidth=0.8)
    panel.set_yscale("symlog", linthresh=2 * RATE)  # none are seen as well as hundreds
    panel.set_ylim(0, 1000)
    panel.legend(loc="upper right", fontsize=8)


def _latency(panel: Axes, requests: Sequence[Request], scenario: Scenario) -> None:
    """How long each answer took, at its arrival."""
    for status, color in ((200, _SEEN), (429, _REFUSED)):
        points = [(each.arrived, each.ended - each.arrived) for each in requests if each.status == status]
        if points:
            panel.plot(*zip(*points, strict=True), ".", color=color, markersize=2)
    panel.axhline(QUICK if scenario.is_bucket else PAGE, color="black", linestyle="--", linewidth=0.8)
    panel.set_yscale("log")
    panel.set_ylim(*((0.001, 0.1) if scenario.is_bucket else (0.03, 5)))


def _times(bins: Sequence[float]) -> list[float]:
    return [(place + 1) * STEP for place in range(len(bins))]


def _label(rows: Sequence[tuple[Axes, Axes]], scenario: Scenario, seconds: float) -> None:
    """Say what the axes mean, once."""
    left, right = rows[-1]
    left.set_xlim(0, seconds)
    for panel in (left, right):
        panel.set_xlabel("seconds since the first request")
    for left, right in rows:
        left.set_ylabel("answers/s" if scenario.is_bucket else "in the system")
        right.set_ylabel("latency, s")
