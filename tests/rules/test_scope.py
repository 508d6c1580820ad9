"""The scope decides what is crawled: too wide and we trouble strangers, too narrow and pages are missing."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitter.config import Scope
from skitter.errors import ConfigError
from skitter.rules.domain import registrable_domain
from skitter.rules.scope import Bounds

SEED = "http://www.example.com/docs/guide/start.html"


def bounds(kind: str, *seeds: str, **settings: object) -> Bounds:
    made = Bounds(Scope(scope=kind, **settings))  # type: ignore[arg-type]
    for seed in seeds:
        made.add_root(seed)
    return made


def admits(kind: str, seed: str, url: str) -> bool:
    return bounds(kind, seed).refuses(url, 1) is None


# What is inside


@pytest.mark.parametrize(
    ("url", "inside"),
    [
        ("http://www.example.com/docs/guide/start.html", "page"),  # a link to itself is no seed again
        ("http://www.example.com/docs/guide/", "prefix"),
        ("http://www.example.com/docs/guide/next.html", "prefix"),
        ("http://www.example.com/docs/guide/deep/er?x=/../", "prefix"),
        ("https://www.example.com/docs/guide/", "prefix"),
        ("http://www.example.com/docs/guide", "host"),
        ("http://www.example.com/docs/guided", "host"),
        ("http://www.example.com/docs/", "host"),
        ("http://www.example.com/?/docs/guide/", "host"),
        ("http://www.example.com/", "host"),
        ("https://www.example.com/", "host"),
        ("http://www.example.com:8080/", "domain"),
        ("http://www.example.com:8080/docs/guide/", "domain"),
        ("http://example.com/", "domain"),
        ("http://a.b.example.com/", "domain"),
        ("https://shop.example.com:8443/", "domain"),
        ("http://example.org/", "any"),
        ("http://notexample.com/", "any"),
        ("http://www.example.com.evil.test/", "any"),
        ("http://example.com.evil.test/docs/guide/", "any"),
        ("http://evil.test/www.example.com/docs/guide/", "any"),
        ("http://evil.test/?http://www.example.com/docs/guide/", "any"),
    ],
)
def test_each_kind_contains_the_narrower_ones(url: str, inside: str) -> None:
    """``inside`` is the narrowest kind that admits the link; "page" stands for a seed's own URL."""
    order = ["page", "prefix", "host", "domain", "any"]
    admitted = [kind for kind in order if admits(kind, SEED, url)]
    assert admitted == order[max(1, order.index(inside)) :]


def test_page_follows_nothing() -> None:
    assert bounds("page", SEED).refuses("http://www.example.com/docs/guide/a", 1) == "outside scope 'page'"


def test_http_and_https_on_their_own_ports_are_one_host() -> None:
    """Half of all sites link to themselves by the other scheme."""
    assert admits("host", "http://h.example/", "https://h.example/a")
    assert admits("host", "https://h.example/", "http://h.example/a")


@pytest.mark.parametrize(
    "other",
    ["http://h.example:8080/", "https://h.example:8443/", "https://h.example:80/", "http://h.example:443/"],
)
def test_another_port_is_another_host(other: str) -> None:
    """Another service of the machine: its owner may be somebody else."""
    assert not admits("host", "http://h.example/", other)
    assert not admits("prefix", "http://h.example/", other)
    assert not admits("host", other, "http://h.example/")


def test_the_same_port_is_the_same_host() -> None:
    assert admits("host", "http://h.example:8080/a/b", "http://h.example:8080/")
    assert admits("prefix", "http://h.example:8080/a/b", "http://h.example:8080/a/c")


def test_a_trailing_dot_makes_another_host_name() -> None:
    """It is another name to a server; whoever means it can name it as a seed."""
    assert not admits("host", "http://h.example/", "http://h.example./")
    assert admits("host", "http://h.example./", "http://h.example./a")


def test_every_seed_widens_the_scope() -> None:
    both = bounds("host", "http://a.example/", "http://b.example/")
    assert both.refuses("http://a.example/x", 1) is None
    assert both.refuses("http://b.example/x", 1) is None
    assert both.refuses("http://c.example/x", 1) == "outside scope 'host'"


