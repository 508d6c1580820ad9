"""Fixtures for whoever tests a crawler; pytest finds them by itself where skitter is installed.

``site`` is a :class:`skitter.testing.Site`, a real web server on a free loopback port, empty, and stopped
after the test. ``fake_clock`` is a :class:`skitter.testing.FakeClock`, which runs coroutines in virtual time.

A fixture of the same name in your own tests takes their place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # nothing is loaded for tests that use neither
    from skitter.testing import FakeClock, Site

__all__ = ["fake_clock", "site"]


@pytest.fixture
def site() -> Iterator[Site]:
    """A web site of the test's own, on loopback: ``site.page("/", links=["/a"])``, ``site.url("/")``."""
    from skitter.testing import Site

    with Site() as site:
        yield site


@pytest.fixture
def fake_clock() -> FakeClock:
    """A clock on which an hour of waiting passes at once: ``fake_clock.run(coroutine)``."""
    from skitter.testing import FakeClock

    return FakeClock()
