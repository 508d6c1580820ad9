"""A page as users see it: the record's fields, the document on demand, and links to follow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skitter.content.element import Element
from skitter.content.read import read
from skitter.model import Headers, Reason, Record, Response
from skitter.page import Page

URL = "http://shop.test/list/1?sort=a"
LIST = """<!doctype html><title> A  list </title>
<h1 class="big  red" hidden>Two
   <b>things</b></h1>
<ul><li class=item>1 <a href="/p/1">one</a><li class=item>2 <a href="../p/2#top">two</a></ul>
<p class=next><a rel=next href="?page=2">next</a></p>
<p class=mail><a href="mailto:x@shop.test">write</a></p>
<iframe src="/frame"></iframe><img src="i.png">"""


def page_of(body: str | bytes = LIST, content_type: str = "text/html; charset=utf-8", url: str = URL) -> Page:
    data = body.encode() if isinstance(body, str) else body
    answer = Response(url, 200, Headers((("Content-Type", content_type),)), data)
    reading = read(answer, "skitter")
    record = Record(
        url=url, reason=Reason.FETCHED, status=200, title=reading.title, depth=0, fetched_at="2026-01-01"
    )
    return Page(record, answer, reading)


def first(page: Page | Element, selector: str) -> Element:
    found = page.css_first(selector)
    assert found is not None
    return found


# What it says


def test_the_fields_of_the_record_are_the_pages() -> None:
    page = page_of()
    assert (page.url, page.status, page.reason, page.error, page.ok) == (URL, 200, "fetched", None, True)
    assert page.title == "A list"
    assert page.content == LIST.encode()
    assert page.headers["CONTENT-TYPE"] == "text/html; charset=utf-8"
    assert page.history == ()
    assert repr(page) == f"<Page fetched 200 {URL}>"
    assert page.links[:2] == ("http://shop.test/p/1", "http://shop.test/p/2")


def test_a_failure_is_a_page_that_can_be_asked_everything() -> None:
    """Nobody should have to look at ``ok`` before he may call a method."""
    record = Record(url=URL, reason=Reason.UNREACHABLE, depth=0, fetched_at="2026-01-01", error="refused")
    page = Page(record)
    assert (page.ok, page.status, page.content, dict(page.headers), page.links) == (False, None, b"", {}, ())
    assert page.css("a") == []
    assert page.css_first("a") is None
    assert page.follow("a").urls == ()
    assert page.follow("/x").urls == ("http://shop.test/x",)


# Elements


def test_elements_give_text_attributes_and_html() -> None:
    head = first(page_of(), "h1")
    assert head.text == "Two things"
    assert head.tag == "h1"
    assert head.attrs == {"class": "big red", "hidden": ""}
    assert all(type(value) is str for value in head.attrs.values())
    assert head.html.startswith('<h1 class="big  red" hidden') or head.html.startswith("<h1 ")
    assert "<b>things</b></h1>" in head.html
    assert repr(head) == "<Element h1 'Two things'>"


def test_elements_are_asked_for_what_is_inside_of_them() -> None:
    page = page_of()
    assert [item.text for item in page.css(".item")] == ["1 one", "2 two"]
    assert [first(item, "a").attrs["href"] for item in page.css(".item")] == ["/p/1", "../p/2#top"]
    assert first(page, "ul").css("h1") == []
    assert first(page, "ul").css_first("h1") is None


def test_nothing_matched_is_nothing() -> None:
    page = page_of()
    assert page.css(".price") == []
    assert page.css_first(".price") is None


@pytest.mark.parametrize("selector", ["[[", "a:nope(", "", "::text", ">"])
def test_no_selector_is_a_value_error(selector: str) -> None:
    page = page_of()
    for ask in (page.css, page.css_first, first(page, "ul").css, first(page, "ul").css_first, page.follow):
        with pytest.raises(ValueError, match=r"selector|CSS"):
            ask(selector)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('<meta charset="utf-8"><h1>Grüße</h1>'.encode(), "text/html"),
        ("<h1>Grüße</h1>".encode("latin-1"), "text/html; charset=iso-8859-1"),
        ('<meta charset="windows-1252"><h1>Grüße</h1>'.encode("cp1252"), "text/html"),
        ("<h1>Grüße</h1>".encode("utf-8-sig"), "text/html"),
        ("<html xmlns='http://www.w3.org/1999/xhtml'><h1>Grüße</h1>", "application/xhtml+xml; charset=utf-8"),
    ],
)
def test_the_document_has_the_encoding_that_the_record_has(body: str | bytes, content_type: str) -> None:
    assert first(page_of(body, content_type), "h1").text == "Grüße"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [('{"a": "<h1>no</h1>"}', "application/json"), (b"\x89PNG<h1>", "image/png"), ("<h1>", "text/plain")],
)
def test_what_is_no_html_has_no_elements_of_its_own(body: str | bytes, content_type: str) -> None:
    page = page_of(body, content_type)
    assert page.css("h1") == []
    assert page.follow("a").urls == ()


@pytest.mark.parametrize("selector", ["*", "html", "body"])
def test_what_is_no_html_has_not_even_a_body(selector: str) -> None:
    """The contract of ``css``: "none of what is no HTML"."""
    assert page_of("{}", "application/json").css(selector) == []


def test_broken_and_empty_html_does_no_harm() -> None:
    for body in ("", "<", "<h1>open", "<a href='", "\x00<h1>x", "<div>" * 2000 + "<h1>deep"):
        page_of(body).css("h1")


def test_the_document_is_parsed_once() -> None:
    page = page_of()
    first(page, "h1")
    document = page._document
    page.follow(".next a")
    assert page._document is document


def test_a_page_may_be_read_in_many_threads() -> None:
    """Plain handlers run in threads, and may use threads of their own."""
    page = page_of("<ul>" + "<li>x</li>" * 500)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(len(page.css("li")))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [500] * 8


# Following


@pytest.mark.parametrize(
    ("target", "urls"),
    [
        (".next a", ["/list/1?page=2"]),
        (".item a", ["/p/1", "/p/2"]),
        ("iframe", ["/frame"]),
        ("a[rel=next], .next a", ["/list/1?page=2"]),
        (".nothing", []),
        ("#top", []),
        ("h1", []),
        ("/x", ["/x"]),
        (" /x ", ["/x"]),
        ("./x", ["/list/x"]),
        ("../x", ["/x"]),
        ("?page=3", ["/list/1?page=3"]),
        ("http://shop.test/a b#c", ["/a%20b"]),
    ],
)
def test_follow_takes_selectors_and_urls(target: str, urls: list[str]) -> None:
    assert page_of().follow(target).urls == tuple(f"http://shop.test{url}" for url in urls)


def test_follow_takes_urls_of_other_hosts() -> None:
    """Whether they are in scope is for the crawl to say."""
    page = page_of()
    assert page.follow("HTTPS://Other.test").urls == ("https://other.test/",)
    assert page.follow("//other.test/x").urls == ("http://other.test/x",)


def test_follow_takes_an_element() -> None:
    page = page_of()
    assert page.follow(first(page, ".next a")).urls == ("http://shop.test/list/1?page=2",)
    assert page.follow(first(page, "iframe")).urls == ("http://shop.test/frame",)
    assert page.follow(first(page, "h1")).urls == ()


def test_a_base_element_counts_for_everything_relative() -> None:
    page = page_of('<base href="/deep/er/"><a href="x">x</a>')
    assert page.follow("a").urls == ("http://shop.test/deep/er/x",)
    assert page.follow("./y").urls == ("http://shop.test/deep/er/y",)
    assert page.follow(first(page, "a")).urls == ("http://shop.test/deep/er/x",)
    assert page.links == ("http://shop.test/deep/er/x",)


def test_a_link_that_is_there_often_is_followed_once() -> None:
    assert len(page_of('<a href="/x">1</a><a href="/x#y">2</a>').follow("a").urls) == 1


def test_passwords_in_links_are_not_followed_along() -> None:
    assert page_of('<a href="http://u:p@shop.test/x">1</a>').follow("a").urls == ("http://shop.test/x",)


def test_links_of_a_selector_that_lead_nowhere_are_left_out() -> None:
    page = page_of('<p><a href="javascript:void(0)">1</a><a href="mailto:a@b">2</a><a>3</a></p>')
    assert page.follow("p a").urls == ()


@pytest.mark.parametrize("href", ["javascript:void(0)", "mailto:x@shop.test", "http://["])
def test_the_only_link_of_a_selector_may_lead_nowhere_too(href: str) -> None:
    """The last page of many shops: its "next" is a ``javascript:`` link. Two of those are no mistake."""
    assert page_of(f'<p class=next><a href="{href}">next</a></p>').follow(".next a").urls == ()


@pytest.mark.parametrize(
    "target", ["http://[", "//", "ftp://shop.test/x", "mailto:a@b", "javascript:void(0)"]
)
def test_what_is_neither_url_nor_selector_is_a_value_error(target: str) -> None:
    with pytest.raises(ValueError, match=r"selector|CSS"):
        page_of().follow(target)


def test_css_and_css_first_agree() -> None:
    page = page_of()
    ask: list[Callable[[str], Element | None]] = [page.css_first, first(page, "body").css_first]
    for css_first in ask:
        found = css_first("a")
        assert found is not None
        assert found.html == page.css("a")[0].html


# More than elements


def test_text_html_and_json_by_media_type() -> None:
    page = page_of("<title>t</title><p>one<p>two<script>x()</script>")
    assert page.text.split() == ["one", "two"]
    assert page.html.startswith("<title>t</title>")
    data = page_of('{"a": [1, "é"]}', "application/json")
    assert data.json() == {"a": [1, "é"]}
    assert data.text == '{"a": [1, "é"]}'
    assert data.markdown == ""
    assert page_of(b"gr\xfc\xdfe", "text/plain; charset=iso-8859-1").text == "grüße"
    assert page_of(b"\x89PNG", "image/png").text == ""
    with pytest.raises(ValueError, match="Expecting value"):
        page.json()


def test_a_page_that_is_no_html_has_nothing_to_extract() -> None:
    page = page_of("%PDF", "application/pdf")
    assert (page.markdown, page.article.text, page.tables, page.feeds, page.xpath("//a")) == (
        "",
        "",
        [],
        (),
        [],
    )
    assert (dict(page.metadata.meta), page.feed) == ({}, None)


def test_xpath_finds_elements_texts_and_numbers() -> None:
    page = page_of()
    assert [element.text for element in page.xpath("//li/a")] == ["one", "two"]
    assert page.xpath("//li/a/@href") == ["/p/1", "../p/2#top"]
    assert page.xpath("count(//li)") == [2.0]
    assert first(page, "ul").xpath(".//a")[0].tag == "a"
    with pytest.raises(ValueError, match="expression"):
        page.xpath("//li[")


def test_reading_markdown_changes_no_element() -> None:
    page = page_of()
    assert "http://shop.test/p/1" in page.markdown
    assert first(page, "li a").attrs["href"] == "/p/1"
    assert page.markdown is page.markdown


def test_a_page_is_saved_whole(tmp_path: Path) -> None:
    page = page_of(b"\x89PNG\x00", "image/png")
    assert page.save(tmp_path / "i.png") == tmp_path / "i.png"
    assert page.save(str(tmp_path / "i.png")).read_bytes() == b"\x89PNG\x00"
    assert [file.name for file in tmp_path.iterdir()] == ["i.png"]
    with pytest.raises(OSError, match="nowhere"):
        page.save(tmp_path / "nowhere" / "i.png")


# Asking otherwise


def test_follow_says_how_to_ask() -> None:
    page = page_of()
    assert page.follow("/x").ask is None
    form = page.follow("/search", data={"q": "a b", "n": "1"}).ask
    assert form is not None
    assert (form.method, form.body) == ("POST", b"q=a+b&n=1")
    assert form.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    call = page.follow("/api", method="put", json={"a": None}, headers={"X-Key": "k"}, meta={"n": (1, 2)}).ask
    assert call is not None
    assert (call.method, call.body) == ("PUT", b'{"a":null}')
    assert call.headers == {"X-Key": "k", "Content-Type": "application/json"}
    assert call.meta == {"n": [1, 2]}, "as it comes back from a database"
    own = page.follow("/api", data=b"\x00", headers={"content-type": "x/y"}).ask
    assert own is not None
    assert own.headers == {"content-type": "x/y"}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"method": "TRACE"}, "give one of GET POST"),
        ({"method": "GET", "data": "x"}, "a GET has no body"),
        ({"data": "x", "json": 1}, "not both"),
        ({"headers": {"Content-Length": "5"}}, "leave it out"),
        ({"headers": {"a b": "5"}}, "give a header as"),
        ({"headers": {"a": "x\r\nb: c"}}, "printable|header"),
    ],
)
def test_what_cannot_be_asked_is_a_value_error(how: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        page_of().follow("/x", **how)


def test_meta_is_what_json_can_hold() -> None:
    with pytest.raises(TypeError, match="meta: "):
        page_of().follow("/x", meta={"a": object()})


@pytest.mark.parametrize("label", ["punycode", "idna", "undefined", "rot13", "unicode_escape", "x\x00"])
def test_no_label_picks_a_codec_that_is_no_charset(label: str) -> None:
    page = page_of("-".join("añb" * 9), f"text/plain; charset={label}")
    assert page.html == page.text == "-".join("añb" * 9)


def test_json_that_nests_without_end_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="nested"):
        page_of("[" * 200_000, "application/json").json()


def test_one_name_may_be_saved_by_many_at_once(tmp_path: Path) -> None:
    page, failed = page_of("x" * 1000), []

    def save() -> None:
        try:
            for _ in range(50):
                page.save(tmp_path / "a.html")
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=save) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert [file.name for file in tmp_path.iterdir()] == ["a.html"]
    for name in (tmp_path, "", "."):
        with pytest.raises(ValueError, match="names no file"):
            page.save(name)
