"""What is taken out of documents: Markdown whose links lead somewhere, articles, metadata, feeds, tables."""

from __future__ import annotations

from skitter.content import extract
from skitter.content.html import parse_html

BASE = "http://docs.test/guide/tasks.html"
PARAGRAPH = "Tasks are run, one after the other, and when one waits, another goes on. " * 6
ARTICLE = f"""<!doctype html><html lang=en><head><title>Tasks - Docs</title>
<meta name=Author content="Ann Example"><meta name="description" content="All of tasks.">
<meta property="og:title" content="Tasks"><meta property="og:image" content="/i/a.png">
<meta property="article:published_time" content="2026-05-01T10:00:00Z">
<meta name="twitter:card" content="summary">
<meta name=keywords content="tasks, loops"><meta property="og:site_name" content="Docs">
<link rel=alternate type="application/rss+xml" href="/feed.xml#x">
<link rel=alternate type=text/html href="/de">
<link rel="alternate" type="application/atom+xml; charset=utf-8" href="atom">
<link rel=alternate type="application/rss+xml" href="/feed.xml">
<script type="application/ld+json">{{"@type": "Article", "headline": "Tasks"}}</script>
<script type="application/ld+json">{{no json</script></head>
<body><nav><a href="/">home</a> <a href="/all">all</a></nav>
<main><h1 id=t>Tasks<a class=headerlink href="#t">¶</a></h1>
<p>{PARAGRAPH}See <a href="../api.html#run">run</a>,
<a href="#t">above</a>, <a href="javascript:alert(1)">this</a>, <a href="mailto:a@b.test">us</a>.</p>
<pre><code>await task</code></pre><p>{PARAGRAPH}<img src=/i/a.png alt=loop></p>
<table><tr><th>name <b>it</b><th>what<tr><td>run<td>runs
  it</table></main>
<div itemscope itemtype="https://schema.org/Offer"><span itemprop=price>9</span>
<a itemprop=url href=/buy>b</a></div>
<footer>nobody reads this</footer></body></html>"""


def test_markdown_is_the_main_content_with_absolute_links() -> None:
    text = extract.markdown(parse_html(ARTICLE.encode(), "utf-8"), BASE)
    assert text.startswith("# Tasks\n\nTasks are run")
    assert "[run](http://docs.test/api.html#run)" in text
    assert "[above](http://docs.test/guide/tasks.html#t)" in text
    assert "![loop](http://docs.test/i/a.png)" in text
    assert "[us](mailto:a@b.test)" in text
    assert "```\nawait task\n```" in text
    assert "| name" in text
    assert "javascript" not in text
    assert "¶" not in text
    assert "home" not in text
    assert "nobody reads this" not in text
    assert text.endswith("\n")


def test_a_page_without_main_content_is_markdown_as_a_whole() -> None:
    text = extract.markdown(parse_html(b"<p>One <a href=b>b</a><p>Two", "utf-8"), "http://h/a")
    assert text == "One [b](http://h/b)\n\nTwo\n"
    assert extract.markdown(parse_html(b"", "utf-8"), "http://h/a") == "\n"


def test_an_article_has_its_text_and_what_is_said_of_it() -> None:
    found = extract.article(parse_html(ARTICLE.encode(), "utf-8"), BASE)
    assert found.text.startswith("Tasks")
    assert "one after the other" in found.text
    assert "home" not in found.text
    assert (found.title, found.author, found.site_name) == ("Tasks", "Ann Example", "Docs")
    assert found.date == "2026-05-01T10:00:00Z"
    assert found.description == "All of tasks."
    assert found.image == "http://docs.test/i/a.png"
    assert found.tags == ("tasks", "loops")
    assert extract.article(parse_html(b"<p>x", "utf-8"), BASE).author is None


def test_metadata_is_what_is_said_for_machines() -> None:
    found = extract.metadata(parse_html(ARTICLE.encode(), "utf-8"), BASE)
    assert found.meta["author"] == "Ann Example"
    assert found.meta["description"] == "All of tasks."
    assert found.opengraph["og:title"] == "Tasks"
    assert found.opengraph["og:image"] == "http://docs.test/i/a.png"
    assert found.opengraph["twitter:card"] == "summary"
    assert found.json_ld == ({"@type": "Article", "headline": "Tasks"},)
    (offer,) = found.microdata
    assert offer["type"] == "https://schema.org/Offer"
    assert offer["properties"] == {"price": ["9"], "url": ["http://docs.test/buy"]}


def test_metadata_of_hostile_documents_is_a_value() -> None:
    deep = b"<div itemscope itemprop=a>" * 3000
    huge = b'<script type="application/ld+json">' + b"[" * 100_000 + b"</script>"
    loop = b'<div itemscope id=a itemref="a b"></div><div itemscope id=b itemprop=x itemref=a></div>'
    for body in (deep, huge, loop, b"<meta property=og:url content='http://[x'>", b"<meta name=og:title>"):
        found = extract.metadata(parse_html(body, "utf-8"), BASE)
        assert found.json_ld == ()


def test_feeds_are_named_by_their_canonical_urls_once() -> None:
    found = extract.feeds(parse_html(ARTICLE.encode(), "utf-8"), BASE)
    assert found == ("http://docs.test/feed.xml", "http://docs.test/guide/atom")


def test_a_feed_has_its_entries() -> None:
    rss = """<?xml version="1.0"?><rss version="2.0"><channel><title>News</title><link>http://h/</link>
    <item><title>One</title><link>http://h/1</link><guid>1</guid>
    <pubDate>Fri, 01 May 2026 10:00:00 GMT</pubDate>
    <description>first</description></item></channel></rss>"""
    found = extract.feed(rss)
    assert found is not None
    assert (found.type, found.title, found.link) == ("rss", "News", "http://h/")
    (entry,) = found.entries
    assert (entry.title, entry.link, entry.id, entry.summary) == ("One", "http://h/1", "1", "first")
    assert entry.published == "Fri, 01 May 2026 10:00:00 GMT"
    atom = '<feed xmlns="http://www.w3.org/2005/Atom"><title>A</title><entry><title>x</title></entry></feed>'
    assert (extract.feed(atom) or extract.Feed("")).type == "atom"
    assert extract.feed("<html><p>no feed") is None
    assert extract.feed("") is None


def test_entities_of_a_feed_do_not_multiply() -> None:
    """B12: a billion laughs."""
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 9))
    bomb = f"""<?xml version="1.0"?><!DOCTYPE r [<!ENTITY l0 "ha">{levels}]>
    <rss version="2.0"><channel><title>&l8;</title></channel></rss>"""
    assert len(str(extract.feed(bomb))) < 10_000


def test_tables_are_rows_of_cells() -> None:
    assert extract.tables(parse_html(ARTICLE.encode(), "utf-8")) == [
        [["name it", "what"], ["run", "runs it"]]
    ]


def test_a_table_may_not_span_a_hundred_million_cells() -> None:
    small = b"<table><tr><td colspan=2>a<td rowspan=2>b<tr><td>c<td>d</table>"
    assert extract.tables(parse_html(small, "utf-8")) == [[["a", "a", "b"], ["c", "d", "b"]]]
    bomb = b"<table>" + b"<tr><td colspan=1000 rowspan=65534>" * 400
    assert extract.tables(parse_html(bomb, "utf-8")) == []
    assert extract.tables(parse_html(bomb.replace(b"65534", b"9" * 5000), "utf-8")) == []
