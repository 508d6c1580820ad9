"""The user's hooks: a say at four places of every visit. They are plain functions, called on the loop.

| hook | is called with | may give |
|---|---|---|
| ``before_request`` | the request that is about to go out | another one for the same URL, or None |
| ``after_response`` | the request and its answer | another answer, or None |
| ``should_follow`` | a page and the URL of a link that is in scope | False, and the link is not followed |
| ``on_record`` | the record that is about to be written | another one of the same URL, or None |

None leaves things as they are. What a hook raises ends the URL as ``handler_error``, with file and line.
robots.txt and sitemaps are the crawl's own business: hooks do not see them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from skitter.engine.handlers import Route, blame
from skitter.model import Failure, Reason, Record, Request, Response
from skitter.page import Page
from skitter.ports import Fetcher, Frontier, Sink, Take

__all__ = [
    "AfterResponse",
    "BeforeRequest",
    "HookFailed",
    "HookedFetcher",
    "Hooks",
    "OnRecord",
    "ShouldFollow",
    "UserCode",
]

BeforeRequest = Callable[[Request], Request | None]
AfterResponse = Callable[[Request, Response | Failure], Response | Failure | None]
ShouldFollow = Callable[[Page, str], bool]
OnRecord = Callable[[Record], Record | None]


class Hooks(msgspec.Struct, frozen=True):
    """The hooks of a run, each kind in the order in which they were registered."""

    before_request: tuple[BeforeRequest, ...] = ()
    after_response: tuple[AfterResponse, ...] = ()
    should_follow: tuple[ShouldFollow, ...] = ()
    on_record: tuple[OnRecord, ...] = ()

    def ask(self, request: Request) -> Request:
        """The request that is to go out. Raises HookFailed."""
        for hook in self.before_request:
            given = _call(hook, request)
            request = request if given is None else _checked(given, Request, request.url, hook)
        return request

    def answer(self, request: Request, answer: Response | Failure) -> Response | Failure:
        """The answer that counts. Raises HookFailed."""
        for hook in self.after_response:
            given = _call(hook, request, answer)
            answer = answer if given is None else _checked(given, Response | Failure, None, hook)
        return answer

    def follows(self, page: Page, url: str) -> bool:
        """Is a link to be followed? Raises HookFailed."""
        return all(_call(hook, page, url) for hook in self.should_follow)

    def record(self, record: Record) -> Record:
        """The record that is to be written; what a hook does wrong is said in it."""
        for hook in self.on_record:
            try:
                given = _call(hook, record)
                record = record if given is None else _checked(given, Record, record.url, hook)
            except HookFailed as error:
                return replace(record, reason=Reason.HANDLER_ERROR, error=str(error))
        return record


class HookFailed(Exception):
    """A hook raised, or gave what it may not: in words for the record."""


def _call(hook: Callable[..., Any], *facts: object) -> Any:
    try:
        given = hook(*facts)
    except Exception as error:
        raise HookFailed(blame(error, hook, "hook")) from None
    if inspect.iscoroutine(given):
        given.close()
        raise HookFailed(blame(TypeError("is `async def`: make it a plain `def`"), hook, "hook"))
    return given


def _checked(given: Any, kind: Any, url: str | None, hook: Callable[..., Any]) -> Any:
    """What a hook gave, if it may give that."""
    if not isinstance(given, kind):
        name = getattr(kind, "__name__", "Response or Failure")
        error = TypeError(f"gave a {type(given).__name__}: give a {name}, or None")
    elif url is not None and given.url != url:
        error = TypeError(f"changed the URL to {given.url}: everything else may be changed")
    else:
        return given
    raise HookFailed(blame(error, hook, "hook"))


class UserCode(msgspec.Struct, frozen=True):
    """All that the user has brought. ``stops``: the first handler that raises ends the crawl. The parts take
    the place of skitter's own; sinks come beside them."""

    routes: tuple[Route, ...] = ()
    hooks: Hooks = Hooks()
    stops: bool = False
    fetcher: Fetcher | None = None
    frontier: Frontier | None = None
    sinks: tuple[Sink, ...] = ()


class HookedFetcher:
    """A fetcher with hooks before it and behind it."""

    def __init__(self, inner: Fetcher, hooks: Hooks) -> None:
        self._inner = inner
        self._hooks = hooks

    async def fetch(
        self, request: Request, sent: Callable[[], None], take: Take | None = None
    ) -> Response | Failure:
        """Fetch as the hooks say."""
        if request.cut or take is not None:  # robots.txt; a sitemap
            return await self._inner.fetch(request, sent, take)
        try:
            request = self._hooks.ask(request)
            return self._hooks.answer(request, await self._inner.fetch(request, sent))
        except HookFailed as error:
            return Failure(Reason.HANDLER_ERROR, str(error), transient=False)

    async def addresses(self, origin: str) -> Sequence[str]:
        """The addresses of an origin's host."""
        return await self._inner.addresses(origin)

    async def close(self) -> None:
        """Close all connections."""
        await self._inner.close()