@pytest.mark.parametrize("kind", ["prefix", "host", "domain"])
def test_a_root_is_news_only_once_and_can_be_handed_to_the_next_run(kind: str) -> None:
    """The roots are stored with the job: a resumed run may have other seeds, and the same scope."""
    first = bounds(kind)
    root = first.add_root(SEED)
    assert root is not None
    assert first.add_root(SEED) is None
    resumed = bounds(kind)
    resumed.add_roots([root])
    assert resumed.refuses("http://www.example.com/docs/guide/next.html", 1) is None
    assert resumed.add_root(SEED) is None


@pytest.mark.parametrize("kind", ["page", "any"])
def test_page_and_any_need_no_roots(kind: str) -> None:
    assert bounds(kind).add_root(SEED) is None


def test_no_seeds_admit_nothing() -> None:
    for kind in ("page", "prefix", "host", "domain"):
        assert bounds(kind).refuses("http://h.example/", 0) is not None


@pytest.mark.parametrize(
    ("seed", "folder"),
    [
        ("http://h/", "h/"),
        ("http://h/a", "h/"),
        ("http://h/a/", "h/a/"),
        ("http://h/a/b?c=/d/e", "h/a/"),
        ("https://h:8443/a/b/c", "h:8443/a/b/"),
    ],
)
def test_the_folder_ends_at_the_last_slash_of_the_path(seed: str, folder: str) -> None:
    assert bounds("prefix").add_root(seed) == folder


