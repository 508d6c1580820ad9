"""A look at a server that is not ours, before it is asked again and again: may it be, and where?"""

from __future__ import annotations

import msgspec

from skitter.crawler import Crawler
from skitter.events import Event, RobotsRead
from skitter.model import Reason

__all__ = ["Look", "look_at"]


class Look(msgspec.Struct, frozen=True):
    """``url`` is where redirects led; ``refused`` says why the experiment may not be made there, and
    ``note`` what the user should know."""

    url: str
    refused: str | None = None
    note: str | None = None


async def look_at(url: str) -> Look:
    """Fetch the page once, as skitter fetches: robots.txt first."""
    delays: list[float] = []

    def observe(event: Event) -> None:
        if isinstance(event, RobotsRead):
            delays.append(event.delay)

    async with Crawler(retries=0, max_wait=1, observe=observe) as crawler:
        (page,) = await crawler.fetch_all([url])
    if page.reason is Reason.ROBOTS_DENIED:
        return Look(page.url, f"{page.url}: its robots.txt does not allow it ({page.error})")
    if any(delays):
        return Look(
            page.url,
            f"{page.url}: its robots.txt asks for {max(delays):g} s between two requests, which requests at "
            "once cannot obey; leave the URL out to use the local server",
        )
    if page.reason not in (Reason.FETCHED, Reason.HTTP_ERROR) or page.status is None:
        return Look(page.url, f"{page.url}: {page.reason}: {page.error}")
    notes = [f"{url} leads to {page.url}"] if page.record.redirected_from else []
    if not page.ok:
        notes.append(f"{page.url} answers {page.status}")
    return Look(page.url, note="; ".join(notes) or None)
