"""The measurement as JSON, for programs."""

from __future__ import annotations

from typing import Any

import msgspec

from skitter.compare.report import Attempt, Life, Outcome, Report, Round

__all__ = ["as_json"]


def as_json(report: Report, sentences: dict[str, str]) -> bytes:
    """One JSON object. ``statuses`` and ``requests`` give the final answer of each of the N requests;
    ``attempts`` counts what went out. Times are seconds from the start of the round."""
    content = {
        "url": report.url,
        "requests": report.requests,
        "delay": report.delay,
        "capacity": report.capacity,
        "gateway_timeout": report.gateway_timeout,
        "concurrency": report.concurrency,
        "limit": report.limit,
        "strategies": [_outcome(one, sentences.get(one.name, "")) for one in report.outcomes],
        "explanation": sentences.get("", ""),
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def _outcome(outcome: Outcome, sentence: str) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "rounds": [_round(one) for one in outcome.rounds],
        "speedup": outcome.speedup,
        "explanation": sentence,
    }


def _round(one: Round) -> dict[str, Any]:
    block = one.longest_block
    return {
        "total": one.total,
        "statuses": one.statuses,
        "max_in_flight": one.max_in_flight,
        "loop_blocked_ms": round(1000 * (block.end - block.start), 1) if block else 0.0,
        "loop_blocked_in": {"call": block.call, "file": block.file, "line": block.line} if block else None,
        "cpu": one.cpu,
        "connections": one.connections,
        "attempts": one.attempts,
        "news": one.news,
        "requests": [_life(life) for life in one.requests],
    }


def _life(life: Life) -> dict[str, Any]:
    content = {"submitted": life.submitted, **_attempt(life.attempts[-1])}
    if len(life.attempts) > 1:
        content["attempts"] = [_attempt(attempt) for attempt in life.attempts]
    return content


def _attempt(attempt: Attempt) -> dict[str, Any]:
    status = int(attempt.status) if attempt.status.isdecimal() else attempt.status
    return {"start": attempt.start, "first_byte": attempt.first_byte, "end": attempt.end, "status": status}
