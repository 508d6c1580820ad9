"""The right rule for each URL: a table over real jobs of real crawls."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.explain.jobs import CYCLE, build, crawl, explained

import skitter
from skitter.errors import JobError
from skitter.explain import lines, read_history
from skitter.rules.url import key_of
from skitter.testing import Site

OTHER = "http://other.example/"
METADATA = "http://169.254.169.254/latest"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as made:
        build(made)
        yield made


@pytest.fixture(scope="module")
def jobs(site: Site, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One crawl for each kind of settings."""
    folder = tmp_path_factory.mktemp("jobs")
    made = {
        "depth": crawl(site, folder / "depth", depth=3, exclude=("*/print/*",)),
        "include": crawl(site, folder / "include", include=("*/docs/*", "re:/two$")),
        "prefix": crawl(site, folder / "prefix", "/docs/1", scope="prefix"),
        "page": crawl(site, folder / "page", scope="page"),
        "seeds": crawl(site, folder / "seeds", depth=0),
        "limit": crawl(site, folder / "limit", limit=1),
        "lawless": crawl(site, folder / "lawless", "/", "/private/x", no_robots=True, no_trap_guard=True),
        "other": crawl(site, folder / "other", "/private/x", user_agent="other/2"),
        "redirected": crawl(site, folder / "redirected", "/old", depth=0),
    }
    with Site() as second:
        second.robots("Sitemap: /map.xml\n")
        second.page("/map.xml", f"<urlset><url><loc>{second.url('/listed')}</loc></url></urlset>")
        second.page("/listed", "listed")
        second.page("/", links=[METADATA, site.url("/old"), *(f"/s?sid=a1b2c3d{n}" for n in range(5))])
        second.page("/s*", "the same")
        made["any"] = crawl(second, folder / "any", scope="any", sitemaps=True, depth=1, per_host=1)
        made["any_port"] = Path(str(second.port))
    with Site() as broken:
        broken.robots("oh", status=500)
        broken.page("/", "never read")
        made["broken"] = crawl(broken, folder / "broken", retries=0)
        made["broken_port"] = Path(str(broken.port))
    return made


TABLE = [
    # job, URL, state, rule, what the answer says
    ("depth", "/", "ended", "admitted", "it ended as fetched (HTTP 200)"),
    ("depth", "/a2", "ended", "admitted", "fetched"),
    ("depth", "/a3", "refused", "depth", "depth 4 is deeper than depth 3 (--depth)"),
    ("depth", "/print/p", "refused", "exclude", "excluded by '*/print/*' (--exclude)"),
    ("depth", "/private/x", "ended", "robots", "robots.txt line 5: Disallow: /private/"),
    ("depth", "/private/open", "ended", "admitted", "fetched"),
    (
        "depth",
        "/private/unlinked",
        "unseen",
        "robots",
        "never seen: no page of the job links to it; if one did: ",
    ),
    ("depth", f"{CYCLE}unlinked", "unseen", "trap", "never seen"),
    ("depth", "/x/print/unlinked", "unseen", "exclude", "never seen"),
    ("depth", OTHER, "refused", "scope", "outside scope 'host', drawn around 127.0.0.1:"),
    ("depth", f"{OTHER}landing", "refused", "scope", "outside scope 'host'"),
    ("depth", f"{OTHER}unlinked", "unseen", "scope", "never seen"),
    ("depth", "/behind-meta", "refused", "nofollow", "/meta says nofollow"),
    ("depth", "/behind-header", "refused", "nofollow", "/header says nofollow"),
    ("depth", "/behind-rel", "refused", "nofollow", "/rel links to it with rel=nofollow only"),
    ("depth", CYCLE, "ended", "trap", "cycle: /a/b/ comes more than 3 times"),
    ("depth", "/old", "ended", "admitted", "redirected (HTTP 302), to "),
    ("depth", "/new", "ended", "admitted", "fetched"),
    ("depth", "/flaky", "ended", "admitted", "fetched"),
    ("depth", "/dead", "ended", "admitted", "http_error (HTTP 404)"),
    ("depth", "/island", "unseen", "not_linked", "never seen"),
    ("include", "/docs/1", "ended", "admitted", "fetched"),
    ("include", "/two", "ended", "admitted", "fetched"),
    ("include", "/meta", "refused", "include", "matches no include pattern: '*/docs/*', 're:/two$'"),
    ("prefix", "/docs/2", "ended", "admitted", "fetched"),
    ("prefix", "/a", "refused", "scope", "outside scope 'prefix', drawn around 127.0.0.1:"),
    ("page", "/a", "refused", "scope", "scope 'page': no link is followed"),
    ("seeds", "/a", "refused", "depth", "depth 1 is deeper than depth 0"),
    ("limit", "/a", "pending", "admitted", "still to be fetched"),
    ("lawless", "/private/x", "ended", "admitted", "http_error (HTTP 404)"),
    ("lawless", CYCLE, "ended", "admitted", "http_error (HTTP 404)"),
    ("other", "/private/x", "ended", "robots", "robots.txt line 2: Disallow: /"),
    ("redirected", "/new", "ended", "admitted", "fetched"),
    ("any", METADATA, "ended", "address", "refused_address"),
    ("any", "second:/listed", "ended", "admitted", "fetched"),
    ("any", "second:/map.xml", "sitemap", "admitted", "a sitemap, read: it has no record"),
    ("any", "second:/s?sid=a1b2c3d4", "ended", "trap", "session: more than 3 URLs like"),
    ("any", "/new", "ended", "admitted", "fetched"),
    ("any", "/a", "unseen", "not_linked", "never seen"),
    ("broken", "broken:/", "ended", "robots", "robots.txt: HTTP 500"),
]


