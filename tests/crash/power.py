"""K4: the power fails. What had not reached the disk is gone: tails of the log and of outputs."""

from __future__ import annotations

import random
import shutil
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.crash.bench import Bench
from tests.crash.trial import Outcome, Trial

__all__ = ["power_cuts"]

_WAL_HEADER, _FRAME_HEADER = 32, 24
# Cuts that are tried on what one kill has left.
_CUTS_A_KILL = 10
_FIELD = {"field": ["headers"]}
_FORMS: tuple[tuple[bool, Mapping[str, object]], ...] = ((False, {}), (True, {}), (False, _FIELD))


def power_cuts(bench: Bench, cuts: int, cuts_a_kill: int = _CUTS_A_KILL) -> Iterator[Outcome]:
    """So many cuts. Without ``--durable`` nothing is promised but this: whatever is left, the same command
    ends with every URL once."""
    for batch, first in enumerate(range(0, cuts, cuts_a_kill)):
        left, kept = _killed(bench, batch)
        for number in range(first, min(first + cuts_a_kill, cuts)):
            yield _one_cut(bench, left, kept, number)
        shutil.rmtree(left.crawl.folder, ignore_errors=True)
        shutil.rmtree(kept)


def _killed(bench: Bench, batch: int) -> tuple[Trial, Path]:
    """A job that was killed in the middle, and a copy of it: the same state for several cuts."""
    library, options = _FORMS[batch % len(_FORMS)]
    while True:
        trial = Trial(bench, bench.crawl(library=library, **options), may_repeat=True)
        crawl = trial.crawl
        ended = trial.start().kill_at(bench.chance.uniform(0.4, 0.9) * bench.seconds(crawl))
        if ended.killed and all(path.exists() for path in (crawl.job / "job.db-wal", *crawl.outputs)):
            break
        shutil.rmtree(crawl.folder)
    kept = crawl.folder.with_name(f"{crawl.folder.name}-kept")
    shutil.copytree(crawl.folder, kept)
    return trial, kept


def _one_cut(bench: Bench, left: Trial, kept: Path, number: int) -> Outcome:
    shutil.rmtree(left.crawl.folder, ignore_errors=True)
    shutil.copytree(kept, left.crawl.folder)
    trial = Trial(bench, left.crawl, may_repeat=True)
    trial.deaths.append({})
    told = _cut(trial, bench.chance)
    trial.finish()
    if trial.found:  # the next cut works in the same folder
        study = bench.folder / f"cut{number}"
        shutil.copytree(kept, study / "before")
        shutil.copytree(trial.crawl.folder, study / "after")
        told += f" (see {study})"
    return trial.outcome("K4", f"seed {bench.seed} cut {number}: {left.crawl.form}: {told}")


def _cut(trial: Trial, chance: random.Random) -> str:
    """Cut the log, or outputs, or all of them, each by itself; in words."""
    job = trial.crawl.job
    files = [job / "job.db-wal", *trial.crawl.outputs]
    chosen = [file for file in files if chance.random() < 0.6] or [chance.choice(files)]
    told = []
    for file in chosen:
        to = _wal_cut(file, chance) if file.name.endswith("-wal") else _line_cut(file, chance)
        told.append(f"{file.name} to {to} of {file.stat().st_size}")
        with file.open("r+b") as opened:
            opened.truncate(to)
    (job / "job.db-shm").unlink(missing_ok=True)
    return ", ".join(told)


def _wal_cut(wal: Path, chance: random.Random) -> int:
    """Anywhere, or where a frame ends (a page and its header); but what was copied into the database already
    had been synced before that, and is not lost."""
    size = wal.stat().st_size
    if size <= _WAL_HEADER:
        return chance.randint(0, size)
    frame: int = _FRAME_HEADER + struct.unpack(">I", wal.read_bytes()[8:12])[0]
    frames, copied = (size - _WAL_HEADER) // frame, _copied_frames(wal)
    if chance.random() < 0.5:
        return chance.randint(_WAL_HEADER + copied * frame if copied else 0, size)
    return _WAL_HEADER + frame * chance.randint(min(copied, frames), frames)


def _copied_frames(wal: Path) -> int:
    """How far a checkpoint has come or tried to: sqlite.org/walformat.html, section 2.2."""
    index = wal.with_name(wal.name.removesuffix("-wal") + "-shm")
    data = index.read_bytes() if index.exists() else b""
    return max(struct.unpack_from("=I", data, at)[0] for at in (96, 128)) if len(data) > 132 else 0


def _line_cut(output: Path, chance: random.Random) -> int:
    """Anywhere, or where a line ends."""
    data = output.read_bytes()
    to = chance.randint(0, len(data))
    return to if chance.random() < 0.5 else data.rfind(b"\n", 0, to) + 1
