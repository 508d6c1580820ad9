"""Who is on the stack of a thread, said in the words of the person who wrote it."""

from __future__ import annotations

import asyncio
import os
import re
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

import msgspec

from skitter.source import expression_at

__all__ = ["Place", "Step", "is_users", "place_of", "stack_of", "steps_of", "url_of"]

_PACKAGE = f"{Path(__file__).parent.parent}{os.sep}"
_STANDARD = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib")})
# What can be handed to asyncio.to_thread by its name.
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
# Where we call what the user has registered.
_CALLS_USERS = tuple(f"{_PACKAGE}engine{os.sep}{name}.py" for name in ("handlers", "hooks", "routes"))
# What is on the loop on our behalf.
_LIBRARIES = ("aiohttp", "ada_url", "turbohtml", "msgspec", "yarl", "multidict", "uvloop", "publicsuffixlist")
_INSTALLED = ("site-packages", "dist-packages")


class Place(msgspec.Struct, frozen=True):
    """A line of code under way: ``name`` is the function that the event loop or the engine called,
    ``file`` and ``line`` are where it is now, ``call`` what it calls there ("time.sleep").

    ``users`` is False if nothing on the stack but skitter and the standard library was at work.
    """

    name: str
    file: str
    line: int
    call: str | None
    url: str | None
    users: bool


def is_users(file: str) -> bool:
    """Is this a file of the user's own: none of skitter's, of the standard library's or installed?"""
    return not (_is_standard(file) or file.startswith(_PACKAGE) or any(part in file for part in _INSTALLED))


def _is_standard(file: str) -> bool:
    return file.startswith("<frozen") or (
        file.startswith(_STANDARD) and not any(part in file for part in _INSTALLED)
    )


class Step(NamedTuple):
    """One call on a stack, as it was at a moment."""

    code: CodeType
    line: int
    instruction: int


def stack_of(frame: FrameType | None) -> list[FrameType]:
    """The frames of a stack, outermost first."""
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


def steps_of(stack: Sequence[FrameType]) -> tuple[Step, ...]:
    """What the frames are at now; they themselves go on."""
    return tuple([Step(frame.f_code, frame.f_lineno, frame.f_lasti) for frame in stack])


def url_of(task: asyncio.Task[object] | None, root: FrameType) -> str | None:
    """Visits and submitted tasks are named by their URL; a done callback gets its task handed in."""
    tasks = (task,) if task is not None else tuple(root.f_locals.values())
    names = [one.get_name() for one in tasks if isinstance(one, asyncio.Task)]
    return next((name for name in names if "://" in name), None)


def place_of(steps: Sequence[Step], url: str | None, users: Callable[[str], bool]) -> Place:
    """Where a callback is: the innermost line of the user's, else of an installed package, else ours.

    ``steps`` begins with what the loop called and is not empty; ``users`` tells the user's files.
    """
    own = [step for step in steps if users(step.code.co_filename)]
    foreign = _brought(steps)
    ours = [step for step in steps if _is_ours(step)]
    first, last = (own or foreign or steps)[0], (own or foreign[:1] or ours or steps)[-1]
    return Place(
        name=first.code.co_qualname.rpartition("<locals>.")[2],
        file=last.code.co_filename,
        line=last.line,
        call=_call_in(last),
        url=url,
        users=bool(own or foreign),
    )


def _brought(steps: Sequence[Step]) -> list[Step]:
    """Installed code that the user has brought here: by a handler of his, or on the loop beside us. What we
    call ourselves, and what our own libraries do for us, is our affair."""
    found = []
    is_his: bool | None = None  # the last of our own calls; None before the first
    for step in steps:
        file = step.code.co_filename
        if _is_ours(step):
            is_his = file in _CALLS_USERS
        elif not _is_standard(file) and (is_his or (is_his is None and not _is_library(file))):
            found.append(step)
    return found


def _is_library(file: str) -> bool:
    return any(f"{os.sep}{name}{os.sep}" in file for name in _LIBRARIES)


def _is_ours(step: Step) -> bool:
    return step.code.co_filename.startswith(_PACKAGE)


def _call_in(step: Step) -> str | None:
    """The text before the bracket of the call that is under way: ``requests.get``; None for anything
    else than a call."""
    text = (expression_at(step.code, step.instruction) or "").removeprefix("await ").strip()
    name = text.partition("(")[0].strip()
    return name if "(" in text and _DOTTED.fullmatch(name) else None
