"""Keys that were met lately are there, others never; memory does not grow."""

from __future__ import annotations

import random

from skitter.rules.known import Known


def test_what_was_never_taken_in_is_not_known() -> None:
    known = Known(64)
    assert not any(key in known for key in range(-1_000, 1_000))
    known.update([5])
    assert [key for key in range(-1_000, 1_000) if key in known] == [5]


def test_of_the_last_keys_most_are_known() -> None:
    chance = random.Random(1)
    keys = [chance.getrandbits(64) - 2**63 for _ in range(100_000)]
    known = Known(2**12)
    known.update(keys)
    last = sum(key in known for key in keys[-400:])
    assert last > 340, f"{last} of the last 400"
    assert sum(key in known for key in keys) <= 2**12


def test_what_is_met_again_comes_back() -> None:
    chance = random.Random(1)
    known = Known(2**8)
    missed = 0
    for _ in range(10_000):
        known.update([chance.getrandbits(63)])
        if -1 not in known:
            missed += 1
            known.update([-1])
    assert missed < 100
