"""A process beside ours reads what is heavy: the same reading, and whatever happens to it is a value."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skitter.aside import Aside
from skitter.content.read import Unreadable, read
from skitter.model import Headers, Reading, Response

URL = "http://h/a/b"
PAGE = (
    b"<html lang=en><title>T</title><meta name=description content=D><link rel=canonical href=/c>"
    b"<a href=/x rel=nofollow>x</a><a href=//other/y>y</a><a href=z>z</a><p>text"
)
MIB = 1024 * 1024


def page(body: bytes, *pairs: tuple[str, str]) -> Response:
    return Response(URL, 200, Headers((("Content-Type", "text/html; charset=utf-8"), *pairs)), body)


@pytest.fixture(scope="module")
def shared() -> Iterator[Aside]:
    aside = Aside()
    yield aside
    aside.close()


@pytest.fixture
def aside() -> Iterator[Aside]:
    aside = Aside()
    yield aside
    aside.close()


def child_of(aside: Aside) -> int:
    assert aside._process is not None
    return aside._process.pid


def is_there(process: int) -> bool:
    """Does it run, or lie about as a zombie?"""
    return Path(f"/proc/{process}").exists()


def wait_until_gone(process: int, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while is_there(process):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("fields", [(), ("text", "html")])
def test_a_reading_is_the_same_as_here(shared: Aside, fields: tuple[str, ...]) -> None:
    response = page(PAGE, ("X-Robots-Tag", "noindex"), ("X-Other", "x"))
    found = shared.read(response, "skitter", frozenset(fields))
    assert found == read(response, "skitter", frozenset(fields))
    assert isinstance(found, Reading)
    assert [link.follow for link in found.links] == [False, True, True, True]
    assert found.links[0].origin is found.links[2].origin, "origins are kept once"


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=500), st.sampled_from([None, "text/html", "text/html; charset=zip", "image/png"]))
def test_whatever_comes_is_read_alike(body: bytes, kind: str | None) -> None:
    response = Response(URL, 200, Headers((("content-type", kind),) if kind else ()), PAGE + body)
    aside = _OPEN.setdefault("it", Aside())
    assert aside.read(response, "skitter") == read(response, "skitter")


_OPEN: dict[str, Aside] = {}


@pytest.fixture(scope="module", autouse=True)
def _tidy() -> Iterator[None]:
    yield
    for aside in _OPEN.values():
        aside.close()


def test_one_child_reads_page_after_page_and_is_started_when_needed(aside: Aside) -> None:
    assert aside._process is None
    aside.read(page(PAGE), "skitter")
    child = child_of(aside)
    aside.read(page(PAGE), "skitter")
    assert child_of(aside) == child


def test_a_large_parent_has_no_more_children_than_others(tmp_path: Path) -> None:
    """Linux hands the parent's peak of memory on to a child that it starts."""
    words = (
        "x = b'x' * 600_000_000\n"
        + PARENT.rpartition("aside.read")[0]
        + "first = aside._process\nassert first\n"
        + "aside.read(Response('http://h/', 200, kind, b'x'), 'skitter')\n"
        + "assert first is aside._process\naside.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_child_that_has_grown_is_replaced(aside: Aside) -> None:
    aside.read(page(PAGE), "skitter")
    child = child_of(aside)
    body = b"<font><p>" * 500_000
    assert isinstance(aside.read(page(body), "skitter", frozenset({"text", "html"})), Reading)
    aside.read(page(PAGE), "skitter")
    assert is_there(child_of(aside))
    assert child_of(aside) == child or not is_there(child)


def test_many_threads_are_served_one_after_the_other(aside: Aside) -> None:
    found: list[Reading | Unreadable] = []
    threads = [
        threading.Thread(target=lambda: found.append(aside.read(page(PAGE * 500), "skitter")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(each == found[0] for each in found)


def test_a_child_that_dies_over_a_page_makes_it_unreadable_and_the_next_has_another(aside: Aside) -> None:
    aside.read(page(PAGE), "skitter")
    child = child_of(aside)
    timer = threading.Timer(0.2, os.kill, (child, signal.SIGKILL))
    timer.start()
    found = aside.read(page(b"<math>" * 700_000 + b"</x>" * 1_000_000), "skitter")
    timer.join()
    assert found == Unreadable("the document broke the process that parsed it (SIGKILL)")
    assert not is_there(child), "no zombie"
    assert aside.read(page(PAGE), "skitter") == read(page(PAGE), "skitter")


def test_a_child_that_died_in_between_costs_no_page(aside: Aside) -> None:
    aside.read(page(PAGE), "skitter")
    os.kill(child_of(aside), signal.SIGKILL)
    wait_for_end = aside._process
    assert wait_for_end is not None
    wait_for_end.wait()
    assert aside.read(page(PAGE), "skitter") == read(page(PAGE), "skitter")


def test_too_slow_is_unreadable_and_soon_over() -> None:
    aside = Aside(seconds=0.5)
    try:
        aside.read(page(PAGE), "skitter")
        child = child_of(aside)
        began = time.monotonic()
        found = aside.read(page(b"<math>" * 900_000 + b"</x>" * 3_000_000), "skitter")
        assert found == Unreadable("the document takes longer than 0.5 s to parse")
        assert time.monotonic() - began < 5
        assert not is_there(child)
        assert aside.read(page(PAGE), "skitter") == read(page(PAGE), "skitter")
    finally:
        aside.close()


@pytest.mark.skipif(sys.platform != "linux", reason="memory of a process cannot be bounded there")
def test_too_much_memory_is_unreadable() -> None:
    aside = Aside(memory=200 * MIB)
    try:
        body = b"<p>" + b"".join(b"<b %d>" % number for number in range(2_000)) + b"<p>x" * 200_000
        found = aside.read(page(body), "skitter")
        assert found == Unreadable("the document needs more memory than 200 MiB to parse")
        assert aside.read(page(PAGE), "skitter") == read(page(PAGE), "skitter")
    finally:
        aside.close()


def test_closing_ends_the_child_and_what_waits_for_it(aside: Aside) -> None:
    aside.read(page(PAGE), "skitter")
    child = child_of(aside)
    found: list[Reading | Unreadable] = []
    body = b"<math>" * 900_000 + b"</x>" * 3_000_000
    thread = threading.Thread(target=lambda: found.append(aside.read(page(body), "skitter")))
    thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    aside.close()
    thread.join()
    assert time.monotonic() - began < 2
    assert not is_there(child)
    assert isinstance(found[0], Unreadable)
    aside.close()
    assert isinstance(aside.read(page(PAGE), "skitter"), Unreadable)


def test_where_no_process_can_be_started_the_page_is_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    aside = Aside()
    assert aside.read(page(PAGE), "skitter") == read(page(PAGE), "skitter")
    assert aside._process is None
    aside.close()


def test_signals_to_the_group_are_for_the_parent(aside: Aside) -> None:
    aside.read(page(PAGE), "skitter")
    child = child_of(aside)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(child, number)
    assert os.getpgid(child) != os.getpgid(0), "nor is it in the group"
    assert aside.read(page(PAGE), "skitter") == read(page(PAGE), "skitter")
    assert child_of(aside) == child


def test_the_child_has_no_files_of_ours(aside: Aside, tmp_path: Path) -> None:
    with (tmp_path / "ours").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        aside.read(page(PAGE), "skitter")
        files = list(Path(f"/proc/{child_of(aside)}/fd").iterdir())
        assert len(files) == 3


PARENT = """
import sys, time
from skitter.aside import Aside
from skitter.model import Headers, Response
aside = Aside(seconds=3)
kind = Headers((("Content-Type", "text/html"),))
aside.read(Response("http://h/", 200, kind, b"x"), "skitter")
print(aside._process.pid, flush=True)
aside.read(Response("http://h/", 200, kind, b"<math>" * 900_000 + b"</x>" * 9_000_000), "skitter")
"""


@pytest.mark.parametrize("busy", [True, False])
def test_it_ends_when_its_parent_is_killed(busy: bool) -> None:
    """Also while it parses, when it does not look at its pipe: then a timer ends it."""
    words = PARENT if busy else PARENT.rpartition("aside.read")[0] + "time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", words], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(0.3)
    finally:
        parent.kill()
        parent.communicate()
    try:
        deadline = time.monotonic() + 15
        while is_there(child) and "\nState:\tZ" not in Path(f"/proc/{child}/status").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    except FileNotFoundError:
        pass
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