def place(site: Site, jobs: dict[str, Path], url: str) -> str:
    name, colon, path = url.partition(":/")
    if colon and name in ("second", "broken"):
        port = jobs["any_port" if name == "second" else "broken_port"]
        return f"http://127.0.0.1:{port}/{path}"
    return site.url(url) if url.startswith("/") else url


@pytest.mark.parametrize(("job", "url", "state", "rule", "said"), TABLE)
def test_the_right_rule_is_named(
    site: Site, jobs: dict[str, Path], job: str, url: str, state: str, rule: str, said: str
) -> None:
    found = explained(jobs[job], place(site, jobs, url))
    assert (found.state, found.rule) == (state, rule), found.answer
    assert said in found.answer
    assert found.admitted == (state not in ("refused", "unseen"))
    first, *rest = lines(found)
    assert first == f"{found.url}: {found.answer}"
    assert any("next" in line for line in rest)
    if state == "refused":
        assert [each.allows for each in found.rules if each.rule == rule] == [False]
    shown = msgspec.json.decode(msgspec.json.encode(found))
    assert (shown["state"], shown["rule"], shown["url"]) == (state, rule, found.url)


def test_the_way_is_told_up_to_the_seed(site: Site, jobs: dict[str, Path]) -> None:
    found = explained(jobs["depth"], site.url("/a2")).found
    assert [(step.url, step.depth, step.how) for step in found] == [
        (site.url("/a2"), 3, "link"),
        (site.url("/a1"), 2, "link"),
        (site.url("/a"), 1, "link"),
        (site.url("/"), 0, "seed"),
    ]


def test_redirects_that_led_to_it_are_told(site: Site, jobs: dict[str, Path]) -> None:
    new = explained(jobs["depth"], site.url("/new"))
    assert new.found[0].how == "redirect"
    assert new.found[0].hops == (site.url("/old"), site.url("/older"))
    assert [page.url for page in new.redirects] == [site.url("/older")]
    assert (new.redirected, new.linked) == (1, 0)
    text = "\n".join(lines(new))
    assert f"by a redirect: {site.url('/old')} -> {site.url('/older')}, found on {site.url('/')}" in text
    seed = explained(jobs["redirected"], site.url("/new"))
    assert seed.found[0].depth == 0
    assert "a seed" in "\n".join(lines(seed))


def test_sitemaps_are_told_as_what_names_a_page(site: Site, jobs: dict[str, Path]) -> None:
    found = explained(jobs["any"], place(site, jobs, "second:/listed")).found
    assert [step.how for step in found] == ["sitemap", "sitemap"]
    assert found[1].url.endswith("/map.xml")


