"""What has to be known of a host before its URLs are asked for: its address, its robots.txt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from skitter.config import Config
from skitter.engine.contact import Contact
from skitter.events import Observer, RobotsRead
from skitter.model import Done, Entry, Failure, Reason, Request, Response, RobotsCopy
from skitter.ports import Clock, Fetcher, Lost
from skitter.rules import robots
from skitter.rules.addresses import ANY, PUBLIC, REFUSED, is_open, kind_named, kind_of_all
from skitter.rules.backoff import full_jitter
from skitter.rules.groups import Groups, group_address, literal_address
from skitter.rules.robots_verdict import Again, Denied, Hop, Known, from_copy, judge_robots
from skitter.rules.schedule import Errand, Lane, Schedule
from skitter.rules.url import origin_of
from skitter.threads import in_thread

__all__ = ["Errands"]

# A file beyond is read in a thread: at 2 us a line, 1 MiB takes a quarter of a second.
_LONG = 64 * 1024


class Errands:
    """Looks addresses up and fetches robots.txt files, at the pace of the hosts where they lie."""

    def __init__(
        self,
        config: Config,
        contact: Contact,
        schedule: Schedule,
        fetcher: Fetcher,
        clock: Clock,
        observe: Observer,
        chance: Callable[[], float],
        meet: Callable[[str], Lane],
    ) -> None:
        """``meet`` gives the lane of a host that a robots.txt leads to."""
        self.are_many = False  # hosts that are at work
        self.looking_up = 0  # addresses that are being looked up: no request is in flight for them
        self._config = config
        self._contact = contact
        self._schedule = schedule
        self._fetcher = fetcher
        self._clock = clock
        self._observe = observe
        self._chance = chance
        self._meet = meet
        self._groups = Groups(config.politeness)
        self._token = robots.product_token(config.http.user_agent)

    # -- addresses ---------------------------------------------------------------------------

    def knows_address(self, lane: Lane) -> bool:
        """Is it known who else is at the host's address? If not, :meth:`look_up` is to be run."""
        if lane.resolved or lane.closed is not None:
            return True
        literal = literal_address(lane.host.origin)
        if literal is not None or self._config.http.proxy is not None:
            lane.kind = kind_named(lane.host.origin) or PUBLIC  # other names are the proxy's to know
            self._share(lane, None if self._config.http.proxy else literal)
            return True
        lane.preparing = True
        self.looking_up += 1
        return False

    async def look_up(self, lane: Lane) -> None:
        """Let the host share its server's window, and know of what kind its addresses are. A name that cannot
        be resolved is the fetcher's affair."""
        try:
            addresses = await self._fetcher.addresses(lane.host.origin)
            lane.kind = kind_of_all(addresses) if addresses else None
            self._share(lane, group_address(addresses))
        finally:
            lane.resolved, lane.preparing = True, False
            self.looking_up -= 1
            self._schedule.put(lane)

    def _share(self, lane: Lane, address: str | None) -> None:
        window = self._groups.window_at(address)
        if window is not None and not lane.host.in_flight:
            lane.host.share(window)
        lane.resolved = True

    def refuses(self, lane: Lane, entry: Entry) -> Done | None:
        """How a URL ends that has led to an address where it may not lead."""
        reach = ANY if entry.given else entry.reach
        return None if self._is_open(lane, reach) else Done(Reason.REFUSED_ADDRESS, REFUSED)

    def _is_open(self, lane: Lane, reach: str) -> bool:
        return is_open(lane.kind or PUBLIC, reach, private=self._config.http.allow_private)

    # -- robots.txt --------------------------------------------------------------------------

    def restore(self, lane: Lane, copy: RobotsCopy | None) -> None:
        """A former run's copy is good for 24 h. A long one is asked for again, as it would hold the loop."""
        if copy is None or len(copy.body) > _LONG:
            return
        if copy.fetched_at + robots.TTL > self._clock.now():
            self._take(lane, from_copy(copy, self._token), copy)

    def knows_robots(self, lane: Lane, now: float) -> bool:
        """May the lane's URLs be judged? If not, robots.txt is sent for."""
        if self._config.politeness.no_robots or lane.closed:
            return True
        if lane.robots is not None and now < lane.robots_until:
            return True
        lane.robots = None
        lane.asked_robots = True
        lane.errands.append(Errand(f"{lane.host.origin}/robots.txt", lane))
        return False

    async def run(self, lane: Lane, errand: Errand) -> None:
        """Fetch a robots.txt; ``lane`` is where it lies."""
        request = Request(errand.url, robots.MAX_BYTES, cut=True, reach=lane.kind or PUBLIC)
        answer: Response | Failure
        try:
            if self._is_open(lane, errand.reach):
                answer = await self._contact.send(lane, request, sample=False)
            else:
                answer = Failure(Reason.REFUSED_ADDRESS, REFUSED, transient=False)
                self._contact.unsent(lane, self._clock.now())
        except Lost:
            lane.errands.appendleft(errand)
            self._schedule.put(lane)
            return
        judge = partial(
            judge_robots,
            answer,
            token=self._token,
            hops=errand.hops,
            tries=errand.tries,
            retries=self._config.limits.retries,
            now=self._clock.now(),
        )
        is_long = isinstance(answer, Response) and len(answer.body) > _LONG
        match await in_thread(judge) if is_long else judge():
            case Known(rules, copy):
                self._take(errand.lane, rules, copy)
                self._observe(
                    RobotsRead(errand.lane.host.origin, copy.status, rules.crawl_delay, len(rules.rules))
                )
            case Hop(url):
                target = self._meet(origin_of(url))
                target.errands.append(Errand(url, errand.lane, errand.hops + 1, reach=lane.kind or PUBLIC))
                self._schedule.put(target)
            case Again(error, free):
                self._ask_again(lane, errand, error, free=free)
            case Denied(done):
                self._contact.close(errand.lane, done)
        self._schedule.put(lane)
        self._schedule.put(errand.lane)

    def _ask_again(self, lane: Lane, errand: Errand, error: str, *, free: bool) -> None:
        if lane.closed is not None:  # the host has used up its patience
            self._contact.close(errand.lane, lane.closed)
            return
        if not free:
            wait = full_jitter(errand.tries, self._chance())
            self._contact.hold_back(lane, self._clock.now() + wait, f"robots.txt: {error}")
        tries = errand.tries + (not free)
        lane.errands.append(replace(errand, tries=tries))

    def _take(self, lane: Lane, rules: robots.Robots, copy: RobotsCopy) -> None:
        is_new = not lane.robots_until
        lane.robots = rules
        lane.robots_until = copy.fetched_at + robots.TTL
        lane.asked_robots = False
        lane.host.ask_delay(max(self._config.politeness.delay, rules.crawl_delay))
        if is_new and self.are_many:
            lane.host.spread(self._chance())
        self._contact.keep(lane, copy)
