"""What becomes of a URL, as a table: every status and failure has exactly one ending."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitter.model import Done, Entry, Failure, Headers, Reason, Redirect, Response, RetryAt, Verdict
from skitter.rules.verdict import MAX_HOPS, REDIRECTS, REFUSALS, judge

NOW = 1_700_000_000.0
URL = "http://h/a/b"


def entry(*, spent: int = 0, hops: tuple[str, ...] = ()) -> Entry:
    return Entry(URL, 1, "http://h", spent=spent, attempts=spent, hops=hops)


def response(status: int, note: str | None = None, **headers: str) -> Response:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Response(URL, status, Headers(pairs), note=note)


def decide(
    answer: Response | Failure,
    at: Entry | None = None,
    *,
    retries: int = 3,
    chance: float = 0.5,
    host_answered: bool = False,
) -> Verdict:
    return judge(answer, at or entry(), retries=retries, now=NOW, chance=chance, host_answered=host_answered)


# Statuses

TRANSIENT = {408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}


@pytest.mark.parametrize("status", range(200, 600))
def test_every_status_has_its_ending(status: int) -> None:
    """All of them: a status that falls through the table would end the run."""
    verdict = decide(response(status))
    if 200 <= status < 300:
        assert verdict == Done(Reason.FETCHED)
    elif status == 304:
        assert verdict == Done(Reason.NOT_MODIFIED)
    elif status in {301, 302, 303, 307, 308}:
        assert verdict == Done(Reason.HTTP_ERROR, f"HTTP {status} without Location")
    elif status in TRANSIENT:
        assert verdict == RetryAt(NOW + 1.0, Reason.HTTP_ERROR, f"HTTP {status}")
    elif status == 407:
        assert verdict == Done(Reason.PROXY_ERROR, "the proxy refused: HTTP 407")
    else:
        assert verdict == Done(Reason.HTTP_ERROR, f"HTTP {status}")


@pytest.mark.parametrize("status", [0, 600, 999])
def test_a_status_that_does_not_exist_is_an_error(status: int) -> None:
    """They are seen in the wild (999 is LinkedIn's)."""
    assert decide(response(status)) == Done(Reason.HTTP_ERROR, f"HTTP {status}")


def test_the_note_of_the_fetcher_reaches_the_record() -> None:
    assert decide(response(200, note="odd")) == Done(Reason.FETCHED, "odd")


# Retries


@pytest.mark.parametrize("status", sorted(TRANSIENT))
def test_the_budget_of_tries_ends(status: int) -> None:
    assert isinstance(decide(response(status), entry(spent=2)), RetryAt)
    assert decide(response(status), entry(spent=3)) == Done(Reason.HTTP_ERROR, f"HTTP {status}")
    assert decide(response(status), retries=0) == Done(Reason.HTTP_ERROR, f"HTTP {status}")


def test_each_try_waits_longer() -> None:
    waits = []
    for spent in range(4):
        verdict = decide(response(500), entry(spent=spent), retries=9)
        assert isinstance(verdict, RetryAt)
        waits.append(verdict.at - NOW)
    assert waits == [1, 2, 4, 8]


@given(st.integers(0, 50), st.floats(0, 1, exclude_max=True), st.sampled_from(sorted(TRANSIENT)))
def test_a_retry_lies_ahead_and_not_too_far(spent: int, chance: float, status: int) -> None:
    verdict = decide(response(status), entry(spent=spent), retries=100, chance=chance)
    assert isinstance(verdict, RetryAt)
    assert NOW <= verdict.at <= NOW + 600
    assert not verdict.free


# Retry-After


@pytest.mark.parametrize("status", sorted(REFUSALS))
@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", 120.0),
        ("Tue, 14 Nov 2023 22:15:20 GMT", 120.0),
        ("86400000", 86_400_000.0),
    ],
)
def test_a_wait_that_the_server_asks_for_is_obeyed_and_costs_no_try(
    status: int, value: str, wait: float
) -> None:
    """Obeying must not use up the URL: it did nothing wrong."""
    for spent in (0, 3, 99):
        verdict = decide(response(status, Retry_After=value), entry(spent=spent))
        assert verdict == RetryAt(NOW + wait, Reason.HTTP_ERROR, f"HTTP {status}", free=True)


@pytest.mark.parametrize("value", ["", "soon", "-1", "1.5", "inf"])
def test_a_wait_that_makes_no_sense_is_an_ordinary_retry(value: str) -> None:
    verdict = decide(response(503, Retry_After=value))
    assert verdict == RetryAt(NOW + 1.0, Reason.HTTP_ERROR, "HTTP 503")
    assert decide(response(503, Retry_After=value), entry(spent=3)) == Done(Reason.HTTP_ERROR, "HTTP 503")


