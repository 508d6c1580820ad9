"""Whose code is at work, told from the files on the stack."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import skitter
from skitter.observe.frames import Step, is_users, place_of

PACKAGE = Path(skitter.__file__).parent
LOOP = asyncio.__file__
OURS = str(PACKAGE / "content" / "hrefs.py")
HANDLERS = str(PACKAGE / "engine" / "handlers.py")
ADA = str(Path("/env/site-packages/ada_url/adapter.py"))
PANDAS = str(Path("/env/site-packages/pandas/core.py"))
USERS = str(Path("/home/shop.py"))


def step(file: str) -> Step:
    name = Path(file).stem
    code = compile(f"def {name}(): pass", file, "exec").co_consts[0]
    return Step(code, 1, 0)


@pytest.mark.parametrize(
    ("stack", "users", "name"),
    [
        ((LOOP, OURS, ADA), False, "__init__"),  # a page with 10,000 new links
        ((OURS,), False, "hrefs"),
        ((ADA,), False, "adapter"),  # a callback of a library of ours
        ((OURS, HANDLERS, PANDAS), True, "core"),  # a handler from a package
        ((OURS, HANDLERS, USERS, PANDAS), True, "shop"),
        ((OURS, HANDLERS, ADA), True, "adapter"),  # a handler of his that is a function of one of ours
        ((PANDAS,), True, "core"),  # what else he has on the loop
        ((LOOP, USERS), True, "shop"),
    ],
)
def test_whose_code_it_is(stack: tuple[str, ...], users: bool, name: str) -> None:
    place = place_of([step(file) for file in stack], None, is_users)
    assert (place.users, place.name) == (users, name)
