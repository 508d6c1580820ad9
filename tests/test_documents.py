"""What the documents show works: Python is run against sites on loopback, commands are parsed, those of the
tutorial run; and both READMEs say the same."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession, web

import skitter
from skitter.cli.main import _parser
from skitter.cli.parser import parse
from skitter.config import build, options
from skitter.testing import FakeClock, Site, local_site

ROOT = Path(__file__).parent.parent
TUTORIAL = ROOT / "docs/tutorial.md"
HOW_TO = sorted((ROOT / "docs/how-to").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "docs/index.md", TUTORIAL, *HOW_TO, ROOT / "docs/reference.md"]
READMES = ROOT / "README.md", ROOT / "README.zh.md"

# The demonstration site, as `skitter serve` shows it by default; and every site that is made up.
DEMO, DEMO_JOB = "127.0.0.1:8273", "127.0.0.1-8273"
MADE_UP = re.compile(r"https?://(?:[\w-]+\.)?example\.com")
MADE_UP_NAME = re.compile(r'"[\w-]+\.example\.com"')


class Block(NamedTuple):
    """A fenced block, and what stands right below Python: what it prints."""

    language: str
    text: str
    prints: str | None


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    fences = re.finditer(r"^```(\w+)\n(.*?)^```$(?:\n```text\n(.*?)^```$)?", text, re.M | re.S)
    return [Block(each[1], each[2], each[3]) for each in fences]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


# Sites


def made_up_site() -> Site:
    """All that the sites of the examples have to have."""
    site = Site()
    links = ["/a", "/b", "/slow", "/product/1", "/article/1", "/api/list", "/account", "/gone"]
    site.page("/", "<h1>Front</h1>", title="Front", links=links)
    site.page("/a", "<h1>A</h1><p>The first of the pages.</p>", title="A")
    site.page("/b", "<h1>B</h1><p>The second of the pages.</p>", title="B")
    site.page("/slow", "slow", title="Slow", delay=0.05)
    product = '<h1>Lamp</h1><b class="price">€5.50</b>'
    site.page("/product/1", f'{product}<p class="next"><a href="/product/2">next</a></p>')
    site.page("/product/2", product)
    site.page("/article/1", "<h1>News</h1><p>Long, and worth it.</p>", title="News")
    listed = '{"products": [1], "names": ["Lamp"], "next": null}'
    site.page("/api/list", listed, content_type="application/json")
    site.page("/login", '<form action="/session"><input name="csrf" value="token"></form>')
    site.handler("/search", _search)
    site.handler("/session", _session)
    site.handler("/account", _account)
    return site


async def _search(request: web.BaseRequest) -> web.StreamResponse:
    form = await request.post()
    return web.Response(text=f"<h1>3 of {form['q']!s}</h1>", content_type="text/html")


async def _session(request: web.BaseRequest) -> web.StreamResponse:
    form = await request.post()
    assert form["csrf"] == "token"
    answer = web.Response(status=303, headers={"Location": "/account"})
    answer.set_cookie("session", "-".join([str(form["user"]), str(form["password"])]))
    return answer


async def _account(request: web.BaseRequest) -> web.StreamResponse:
    user = request.cookies.get("session", "stranger").partition("-")[0]
    return web.Response(text=f"<h1>Hello, {user}</h1>", content_type="text/html")


class World(NamedTuple):
    """The sites that stand for those in the documents."""

    demo: Site
    made_up: Site

    def local(self, text: str) -> str:
        """The same text with addresses that can be reached."""
        text = text.replace(DEMO, f"127.0.0.1:{self.demo.port}").replace(
            DEMO_JOB, f"127.0.0.1-{self.demo.port}"
        )
        return MADE_UP_NAME.sub('"127.0.0.1"', MADE_UP.sub(self.made_up.origin, text))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with local_site() as demo, made_up_site() as made_up:
        yield World(demo, made_up)


# Python


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name)
def test_python_runs_and_prints_what_is_shown(
    page: Path, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of a page are run in their order, as one program; the tutorial's commands between them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "urls.txt").write_text(f"{world.made_up.url('/a')}\n{world.made_up.url('/b')}\n")
    known: dict[str, Any] = {"__name__": "document"}
    for block in blocks(page):
        if block.language == "python":
            printed = run(world.local(block.text), known, page)
            if block.prints is not None:
                assert printed == world.local(block.prints)
        elif page == TUTORIAL and block.language == "console":
            type_in(world.local(block.text))
    call_tests(known, tmp_path)


def run(code: str, known: dict[str, Any], page: Path) -> str:
    """Run a block, in which `await` may stand anywhere, as in a notebook; what it printed."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        program = compile(code, page.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        found = eval(program, known)
        if inspect.iscoroutine(found):
            asyncio.run(found)
    return printed.getvalue()


