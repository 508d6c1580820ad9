"""Globs on whole URLs: what a person expects of ``*`` and ``?``, and never slow."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitter.rules.pattern import compile_pattern


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("http://h/", "http://h/", True),
        ("http://h/", "http://h/a", False),  # the whole URL, not its beginning
        ("h/", "http://h/", False),
        ("*", "", True),
        ("*.pdf", "http://h/a.pdf", True),
        ("*.pdf", "http://h/aXpdf", False),  # a dot is a dot
        ("*.pdf", "http://h/a.pdf?x", False),
        ("http://h/?", "http://h/a", True),
        ("http://h/?", "http://h/", False),
        ("http://h/?", "http://h/ab", False),
        ("*/a*b*/c", "http://h/a-ab-b/c", True),
        ("*[ab]*", "http://h/a", False),  # brackets are no wildcards: IPv6 URLs have them
        ("http://[::1]/*", "http://[::1]/a", True),
        ("*a*ab", "xaab", True),  # the last piece has to meet the end, not its first place
        ("*aa*a", "aaa", True),
        ("*aa*a", "aa", False),
        ("**", "x", True),
        ("*+(x)$^|{1}\\*", "a+(x)$^|{1}\\b", True),
        ("*A*", "http://h/a", False),
    ],
)
def test_globs(pattern: str, text: str, matches: bool) -> None:
    assert compile_pattern(pattern)(text) is matches


@given(st.text("ab*?", min_size=1, max_size=8), st.text("ab", max_size=10))
def test_globs_agree_with_the_shells(pattern: str, text: str) -> None:
    """No bracket here: without it, the two languages are the same one."""
    assert compile_pattern(pattern)(text) is fnmatch.fnmatchcase(text, pattern)


def test_an_expression_is_searched_for_anywhere() -> None:
    found = compile_pattern("re:/[0-9]{4}/")
    assert found("http://h/2024/a")
    assert not found("http://h/202/a")
    assert compile_pattern("re:^https:")("https://h/")
    assert not compile_pattern("re:^h$")("http://h/")


@pytest.mark.parametrize("pattern", ["", "re:(", "re:[a", "re:?"])
def test_what_cannot_be_understood_is_said_in_words(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"expression|empty"):
        compile_pattern(pattern)
