"""How slow a body may be."""

from __future__ import annotations

import pytest

from skitter.net.speed import LEAST_SPEED, Speed, TooSlow


def test_a_drip_is_too_slow_after_ten_seconds() -> None:
    speed = Speed(0.0)
    for second in range(1, 10):
        speed.came(1, float(second))
    with pytest.raises(TooSlow):
        speed.came(1, 10.0)


def test_the_least_speed_is_enough_and_each_period_counts_anew() -> None:
    speed = Speed(0.0)
    for second in range(1, 100):
        speed.came(LEAST_SPEED, float(second))
    speed.came(10_000_000, 100.0)
    for second in range(101, 110):
        speed.came(0, float(second))
    with pytest.raises(TooSlow):
        speed.came(0, 110.0)


def test_a_long_silence_counts_for_five_seconds() -> None:
    """It may have been ours; the time-out ends what is the server's."""
    speed = Speed(0.0)
    speed.came(1, 3600.0)
    speed.came(LEAST_SPEED * 10, 3605.0)
