"""Flags of the commands that are not made from configuration fields. It loads nothing: `--help` is quick."""

from __future__ import annotations

import argparse

__all__ = ["add_compare", "add_explain", "add_export", "add_report", "add_robots", "add_serve", "add_status"]


def add_compare(parser: argparse.ArgumentParser) -> None:
    """The options of ``compare``."""
    add = parser.add_argument
    add("url", nargs="?", metavar="URL", help="whom to ask (default: a local server made for it)")
    add("--requests", metavar="N", help="requests by each strategy (default: 10; fewer to a URL)")
    add("--delay", metavar="T", help="time that the local server works on a request (default: 5s)")
    add("--capacity", metavar="N", help="the local server works on at most N at once, the others queue")
    add("--gateway-timeout", metavar="T", help="it answers 504 to a request that takes longer than T")
    add("--strategy", metavar="NAME", action="append", help="only this one; repeatable")
    add("--concurrency", metavar="N", help="at most N at once (default: all; pools at most 64)")
    add("--rounds", metavar="N", default="1", help="how often each strategy runs (default: 1)")
    add("--json", metavar="FILE", help="write all figures there")
    add("--chart", metavar="FILE", help="draw the picture there (.html, .svg or .png)")
    add("--max-requests", metavar="N", help="allow more than 50 requests in all to a URL")
    add("-v", "--verbose", action="store_true", help="a line for each request as it starts and ends")
    add("-q", "--quiet", action="store_true", help="only the results")
    add("--no-color", action="store_true", help="no colours (also NO_COLOR)")


def add_status(parser: argparse.ArgumentParser) -> None:
    """The options of ``status``."""
    parser.add_argument("job", metavar="JOB", help="the job's folder")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def add_explain(parser: argparse.ArgumentParser) -> None:
    """The options of ``explain``."""
    parser.add_argument("job", metavar="JOB", help="the job's folder")
    parser.add_argument("url", metavar="URL", help="the URL in question; without a scheme it means https")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def add_export(parser: argparse.ArgumentParser) -> None:
    """The options of ``export``."""
    add = parser.add_argument
    add("job", metavar="JOB", help="the job's folder")
    add("-o", "--output", metavar="FILE", action="append", help="format by its ending; - = JSONL on stdout; "
        "repeatable (default: -)")  # fmt: skip
    add("--where", metavar="SQL", help="only records for which this SQL expression over their fields holds")
    add("--field", metavar="NAME", action="append", help="only this field; repeatable, in this order")
    add("--force", action="store_true", help="overwrite files that exist")


def add_report(parser: argparse.ArgumentParser) -> None:
    """The options of ``report``."""
    parser.add_argument("job", metavar="JOB", help="the job's folder")
    parser.add_argument("-o", "--output", metavar="FILE", help="(default: JOB/report.html; - = stdout)")


def add_robots(parser: argparse.ArgumentParser) -> None:
    """The options of ``robots``."""
    parser.add_argument("url", metavar="URL")
    parser.add_argument("agent", metavar="AGENT", nargs="?", help="a crawler's name (default: skitter)")


def add_serve(parser: argparse.ArgumentParser) -> None:
    """The options of ``serve``."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    add("--port", type=int, default=8273, metavar="N", help="port, 0 = any (default: 8273)")
    add("--run", metavar="COMMAND", help="serve while this command runs, and end with its exit code")
    add("-q", "--quiet", action="store_true", help="say nothing")
