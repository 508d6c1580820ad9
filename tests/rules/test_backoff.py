"""Waiting: long enough for the server, spread out enough for all its clients, and never by accident."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitter.rules.backoff import BACKOFF_BASE, BACKOFF_CAP, full_jitter, retry_after

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


# Full jitter


@given(st.integers(min_value=0, max_value=10**6), st.floats(min_value=0, max_value=1, exclude_max=True))
def test_a_wait_lies_between_nothing_and_the_doubled_base(level: int, chance: float) -> None:
    wait = full_jitter(level, chance)
    assert 0 <= wait <= BACKOFF_CAP
    assert level > 30 or wait <= BACKOFF_BASE * 2**level


def test_the_bound_doubles_until_the_cap() -> None:
    assert [full_jitter(level, 1.0) for level in range(10)] == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600]
    assert full_jitter(10**9, 1.0) == BACKOFF_CAP


def test_the_wait_is_the_whole_range_not_only_its_end() -> None:
    """Full jitter: clients that failed together must not come back together."""
    assert full_jitter(3, 0.0) == 0.0
    assert full_jitter(3, 0.25) == 4.0
    assert full_jitter(3, 0.5) == 8.0


# Retry-After (RFC 9110, 10.2.3)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("007", 7.0),
        ("31536000000", 31_536_000_000.0),  # a thousand years: parked, nothing is held up (B13)
        ("120, 60", 120.0),  # the field was sent twice
        (None, None),
        ("", None),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("1e3", None),
        ("0x10", None),
        ("12 seconds", None),
        ("inf", None),
        ("nan", None),
        ("²", None),
        ("٣", None),
        ("soon", None),
        ("Tuesday", None),
        ("Tue, 99 Nov 2023 22:13:20 GMT", None),
        ("Tue, 14 Nov 2023 99:13:20 GMT", None),
        ("Tue, 14 Nov 99999 22:13:20 GMT", None),
        ("Tue, 14 Nov", None),
        (",", None),
        (";" * 1000, None),
    ],
)
def test_delay_seconds_and_what_is_none(value: str | None, seconds: float | None) -> None:
    """What says nothing usable must be None: then our own backoff applies."""
    assert retry_after(value, NOW) == seconds


def test_a_number_beyond_all_bounds_is_still_a_number() -> None:
    wait = retry_after("9" * 5000, NOW)
    assert wait is not None
    assert 1e17 < wait < float("inf")


@pytest.mark.parametrize(
    "value",
    [
        "Tue, 14 Nov 2023 22:15:20 GMT",
        "Tuesday, 14-Nov-23 22:15:20 GMT",  # RFC 850, obsolete, and a recipient must read it
        "Tue Nov 14 22:15:20 2023",  # asctime, likewise
        "Tue, 14 Nov 2023 22:15:20 +0000",
        "Tue, 14 Nov 2023 22:15:20 -0000",
        "tue, 14 nov 2023 22:15:20 gmt",
        "Wed, 15 Nov 2023 00:15:20 +0200",
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "XYZ-7", "XYZ+9"])
def test_dates_mean_the_same_wherever_we_run(value: str, zone: str, in_zone: "InZone") -> None:
    """RFC 9110, 5.6.7: every HTTP date is in UTC, also the form that does not say so."""
    in_zone(zone)
    assert retry_after(value, NOW) == 120.0


class InZone:
    """Sets the process's time zone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, zone: str) -> None:
        self._monkeypatch.setenv("TZ", zone)
        time.tzset()


@pytest.fixture
def in_zone() -> Iterator[InZone]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield InZone(monkeypatch)
    time.tzset()


@pytest.mark.parametrize("value", ["Tue, 14 Nov 2023 22:13:20 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_date_in_the_past_means_no_wait(value: str) -> None:
    assert retry_after(value, NOW) == 0.0


@given(st.integers(min_value=0, max_value=10**11))
def test_every_number_of_seconds_is_honoured_in_full(seconds: int) -> None:
    """No cap here: capping at a minute, as others do, breaks the host's wish."""
    assert retry_after(str(seconds), NOW) == float(seconds)


@given(st.integers(min_value=0, max_value=200_000_000_000))
def test_every_date_to_come_is_honoured_in_full(seconds: int) -> None:
    date = datetime.fromtimestamp(NOW + seconds, UTC)
    assert retry_after(format_datetime(date, usegmt=True), NOW) == seconds


@given(st.one_of(st.text(max_size=40), st.text("0123456789 :,-+GMTNovue", max_size=30)))
def test_garbage_never_raises(value: str) -> None:
    wait = retry_after(value, NOW)
    assert wait is None or 0 <= wait < float("inf")
