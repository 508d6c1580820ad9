"""The user's say at four places of a visit, in one process and in several."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import skitter
from skitter import Crawler, Page, Record, Request
from skitter.model import Failure, Response
from skitter.testing import Site


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        site.page("/", links=["/a", "/b", "/private/c"])
        site.page("/a", "<h1>A</h1>", title="a")
        site.page("/b", "<h1>B</h1>", title="b")
        site.page("/private/c")
        yield site


def run(crawler: Crawler, site: Site, path: Path) -> dict[str, Any]:
    asyncio.run(crawler.run([site.url("/")]))
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return {record["url"].removeprefix(site.origin): record for record in records}


@pytest.mark.parametrize("processes", [1, 2])
def test_every_hook_has_its_say(site: Site, tmp_path: Path, processes: int) -> None:
    out = tmp_path / "r.jsonl"
    crawler = Crawler(per_host=4, records=out, processes=processes)

    @crawler.before_request
    def sign(request: Request) -> Request:
        return replace(request, headers={**request.headers, "X-Signed": request.url[-2:]})

    @crawler.after_response
    def rename(request: Request, answer: Response | Failure) -> Response | None:
        if isinstance(answer, Response) and request.url.endswith("/b"):
            return replace(answer, body=answer.body.replace(b"<title>b", b"<title>renamed"))
        return None

    @crawler.should_follow
    def is_public(page: Page, url: str) -> bool:
        return "/private/" not in url

    @crawler.on_record
    def shorten(record: Record) -> Record:
        return replace(record, description=f"seen {record.title}")

    records = run(crawler, site, out)
    assert set(records) == {"/", "/a", "/b"}
    assert (records["/a"]["title"], records["/b"]["title"]) == ("a", "renamed")
    assert records["/b"]["description"] == "seen renamed"
    signed = {seen.target: seen.header("X-Signed") for seen in site.requests}
    assert signed == {"/robots.txt": None, "/": f"{str(site.port)[-1]}/", "/a": "/a", "/b": "/b"}


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("kind", ["before_request", "after_response", "should_follow", "on_record"])
def test_what_a_hook_does_wrong_is_said_in_the_record(
    site: Site, tmp_path: Path, kind: str, processes: int
) -> None:
    out = tmp_path / "r.jsonl"
    crawler = Crawler(per_host=4, records=out, processes=processes, retries=0)

    def broken(*facts: Any) -> Any:
        raise KeyError("gone")  # here

    {
        "before_request": crawler.before_request,
        "after_response": crawler.after_response,
        "should_follow": crawler.should_follow,
        "on_record": crawler.on_record,
    }[kind](broken)
    records = run(crawler, site, out)
    assert records["/"]["reason"] == "handler_error"
    assert records["/"]["error"].startswith("hook ")
    assert "broken at test_hooks.py:" in records["/"]["error"]
    assert records["/"]["error"].endswith("KeyError: 'gone'")


def test_a_hook_may_not_change_the_url(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "r.jsonl"
    crawler = Crawler(records=out)
    crawler.before_request(lambda request: replace(request, url=site.url("/private/c")))
    assert "changed the URL" in run(crawler, site, out)["/"]["error"]
    assert site.targets() == []


def test_hooks_are_plain_functions() -> None:
    async def slow(request: Request) -> None:
        pass

    with pytest.raises(skitter.ConfigError, match="plain `def`"):
        Crawler().before_request(slow)  # type: ignore[type-var]


WRONG = [
    ("on_record", lambda record: replace(record, reason="skipped")),
    ("on_record", lambda record: replace(record, title=object())),
    ("on_record", lambda record: replace(record, size=None)),
    ("after_response", lambda request, answer: replace(answer, headers={})),
    ("after_response", lambda request, answer: replace(answer, body="text")),
    ("after_response", lambda request, answer: replace(answer, status="200")),
    ("before_request", lambda request: replace(request, headers={"X": "a\r\nb: c"})),
    ("before_request", lambda request: replace(request, headers={"Content-Length": "5"})),
    ("before_request", lambda request: replace(request, method="POST")),
    ("before_request", lambda request: replace(request, body=object())),
]


@pytest.mark.parametrize(("kind", "hook"), WRONG)
def test_what_a_hook_gives_must_be_sound(site: Site, tmp_path: Path, kind: str, hook: Any) -> None:
    """Else a job would hold what no later run can read, or the crawl would end by it."""
    out = tmp_path / "r.jsonl"
    crawler = Crawler(records=out, job=tmp_path / "j", retries=0)
    register = {"before_request": crawler.before_request, "after_response": crawler.after_response}
    register.get(kind, crawler.on_record)(hook)
    records = run(crawler, site, out)
    assert {record["reason"] for record in records.values()} == {"handler_error"}
    assert all(record["error"].startswith("hook ") for record in records.values())
    Crawler(records=out, job=tmp_path / "j", retries=0).run_sync([site.url("/")])  # it can be opened


def test_a_request_of_ones_own_keeps_what_is_the_engines(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "r.jsonl"
    crawler = Crawler(per_host=4, records=out)
    crawler.before_request(lambda request: Request(request.url, headers={"X-Signed": "yes"}, max_body=1))
    assert {record["reason"] for record in run(crawler, site, out).values()} == {"fetched"}
    assert {seen.header("X-Signed") for seen in site.requests if seen.target != "/robots.txt"} == {"yes"}


def test_an_answer_of_ones_own_keeps_its_times(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "r.jsonl"
    crawler = Crawler(per_host=4, records=out)
    crawler.after_response(lambda request, answer: Response(request.url, 200, body=b"<title>mine"))
    records = run(crawler, site, out)
    assert {record["title"] for record in records.values()} == {"mine"}
    assert all(record["elapsed"] > 0 for record in records.values())
