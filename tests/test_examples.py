"""The examples say what the explanation says, and the explanation says it in both languages."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))
OWN_PARTS = sorted((ROOT / "examples").glob("own_*.py"))
ENGLISH = ROOT / "docs/explanation/asynchronous.md"
CHINESE = ROOT / "docs/explanation/asynchronous.zh.md"
BOTH = pytest.mark.parametrize("document", [ENGLISH, CHINESE], ids=["en", "zh"])

TEN_OK = str([200] * 10)
SUM = 3.0  # seconds: ten pages of 0.3 s, one after another


class Run(NamedTuple):
    """What an example printed."""

    lines: list[str]
    errors: str

    def value(self, label: str) -> str:
        """The rest of the line that begins with ``label``."""
        return next(line[len(label) :].strip() for line in self.lines if line.startswith(label))

    @property
    def figures(self) -> list[tuple[float, int]]:
        """Seconds and requests in flight, of every line that has both."""
        found = re.findall(r"(\d+\.\d) s, at most (\d+) in flight", "\n".join(self.lines))
        return [(float(seconds), int(in_flight)) for seconds, in_flight in found]


@cache
def run_all() -> dict[str, Run]:
    """Run each example once. They mostly wait, so that a few may run side by side."""
    names = [path.stem for path in EXAMPLES + OWN_PARTS]
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(names, pool.map(_run, names), strict=True))


def run(name: str) -> Run:
    """What an example printed."""
    return run_all()[name]


def _run(name: str) -> Run:
    """Run an example as a reader would, but in development mode and with warnings as errors."""
    command = [sys.executable, "-X", "dev", "-W", "error", f"examples/{name}.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 0, done.stderr
    return Run(done.stdout.splitlines(), done.stderr)


@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES + OWN_PARTS])
def test_every_example_runs_without_complaint(name: str) -> None:
    """A reader copies what he sees: nothing deprecated, unclosed or never awaited may be in it.

    A warning in a finaliser cannot stop a program; it is printed, so stderr has to be empty. Asyncio's
    own notes on what held the loop are left out: some examples do just that, and machines are busy.
    """
    errors = [line for line in run(name).errors.splitlines() if not line.startswith("Executing <")]
    assert bool(errors) == (name == "04_callback"), errors
    assert "Warning" not in run(name).errors


def test_a_call_of_a_coroutine_function_runs_nothing() -> None:
    """The first surprise of all beginners."""
    said = run("01_coroutine")
    assert said.value("calling it made a") == "coroutine"
    assert said.value("requests at the server so far:") == "0"
    assert said.lines.index("the coroutine runs") == said.lines.index("requests at the server so far: 0") + 1
    assert said.value("awaiting it gave") == "200"
    assert said.value("requests at the server now:") == "1"
    assert said.value("awaiting it again:") == "cannot reuse already awaited coroutine"


def test_the_states_of_a_task() -> None:
    """Pending, then done in one of three ways; `cancel` only asks."""
    said = run("02_task_states")
    assert said.value("created:").startswith("<Task pending name='good'")
    assert "wait_for" not in said.value("created:")
    assert said.value("requests at the server before the first await:") == "0"
    assert "wait_for=<" in said.value("begun:")
    assert re.match(r"200 OK <Task finished name='good'.* result='200 OK'", said.value("result:"))
    assert re.match(
        r"404 Not Found <Task finished name='bad'.* exception=LookupError", said.value("exception:")
    )
    assert said.value("asked to cancel, done:") == "False"
    assert said.value("cancelled:").startswith("True <Task cancelled name='slow'")


def test_ensure_future_takes_any_awaitable_and_starts_nothing_twice() -> None:
    """This is all that it has over create_task."""
    said = run("03_ensure_future")
    assert said.value("a coroutine became a") == "Task"
    assert said.value("the task itself came back:") == "True"
    assert said.value("the future itself came back:") == "True"
    assert said.value("create_task:").startswith("a coroutine was expected, got <Future pending")
    assert said.value("results:") == "200 and set by the loop's timer"
    assert said.value("requests at the server:") == "1"


def test_a_callback_gets_the_task_and_harms_nobody() -> None:
    """One that raises is reported on stderr; the callback after it is called all the same."""
    said = run("04_callback")
    assert said.lines[0].startswith("callbacks are added")
    assert said.lines[1] == "the page is done: True, its result: 200"
    assert float(said.value("the page took").removesuffix(" s")) >= 0.3
    assert said.lines[-1] == "awaited: 200"
    assert len(said.lines) == 4
    assert said.errors.startswith("Exception in callback clumsy")
    assert said.errors.rstrip().endswith("ValueError: a mistake in a callback")


def test_tasks_wait_together_and_await_in_a_loop_does_not() -> None:
    """The time has to be saved, and the server has to have seen why."""
    said = run("05_many_tasks")
    (serial, one), (together, ten) = said.figures
    assert said.value("one by one:") == said.value("ten tasks:") == TEN_OK
    assert (one, ten) == (1, 10)
    assert serial >= SUM
    assert together < serial / 2


def test_a_blocking_call_in_coroutines_takes_the_sum_and_stops_the_loop() -> None:
    """`async def` alone changes nothing, and asyncio's debug mode names the culprit ten times."""
    said = run("06_blocking_in_coroutines")
    ((seconds, in_flight),) = said.figures
    assert said.value("ten tasks with requests.get:") == TEN_OK
    assert seconds >= SUM
    assert in_flight == 1
    stood_still = re.search(r"waited (\d+\.\d) s", said.lines[-1])
    assert stood_still
    assert float(stood_still[1]) >= SUM
    assert len(re.findall(r"^Executing <Task .*fetch\(\).* took ", said.errors, re.M)) == 10


