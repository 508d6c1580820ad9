"""URLs that strangers write, on pages, in files and in Location."""

from __future__ import annotations

import math
import string

from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.hostile import FUZZ, URL_SEEDS, header_text, mutated_text, quick

from skitter.content.hrefs import Hrefs
from skitter.model import Done, Entry, Headers, Reason, Redirect, Response, RetryAt
from skitter.rules.robots_verdict import Hop, judge_robots
from skitter.rules.url import (
    MAX_URL,
    authority_of,
    canonical,
    hostname_of,
    key_of,
    origin_of,
    target_of,
    without_userinfo,
)
from skitter.rules.verdict import judge

TOKENS = [
    "http://", "https:", "HTTP:\\\\", "//", "/", "\\", "..", "/./", "?", "#", "@", ":", ":80", ":443",
    ":99999", "%", "%2e", "%2F", "%41", "%zz", "%%37e", "[::1]", "[", "]", "0x7f.1", "127.0.0.1", "xn--",
    "xn--a", "ä", "ß", "。", "\u200d", "\u202e", "\t", "\n", " ", "\0", "\ufeff", "\ufffd", "\U0001f600",
    "|", "^", "javascript:", "data:,", "file:///", "a" * 64, "." * 20, "%41" * 500, "/.." * 300, "h",
    ".example",
]  # fmt: skip
# Most seeds are absolute, so that more comes of them.
WEB_SEEDS = [seed for seed in URL_SEEDS if seed.lower().startswith("http")]
MORE_SEEDS = ["http://user:pass@h.example:8080/a/b;c?d=e&f#g", "https://h/%7Euser/"]
TEXTS = mutated_text([*URL_SEEDS, *(WEB_SEEDS + MORE_SEEDS) * 4], TOKENS)
BASES = st.one_of(
    st.none(),
    st.sampled_from(["http://h/a/b?c", "https://u:p@h:8443/", "http://[::1]/x/", "http://h"]),
    TEXTS,
)
ASCII = frozenset(string.printable) - frozenset(string.whitespace)


def assert_canonical(url: str) -> None:
    """What the rest of the program takes for granted."""
    assert url.startswith(("http://", "https://"))
    assert len(url) <= MAX_URL
    assert set(url) <= ASCII
    assert "#" not in url
    assert canonical(url) == url
    assert canonical(url, "http://other/x?y") == url
    bare = without_userinfo(url)
    assert canonical(bare) == bare == without_userinfo(bare)
    assert origin_of(bare) + target_of(bare) == bare
    assert target_of(bare).startswith("/")
    assert authority_of(bare).startswith(hostname_of(bare))
    assert hostname_of(bare)
    assert "@" not in authority_of(bare)
    assert -(2**63) <= key_of(bare) < 2**63


@FUZZ
@given(TEXTS, BASES)
def test_a_url_is_canonical_or_none(text: str, base: str | None) -> None:
    with quick():
        url = canonical(text, base)
    if url is not None:
        assert_canonical(url)


@FUZZ
@given(TEXTS, TEXTS)
def test_a_relative_reference_is_relative_to_what_is_canonical(text: str, other: str) -> None:
    """The base may be written in any way: it is the same base. (Escapes aside: whether they are decoded
    depends on what else is in the URL.)"""
    base = canonical(other)
    if base is not None and "%" not in text + other:
        assert canonical(text, other) == canonical(text, base)


@FUZZ
@given(st.lists(TEXTS, max_size=6), BASES)
def test_links_are_what_their_references_mean(references: list[str], other: str | None) -> None:
    base = canonical(other or "http://h/a/b")
    if base is None:
        return
    hrefs = Hrefs()
    said = dict.fromkeys(references, True)
    with quick():
        links = hrefs.resolve(said, base)
        again = hrefs.resolve(said, base)
    assert links == again
    meant = (canonical(text, base) if text else base for text in said)
    assert [link.url for link in links] == list(dict.fromkeys(without_userinfo(url) for url in meant if url))
    for link in links:
        assert_canonical(link.url)
        assert (link.key, link.origin) == (key_of(link.url), origin_of(link.url))


NAMES = st.sampled_from(["Location", "location", "Retry-After", "retry-after", "Content-Type", "X", ""])
LOCATIONS = header_text(
    [*URL_SEEDS, "/next", "120", "Wed, 21 Oct 2099 07:28:00 GMT"], [*TOKENS, "1", "GMT", ","]
)
FIELDS = st.lists(st.tuples(NAMES, LOCATIONS), max_size=4).map(tuple)
STATUSES = st.one_of(st.integers(100, 599), st.sampled_from([301, 302, 303, 307, 308, 429, 503, 304, 500]))


@FUZZ
@given(
    FIELDS,
    STATUSES,
    st.integers(0, 5),
    st.integers(0, 5),
    st.floats(0, 4e9),
    st.integers(0, 20),
    st.floats(0, 1),
)
def test_any_answer_has_a_verdict(
    fields: tuple[tuple[str, str], ...],
    status: int,
    spent: int,
    retries: int,
    now: float,
    hops: int,
    chance: float,
) -> None:
    url = "http://h/a/b"
    answer = Response(url, status, Headers(fields))
    back = tuple(f"http://h/{number}" for number in range(hops))
    entry = Entry(url, key_of(url), "http://h", hops=back, spent=spent)
    with quick():
        verdict = judge(answer, entry, retries=retries, now=now, chance=chance)
    match verdict:
        case Redirect(location):
            assert_canonical(location)
            assert location == without_userinfo(location)
            assert location not in (url, *back)
            assert status in (301, 302, 303, 307, 308)
        case RetryAt(at, _, error, free):
            assert now <= at < math.inf
            assert error.isprintable()
            assert free or spent < retries
        case Done(reason, error):
            assert isinstance(reason, Reason)
            assert error is None or error.isprintable()


@FUZZ
@given(FIELDS, STATUSES, st.integers(0, 5), st.integers(0, 6), st.floats(0, 4e9))
def test_any_answer_has_a_verdict_on_robots(
    fields: tuple[tuple[str, str], ...], status: int, tries: int, hops: int, now: float
) -> None:
    answer = Response("http://h/robots.txt", status, Headers(fields), b"User-agent: *\nDisallow: /")
    with quick():
        verdict = judge_robots(answer, token="skitter", hops=hops, tries=tries, retries=3, now=now)
    if isinstance(verdict, Hop):
        assert_canonical(verdict.url)
        assert verdict.url == without_userinfo(verdict.url)
