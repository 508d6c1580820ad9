"""What is remembered of references must never differ from resolving them afresh."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from skitter.content import hrefs as subject
from skitter.content.hrefs import Hrefs, link_to
from skitter.rules.url import canonical, without_userinfo

BASES = (
    "http://h/", "http://h/a/", "http://h/a/b", "http://h/a/c", "http://h/a/b?q=1/2", "http://h/a/b?x",
    "https://h/a/b", "http://other/a/b", "http://h/a/b/", "http://h/a/http://x/", "http://h/%7Ea/b",
)  # fmt: skip
RAWS = (
    "", "x", "./x", "../x", "/x", "//o/x", "http://o/x", "https://o", "?q", "?", " ?q", "\t?q", "http:",
    "http:x", "http:?q", "HTTP:?q", "ht\ntp:?q", "https:x", "https:?q", "\\x", "\\\\o\\x", "mailto:a@b",
    "javascript:0", "x?y", "x y", "http://u:p@o/x", "http://x/y", "y", "x\n/y", "\x01?q", "%3Fq", ";p", ":",
    "x:y", "é", "http://[",
)  # fmt: skip
text = st.text(st.sampled_from("ahtp:/?\\.x%@ \t\n#é"), max_size=12)


def fresh(raw: str, base: str) -> str | None:
    url = canonical(raw, base) if raw else base
    return None if url is None else without_userinfo(url)


@given(st.lists(st.tuples(st.sampled_from(BASES), st.sampled_from(RAWS) | text), max_size=30))
@example([(base, raw) for base in BASES for raw in RAWS] * 2)
def test_what_was_said_before_changes_nothing(said: list[tuple[str, str]]) -> None:
    hrefs = Hrefs()
    for base, raw in said:
        raw = raw.partition("#")[0]
        url = fresh(raw, base)
        assert hrefs.resolve({raw: True}, base) == (() if url is None else (link_to(url),)), (base, raw)


def test_links_are_distinct_in_order_and_followed_if_one_spelling_is() -> None:
    hrefs = Hrefs()
    said = {"b": True, "a": False, "./b": False, "c": False, "./a": True, "./c": False}
    for _ in range(2):
        found = hrefs.resolve(said, "http://h/d/e")
        assert [(link.url[-1], link.follow) for link in found] == [("b", True), ("a", True), ("c", False)]
    assert hrefs.resolve({"c": True}, "http://h/d/f")[0].follow, "one page's nofollow is no other page's"


def test_it_stays_bounded_whatever_pages_say() -> None:
    hrefs = Hrefs()
    for page in range(30):
        said = {f"p/{page}/{number}": True for number in range(1_000)}
        assert len(hrefs.resolve(said, "http://h/all/x")) == 1_000
        assert len(hrefs.resolve(said, f"http://h/{page}/x")) == 1_000
        kept = [*hrefs._young.values(), *hrefs._old.values()]
        assert sum(map(len, kept)) <= 2 * subject._ALL + 2_000
        assert max(map(len, kept)) <= subject._A_FOLDER
