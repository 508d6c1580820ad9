"""Keys that were met lately are there; memory is bounded."""

from __future__ import annotations

from skitter.rules.known import Known


def test_the_last_keys_are_known_and_no_more_than_twice_as_many() -> None:
    known = Known(100)
    for key in range(1_000):
        known.update([key])
        assert all(each in known for each in range(max(0, key - 99), key + 1))
    assert 0 not in known
    assert len(known._young) + len(known._old) <= 202


def test_what_is_met_again_stays() -> None:
    known = Known(100)
    known.update([-1])
    for key in range(1_000):
        known.update([key])
        assert -1 in known
