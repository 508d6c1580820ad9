"""The long run: ``python -m tests.fuzz --minutes 10`` tries new seeds until the time is over.

A round is all fuzz tests with one seed. The first round that fails ends the run: what failed, the
smallest example and how to have it again are printed. Exit code 1 then.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["main"]

_HERE = Path(__file__).parent
# About a minute on one core, so that a run ends not much later than it should.
_EXAMPLES = 700


def main() -> int:
    """Parse the command line and run rounds; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="start no round later than this")
    parser.add_argument("--seed", type=int, help="run one round with this seed")
    parser.add_argument("--examples", type=int, default=_EXAMPLES, help="of each test in a round")
    parser.add_argument("-k", dest="only", default="", help="only tests whose names match, as pytest's -k")
    found = parser.parse_args()
    if found.seed is not None:
        return _round(found.seed, found.examples, found.only)
    end = time.monotonic() + found.minutes * 60
    rounds = 0
    while time.monotonic() < end:
        code = _round(random.SystemRandom().getrandbits(32), found.examples, found.only)
        if code:
            return code
        rounds += 1
    _say(f"{rounds} rounds, nothing found")
    return 0


def _round(seed: int, examples: int, only: str) -> int:
    _say(f"seed {seed}: {examples} examples of each test")
    command = [sys.executable, "-m", "pytest", str(_HERE), f"--hypothesis-seed={seed}", "--timeout=3600"]
    if only:
        command += ["-k", only]
    environment = {**os.environ, "SKITTER_FUZZ_EXAMPLES": str(examples)}
    done = subprocess.run(command, env=environment, cwd=_HERE.parent.parent, check=False)
    if done.returncode:
        again = f"python -m tests.fuzz --seed {seed} --examples {examples}"
        _say(f"to have it again: {again}{f' -k {only!r}' if only else ''}")
    return done.returncode


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
