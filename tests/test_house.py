"""The house rules that a machine can check."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import skitter
from skitter.config import Option, options
from skitter.model import FinishReason, Reason

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src/skitter").rglob("*.py"))
REFERENCE = (ROOT / "docs/reference.md").read_text(encoding="utf-8")

MAX_FILE, MAX_FUNCTION = 400, 40
# Calls that start a task. Only the engine may: a task elsewhere would have no owner. The strategies that
# are compared with it show how it is done by hand.
STARTERS = {"create_task", "ensure_future", "TaskGroup", "gather"}
BANNED_NAMES = {"utils", "helpers", "common", "manager", "base"}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short_and_named_well(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE
    assert path.stem not in BANNED_NAMES
    assert ast.get_docstring(tree(path)), "a file says what it is about"
    for node in functions(path):
        assert node.end_lineno is not None
        assert node.end_lineno - node.lineno < MAX_FUNCTION, node.name


def _kind_and_name(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions: the order that ruff keeps."""
    return 0 if name.isupper() else 1 if name[0].isupper() else 2, name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_exports_are_sorted_and_exist(path: Path) -> None:
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names = ast.literal_eval(node.value)
            assert names == sorted(names, key=_kind_and_name)
            assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_names_are_documented(path: Path) -> None:
    for node in tree(path).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            assert node.name.startswith("_") or ast.get_docstring(node), node.name


def test_only_the_engine_starts_tasks() -> None:
    for path in SOURCES:
        place = path.relative_to(ROOT / "src/skitter").parts[0]
        if place in ("engine", "testing", "compare"):
            continue
        called = {
            node.func.attr
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        assert not called & STARTERS, path


def test_the_public_names_are_few_sorted_and_there() -> None:
    assert skitter.__all__ == sorted(skitter.__all__)
    assert len(skitter.__all__) <= 30
    for name in skitter.__all__:
        assert getattr(skitter, name) is not None
    assert set(dir(skitter)) == set(skitter.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = skitter.nothing


@pytest.mark.parametrize("option", options().values(), ids=lambda option: option.name)
def test_every_option_is_documented(option: Option) -> None:
    assert f"`{option.flag}`" in REFERENCE


@pytest.mark.parametrize("reason", [*Reason, *FinishReason])
def test_every_ending_is_documented(reason: str) -> None:
    assert f"| `{reason}` |" in REFERENCE


def test_nothing_public_is_left_out_of_the_changelog_version() -> None:
    assert f"## {skitter.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 110