def test_a_response_cannot_be_awaited_but_was_fetched() -> None:
    """What is behind `await` is computed first: the error comes after the blocking."""
    said = run("07_await_not_awaitable")
    assert "Response" in said.value("TypeError:")
    assert "await" in said.value("TypeError:")
    assert said.value("requests at the server nevertheless:") == "1"
    awaitable = dict(re.findall(r"^(\w+) +awaitable: (\w+)$", "\n".join(said.lines), re.M))
    yes = dict.fromkeys(["coroutine", "Task", "Future", "Tea"], "True")
    assert awaitable == {"Response": "False", **yes}
    assert said.value("awaited:") == "slept / slept as a task / kept / tea"


def test_a_wrapped_blocking_call_still_blocks_and_a_thread_does_not() -> None:
    """`await` alone gives nobody a turn. The default pool's size bounds what threads can save."""
    said = run("08_wrapped_blocking")
    (wrapped, one), (threaded, several) = said.figures
    assert said.value("wrapped:") == said.value("threaded:") == TEN_OK
    assert wrapped >= SUM
    assert one == 1
    assert threaded < wrapped / 2
    assert 1 < several <= min(10, (os.cpu_count() or 1) + 4)


def test_asynchronous_requests_take_as_long_as_the_slowest_or_as_the_room_allows() -> None:
    """All ten at once; with room for three, not less than a third of the sum."""
    said = run("09_aiohttp")
    total, slowest = map(float, re.findall(r"\d+\.\d\d", said.lines[0]))
    (narrow, three), (wide, ten) = said.figures
    assert said.value("room for 3, so at least 1.75 s:") == TEN_OK
    assert said.value("room for 10, so at least 0.75 s:") == TEN_OK
    assert (three, ten) == (3, 10)
    assert total / 3 <= narrow
    assert slowest <= wide < total / 2


def test_skitter_keeps_tasks_callbacks_and_order() -> None:
    """The library's promise in the explanation, robots.txt before all else included."""
    said = run("10_skitter")
    assert said.value("an asyncio.Task:") == "True"
    assert said.value("its name says the URL:") == "True"
    assert said.lines.index("Status: 200") < said.lines.index("Title: Delayed by 0.3 s")
    assert said.value("asked first:") == "/robots.txt"
    assert said.value("the same URL ten times:") == TEN_OK
    ((seconds, in_flight),) = said.figures
    assert seconds < SUM / 2
    assert in_flight == 10
    assert said.lines[-3:] == ["/delay/0.5 200 ok", "/status/404 404 http_error", "/delay/0.1 200 ok"]


def test_parts_of_ones_own_do_what_the_how_to_page_says() -> None:
    """docs/how-to/extend.md: a Fetcher, a Frontier and a Sink, in the place of the library's."""
    assert run("own_fetcher").lines == [
        "0 200 fetched http://folder.test/ Front",
        "1 200 fetched http://folder.test/a.html A",
        "1 404 http_error http://folder.test/gone.html None",
    ]
    assert run("own_frontier").lines == ["asked of each: 7 7"]
    fields = [line.split("\t") for line in run("own_sink").lines]
    assert len(fields) == 5
    assert fields[0][0] == "200"
    assert fields[0][2] == "Birds - Merrow Island"


@pytest.mark.parametrize("path", EXAMPLES + OWN_PARTS, ids=lambda path: path.stem)
def test_examples_are_short_and_say_what_to_watch_for(path: Path) -> None:
    """An example that has to be studied explains nothing."""
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 50
    assert "Watch for: " in (ast.get_docstring(ast.parse(source)) or "")


@BOTH
def test_documents_name_every_example_in_order_and_no_other(document: Path) -> None:
    """An example that nobody is sent to is not read; one that is gone leaves the reader in the dark."""
    named = re.findall(r"\.\./\.\./examples/(\w+)\.py", document.read_text(encoding="utf-8"))
    assert list(dict.fromkeys(named)) == [path.stem for path in EXAMPLES]


@BOTH
def test_links_lead_somewhere(document: Path) -> None:
    """Also to the other language, right at the top."""
    text = document.read_text(encoding="utf-8")
    other = CHINESE if document == ENGLISH else ENGLISH
    assert f"]({other.name})" in "".join(text.splitlines()[:4])
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        assert (document.parent / target).exists(), target


@BOTH
def test_snippets_are_taken_from_the_examples(document: Path) -> None:
    """What is run by the tests does not rot; so nothing else is shown."""
    sources = [path.read_text(encoding="utf-8") for path in EXAMPLES]
    known = {line.strip() for line in chain.from_iterable(map(str.splitlines, sources))}
    shown = "".join(blocks(document, "python")).splitlines()
    assert shown
    assert not [line for line in shown if line.strip() not in known]


def test_both_documents_have_the_same_form() -> None:
    """A translation that lags behind teaches something else: headings, examples, code and tables agree."""

    def sections(document: Path) -> list[tuple[str, list[str], int]]:
        text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
        parts = re.split(r"^(#+) .*$", text, flags=re.M)[1:]
        return [
            (level, re.findall(r"examples/(\w+)\.py", body), len(re.findall(r"^\|", body, re.M)))
            for level, body in zip(parts[::2], parts[1::2], strict=True)
        ]

    assert sections(ENGLISH) == sections(CHINESE)
    assert blocks(ENGLISH, "python") == blocks(CHINESE, "python")
    assert blocks(ENGLISH, "sh") == blocks(CHINESE, "sh")


def blocks(document: Path, language: str) -> list[str]:
    """The code blocks of a language."""
    text = document.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)
