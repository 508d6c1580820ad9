"""A crawler made of the rules alone: schedule, lanes, hosts. It never runs out of pages."""

from __future__ import annotations

import random

from tests.simulator.servers import Server
from tests.simulator.timeline import Timeline

from skitter.config import Politeness
from skitter.model import Entry
from skitter.rules.host import Host, Signal
from skitter.rules.schedule import Lane, NotBefore, Ready, Schedule
from skitter.rules.verdict import REFUSALS
from skitter.rules.window import Window

__all__ = ["Crawler"]


class Crawler:
    """Asks ``servers`` for pages, one host a server. ``wire`` is the way there, or back; between an answer
    and the next request the crawler needs ``gap`` on average."""

    def __init__(
        self,
        timeline: Timeline,
        servers: list[Server],
        *,
        slots: int = 600,
        wire: float = 0.0005,
        gap: float = 0.002,
        timeout: float = 30.0,
        seed: int = 1,
        shared: Window | None = None,
        **settings: object,
    ) -> None:
        self.windows: list[tuple[float, int]] = []  # the first host's, at every answer
        self._timeline = timeline
        self._servers = servers
        self._slots = slots
        self._wire, self._gap, self._timeout = wire, gap, timeout
        self._chance = random.Random(seed)
        self._has_links = False  # the first page of each host comes alone
        self._schedule = Schedule()
        self._schedule.doubts = slots // 2 if len(servers) > 1 else None
        politeness = Politeness(**settings)  # type: ignore[arg-type]
        self.hosts = [Host(f"http://h{number}", politeness, shared) for number in range(len(servers))]
        self._lanes = [Lane(host) for host in self.hosts]
        self._server = dict(zip(self._lanes, servers, strict=True))
        for lane in self._lanes:
            lane.entries.append(Entry(lane.host.origin, 1, lane.host.origin))
            self._schedule.put(lane)
        self._go()

    def _go(self) -> None:
        """Start whatever may start now."""
        now = self._timeline.now
        while self._schedule.in_flight < (self._slots if self._has_links else len(self._lanes)):
            decision = self._schedule.next(now)
            if isinstance(decision, Ready):
                self._schedule.start(decision.lane, now)
                decision.lane.host.sent(now)
                self._schedule.put(decision.lane)
                self._send(decision.lane)
            else:
                if isinstance(decision, NotBefore):
                    self._timeline.at(decision.at, self._go)
                return

    def _send(self, lane: Lane) -> None:
        sent_at = self._timeline.now
        over = False

        def back(status: int | None, retry_after: float | None = None) -> None:
            nonlocal over
            if not over:
                over = True
                self._ended(lane, sent_at, status, retry_after)

        def answer(status: int, retry_after: float | None) -> None:
            self._timeline.after(self._wire, lambda: back(status, retry_after))

        self._timeline.after(self._wire, lambda: self._server[lane].take(answer))
        self._timeline.after(self._timeout, lambda: back(None))

    def _ended(self, lane: Lane, sent_at: float, status: int | None, retry_after: float | None) -> None:
        host, now = lane.host, self._timeline.now
        self._has_links = True
        took = now - sent_at
        signal = Signal.GOOD
        if status is None:
            signal = Signal.SILENT
        else:
            host.answered_after(sent_at, took)
            if status in REFUSALS:
                signal = Signal.REFUSED
            else:
                host.window.sample(now, sent_at, took, took)
        host.ended(now, sent_at, signal, self._chance.random(), retry_after)
        if lane is self._lanes[0]:
            self.windows.append((now, host.window.size))
        self._schedule.ended(lane, now)
        self._timeline.after(self._chance.expovariate(1 / self._gap), self._go)