def test_every_try_is_told_with_time_status_latency_and_error(site: Site, jobs: dict[str, Path]) -> None:
    found = explained(jobs["depth"], site.url("/flaky"))
    assert [(each.reason, each.status, each.error) for each in found.attempts] == [
        ("http_error", 500, "HTTP 500"),
        ("fetched", 200, None),
    ]
    assert found.requests == 2
    assert found.record is not None
    assert found.attempts[1].at == found.record.fetched_at
    assert all(each.at.endswith("Z") and each.seconds >= 0 for each in found.attempts)
    assert found.attempts[0].at < found.attempts[1].at


def test_the_pages_that_link_to_it_are_listed_and_counted(site: Site, tmp_path: Path) -> None:
    with Site() as many:
        many.page("/", links=[f"/{number}" for number in range(30)])
        many.page("/*", links=["/wanted"])
        job = crawl(many, tmp_path / "j")
        found = explained(job, many.url("/wanted"))
        assert (found.linked, len(found.pages)) == (31, 20)  # itself among them
        assert "  and 11 more" in "\n".join(lines(found))
        assert explained(job, many.url("/7")).linked == 1


def test_a_host_is_told_with_its_window_and_its_robots(site: Site, jobs: dict[str, Path]) -> None:
    host = explained(jobs["depth"], site.url("/island")).host
    assert host is not None
    assert host.origin == site.origin
    assert host.robots is not None
    assert (host.robots.url, host.robots.status) == (site.url("/robots.txt"), 200)
    assert host.limit == 4
    assert host.words.startswith("window")
    assert explained(jobs["depth"], OTHER).host is None


def test_what_would_happen_now_comes_from_the_rules_and_the_stored_robots(
    site: Site, jobs: dict[str, Path]
) -> None:
    private = explained(jobs["depth"], site.url("/private/unlinked"))
    assert private.if_linked is not None
    assert private.if_seed is not None
    assert (private.if_linked.admitted, private.if_linked.rule) == (True, "robots")
    assert "line 5: Disallow: /private/" in private.if_linked.words
    assert private.if_seed.rule == "robots"
    island = explained(jobs["depth"], site.url("/island"))
    assert island.if_linked is not None
    assert island.if_linked.words == "admitted and fetched, if the page is at depth 2 at most"
    assert island.if_seed is not None
    assert island.if_seed.words == "admitted and fetched"
    other = explained(jobs["depth"], f"{OTHER}unlinked")
    assert other.if_linked is not None
    assert (other.if_linked.admitted, other.if_linked.rule) == (False, "scope")
    assert other.if_seed is not None
    assert "address and robots (not known yet)" in other.if_seed.words
    printed = explained(jobs["depth"], site.url("/print/unlinked"))
    assert printed.if_seed is not None
    assert (printed.if_seed.admitted, printed.if_seed.rule) == (False, "exclude")
    secret = explained(jobs["any"], "http://169.254.169.254/unlinked")
    assert secret.if_seed is not None
    assert secret.if_seed.rule == "address"
    local = explained(jobs["any"], "http://10.0.0.1/unlinked")
    assert local.if_linked is not None
    assert local.if_linked.rule == "address"
    assert local.if_seed is not None
    assert local.if_seed.rule is None


def test_what_waits_says_for_what(site: Site, jobs: dict[str, Path]) -> None:
    first, second = (explained(jobs["limit"], site.url(path)).next for path in ("/a", "/docs/1"))
    assert "number 1 in its host's queue" in first.words
    assert "number 2 in its host's queue" in second.words
    assert "it waits for the job to go on" in first.words
    assert first.advice == "raise --limit, which was 1, and run the same command again"
    denied = explained(jobs["limit"], site.url("/private/x")).next
    assert "then it ends unfetched, by robots: " in denied.words


