"""skitter serve: the local test web site."""

from __future__ import annotations

import argparse
import shlex
import signal
import subprocess
import threading
from contextlib import suppress

from skitter.cli.parser import say
from skitter.errors import UsageError
from skitter.testing import local_site

__all__ = ["run"]


def run(found: argparse.Namespace) -> int:
    """Serve until interrupted, or while ``--run`` runs; its exit code then."""
    words = _words(found.run)
    site = local_site(found.host, found.port, keep_log=False)
    try:
        site.start()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"cannot listen on {found.host} port {found.port}: {_why(error)}; choose another --port"
        ) from None
    try:
        if not found.quiet:
            say(f"serving the demo site on {site.origin}/ (endpoints: /delay/1 /status/404 /links/10 ...)")
        return _run_beside(words) if words else _wait()
    finally:
        site.stop()


def _why(error: OSError | OverflowError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _words(command: str | None) -> list[str]:
    try:
        return shlex.split(command or "")
    except ValueError as error:
        raise UsageError(f"--run: {error}") from None


def _run_beside(words: list[str]) -> int:
    """Run a command; its exit code, as a shell would say it."""
    try:
        child = subprocess.Popen(words)  # noqa: S603 - the user's own words
    except OSError as error:
        raise UsageError(f"--run {words[0]}: {(error.strerror or '').lower()}") from None
    # Ctrl-C reaches the whole group: the command decides what it means, the site outlives it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = child.wait()
    return code if code >= 0 else 128 - code


def _wait() -> int:
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    with suppress(KeyboardInterrupt):
        over.wait()
    return 0
