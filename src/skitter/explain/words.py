"""An explanation in lines, for people. What strangers wrote is still to be made printable."""

from __future__ import annotations

from collections.abc import Iterator

from skitter.explain.values import Explanation, HostAccount, Linker, Step, Try
from skitter.observe.text import seconds

__all__ = ["lines"]

_NEAREST, _FARTHEST = 8, 3  # steps of a long way that are shown
_MARKS = {True: "allows", False: "REFUSES", None: "unknown"}


def lines(said: Explanation) -> list[str]:
    """The answer first, then what it rests on."""
    found = [f"{said.url}: {said.answer}"]
    if said.typed != said.url:
        found.append(_line("typed", said.typed))
    found += _block("found", list(_way(said.found)))
    found += _block("redirects", list(_led(said)))
    found += _block("tries", list(_tries(said)))
    found += _block("rules", [f"{each.rule:<9}{_MARKS[each.allows]:<9}{each.words}" for each in said.rules])
    if said.host is not None:
        found += _block("host", list(_host(said.host)))
    found += _block("linked", list(_pages(said)))
    if said.if_linked is not None:
        found.append(_line("as a link", said.if_linked.words))
    if said.if_seed is not None:
        found.append(_line("as a seed", said.if_seed.words))
    at = f"{said.next.at}: " if said.next.at else ""
    found.append(_line("next", at + said.next.words))
    if said.next.advice is not None:
        found.append(_line("", f"({said.next.advice})"))
    return found


def _line(label: str, text: str) -> str:
    return f"  {label:<11}{text}".rstrip()


def _block(label: str, texts: list[str]) -> list[str]:
    return [_line("" if place else label, text) for place, text in enumerate(texts)]


def _way(found: tuple[Step, ...]) -> Iterator[str]:
    """How each page on the way was found, the nearest first."""
    for place, step in enumerate(found):
        if place == _NEAREST and len(found) > _NEAREST + _FARTHEST:
            yield f"... {len(found) - _NEAREST - _FARTHEST:,} pages more ..."
        if _NEAREST <= place < len(found) - _FARTHEST:
            continue
        by = found[place + 1].url if place + 1 < len(found) else None
        name = "" if place == 0 else f"{step.url} "
        yield name + _found(step, by)


def _found(step: Step, by: str | None) -> str:
    depth = f"depth {step.depth}: " if step.depth is not None else ""
    on = f", found on {by}" if by else ""
    match step.how:
        case "seed":
            return f"{depth}a seed"
        case "redirect":
            first = on or ", a seed"
            return f"{depth}by a redirect: {' -> '.join(step.hops)}{first}"
        case "sitemap" if step.depth is None:
            return "is a sitemap"
        case "robots":
            return "names the sitemap"
        case "sitemap":
            return f"{depth}listed in {by}"
    return f"{depth}linked on {by}"


def _led(said: Explanation) -> Iterator[str]:
    for page in said.redirects:
        yield f"from {page.url}"
    if said.redirected > len(said.redirects):
        yield f"and {said.redirected - len(said.redirects):,} more"


def _tries(said: Explanation) -> Iterator[str]:
    for number, each in enumerate(said.attempts, 1):
        yield f"{number} {_try(each)}"
    if said.requests > len(said.attempts):
        yield f"{said.requests:,} requests in all; not every one is remembered"


def _try(each: Try) -> str:
    status = f" HTTP {each.status}" if each.status is not None else ""
    error = f": {each.error}" if each.error else ""
    return f"{each.at}{status} {each.reason} after {seconds(each.seconds)}{error}"


def _host(host: HostAccount) -> Iterator[str]:
    yield f"{host.origin}: {host.words}"
    is_said = host.words.startswith("window") or not host.limit
    facts = [] if is_said else [f"window {host.window} of {host.limit}"]
    facts += [f"delay {seconds(host.delay)}"] if host.delay else []
    facts += [f"pace {seconds(host.pace)}"] if host.pace else []
    facts += [f"answers after {seconds(host.latency)}"] if host.latency else []
    facts += [f"failures in a row: {host.failures}"] if host.failures else []
    facts += [f"refusals in a row: {host.refusals}"] if host.refusals else []
    yield ", ".join([*facts, f"{host.pending:,} pending"])
    if host.gate is not None:
        yield f"gate closed until {host.gate}" + (f": {host.why}" if host.why else "")
    robots = host.robots
    if robots is not None:
        yield f"{robots.url}: HTTP {robots.status}, {robots.size:,} bytes, fetched {robots.fetched_at}"


def _pages(said: Explanation) -> Iterator[str]:
    if not said.linked:
        return
    yield f"by {said.linked:,} page{'s' * (said.linked != 1)} of the job"
    yield from (f"  {_page(page)}" for page in said.pages)
    if said.linked > len(said.pages):
        yield f"  and {said.linked - len(said.pages):,} more"


def _page(page: Linker) -> str:
    return f"{page.url} (depth {page.depth}{', nofollow' if page.nofollow else ''})"
