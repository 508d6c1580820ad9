"""THREATS section 8, F3 and F4: whatever a server says, a terminal is not told what to do, and an event is a
line."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.threats.wiretap import Tap, answer, html

from skitter.escape import escape_json

# Cursor, hyperlink, clipboard, title of the window, bell, return, back space, DEL, C1 (the same in one byte),
# direction, width, ends of lines beyond ASCII, tags.
EVIL = (
    "\x1b[3;1337H\x1b]8;;http://evil.example/\x07link\x1b]8;;\x07\x1b]52;c;ZXZpbA==\x07\x1b]0;evil\x1b\\\a\r\b\x7f"
    "\x9b3;1337H\x9d52;c;ZXZpbA==\x9c\u202e\u2066\u200b\u200f\ufeff\x85\u2028\u2029\U000e0041"
)
HARMLESS = "nothing out of the ordinary"
# Of what is not printable, a terminal may get the ends of lines.
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def in_a_field(text: str) -> bytes:
    """What of it can be in a field: an answer with ASCII's control bytes in one is refused as a whole."""
    return text.encode().translate(None, bytes(range(32)) + b"\x7f")


def hostile(text: str) -> Tap:
    """A site that says it wherever it can."""
    line = text.replace("\r", "").replace("\n", "")
    raw = in_a_field(text)

    def answers(target: str) -> bytes:
        if target == "/robots.txt":
            rule = f"User-agent: *\nDisallow: /denied{line}\nDisallow: /*{line}$\nSitemap: http://x/{line}\n"
            return answer("200 OK", rule.encode() + b"Disallow: /den\n", content_type="text/plain")
        if target == "/":
            head = f'<meta name=description content="{text}"><link rel=canonical href="/{text}">'
            page = f"<html lang='{text}'><title>{text}</title>{head}<p>{text}</p>"
            links = [
                f"/den{text}",
                f"/p?{text}",
                "/head",
                "/phrase",
                "/moved",
                "/type",
                f"http://{text}/",
                "/coding",
            ]
            page += "".join(f'<a href="{link}">{text}</a>' for link in links)
            return answer("200 OK", page.encode())
        return {
            "/head": b"HTTP/1.1 200 OK\r\nX-A: " + raw + b"\r\nContent-Length: 0\r\n\r\n",
            "/phrase": b"HTTP/1.1 404 " + raw + b"\r\nContent-Length: 0\r\n\r\n",
            "/moved": b"HTTP/1.1 302 Found\r\nLocation: ftp://x/" + raw + b"\r\nContent-Length: 0\r\n\r\n",
            "/type": b"HTTP/1.1 200 OK\r\nContent-Type: text/x" + raw + b"\r\nContent-Length: 0\r\n\r\n",
            "/coding": b"HTTP/1.1 200 OK\r\nContent-Encoding: " + raw + b"\r\nContent-Length: 1\r\n\r\nx",
        }.get(target, html())

    return Tap(answers)


@pytest.fixture(scope="module")
def evil() -> Iterator[Tap]:
    with hostile(EVIL) as tap:
        yield tap


def on_a_terminal(folder: Path, *words: str, term: str = "dumb") -> str:
    """All that the command writes on a real terminal, where stdout and stderr are."""
    ours, theirs = pty.openpty()
    settings = termios.tcgetattr(theirs)
    settings[1] &= ~termios.OPOST  # as it was written: no return before an end of line
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    process = subprocess.Popen(
        [sys.executable, "-m", "skitter", *words],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": term, "COLUMNS": "120", "PYTHONUTF8": "1"},
    )
    os.close(theirs)
    seen = b""
    try:
        while data := os.read(ours, 65536):
            seen += data
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(ours)
    process.wait(30)
    return seen.decode()


def is_plain(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text)


