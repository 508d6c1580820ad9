"""From a response to a reading: whatever came, the result is a value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitter.content.hrefs import link_to
from skitter.content.read import read
from skitter.model import Headers, Reading, Response

URL = "http://h/a"
PAGE = b"<html lang=en><title>T</title><meta name=robots content=nofollow><a href=/b>x</a>"


def response(body: bytes, *pairs: tuple[str, str]) -> Response:
    return Response(URL, 200, Headers(pairs), body)


def test_a_page_is_read() -> None:
    found = read(response(PAGE, ("Content-Type", "text/html; charset=utf-8")), "skitter")
    assert found == Reading(
        content_type="text/html",
        charset="UTF-8",
        lang="en",
        title="T",
        links=(link_to("http://h/b"),),
        nofollow=True,
    )


@pytest.mark.parametrize(
    "kind", ["text/plain; charset=koi8-r", "application/pdf", "image/png", "application/json"]
)
def test_other_types_are_only_named(kind: str) -> None:
    """The bytes look like HTML, and the server says that they are not."""
    found = read(response(PAGE, ("Content-Type", kind)), "skitter")
    charset = "koi8-r" if "koi8-r" in kind else None
    assert found == Reading(content_type=kind.partition(";")[0], charset=charset)


def test_xhtml_is_read_like_html() -> None:
    found = read(response(PAGE, ("content-type", "application/xhtml+xml")), "skitter")
    assert (found.content_type, found.title) == ("application/xhtml+xml", "T")


def test_without_a_type_a_page_is_known_by_its_beginning() -> None:
    assert read(response(PAGE), "skitter").title == "T"
    assert read(response(b"plain"), "skitter") == Reading()


@pytest.mark.parametrize("kind", ["text/html", "application/pdf"])
def test_x_robots_tag_counts_for_every_type(kind: str) -> None:
    found = read(response(b"x", ("Content-Type", kind), ("X-Robots-Tag", "noindex")), "skitter")
    assert (found.noindex, found.nofollow) == (True, False)


def test_header_and_meta_element_are_put_together() -> None:
    fields = (("Content-Type", "text/html"), ("X-Robots-Tag", "googlebot: none"), ("x-robots-tag", "noindex"))
    found = read(response(PAGE, *fields), "skitter")
    assert (found.noindex, found.nofollow) == (True, True)


def test_a_name_in_one_field_does_not_reach_into_the_next() -> None:
    """Fields of one name must not be joined first: the second is for everybody."""
    fields = (("X-Robots-Tag", "googlebot: noindex"), ("X-Robots-Tag", "nofollow"))
    found = read(response(b"x", *fields), "skitter")
    assert (found.noindex, found.nofollow) == (False, True)


def test_text_and_html_come_only_when_asked_for() -> None:
    page = response(b"<p>a <b>b</b><script>no()</script>", ("Content-Type", "text/html; charset=utf-8"))
    assert read(page, "skitter").text is read(page, "skitter").html is None
    asked = read(page, "skitter", frozenset({"text", "html"}))
    assert asked.html == "<p>a <b>b</b><script>no()</script>"
    assert asked.text is not None
    assert asked.text.split() == ["a", "b"]


CONTENT_TYPES = st.one_of(
    st.none(),
    st.text(max_size=30),
    st.sampled_from(
        ["text/html", "text/html; charset=utf-16", "text/html; charset=zip", "text/html; charset=\0"]
    ),
)
ALL = frozenset({"text", "html"})


@given(st.binary(max_size=2000), CONTENT_TYPES, st.text(max_size=30))
def test_any_bytes_have_a_reading(body: bytes, kind: str | None, robots: str) -> None:
    fields = [("X-Robots-Tag", robots)]
    if kind is not None:
        fields.append(("Content-Type", kind))
    assert isinstance(read(response(body, *fields), "skitter", ALL), Reading)


@given(st.binary(max_size=500), st.integers(0, 100))
def test_junk_in_the_middle_of_a_page_does_not_hide_what_stands_before(junk: bytes, cut: int) -> None:
    page = PAGE + junk + PAGE[:cut]
    found = read(response(page, ("Content-Type", "text/html; charset=utf-8")), "skitter", ALL)
    assert found.title == "T"
    assert found.links[0].url == "http://h/b"