def test_a_closed_gate_is_told_with_its_date(tmp_path: Path) -> None:
    with Site() as site:
        site.page("/", links=["/busy", "/later"])
        site.errors("/busy", 503, headers={"Retry-After": "600"})
        job = tmp_path / "j"
        skitter.Crawler(job=str(job), max_wait="1s", per_host=1).run_sync([site.url("/")])
        now = time.time()
        busy = explained(job, site.url("/busy"), now)
        assert busy.state == "pending"
        assert "to be tried again (so far 1, last answer HTTP 503)" in busy.answer
        assert [(each.status, each.reason) for each in busy.attempts] == [(503, "http_error")]
        assert busy.next.at is not None
        assert "number 2 in its host's queue" in busy.next.words, "the one that was never tried is due now"
        assert "due in" in busy.next.words
        later = explained(job, site.url("/later"), now)
        assert later.host is not None
        assert later.host.why == "HTTP 503"
        assert later.host.gate == later.next.at
        assert "its host asked to wait until" in later.next.words


def test_a_page_that_some_follow_is_kept_out_by_the_rule_that_came_nearest(tmp_path: Path) -> None:
    """Linked by a page that is too deep, by one with nofollow, and with rel=nofollow by one that counts."""
    with Site() as site:
        site.page("/", links=["/deep", "/meta", "/rel"])
        site.page("/deep", links=["/deeper"])
        site.page("/deeper", links=["/x", "/y", "/z"])
        site.page("/meta", '<meta name="robots" content="nofollow"><a href="/x">x</a><a href="/y">y</a>')
        site.page("/rel", '<a rel="nofollow" href="/x">x</a>')
        job = crawl(site, tmp_path / "j", depth=2)
        said = {path: explained(job, site.url(path)) for path in ("/x", "/y", "/z")}
        assert [each.rule for each in said.values()] == ["nofollow", "nofollow", "depth"]
        assert "rel=nofollow" in said["/x"].answer
        assert "/meta says nofollow" in said["/y"].answer
        assert said["/x"].linked == 3


def test_rules_that_may_change_count_as_in_the_last_run(site: Site, tmp_path: Path) -> None:
    job = crawl(site, tmp_path / "j", limit=1)
    private = site.url("/private/unlinked")
    assert explained(job, private).rule == "robots"
    crawl(site, job, no_robots=True, limit=2)
    found = explained(job, private)
    assert found.rule == "not_linked"
    assert "robots.txt is ignored (--no-robots)" in "\n".join(lines(found))
    with sqlite3.connect(job / "job.db") as db:  # as a job of an older skitter is
        db.execute("DELETE FROM meta WHERE name = 'run'")
    db.close()
    assert explained(job, private).rule == "robots"


def test_a_url_that_another_one_stands_for_is_told_so(site: Site, tmp_path: Path) -> None:
    """Keys are 64 bits: nobody can wait for two URLs that share one by chance."""
    job = crawl(site, tmp_path / "j", "/new")
    with sqlite3.connect(job / "job.db") as db:
        db.execute("UPDATE record SET key = ?", (key_of(site.url("/twin")),))
    db.close()
    twin = explained(job, site.url("/twin"))
    assert (twin.state, twin.rule) == ("unseen", "collision")
    assert site.url("/new") in twin.answer


def test_a_key_across_two_others_is_no_link(site: Site, tmp_path: Path) -> None:
    job = crawl(site, tmp_path / "j", "/new")
    key = key_of(site.url("/ghost")).to_bytes(8, signed=True)
    with sqlite3.connect(job / "job.db") as db:
        db.execute("UPDATE record SET links = ?", (b"1234" + key + b"5678",))
    assert explained(job, site.url("/ghost")).linked == 0
    with db:
        db.execute("UPDATE record SET links = ?", (b"1234" + key + b"5678" + key,))
    db.close()
    assert explained(job, site.url("/ghost")).linked == 1


def test_a_job_of_another_format_is_refused(site: Site, jobs: dict[str, Path], tmp_path: Path) -> None:
    job = crawl(site, tmp_path / "j", "/new")
    with sqlite3.connect(job / "job.db") as db:
        db.execute("UPDATE meta SET value = '4' WHERE name = 'format'")
    db.close()
    with pytest.raises(JobError, match="is of format 4"):
        read_history(job / "job.db", "x", site.url("/new"), None, 0.0)
