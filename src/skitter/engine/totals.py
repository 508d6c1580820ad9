"""What a run has done so far: the figures of its summary."""

from __future__ import annotations

from collections import Counter

from skitter.model import FinishReason, Opening, Reason, Record, Summary

__all__ = ["Totals"]


class Totals:
    """Counts over all runs of the job, and of this one."""

    def __init__(self) -> None:
        self.by_reason: Counter[Reason] = Counter()
        self.pending = 0
        self._size = self._ended_now = self._fetched_now = 0
        self._seed_fetched = False

    @property
    def fetched(self) -> int:
        """Records with reason ``fetched``, over all runs: what ``--limit`` counts."""
        return self.by_reason[Reason.FETCHED]

    def open(self, opening: Opening) -> None:
        """Begin with what former runs did."""
        self.by_reason.update(opening.tally)
        self._size, self.pending = opening.size, opening.pending
        self._seed_fetched = opening.seed_fetched

    def count(self, record: Record, *, seed: bool = False) -> None:
        """A URL has ended."""
        fetched = record.reason is Reason.FETCHED
        self.by_reason[record.reason] += 1
        self._size += record.size
        self._ended_now += 1
        self._fetched_now += fetched
        self._seed_fetched |= seed and fetched

    def summary(
        self, reason: FinishReason, seconds: float, come_back_at: float | None, blocked: int
    ) -> Summary:
        """How the run ended."""
        return Summary(
            finish_reason=reason,
            by_reason=dict(self.by_reason),
            pending=self.pending,
            size=self._size,
            seconds=seconds,
            ended_now=self._ended_now,
            fetched_now=self._fetched_now,
            seed_fetched=self._seed_fetched,
            come_back_at=come_back_at,
            blocked=blocked,
        )
