"""What is a trap and what is not, URL by URL."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitter.rules.traps import MOST_OF_ONE_CONTENT, Traps, patterns_of, shape_of
from skitter.rules.url import canonical

H = "http://h"


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/a/b/a/b/a/b/a/b/", "cycle: /a/b/"),
        ("/x/x/x/x", "cycle: /x/"),
        ("/start/en/de/en/de/en/de/en/de", "cycle: /en/de/"),
        (
            "/about/contact/about/news/about/x/about",
            "cycle: /about/",
        ),  # links relative to a folder that is none
        ("/" + "/".join(map(str, range(60))), "path: more than 40 segments"),
        ("/?" + "&".join(f"p{n}={n}" for n in range(40)), "query: more than 32 parameters"),
        ("/?a=1&a=1&b=2&a=1&a=1", "query: 'a=1' comes more than 3 times"),
    ],
)
def test_one_url_is_enough(path: str, rule: str) -> None:
    said = shape_of(H + path, 3)
    assert said is not None
    assert said.startswith(rule)


@pytest.mark.parametrize(
    "path",
    [
        "/", "/a/b/a/b/a/b/", "/x/x/x/", "/1/1/1/1/11111.jpg", "/img/p/0/0/0/0/0/0/cover.jpg",
        "/api/java.base/java/util/stream/package-summary.html", "/org/org/app/org/x", "/?a=1&b=1&c=1&d=1",
        "/?id[]=1&id[]=2&id[]=3&id[]=4&id[]=5", "///////x", "/en/a/en/b/en/c",
    ],
)  # fmt: skip
def test_one_url_is_not_enough(path: str) -> None:
    assert shape_of(H + path, 3) is None


def test_nothing_is_a_thousand_links_away() -> None:
    assert shape_of(f"{H}/x", 1_000) is None
    assert shape_of(f"{H}/x", 1_001) == "depth: more than 1,000 links from a seed"


@pytest.mark.parametrize(
    ("path", "patterns"),
    [
        ("/cal/2026/11/22", {"calendar": "/cal/{date}"}),
        ("/cal/2026-11", {"calendar": "/cal/{date}"}),
        ("/log-20261122.html", {"calendar": "/log-{date}.html"}),
        ("/2026/11/22/a-title", {"calendar": "/{date}/a-title"}),
        ("/cal?month=11&year=2026", {"calendar": "/cal?month={date}&year={date}"}),
        ("/cal?d=3&m=11&year=2026", {"calendar": "/cal?d={date}&m={date}&year={date}"}),
        ("/events?when=2026-11-22", {"calendar": "/events?when={date}"}),
        ("/events?since=1700000000", {"calendar": "/events?since={date}"}),
        ("/list?page=4", {"pagination": "/list?page={n}"}),
        ("/blog/page/17/", {"pagination": "/blog/page/{n}/"}),
        ("/list?offset=40&sort=a", {"pagination": "/list?offset={n}&sort=a"}),
        ("/v/8f3a9b12cd34ef56aa/page", {"visitor": "/v/{id}/page"}),
        ("/x;jsessionid=AB12CD34EF56?a=1", {"session": "/x?a=1"}),
        ("/x?PHPSESSID=0af3b2c1d4e5f6a7", {"session": "/x"}),
        ("/(S(abcdef1234567))/x", {"session": "/x"}),
        ("/v?visitor=8f3a9b12cd34ef56aa", {"session": "/v"}),
        ("/x?b=2&a=1", {"order of parameters": "/x?a=1&b=2"}),
        (
            "/2026/11/page/4?sid=abcdef12345&b=1&a=3",
            {
                "session": "/2026/11/page/4?b=1&a=3",
                "order of parameters": "/2026/11/page/4?a=3&b=1",
                "calendar": "/{date}/page/{n}?a=3&b=1",
            },
        ),
    ],
)
def test_patterns(path: str, patterns: dict[str, str]) -> None:
    assert {p.rule: p.shape.removeprefix(H) for p in patterns_of(H + path)} == patterns


@pytest.mark.parametrize(
    "path",
    [
        "/", "/item/123", "/item?id=123", "/20111231/", "/item?id=20111231",
        "/blog/top-7-tips-for-python/",
        "/product/iphone-15-pro-max/", "/product/canon-eos-r5-camera-body/reviews", "/x?brand_id=10000001",
        "/x?brand=7-for-all-mankind", "/x?track=10000001", "/x?session=2024-keynote-1",
        "/products;category=7",
        "/items/550e8400-e29b-41d4-a716-446655440000/", "/article.pl?sid=08%2F03%2F05%2F1234567",
        "/topic?p=5&t=12345", "/showthread.php?t=12345", "/?p=123",
        "/CVE-2024-1086",
        "/isbn/9781234567897", "/v1.2.3/x", "/library/asyncio-eventloop.html", "/x?a=1&b=2",
        "/blob/8f3a9b12cd34ef56aa",
        "/item/550e8400-e29b-41d4-a716-446655440000", "/x?sid=5", "/x?session=3", "/rfc/rfc2026",
        "/2026/", "/1999/x",
        "/c3ref/changes.html", "/releaselog/3_8_11.html", "/page/about", "/x?page=about", "/x?from=20",
    ],
)  # fmt: skip
def test_what_is_ordinary_is_not_counted(path: str) -> None:
    assert patterns_of(H + path) == ()


def test_a_year_of_days_and_no_more() -> None:
    traps = Traps()
    days = [f"{H}/cal/{year}/{month}/{day}" for year in (2025, 2026) for month in range(1, 13)
            for day in range(1, 29)]  # fmt: skip
    said = [traps.judge(url, 3) for url in days]
    assert said.count(None) == 366
    assert said[366] == "calendar: more than 366 URLs like http://h/cal/{date}"
    assert all(traps.judge(f"{url}/title-{n}", 3) is None for n, url in enumerate(days)), (
        "articles have names"
    )


def test_each_site_and_each_calendar_has_its_own_year() -> None:
    traps = Traps()
    for n in range(366):
        for place in (f"{H}/a", f"{H}/b", "http://i/a"):
            assert traps.judge(f"{place}?date={n}", 1) is None
    assert traps.judge(f"{H}/a?date=999", 1) is not None


def test_one_session_is_followed_and_a_new_one_each_time_is_not() -> None:
    traps = Traps()
    assert all(traps.judge(f"{H}/{n}?sid=abcdef0123456789", 1) is None for n in range(1000))
    said = [traps.judge(f"{H}/one?sid=abcdef01234567{n}", 1) for n in range(10, 20)]
    assert said.count(None) == 3


def test_the_alphabetical_order_is_free() -> None:
    traps = Traps()
    orders = ["a=1&b=2&c=3", "c=3&b=2&a=1", "b=2&a=1&c=3", "c=3&a=1&b=2", "b=2&c=3&a=1", "a=1&c=3&b=2"]
    said = [traps.judge(f"{H}/x?{order}", 1) for order in orders]
    assert said[0] is None
    assert said.count(None) == 4


def test_copies_are_counted_by_host() -> None:
    traps = Traps()
    for number in range(1, MOST_OF_ONE_CONTENT + 1):
        assert traps.repeats(H, "abc") == (number, None)
        assert traps.repeats("http://i", "abc") == (number, None)
    assert traps.repeats(H, "abc")[1] == "content: more than 32 URLs of http://h have it"


def test_what_goes_on_is_not_forgotten() -> None:
    traps = Traps()
    said = []
    for n in range(400):
        said.append(traps.judge(f"{H}/cal?date={n}", 1))
        for other in range(400):
            traps.repeats(H, f"{n} {other}")
    assert said.count(None) == 366


@pytest.mark.parametrize(
    "url",
    [
        "/" + "a" * 8000 + "1", "/" + "1" * 8000, "/" + "page/" * 1600, "/" + ";a=1" * 2000,
        "/" + "2026-" * 1600,
        "/x?" + "visit" * 1600 + "=1", "/x?a=" + "a1" * 4000, "/" + "a/" * 4000 + "1", "/x?" + "a&" * 4000,
        "/" + "20" * 4000, "/" + "(A(" * 2500, "/" + "_" * 8000 + "/1", "/x?" + "session" * 1100,
    ],
)  # fmt: skip
def test_no_url_takes_long(url: str) -> None:
    start = time.perf_counter()
    shape_of(H + url, 3)
    patterns_of(H + url)
    assert time.perf_counter() - start < 0.5


@given(st.text(alphabet="ab1/.-;()=&?%{}2026", max_size=60))
def test_any_url_is_judged(path: str) -> None:
    url = canonical(f"{H}/{path}")
    if url is not None:
        shape_of(url, 1)
        assert all(pattern.shape.startswith(H) for pattern in patterns_of(url))
