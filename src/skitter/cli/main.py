"""The entry point: finds the sub-command, runs it, and turns errors into lines and exit codes."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback
from importlib import import_module
from typing import NoReturn

from skitter.cli.files import open_standard_streams
from skitter.cli.flags import (
    add_compare,
    add_explain,
    add_export,
    add_report,
    add_robots,
    add_serve,
    add_status,
)
from skitter.cli.parser import Parser, add_options, parse, say
from skitter.errors import SkitterError, StorageError, UsageError
from skitter.version import VERSION

__all__ = ["entry", "main"]

# Exit codes of the contract that stand for an error; the others are decided by each command.
_INTERNAL, _USAGE, _STORAGE, _BROKEN_PIPE = 1, 2, 7, 141

_COMMANDS = {
    "crawl": "crawl sites: follow links in scope, write one record a URL",
    "fetch": "fetch exactly these URLs, follow no link",
    "compare": "the experiment: the same requests by every strategy, timed, drawn and explained",
    "status": "counts by state and reason, hosts, rate of a job",
    "explain": "why a URL was, or was not, crawled, and what happens next",
    "export": "a job's records in another format",
    "report": "a page of HTML about a job: charts, broken links and who links there",
    "robots": "what a site's robots.txt allows, which line decided, and the delay",
    "serve": "the local test web site, for demos and experiments",
}


def entry() -> NoReturn:
    """The console script."""
    open_standard_streams()
    code = main(sys.argv[1:])
    with contextlib.suppress(OSError):  # nobody listens; the interpreter would end with 120 for it
        sys.stderr.flush()
    # Everything is closed and saved. The interpreter's own end would wait for threads that are stuck
    # in a name look-up, and takes 40 ms of a 220 ms run to take modules apart.
    os._exit(code)


def main(arguments: list[str]) -> int:
    """Run a command line; the exit code. Results go to stdout, everything else to stderr."""
    try:
        found = parse(_parser(), arguments)
        code = import_module(f"skitter.cli.{found.command}").run(found)
        sys.stdout.flush()
        return int(code)
    except UsageError as error:
        return _fail(str(error), _USAGE)
    except StorageError as error:
        return _fail(str(error), _STORAGE)
    except SkitterError as error:
        return _fail(str(error), _INTERNAL)
    except BrokenPipeError:
        return _BROKEN_PIPE  # whoever read our output has had enough: quiet, and nothing is lost
    except OSError as error:
        return _fail((error.strerror or str(error)).lower(), _STORAGE)
    except KeyboardInterrupt:
        return 130
    except Exception:
        from skitter.observe.text import printable

        for line in traceback.format_exc().splitlines():  # a message may quote what strangers wrote
            say(printable(line))
        return _fail(
            "internal error, please report it; what was committed is safe: run the same command again",
            _INTERNAL,
        )


def _fail(message: str, code: int) -> int:
    from skitter.observe.text import printable  # it loads what a quick `--help` does without

    text = message if message.startswith("skitter") else f"skitter: {message}"
    say(printable(text))
    return code


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="skitter", description="An asynchronous web crawler.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"skitter {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    subs = {
        name: commands.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False
        )
        for name, text in _COMMANDS.items()
    }
    for name in ("crawl", "fetch"):
        subs[name].add_argument(
            "urls", nargs="*", metavar="URL", help="a seed; without a scheme it means https"
        )
    add_options(subs["crawl"])
    add_options(subs["fetch"], leave_out=("depth", "scope"))
    add_status(subs["status"])
    add_explain(subs["explain"])
    add_export(subs["export"])
    add_report(subs["report"])
    add_robots(subs["robots"])
    add_serve(subs["serve"])
    add_compare(subs["compare"])
    return parser