COMMANDS = {
    "crawl": ("crawl", "URL", "-v", "--job", "j"),
    "crawl, JSON": ("crawl", "URL", "-v", "--log-format", "json", "--job", "j"),
    "crawl to stdout": ("crawl", "URL", "-q", "-o", "-", "--job", "j"),
    "fetch": ("fetch", "URL", "URL/phrase", "URL/moved", "URL/type", "URL/coding", "URL/denied", "-v"),
    "fetch fields": (
        "fetch",
        "URL",
        "URL/head",
        "-q",
        "--field",
        "html",
        "--field",
        "headers",
        "--field",
        "text",
    ),
    "robots": ("robots", "URL/denied"),
    "robots of an agent": ("robots", "URL/den", f"bot{EVIL}"),
    "dry run": ("crawl", "URL", f"http://example.com/{EVIL}", "--dry-run"),
    "a seed that is none": ("crawl", f"http://exa mple/{EVIL}"),
    "an option that is none": ("crawl", "URL", f"--x{EVIL}"),
    "a file that is none": ("crawl", "URL", "-o", f"x{EVIL}.jsonl", "--config", f"x{EVIL}"),
    "seeds in a file": ("crawl", "-i", "seeds.txt", "--job", "k"),
    "no command": (f"http://a{EVIL}",),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_F3_no_terminal_is_told_what_to_do(evil: Tap, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "seeds.txt").write_bytes(f"{evil.origin}/\nhttp://[{EVIL}\n".encode())
    text = on_a_terminal(tmp_path, *(word.replace("URL", evil.origin).replace("\0", "") for word in words))
    assert len(text) > 30
    text = text.replace("\tadmitted: ", " admitted: ")  # a dry run has a separator of its own
    assert is_plain(text), text


def test_F3_nor_by_status_which_reads_what_was_stored(evil: Tap, tmp_path: Path) -> None:
    words = ("crawl", f"{evil.origin}/", "-v", "--job", "j", "--exclude", "*é*")
    text = on_a_terminal(tmp_path, *words)
    assert "disallowed" in text or "robots" in text
    for extra in ((), ("--json",)):
        text = on_a_terminal(tmp_path, "status", "j", *extra)
        assert evil.origin in text
        assert is_plain(text), text


@pytest.mark.parametrize("extra", [(), ("-v",), ("--json", "-")], ids=["table", "log", "JSON"])
def test_F3_nor_by_compare(tmp_path: Path, extra: tuple[str, ...]) -> None:
    raw = EVIL.replace("\r", "").encode()
    head = (
        b"HTTP/1.1 200 "
        + raw
        + b"\r\nSet-Cookie: "
        + in_a_field(EVIL)
        + b"\r\nX-A: "
        + in_a_field(EVIL)
        + b"\r\nContent-Length: 0\r\n\r\n"
    )
    with Tap(lambda target: answer("404 No") if target == "/robots.txt" else head) as own:
        words = ("compare", f"{own.origin}/{EVIL}", "--requests", "1", "--no-color", *extra)
        names = ("serial", "aiohttp", "skitter")
        text = on_a_terminal(tmp_path, *words, *(word for name in names for word in ("--strategy", name)))
        assert "serial" in text
        assert is_plain(text), text


def test_F3_nor_by_why_it_may_not_be_asked(tmp_path: Path) -> None:
    rule = b"User-agent: *\nDisallow: /" + EVIL.replace("\r", "").encode() + b"\nDisallow: /"
    with Tap(lambda target: answer("200 OK", rule)) as own:
        text = on_a_terminal(tmp_path, "compare", f"{own.origin}/{EVIL}", "--no-color")
        assert "robots.txt does not allow it" in text
        assert is_plain(text), text


def test_F3_the_live_display_writes_its_own_sequences_alone(evil: Tap, tmp_path: Path) -> None:
    """rich moves the cursor; a site that says nothing of the kind leads to the same sequences."""
    seen: list[set[str]] = []
    with hostile(HARMLESS) as harmless:
        for number, tap in enumerate((harmless, evil)):
            words = ("crawl", f"{tap.origin}/", "-v", "--job", f"j{number}", "--delay", "100ms")
            text = on_a_terminal(tmp_path, *words, term="xterm-256color")
            assert "pages/s" in text, "it was live"
            assert "1337" not in "".join(CONTROL.findall(text))
            rest = CONTROL.sub("", text).replace("\r", "")
            assert is_plain(rest), rest
            # What moves the cursor or changes the screen, whatever the numbers; colours are left out.
            seen.append(
                {re.sub(r"\d+", "N", code) for code in CONTROL.findall(text) if not code.endswith("m")}
            )
    assert seen[1] <= seen[0]


def test_F3_files_and_pipes_get_what_was_there(evil: Tap, tmp_path: Path) -> None:
    """Only a terminal is spared: a program reads the same from either."""
    words = ("fetch", f"{evil.origin}/", "-q", "--field", "text")
    piped = subprocess.run(
        [sys.executable, "-m", "skitter", *words], cwd=tmp_path, capture_output=True, timeout=60
    )
    shown = on_a_terminal(tmp_path, *words)
    (one,) = (json.loads(line) for line in piped.stdout.split(b"\n")[:-1])
    (other,) = (json.loads(line) for line in shown.split("\n")[:-1])
    assert "\u202e" in piped.stdout.decode()
    assert one["title"] == other["title"]
    assert one["text"] == other["text"]
    assert "\u202e" in one["title"]


def test_F3_escaped_json_is_the_same_json() -> None:
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x11000), 0xE0041, 0x1F600, 0x10FFFF]))
    text = json.dumps({every: [every, 1]}, ensure_ascii=False, separators=(",", ":"))
    assert json.loads(escape_json(text)) == {every: [every, 1]}
    assert escape_json(text).isprintable()
    assert escape_json('{"a":"é\U0001f600"}') == '{"a":"é\U0001f600"}'


# F4: an event, a line


@pytest.mark.parametrize("form", ["text", "json"])
def test_F4_one_event_is_one_line(evil: Tap, tmp_path: Path, form: str) -> None:
    """Python's splitlines, as many readers of logs, ends a line at eleven characters."""
    counts = []
    with hostile(HARMLESS) as harmless:
        for number, tap in enumerate((harmless, evil)):
            words = ("crawl", f"{tap.origin}/", "-v", "--log-format", form, "--job", f"j{number}")
            said = subprocess.run(
                [sys.executable, "-m", "skitter", *words],
                cwd=tmp_path,
                capture_output=True,
                timeout=60,
                text=True,
            ).stderr
            assert len(said.splitlines()) == said.count("\n")
            data = (tmp_path / f"j{number}/pages.jsonl").read_bytes()
            lines = data.split(b"\n")
            assert lines.pop() == b""
            records = [json.loads(line) for line in lines]
            assert len({record["url"] for record in records}) == len(records)
            if form == "json":
                events = [json.loads(line) for line in said.splitlines()]
                ended = [event["record"]["url"] for event in events if event["event"] == "ended"]
            else:
                ended = [
                    line for line in said.splitlines() if re.match(r"\d\d:\d\d:\d\d (\d\d\d|-) http", line)
                ]
            counts.append((len(records), len(ended)))
    for stored, told in counts:
        assert stored == told