# Registrable domains


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("www.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),  # a suffix stands for itself
        ("alice.github.io", "alice.github.io"),  # private section: each user is a site
        ("www.alice.github.io", "alice.github.io"),
        ("github.io", "github.io"),
        ("example.com.", "example.com"),
        ("www.example.co.uk.", "example.co.uk"),
        ("localhost", "localhost"),
        ("intranet", "intranet"),
        ("127.0.0.1", "127.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("[::1]", "[::1]"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("a.unknown-suffix", "a.unknown-suffix"),
        ("b.a.unknown-suffix", "a.unknown-suffix"),
        ("www.xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_registrable_domains_follow_the_public_suffix_list(name: str, domain: str) -> None:
    assert registrable_domain(name) == domain


@pytest.mark.parametrize(
    ("seed", "url", "inside"),
    [
        ("http://alice.github.io/", "http://bob.github.io/", False),
        ("http://alice.github.io/", "http://www.alice.github.io/", True),
        ("http://a.co.uk/", "http://b.co.uk/", False),
        ("http://a.example.co.uk/", "http://b.example.co.uk/", True),
        ("http://10.0.0.1/", "http://10.0.0.2/", False),
        ("http://10.0.0.1/", "http://99.0.0.1/", False),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:9000/", True),
        ("http://[::1]/", "http://[::2]/", False),
        ("http://[::1]/", "http://[::1]:8080/", True),
        ("http://localhost/", "http://localhost:8080/", True),
        ("http://localhost/", "http://evil.localhost/", False),
        ("http://example.com/", "http://www.example.com./", True),
    ],
)
def test_domain_scope(seed: str, url: str, inside: bool) -> None:
    assert admits("domain", seed, url) is inside


@given(st.text("abc-.0123456789[]:", max_size=40))
def test_no_host_name_breaks_the_look_up(name: str) -> None:
    """Names come from pages: "..", "-" and "a..b" all occur."""
    assert isinstance(registrable_domain(name), str)


# Depth, include, exclude


def test_depth_counts_links_from_a_seed() -> None:
    shallow = bounds("host", SEED, depth=2)
    assert shallow.refuses("http://www.example.com/a", 2) is None
    assert shallow.refuses("http://www.example.com/a", 3) == "deeper than depth 2"
    assert bounds("host", SEED, depth=0).refuses("http://www.example.com/a", 1) == "deeper than depth 0"
    assert bounds("host", SEED).refuses("http://www.example.com/a", 10**9) is None


def test_exclude_goes_before_include() -> None:
    both = bounds("host", SEED, include=("*.html",), exclude=("*/private/*",))
    assert both.refuses("http://www.example.com/a.html", 1) is None
    assert both.refuses("http://www.example.com/a.pdf", 1) == "matches no include pattern"
    assert both.refuses("http://www.example.com/private/a.html", 1) == "excluded by '*/private/*'"


def test_one_matching_include_is_enough() -> None:
    several = bounds("any", include=("*/a/*", "re:[0-9]{4}"))
    assert several.refuses("http://h/a/x", 1) is None
    assert several.refuses("http://h/2024", 1) is None
    assert several.refuses("http://h/b", 1) == "matches no include pattern"


def test_patterns_do_not_widen_the_scope() -> None:
    """--include narrows; a pattern that also matches elsewhere must not send us there."""
    assert bounds("host", SEED, include=("*",)).refuses("http://other.example/", 1) == "outside scope 'host'"


def test_the_refusal_names_the_pattern_that_made_it() -> None:
    """``skitter explain`` prints this line; with two patterns it has to be the right one."""
    two = bounds("any", exclude=("*.pdf", "re:sess(ion)?="))
    assert two.refuses("http://h/?session=1", 1) == "excluded by 're:sess(ion)?='"
    assert two.refuses("http://h/a.pdf", 1) == "excluded by '*.pdf'"


def test_a_seed_is_refused_by_exclude_alone() -> None:
    """The user named it: scope and include speak of links. An explicit "never" still holds."""
    strict = bounds("page", depth=0, include=("*/nothing/*",), exclude=("*/private/*",))
    assert strict.refuses_seed("http://h/") is None
    assert strict.refuses_seed("http://h/private/a") == "excluded by '*/private/*'"
    assert strict.refuses("http://h/", 0) is not None


@pytest.mark.parametrize("option", ["include", "exclude"])
@pytest.mark.parametrize("pattern", ["re:(", "re:*", "re:[a", ""])
def test_a_bad_pattern_is_the_operators_mistake(option: str, pattern: str) -> None:
    with pytest.raises(ConfigError, match=f"^--{option}: "):
        bounds("host", **{option: (pattern,)})


# Time


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("*a" * 40 + "*b", "http://h/" + "a" * 8000),
        ("*" * 1000 + "b", "http://h/" + "a" * 8000),
        ("*a*a*a*a*a*a*b", "http://h/" + "a" * 8000),
        ("*?" * 100 + "b", "http://h/" + "a" * 8000),
        ("*" + "a" * 1000 + "*b", "http://h/" + "a" * 8000),
    ],
)
def test_a_url_cannot_make_a_glob_slow(pattern: str, url: str) -> None:
    """X6: translated to ".*" throughout, the first of these would not end in this century."""
    hostile = bounds("any", include=(pattern,))
    start = time.process_time()
    assert hostile.refuses(url, 1) == "matches no include pattern"
    assert time.process_time() - start < 0.25


def test_many_prefix_roots_do_not_slow_the_look_up() -> None:
    """Seeds may come by the million; a link's way up its folders is short."""
    many = bounds("prefix", *(f"http://h/{number}/" for number in range(20_000)))
    start = time.process_time()
    for number in range(1000):
        assert many.refuses(f"http://h/{number}/a/b/c/d/e/f", 1) is None
    assert time.process_time() - start < 0.5


def test_a_path_of_many_folders_is_judged_quickly() -> None:
    url = "http://h/" + "a/" * 4000
    start = time.process_time()
    assert bounds("prefix", "http://h/b/").refuses(url, 1) == "outside scope 'prefix'"
    assert time.process_time() - start < 0.25


# What a person is told


@pytest.mark.parametrize(
    ("kind", "url", "root"),
    [
        ("host", "https://www.example.com/else", "www.example.com"),
        ("host", "https://example.com/", None),
        ("prefix", "http://www.example.com/docs/guide/deep/er?x=/y", "www.example.com/docs/guide/"),
        ("prefix", "http://www.example.com/docs/", None),
        ("domain", "https://a.b.example.com/", "example.com"),
        ("domain", "https://example.org/", None),
        ("any", "https://example.org/", None),
        ("page", SEED, None),
    ],
)
def test_the_root_around_a_url_is_named(kind: str, url: str, root: str | None) -> None:
    made = bounds(kind, "http://www.other.example/x", SEED)
    assert made.root_around(url) == root
    if kind not in ("any", "page"):
        assert (made.refuses_place(url) is None) == (root is not None)


def test_the_include_pattern_that_names_a_url_is_told_as_it_was_written() -> None:
    made = bounds("any", include=("*/docs/*", "re:docs"))
    assert made.included_by("http://example.com/docs/1") == "*/docs/*"
    assert made.included_by("http://example.com/docs") == "re:docs"
    assert made.included_by("http://example.com/") is None
    assert made.includes("http://example.com/docs")
    assert not made.includes("http://example.com/")
