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
from skitter.model import Ask, Failure, Headers, Reason, Record, Request, Response
from skitter.page import Page
from skitter.ports import Fetcher, Frontier, Sink, Take
from skitter.rules.ask import SAFE, ask_for

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
            if given is not None:
                given = _checked(given, Request, request.url, hook)
                request = _blamed(hook, _asked_as, request, given)
        return request

    def answer(self, request: Request, answer: Response | Failure) -> Response | Failure:
        """The answer that counts. Raises HookFailed."""
        for hook in self.after_response:
            given = _call(hook, request, answer)
            if given is not None:
                given = _checked(given, Response | Failure, None, hook)
                # What the crawl itself has seen of it stays: times, and the bytes for archives.
                times = {"sent_at": answer.sent_at, "ttfb": answer.ttfb, "elapsed": answer.elapsed}
                answer = replace(given, exchange=answer.exchange, **times)
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


def _blamed(hook: Callable[..., Any], function: Callable[..., Any], *facts: object) -> Any:
    """What comes of a hook's gift; what is wrong with that is the hook's fault."""
    try:
        return function(*facts)
    except (TypeError, ValueError, AttributeError, msgspec.MsgspecError) as error:
        raise HookFailed(blame(error, hook, "hook")) from None


def _asked_as(request: Request, given: Request) -> Request:
    """The request with what a user may say of it; the rest is the engine's."""
    if (given.method not in SAFE) != (request.method not in SAFE):
        raise ValueError(f"changed the method to {given.method}: yield a Request of its own for that")
    ask = ask_for(given.method, given.headers, given.body or None, None, given.meta) or Ask()
    return replace(request, method=ask.method, headers=ask.headers, body=ask.body, meta=ask.meta)


def _sound(given: Any) -> None:
    """Is everything in it of the kind that it should be? Raises what it is not."""
    if isinstance(given, Record):
        msgspec.json.decode(msgspec.json.encode(given), type=Record)
    elif isinstance(given, Response):
        msgspec.convert(given.status, int)
        if not isinstance(given.body, bytes) or not isinstance(given.headers, Headers):
            raise TypeError("a Response has bytes for its body, and Headers")


def _checked(given: Any, kind: Any, url: str | None, hook: Callable[..., Any]) -> Any:
    """What a hook gave, if it may give that."""
    if not isinstance(given, kind):
        name = getattr(kind, "__name__", "Response or Failure")
        error = TypeError(f"gave a {type(given).__name__}: give a {name}, or None")
    elif url is not None and given.url != url:
        error = TypeError(f"changed the URL to {given.url}: everything else may be changed")
    else:
        _blamed(hook, _sound, given)
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
