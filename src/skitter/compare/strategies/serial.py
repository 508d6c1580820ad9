"""serial: a loop. Each request waits for the one before it, and the waiting adds up."""

from __future__ import annotations

import requests

from skitter.compare.lab import Lab

__all__ = ["run"]


def run(lab: Lab) -> None:
    """One after the other."""
    with lab.measured():
        for url in lab.urls:
            with lab.request(url) as trip:
                trip.answered(requests.get(url, **lab.options))