def type_in(session: str) -> None:
    """Run the commands of a session; the lines that are shown below each must come, figures of time apart."""
    for command, shown in re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", session, re.M):
        _, *words = shlex.split(command)
        done = subprocess.run(
            [sys.executable, "-m", "skitter", *words], capture_output=True, encoding="utf-8", timeout=60
        )
        assert done.returncode == 0, done.stderr
        lines = set(timeless(done.stdout + done.stderr))
        assert set(timeless(shown)) <= lines


def timeless(text: str) -> list[str]:
    return re.sub(r"in [\d.]+ m?s, [\d.]+ pages/s", "in no time", text).splitlines()


def call_tests(known: dict[str, Any], path: Path) -> None:
    """Call what a document shows as tests, with the fixtures that they ask for."""
    for number, test in enumerate(value for key, value in known.items() if key.startswith("test_")):
        folder = path / f"test{number}"
        folder.mkdir()
        fixtures: dict[str, Callable[[], object]] = {"fake_clock": FakeClock, "tmp_path": lambda: folder}  # noqa: B023
        with Site() as site:
            given = {"site": site, **{each: make() for each, make in fixtures.items()}}
            test(**{each: given[each] for each in inspect.signature(test).parameters})


def test_the_web_server_serves(world: World) -> None:
    """docs/how-to/web-server.md gives an application: a title comes out of it, nothing of a stranger's."""
    known: dict[str, Any] = {"__name__": "document"}
    page = ROOT / "docs/how-to/web-server.md"
    for block in blocks(page):
        if block.language == "python":
            run(world.local(block.text), known, page)

    async def ask() -> None:
        runner = web.AppRunner(known["app"])
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with ClientSession() as session:
            query = {"url": world.made_up.url("/a")}
            async with session.get(f"{origin}/title", params=query) as answer:
                assert await answer.json() == {"ok": True, "reason": "fetched", "title": "A"}
            async with session.get(f"{origin}/title", params={"url": "http://127.0.0.2/"}) as answer:
                assert answer.status == 403
        await runner.cleanup()

    asyncio.run(ask())


# Commands


def commands(block: Block) -> Iterator[list[str]]:
    """The simple commands of a block, in words; of a session, what comes after `$`."""
    lines = re.sub(r"\\\n", "", block.text).splitlines()
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    for line in lines:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
        lexer.whitespace_split = True
        words: list[str] = []
        for token in [*lexer, ";"]:
            if set(token) <= set("();<>|&"):
                yield words
                words = []
            else:
                words.append(token)


@pytest.mark.parametrize("page", [*PAGES, *READMES[1:]], ids=name)
def test_commands_are_understood(page: Path) -> None:
    """Every option that is shown exists, takes such a value, and every extra and target can be asked for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    targets = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    for block in blocks(page):
        for words in commands(block) if block.language in ("sh", "console") else ():
            if words[:1] == ["skitter"]:
                understand(words[1:])
            elif words[:2] == ["pip", "install"]:
                extras = re.findall(r"\[(.*)\]", words[2])
                assert set(extras) <= project["optional-dependencies"].keys()
            elif words[:1] == ["make"]:
                assert words[1] in targets


def understand(words: list[str]) -> None:
    with contextlib.suppress(SystemExit):  # of --help and --version
        found = parse(_parser(), words)
        if found.command in ("crawl", "fetch"):
            build(("--{}", {key: value for key, value in vars(found).items() if key in options()}))


# Links, and the two languages


@pytest.mark.parametrize("page", [*PAGES, *READMES[1:]], ids=name)
def test_links_lead_to_files(page: Path) -> None:
    """Anchors are checked when the site is built."""
    for target in links(page):
        if "://" not in target and not target.startswith("#"):
            assert (page.parent / target.partition("#")[0]).exists(), target


def links(page: Path) -> list[str]:
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.findall(r"\]\(([^)\s]+)\)", prose)


def test_every_how_to_page_is_in_both_lists() -> None:
    for page in HOW_TO:
        if page.stem != "index":
            assert f"({page.name})" in (ROOT / "docs/how-to/index.md").read_text(encoding="utf-8")
            assert f"\nhow-to/{page.stem}\n" in (ROOT / "docs/index.md").read_text(encoding="utf-8")


def test_every_public_name_is_in_the_reference() -> None:
    page = (ROOT / "docs/reference/library.md").read_text(encoding="utf-8")
    told = re.findall(r"^\.\. auto(?:class|exception|function):: (\w+)$", page, re.M)
    assert set(skitter.__all__) - {"__version__"} <= set(told)


def test_both_readmes_have_the_same_shape() -> None:
    """Headings, list items, code and links: a translation that lags behind says something else."""
    english, chinese = (readme.read_text(encoding="utf-8") for readme in READMES)
    assert shape(english) == shape(chinese)
    assert blocks(READMES[0]) == blocks(READMES[1])
    assert sorted(links(READMES[0])) == sorted(
        "README.zh.md" if link == "README.md" else link for link in links(READMES[1])
    )


def shape(text: str) -> list[str]:
    """How every block of a text begins: heading, list, fence or prose."""
    return re.findall(r"^(#+ |- |```\w*$)", text, re.M)
