"""What comes from the web is never code, and never makes a regular expression run wild (THREATS, X5, X9)."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from skitter.content.charset import decode
from skitter.content.html import base_of
from skitter.content.mime import is_html, media_type
from skitter.content.robots_meta import directives
from skitter.page import _LOOKS_LIKE_URL
from skitter.rules.backoff import retry_after
from skitter.rules.robots import parse, product_token
from skitter.rules.url import canonical
from skitter.testing import Site

SOURCE = Path(__file__).parent.parent.parent / "src/skitter"

# X5

# Rooms that read what comes from the web, and every pattern there, reviewed: none has two ways to match the
# same text, so none can backtrack further than once over it. To add one, say why that is so.
PARSING = ("content", "rules", "net", "page.py")
PATTERNS = {
    (
        "content/blocks.py",
        (
            "b'\\\\s{0,64}<\\\\?xml[^>]{0,99}?\\\\sencoding\\\\s{0,9}=\\\\s{0,9}[\"\\']([\\\\w.-]"
            "{1,40})[\"\\']'"
        ),
    ): "every repetition is bounded, and it is matched at one place",
    ("content/hrefs.py", "(?!https?:(?!//))[^\x00- ?#][^\t\n\r]{0,500}"): "one bounded repetition at the end",
    ("content/mime.py", "[!#$%&'*+.^_`|~0-9a-z-]+/[!#$%&'*+.^_`|~0-9a-z-]+"): "the slash is in neither class",
    (
        "page.py",
        "[A-Za-z][A-Za-z0-9+.-]*://|/|\\./|\\.\\./|\\?",
    ): "matched at one place; the colon is not in the class",
    ("content/sitemap.py", "\r\n|\r|\n"): "of fixed length",
    ("content/sitemap.py", "https?://[^/\\s]"): "of fixed length",
    (
        "content/weight.py",
        "b'<(?:body|html|(?:' + b'|'.join(_WORDS) + b') )[^>]{0,1000}'",
    ): "words of fixed length, then one bounded class",
    ("rules/pattern.py", "\\*+"): "runs on the operator's own pattern",
    ("rules/pattern.py", "_translate(pattern)"): "the operator's own; see the text there",
    ("rules/pattern.py", "pattern[3:]"): "the operator's own; runs on URLs, of 8 KB at most",
    ("rules/robots.py", "[A-Za-z_-]+"): "one class, matched at one place",
    (
        "rules/traps.py",
        (
            "(?:.{0,12}(?:sess|session|visitor|nonce|csrf|clid|cachebust)(?:ion)?(?"
            ":_?id|_?key|_?token)?|rand|random|rnd|sid|cfid|cftoken|oscsid|zenid|_|"
            "ts|cb|x?id_session)"
        ),
    ): "one bounded repetition, then words of fixed length",
    (
        "rules/traps.py",
        "(?<!\\d)(?:1[89]|20|21)\\d\\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\\d|3[01])(?!\\d)",
    ): "of bounded length, with no repetition in it",
    (
        "rules/traps.py",
        ("(?<!\\d)(?:1[89]|20|21)\\d\\d([-_/.])(?:0?[1-9]|1[0-2])(?:\\1(?:0?[1-9]|[12]\\d|3[01]))?(?!\\d)"),
    ): "of bounded length, with no repetition in it",
    (
        "rules/traps.py",
        "(?<=/)(page|p|pg|offset|seite|next)([/=_-])\\d{1,9}(?=[/.;?]|$)",
    ): "digits, at most nine, then what is no digit",
    (
        "rules/traps.py",
        (
            "(?=[A-Za-z]{0,128}\\d)(?=\\d{0,128}[A-Za-z])[A-Za-z0-9]{16,128}|[0-9A-Fa"
            "-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
        ),
    ): "two looks and a class, all bounded; or of fixed length",
    (
        "rules/traps.py",
        "(?=[^\\d]{0,200}\\d)(?:[A-Za-z0-9]{8,200}|[0-9A-Fa-f-]{36})",
    ): "a look of at most 200 characters, then one class",
    (
        "rules/traps.py",
        (
            ";[A-Za-z_]{0,12}(?:sess|session|sid)[A-Za-z_]{0,8}=[^/?;]{1,200}|/\\([A"
            "-Z]\\([A-Za-z0-9]{8,64}\\)\\)(?=/|$)"
        ),
    ): "bounded, and the ends of each are in no class before them",
    ("rules/traps.py", "[?;(]|\\d{4}|[a-z][/=_-]\\d|[A-Za-z0-9_-]{16}/"): "of fixed length",
    ("rules/traps.py", "cal|event|date|day|archive|diary|schedule|agenda|log"): "words",
    ("rules/url.py", "%(?![0-9A-Fa-f]{2})"): "of fixed length",
    ("rules/url.py", "%([0-9A-Fa-f]{2})"): "of fixed length",
}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.Call))


def patterns(path: Path) -> Iterator[str]:
    """Patterns that a file uses: their text, or how they are made."""
    for call in calls(path):
        function = call.func
        if (
            isinstance(function, ast.Attribute)
            and isinstance(function.value, ast.Name)
            and function.value.id == "re"
            and function.attr != "escape"
        ):
            first = call.args[0]
            is_text = isinstance(first, ast.Constant) and isinstance(first.value, str)
            yield ast.literal_eval(first) if is_text else ast.unparse(first)


def test_X5_every_pattern_that_meets_the_web_is_reviewed() -> None:
    found = set()
    for room in PARSING:
        here = SOURCE / room
        for path in sorted(here.rglob("*.py")) if here.is_dir() else [here]:
            for node in ast.walk(tree(path)):
                if isinstance(node, ast.ImportFrom):
                    assert node.module != "re", f"{path}: `import re`, so that this test sees what is used"
                if isinstance(node, ast.Import):
                    assert all(name.asname is None for name in node.names if name.name == "re"), path
            name = str(path.relative_to(SOURCE))
            found |= {(name, pattern) for pattern in patterns(path)}
    assert found == set(PATTERNS)


TEN = 10_000_000
TEXTS = {
    "letters": "a" * TEN,
    "commas": "," * TEN,
    "quotes": '"' * TEN,
    "semicolons": "a/b;" * (TEN // 4),
    "slashes": "/" * TEN,
    "colons": "a:" * (TEN // 2),
    "blanks": " " * TEN + "x",
    "digits": "9" * TEN,
    "percents": "%" * TEN,
    "escapes": "%41" * (TEN // 3),
    "stars": "/" + "*a" * (TEN // 2),
    "lines": "a:\n" * (TEN // 3),
    "dashes": "-" * TEN + "/",
    "dots": "../" * (TEN // 3),
}
READERS: dict[str, Callable[[str], object]] = {
    "media type": media_type.__wrapped__,
    "sniffing": lambda text: is_html(None, text.encode()),
    "robots directives": lambda text: directives([text], "skitter"),
    "retry-after": lambda text: retry_after(text, 0.0),
    "robots.txt": lambda text: parse(b"User-agent: *\nDisallow: " + text.encode(), "skitter").judge("/a"),
    "robots.txt lines": lambda text: parse(text.encode(), "skitter").judge("/a"),
    "product token": product_token,
    "URL": lambda text: canonical(text, "http://h/"),
    "base": lambda text: base_of([text], "http://h/"),
    "decoding": lambda text: decode(text.encode(), "gbk"),
    "selector or URL": _LOOKS_LIKE_URL.match,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("reader", READERS)
def test_X5_10_mb_of_anything_take_no_second(reader: str, text: str) -> None:
    began = time.process_time()
    READERS[reader](text)
    assert time.process_time() - began < 10 * 1.0


# X9

# Where a name that is not written out is turned into code or an attribute: none of them comes from the web.
DYNAMIC = {
    ("__init__.py", "import_module(f'skitter.{home}')"): "from a table of the public names",
    ("__init__.py", "getattr(import_module(f'skitter.{home}'), name)"): "only names in that table",
    ("aside.py", "getattr(signal, name)"): "from a list in the file",
    ("testing/proxy.py", "getattr(faults, name)"): "fields of a dataclass in the file",
    ("testing/proxy.py", "getattr(self, field.name)"): "fields of a dataclass in the file",
    ("testing/proxy.py", "getattr(self, name)"): "fields of a dataclass in the file",
    ("nursery.py", "getattr(signal, name)"): "from a list in the file",
    ("cli/compare.py", "getattr(signal, name)"): "from a list in the file",
    ("cli/compare.py", "getattr(found, flag)"): "flags of our own, parsed",
    ("cli/compare.py", "getattr(found, name)"): "flags of our own, parsed",
    (
        "cli/main.py",
        "import_module(f'skitter.cli.{found.command}')",
    ): "argparse has checked it against the commands",
    ("cli/signals.py", "getattr(signal, name, None)"): "from a list in the file",
    (
        "compare/experiment.py",
        "import_module(f'skitter.compare.strategies.{STRATEGIES[name]}')",
    ): "from a table",
    ("compare/plan.py", "import_module(name)"): "from a list in the file",
    ("sinks/__init__.py", "find_spec(module)"): "from tables of our own; nothing is imported",
}
RUNS_CODE = {"eval", "exec", "compile", "__import__", "import_module"}
NAMES_ATTRIBUTES = {
    "getattr",
    "setattr",
    "delattr",
    "attrgetter",
    "methodcaller",
    "find_spec",
    "resolve_name",
}


def _literal(call: ast.Call) -> bool:
    """Is the name written out where it is used?"""
    arguments = call.args[1:] if _name(call) in ("getattr", "setattr", "delattr") else call.args
    return bool(arguments) and isinstance(arguments[0], ast.Constant)


def _name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Name):
        return call.func.id
    if isinstance(call.func, ast.Attribute):
        is_pattern = isinstance(call.func.value, ast.Name) and call.func.value.id == "re"
        return "" if is_pattern else call.func.attr
    return ""


def test_X9_no_name_from_outside_becomes_code_or_an_attribute() -> None:
    found = set()
    for path in sorted(SOURCE.rglob("*.py")):
        for call in calls(path):
            name = _name(call)
            if (name in RUNS_CODE or name in NAMES_ATTRIBUTES) and not (
                name not in ("eval", "exec", "compile", "__import__") and _literal(call)
            ):
                found.add((str(path.relative_to(SOURCE)), ast.unparse(call)))
    assert found - set(DYNAMIC) == set(), "say in DYNAMIC where the name comes from"


HOSTILE = "skitter_hostile_module.run"
CRAWL = """
import asyncio, sys
import skitter
asyncio.run(skitter.Crawler(limit=2, no_robots=True).run([sys.argv[1]]))
assert "skitter_hostile_module" not in sys.modules
print("clean")
"""


def test_X9_a_header_that_names_a_callable_imports_nothing(tmp_path: Path) -> None:
    """The module can be imported, and would leave a file behind."""
    (tmp_path / "skitter_hostile_module.py").write_text(
        f"open({str(tmp_path / 'imported')!r}, 'w').close()\n"
        f"def run(*a, **k): open({str(tmp_path / 'called')!r}, 'w').close()\n"
    )
    names = (
        "Referrer-Policy", "Content-Security-Policy", "X-Robots-Tag", "Retry-After", "Link", "Refresh",
        "Server", "Content-Language", "Content-Disposition", "Set-Cookie", "Cache-Control", "Expires",
        "Last-Modified", "ETag",
    )  # fmt: skip
    html = (
        f"<meta charset={HOSTILE}><meta name=referrer content={HOSTILE}>"
        f"<base target={HOSTILE}><a href={HOSTILE} rel={HOSTILE}>"
    )
    with Site() as site:
        kind = f"text/html; charset={HOSTILE}"
        site.page("/", html, headers={**dict.fromkeys(names, HOSTILE), "Content-Type": kind})
        path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
        done = subprocess.run(
            [sys.executable, "-c", CRAWL, site.url("/")],
            env={**os.environ, "PYTHONPATH": path}, cwd=tmp_path, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert done.stdout == "clean\n", done.stderr
    assert not (tmp_path / "imported").exists()
    assert not (tmp_path / "called").exists()