@pytest.mark.parametrize("status", sorted(REFUSALS))
@pytest.mark.parametrize("value", ["0", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_no_wait_at_all_is_not_for_free(status: int, value: str) -> None:
    """A URL that always says "again, at once" would be asked for ever, between all the others."""
    answer = response(status, Retry_After=value)
    assert decide(answer) == RetryAt(NOW + 1.0, Reason.HTTP_ERROR, f"HTTP {status}")
    assert decide(answer, entry(spent=3)) == Done(Reason.HTTP_ERROR, f"HTTP {status}")


@pytest.mark.parametrize("status", sorted(TRANSIENT - REFUSALS))
def test_other_statuses_ask_for_nothing(status: int) -> None:
    verdict = decide(response(status, Retry_After="120"))
    assert verdict == RetryAt(NOW + 1.0, Reason.HTTP_ERROR, f"HTTP {status}")


# Redirects


@pytest.mark.parametrize("status", sorted(REDIRECTS))
@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/c", "http://h/c"),
        ("c", "http://h/a/c"),
        ("?q", "http://h/a/b?q"),
        ("//other/", "http://other/"),
        ("https://other/x#fragment", "https://other/x"),
        ("https://user:secret@other/", "https://other/"),
        ("HTTP://H/%7e", "http://h/~"),
        ("/é", "http://h/%C3%A9"),
        (" /spaces ", "http://h/spaces"),
    ],
)
def test_a_redirect_is_a_new_url(status: int, location: str, target: str) -> None:
    assert decide(response(status, Location=location)) == Redirect(target)


@pytest.mark.parametrize(
    "location",
    ["mailto:a@b", "ftp://h/", "file:///etc/passwd", "javascript:x", "http://", "http://[::1", "http://h:99999/",
     "http://h/" + "a" * 9000, "data:text/html,x"],
)  # fmt: skip
def test_a_redirect_to_no_web_page_ends_there(location: str) -> None:
    assert decide(response(302, Location=location)) == Done(
        Reason.REDIRECTED, "leads to no http or https URL"
    )


@pytest.mark.parametrize(
    "location", [URL, "b", "#top", "http://h/a/../a/b", "HTTP://H:80/a/b", "http://u:p@h/a/b"]
)
def test_a_redirect_to_itself_is_a_loop(location: str) -> None:
    """Compared as canonical URLs: a server may spell its own name in many ways."""
    assert decide(response(301, Location=location)) == Done(Reason.REDIRECT_LOOP, f"back to {URL}")


def test_a_redirect_to_a_former_hop_is_a_loop() -> None:
    hops = ("http://h/1", "http://h/2")
    for hop in hops:
        verdict = decide(response(302, Location=hop), entry(hops=hops))
        assert verdict == Done(Reason.REDIRECT_LOOP, f"back to {hop}")


def test_a_chain_may_have_twenty_hops_and_no_more() -> None:
    def hops(number: int) -> tuple[str, ...]:
        return tuple(f"http://h/{index}" for index in range(number))

    answer = response(302, Location="/next")
    assert decide(answer, entry(hops=hops(MAX_HOPS - 1))) == Redirect("http://h/next")
    assert decide(answer, entry(hops=hops(MAX_HOPS))) == Done(
        Reason.REDIRECT_LOOP, f"more than {MAX_HOPS} redirects"
    )
    assert MAX_HOPS == 20


@given(st.text(max_size=40))
def test_any_location_has_an_ending(location: str) -> None:
    verdict = decide(response(302, Location=location))
    assert isinstance(verdict, Done | Redirect)


def test_of_two_locations_the_first_counts() -> None:
    """Joined, as fields of one name are, they would be a third URL that nobody meant."""
    answer = Response(URL, 302, Headers((("Location", "/1"), ("location", "/2"))))
    assert decide(answer) == Redirect("http://h/1")


# Failures


def failure(reason: Reason, *, transient: bool, host_fault: bool = False) -> Failure:
    return Failure(reason, "why", transient, host_fault)


@pytest.mark.parametrize("host_fault", [False, True])
@pytest.mark.parametrize("host_answered", [False, True])
@pytest.mark.parametrize("reason", [Reason.DNS_FAILED, Reason.TLS_FAILED, Reason.TOO_LARGE, Reason.MALFORMED])
def test_what_will_not_pass_ends_at_once(reason: Reason, host_fault: bool, host_answered: bool) -> None:
    answer = failure(reason, transient=False, host_fault=host_fault)
    assert decide(answer, host_answered=host_answered) == Done(reason, "why")


@pytest.mark.parametrize("reason", [Reason.UNREACHABLE, Reason.TIMED_OUT, Reason.DNS_FAILED])
def test_what_may_pass_is_tried_again_until_the_budget_ends(reason: Reason) -> None:
    answer = failure(reason, transient=True)
    assert decide(answer, entry(spent=2)) == RetryAt(NOW + 4.0, reason, "why")
    assert decide(answer, entry(spent=3)) == Done(reason, "why")


def test_a_fault_of_a_host_that_has_answered_costs_the_url_nothing() -> None:
    """A network that is away for an hour must not end ten thousand URLs; the host waits instead."""
    answer = failure(Reason.UNREACHABLE, transient=True, host_fault=True)
    for spent in (0, 3, 99):
        verdict = decide(answer, entry(spent=spent), host_answered=True)
        assert isinstance(verdict, RetryAt)
        assert verdict.free


def test_a_fault_of_a_host_that_never_answered_costs_tries() -> None:
    """A host that does not exist must end some day."""
    answer = failure(Reason.UNREACHABLE, transient=True, host_fault=True)
    assert decide(answer, entry(spent=0)) == RetryAt(NOW + 1.0, Reason.UNREACHABLE, "why")
    assert decide(answer, entry(spent=3)) == Done(Reason.UNREACHABLE, "why")


def test_a_failure_after_sending_costs_a_try_even_if_the_host_has_answered() -> None:
    """It may well be this URL that makes the server drop the connection."""
    answer = failure(Reason.TIMED_OUT, transient=True)
    assert decide(answer, entry(spent=3), host_answered=True) == Done(Reason.TIMED_OUT, "why")
