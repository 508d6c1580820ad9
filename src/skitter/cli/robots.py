"""skitter robots: what a robots.txt says about a URL, and which line decided."""

from __future__ import annotations

import argparse
import sys

from skitter.clock import SystemClock
from skitter.config import Http, Limits
from skitter.engine.seeds import read_seed
from skitter.model import Failure, Request, Response
from skitter.net import AiohttpFetcher, run_loop
from skitter.observe.text import printable, seconds
from skitter.rules import robots
from skitter.rules.addresses import kind_of_all
from skitter.rules.robots_verdict import Again, Denied, Hop, Known, judge_robots
from skitter.rules.url import origin_of, target_of

__all__ = ["run"]

_UNREACHABLE = 3


def run(found: argparse.Namespace) -> int:
    """Print the verdict to stdout; exit code 3 if robots.txt cannot be had."""
    url = read_seed(found.url)
    token = robots.product_token(found.agent or Http().user_agent)
    answer, verdict = run_loop(_ask(f"{origin_of(url)}/robots.txt", token))
    match verdict:
        case Known(rules, copy):
            lines = [f"{answer.url if isinstance(answer, Response) else url}: HTTP {copy.status}"]
            lines += _ruling(url, token, rules, copy.status)
        case Denied(done):
            lines = [f"{url}: disallowed: {done.error}"]
        case Again(error, _):
            lines = [f"{url}: disallowed for now: robots.txt: {error}"]
        case Hop():
            raise AssertionError("hops are followed")
    sys.stdout.write("\n".join(map(printable, lines)) + "\n")
    return 0 if isinstance(verdict, Known) else _UNREACHABLE


async def _ask(url: str, token: str) -> tuple[Response | Failure, Known | Hop | Again | Denied]:
    clock = SystemClock()
    fetcher = AiohttpFetcher(Http(), Limits(), clock)
    try:
        for hops in range(robots.MAX_REDIRECTS + 1):
            if not hops:  # the user named it; what it leads to may be where it is, or public
                reach = kind_of_all(await fetcher.addresses(origin_of(url)))
            answer = await fetcher.fetch(Request(url, robots.MAX_BYTES, cut=True, reach=reach), lambda: None)
            verdict = judge_robots(answer, token=token, hops=hops, tries=0, retries=0, now=clock.now())
            if not isinstance(verdict, Hop):
                break
            url = verdict.url
        return answer, verdict
    finally:
        await fetcher.close()


def _ruling(url: str, token: str, rules: robots.Robots, status: int) -> list[str]:
    ruling = rules.judge(target_of(url))
    word = "allowed" if ruling.allowed else "disallowed"
    if ruling.rule is not None:
        kind = "Allow" if ruling.rule.allow else "Disallow"
        why = f"line {ruling.rule.line}: {kind}: {ruling.rule.pattern}"
    else:
        why = "no rule matches" if status < 300 else f"HTTP {status} allows everything"
    lines = [
        f"{url}: {word} for {token} ({why})",
        f"group: {rules.agent}, {len(rules.rules)} rules",
        f"delay: {seconds(rules.crawl_delay) if rules.crawl_delay else 'none'}",
    ]
    return lines + [f"sitemap: {sitemap}" for sitemap in rules.sitemaps]
