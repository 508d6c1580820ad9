"""What is met again and again is counted rightly, however much else comes; memory does not grow."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from skitter.rules.tally import Tally


@pytest.mark.parametrize("seed", range(5))
def test_counts_are_those_of_a_dictionary_while_there_is_room(seed: int) -> None:
    chance = random.Random(seed)
    keys = [0, -1, 2**63 - 1, -(2**63), *(chance.randrange(-(2**63), 2**63) for _ in range(40))]
    keys += [key ^ 2**40 for key in keys]  # each pair wants the same place
    tally, expected = Tally(2**7), Counter[int]()
    for _ in range(2_000):
        key, number = chance.choice(keys), chance.randint(1, 9)
        assert tally.count(key) == expected[key]
        expected[key] += number
        assert tally.add(key, number) == expected[key]


def test_what_is_met_again_and_again_stays_in_a_flood() -> None:
    """What came within the last 1,024 keys is known exactly; what never comes again is forgotten."""
    chance = random.Random(1)
    tally = Tally(2**10)
    often = [chance.getrandbits(63) for _ in range(10)]
    first = chance.getrandbits(63)
    tally.add(first)
    for number in range(1, 100_001):
        tally.add(chance.getrandbits(63))
        if number % 100 == 0:
            tally.add(often[number // 100 % 10])
    assert [tally.count(key) for key in often] == [100] * 10
    assert tally.count(first) == 0


def test_a_count_has_an_end() -> None:
    tally = Tally(4)
    assert tally.add(7, 10**9) == tally.add(7) == 65_535
