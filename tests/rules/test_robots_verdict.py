"""What an answer to a request for robots.txt means (RFC 9309, 2.3.1): in doubt, fetch nothing."""

import pytest

from skitter.model import Done, Failure, Headers, Reason, Response, RobotsCopy
from skitter.rules.robots import MAX_REDIRECTS
from skitter.rules.robots_verdict import Again, Denied, Hop, Known, RobotsVerdict, from_copy, judge_robots

NOW = 1_700_000_000.0
URL = "http://h/robots.txt"
CLOSED = b"User-agent: *\nDisallow: /\nCrawl-delay: 7\n"


def response(status: int, body: bytes = b"", **headers: str) -> Response:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Response(URL, status, Headers(pairs), body)


def decide(answer: Response | Failure, *, hops: int = 0, tries: int = 0, retries: int = 3) -> RobotsVerdict:
    return judge_robots(answer, token="skitter", hops=hops, tries=tries, retries=retries, now=NOW)


def allows(verdict: RobotsVerdict) -> bool:
    assert isinstance(verdict, Known)
    return verdict.robots.judge("/a").allowed


@pytest.mark.parametrize("status", [200, 203, 206])
def test_a_file_that_came_is_obeyed_and_kept(status: int) -> None:
    verdict = decide(response(status, CLOSED))
    assert isinstance(verdict, Known)
    assert not allows(verdict)
    assert verdict.robots.crawl_delay == 7.0
    assert verdict.copy == RobotsCopy(status, CLOSED, NOW)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 451, 499])
def test_unavailable_means_allowed_whatever_the_body_says(status: int) -> None:
    """2.3.1.3: the error page of a 404 is no set of rules."""
    verdict = decide(response(status, CLOSED))
    assert isinstance(verdict, Known)
    assert allows(verdict)
    assert verdict.copy == RobotsCopy(status, b"", NOW)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 599])
def test_unreachable_means_asking_again_and_then_denied(status: int) -> None:
    """2.3.1.4: complete disallow."""
    for tries in range(3):
        assert decide(response(status, b"x"), tries=tries) == Again(f"HTTP {status}", free=False)
    assert decide(response(status), tries=3) == Denied(Done(Reason.HTTP_ERROR, f"robots.txt: HTTP {status}"))
    assert isinstance(decide(response(status), retries=0), Denied)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("tries", [0, 3, 99])
def test_a_wait_that_the_server_asks_for_costs_no_try(status: int, tries: int) -> None:
    answer = response(status, Retry_After="120")
    assert decide(answer, tries=tries) == Again(f"HTTP {status}", free=True)


@pytest.mark.parametrize("status", [429, 503])
def test_no_wait_at_all_costs_a_try(status: int) -> None:
    """For ever "again, at once" would be a request a turn, and no end."""
    assert decide(response(status, Retry_After="0")) == Again(f"HTTP {status}", free=False)


def test_of_two_locations_the_first_counts() -> None:
    answer = Response(URL, 302, Headers((("Location", "/1"), ("Location", "/2"))))
    assert decide(answer) == Hop("http://h/1")


def test_too_many_requests_without_a_wait_are_tried_again() -> None:
    assert decide(response(429), tries=0) == Again("HTTP 429", free=False)
    assert decide(response(429, Retry_After="soon"), tries=2) == Again("HTTP 429", free=False)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/other.txt", "http://h/other.txt"),
        ("https://h/robots.txt", "https://h/robots.txt"),
        ("//other/robots.txt", "http://other/robots.txt"),
        ("http://user:secret@other/r", "http://other/r"),
    ],
)
def test_redirects_are_followed(status: int, location: str, target: str) -> None:
    """2.3.1.2: also to another host; the rules are those of the host that was asked first."""
    assert decide(response(status, Location=location)) == Hop(target)


def test_five_redirects_are_followed_and_then_the_file_is_unavailable() -> None:
    answer = response(302, CLOSED, Location="/next")
    assert decide(answer, hops=MAX_REDIRECTS - 1) == Hop("http://h/next")
    assert allows(decide(answer, hops=MAX_REDIRECTS))
    assert MAX_REDIRECTS == 5


@pytest.mark.parametrize(
    "location", [None, "", "ftp://h/robots.txt", "file:///etc/robots.txt", "http://", "data:,"]
)
def test_a_redirect_to_nowhere_is_unavailable(location: str | None) -> None:
    """Asking the same address again would only bring the same answer, five times over."""
    headers = {} if location is None else {"Location": location}
    assert allows(decide(response(302, CLOSED, **headers)))


@pytest.mark.parametrize("status", [300, 304, 305, 306])
def test_other_statuses_of_the_redirect_family_hold_no_rules(status: int) -> None:
    assert allows(decide(response(status, CLOSED, Location="/next")))


@pytest.mark.parametrize("reason", [Reason.UNREACHABLE, Reason.TIMED_OUT, Reason.DNS_FAILED])
def test_a_failure_that_may_pass_is_tried_again_and_then_denied(reason: Reason) -> None:
    answer = Failure(reason, "why", transient=True, host_fault=True)
    assert decide(answer, tries=2) == Again("why", free=False)
    assert decide(answer, tries=3) == Denied(Done(reason, "robots.txt: why"))


@pytest.mark.parametrize("reason", [Reason.TLS_FAILED, Reason.DNS_FAILED, Reason.MALFORMED])
def test_a_failure_that_will_not_pass_denies_at_once(reason: Reason) -> None:
    """The failure's own reason is used: ``robots_denied`` means a rule."""
    answer = Failure(reason, "why", transient=False)
    assert decide(answer) == Denied(Done(reason, "robots.txt: why"))


@pytest.mark.parametrize("status", [200, 404, 304, 429])
def test_a_kept_copy_means_what_the_answer_meant(status: int) -> None:
    """A resumed run goes by the copy: it must neither forget a rule nor invent one."""
    verdict = decide(response(status, CLOSED), tries=99)
    assert isinstance(verdict, Known)
    assert from_copy(verdict.copy, "skitter") == verdict.robots


def test_a_copy_can_be_read_for_another_name() -> None:
    """The user agent may change from run to run, and the copy stays."""
    copy = RobotsCopy(200, b"User-agent: other\nDisallow: /\n", NOW)
    assert from_copy(copy, "skitter").judge("/a").allowed
    assert not from_copy(copy, "other").judge("/a").allowed
