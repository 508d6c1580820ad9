"""``noindex`` and ``nofollow``: fields that were written by hand, often for other crawlers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitter.content.robots_meta import directives

NOINDEX, NOFOLLOW, BOTH, NEITHER = (True, False), (False, True), (True, True), (False, False)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([], NEITHER),
        ([""], NEITHER),
        (["noindex"], NOINDEX),
        (["nofollow"], NOFOLLOW),
        (["none"], BOTH),
        (["all"], NEITHER),
        (["index, follow"], NEITHER),
        (["NoIndex,NOFOLLOW"], BOTH),
        (["  noindex  ,, "], NOINDEX),
        (["noindex", "nofollow"], BOTH),
        (["noindex-not"], NEITHER),
        (["noarchive, nosnippet, noimageindex"], NEITHER),
    ],
)
def test_plain_directives(fields: list[str], said: tuple[bool, bool]) -> None:
    assert directives(fields, "skitter") == said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (["googlebot: noindex"], NEITHER),
        (["googlebot: noindex, nofollow"], NEITHER),  # the name holds for the whole list
        (["skitter: noindex"], NOINDEX),
        (["Skitter : noindex, nofollow"], BOTH),
        (["*: noindex"], NOINDEX),
        (["googlebot: noindex", "nofollow"], NOFOLLOW),  # and not for the next field
        (["googlebot: noindex, skitter: nofollow"], NOFOLLOW),
        (["noindex, googlebot: nofollow"], NOINDEX),
        (["skitterbot: none"], NEITHER),
        (["googlebot: none", "skitter: none"], BOTH),
    ],
)
def test_a_field_may_be_for_one_crawler(fields: list[str], said: tuple[bool, bool]) -> None:
    assert directives(fields, "skitter") == said


def test_our_own_name_is_compared_in_any_case() -> None:
    assert directives(["SKITTER: noindex"], "Skitter") == NOINDEX


@pytest.mark.parametrize(
    "value",
    [
        "max-snippet: 20",
        "max-snippet:-1",
        "max-snippet : 20",
        "max-image-preview: large",
        "max-video-preview: 0",
        "unavailable_after: 2030-01-01",
        "unavailable_after: 25 Jun 2030 15:00:00 PST",
        "unavailable_after: Wed, 03 Dec 2030 13:09:53 GMT",
        "unavailable_after: Wednesday, 03-Dec-30 13:09:53 GMT",
    ],
)
def test_directives_with_values_are_no_names_of_crawlers(value: str) -> None:
    """Taken for one, they would hide every directive after them; dates even contain a comma."""
    assert directives([f"{value}, noindex"], "skitter") == NOINDEX
    assert directives([f"nofollow, {value}"], "skitter") == NOFOLLOW
    assert directives([value], "skitter") == NEITHER


@given(st.lists(st.one_of(st.text(max_size=20), st.text(":, noindexfollw*", max_size=30))))
def test_anything_may_stand_there(fields: list[str]) -> None:
    assert directives(fields, "skitter") in (NOINDEX, NOFOLLOW, BOTH, NEITHER)
