"""The job's folder: lock, database, outputs. Everything is checked before anything is made."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from skitter.clock import SystemClock, skew
from skitter.config import Config, Scope
from skitter.errors import JobError, StorageError
from skitter.frontier import Database, Ledger, Store, shift
from skitter.lock import LOCK, JobLock
from skitter.outputs import (
    ITEMS,
    blame,
    check_outputs,
    is_file_here,
    is_inside,
    path_of,
    refuse_busy,
    refuse_strangers,
)
from skitter.ports import Sink
from skitter.recovery import is_whole, job_sinks
from skitter.rules.robots import product_token
from skitter.rules.url import authority_of
from skitter.sinks import SPOOL, is_remote, looks_ours, parts_beside, refuse_parts, remove_remote
from skitter.sinks.about import about

__all__ = ["DATABASE", "REPORT", "REPORT_HEAD", "Job", "folder_for", "is_report", "open_job"]

DATABASE = "job.db"
_DATABASE_FILES = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm")
_PAGES = "pages.jsonl"
# What `skitter report` makes, and how that begins: nobody else's file is taken for it.
REPORT = "report.html"
REPORT_HEAD = (
    b'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    b'<meta name="generator" content="skitter report">\n'
)
# A date that was set by less is a clock that runs a little fast or slow.
_LEAST_SKEW = 2.0
# A host that makes a good file name, as those of the DNS do (of at most 253 characters, without the port).
_LONGEST = 235
_PLAIN = re.compile(rf"[a-z0-9_][a-z0-9._-]{{0,{_LONGEST - 1}}}")


class Job(msgspec.Struct, frozen=True):
    """An opened job: hand ``store`` to a frontier and ``sinks`` to an engine."""

    folder: Path
    store: Store
    sinks: tuple[Sink, ...]
    outputs: tuple[str, ...]  # where records and items are, for the summary
    lock: JobLock
    notes: tuple[str, ...] = ()  # what the operator should know

    def close(self) -> None:
        """Release outputs and lock; the store belongs to its frontier."""
        for sink in self.sinks:
            sink.close()
        self.lock.release()


def folder_for(url: str) -> str:
    """The default folder of a job that begins with ``url``: ``example.com.crawl``.

    The URL Standard allows hosts such as ``..``, ``-rf`` and ``$(id)``, of any length: what is not fit for a
    file name is replaced, and then a checksum keeps two hosts apart (F1).
    """
    name = authority_of(url).replace("[", "").replace("]", "").replace(":", "-")
    if not _PLAIN.fullmatch(name):
        plain = re.sub(r"^[.-]|[^a-z0-9._-]", "_", name[:_LONGEST])
        name = f"{plain}-{sha256(name.encode()).hexdigest()[:8]}"
    return f"{name}.crawl"


def is_report(path: Path) -> bool:
    """Is there a report that skitter made? A link is none."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(REPORT_HEAD)) == REPORT_HEAD


def open_job(folder: str, config: Config, command: str, items: tuple[str, ...] = ()) -> Job:
    """Open or make the job in ``folder``; ``items`` are the outputs for what handlers make.

    Raises JobError, ConfigError (nothing was changed) or StorageError.
    """
    path = Path(folder)
    records = config.output.output or (str(path / _PAGES),)
    outputs = (*records, *items)
    _refuse_links(path, outputs, named=config.output.job is not None)
    _check_folder(path)
    check_outputs(outputs, path)
    with blame(folder):
        path.mkdir(mode=0o700, exist_ok=True)
    lock = JobLock(path / LOCK)
    lock.acquire()
    is_new = not (path / DATABASE).exists()
    made = [Path(output) for output in outputs if is_file_here(output) and not Path(output).exists()]
    try:
        if config.output.fresh:
            _discard(path, records, items)
        database = _open_database(path, config, command, records, items)
        try:
            notes: list[str] = []
            _follow_date(database, notes.append)
            fields, said = config.output.field, about(config)
            sinks = job_sinks(Ledger(database), path, records, items, notes.append, fields=fields, about=said)
            store = Store(database, by_level=config.scope.by_level)
        except BaseException:
            database.close()
            raise
    except BaseException:
        if is_new:
            _remove(path, made)
        lock.release()
        raise
    return Job(path, store, sinks, outputs, lock, tuple(notes))


def _refuse_links(path: Path, outputs: Sequence[str], *, named: bool) -> None:
    """Names that are ours lead nowhere else: whoever put a link there may want a file of the user's to be
    overwritten (F1). A folder or an output elsewhere that the user named may be a link of his."""
    if path.is_symlink() and not named:
        raise JobError(f"{path}: is a symbolic link; --job {path} follows it")
    inside = [output for output in outputs if is_inside(path, output)]
    ours = (LOCK, *_DATABASE_FILES, f"{DATABASE}-journal", SPOOL)
    for file in (*(path / name for name in ours), *map(Path, inside)):
        if file.is_symlink():
            raise JobError(f"{file}: is a symbolic link, which a job's own file never is; remove it")


def _check_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise JobError(f"--job {path}: is a file; choose another folder")
    if path.is_dir() and not (path / DATABASE).exists():
        strangers = [file for file in path.iterdir() if file.name not in (LOCK, *_DATABASE_FILES)]
        if strangers:
            raise JobError(f"--job {path}: holds other files and no job; choose another folder")
    if not path.exists() and not path.absolute().parent.is_dir():
        raise JobError(f"--job {path}: the folder {path.parent} does not exist; make it first")


# -- making and opening ----------------------------------------------------------------------


def _discard(path: Path, outputs: Sequence[str], items: Sequence[str]) -> None:
    """Remove the state and the outputs of the job: only files that skitter made, and nothing at all if
    something is in the way of the new ones. Raises JobError."""
    known = _known_outputs(path)
    _refuse_what_stays(path, outputs, items, known)
    there = [(name, path_of(path, name)) for name in known]
    made = [Path(output) for output in outputs if is_file_here(output)]
    made += [Path(file) for name, file in there if not name.startswith(ITEMS) and is_file_here(file)]
    for output in made:
        if output.is_file() and not looks_ours(output):
            raise JobError(f"--fresh: {output} was not made by skitter; move it away first")
    # An item can be anything: only the database tells whose file it is.
    made += [Path(file) for name, file in there if name.startswith(ITEMS) and is_file_here(file)]
    for output in made:
        if output.is_file():
            refuse_busy(output)
    for _, output_there in there:
        if is_remote(output_there):
            remove_remote(output_there)
    beside = [part for output in made if output.is_file() for part in parts_beside(str(output))]
    with blame(str(path)):
        _remove_spool(path)
        for file in (*beside, *made, *(path / name for name in _DATABASE_FILES)):
            if file.is_file():
                file.unlink()
        if is_report(path / REPORT):
            (path / REPORT).unlink()


def _refuse_what_stays(
    path: Path, outputs: Sequence[str], items: Sequence[str], known: Sequence[str]
) -> None:
    """Raises JobError for what is in the way of the new outputs, and would not be removed."""
    stores = [output for output in outputs if is_remote(output)]
    refuse_strangers(stores, items, known, path, fresh=True)
    for output in (*outputs, *items):
        refuse_parts(output)


def _remove_spool(path: Path) -> None:
    """What was gathered for outputs that are made at the end of a run."""
    if (path / SPOOL).is_dir():
        shutil.rmtree(path / SPOOL)


def _known_outputs(path: Path) -> Sequence[str]:
    """What the job wrote and is still there, not another job's by now; of a damaged database, what it writes
    by default."""
    if not (path / DATABASE).exists():
        return ()
    try:
        database = Database(path / DATABASE)
        try:
            return tuple(
                name for name in Ledger(database).outputs() if is_whole(Ledger(database), path, name)
            )
        finally:
            database.close()
    except StorageError:
        return (_PAGES,)


def _open_database(
    path: Path, config: Config, command: str, outputs: Sequence[str], items: Sequence[str]
) -> Database:
    if not (path / DATABASE).exists():
        refuse_strangers(outputs, items, (), path)
    database = Database(path / DATABASE, durable=config.output.durable)
    try:
        refuse_strangers(outputs, items, Ledger(database).outputs(), path)
        settings = _settings(config.scope, config.output.field, command)
        facts = database.facts()
        if "settings" in facts:
            _check_same(msgspec.json.decode(facts["settings"]), settings)
        run = msgspec.json.encode(_run_settings(config)).decode()
        if "settings" not in facts:
            database.remember({"settings": msgspec.json.encode(settings).decode(), "run": run})
        elif facts.get("run") != run:
            database.remember({"run": run})
    except BaseException:
        database.close()
        raise
    return database


def _follow_date(database: Database, note: Callable[[str], None]) -> None:
    """If the system's date was set since the last commit, what waits for a time waits for the same moment:
    no host is shut for an hour, and none is asked too early (G6)."""
    then, now = database.facts().get("stamp"), SystemClock().stamp()
    if then is None or abs(seconds := skew(then, now)) < _LEAST_SKEW:
        return
    shift(database, seconds, now)
    note(f"the date was set {'forward' if seconds > 0 else 'back'} by {abs(seconds):,.0f} s: waits are kept")


def _settings(scope: Scope, fields: tuple[str, ...], command: str) -> dict[str, object]:
    """What the stored state depends on: it may not change from run to run."""
    return {
        "command": command,
        "scope": scope.scope,
        "depth": scope.depth,
        "include": list(scope.include),
        "exclude": list(scope.exclude),
        "field": list(fields),
    }


def _run_settings(config: Config) -> dict[str, object]:
    """What decided about URLs in the last run and may change with the next: `explain` asks for it."""
    return {
        "agent": product_token(config.http.user_agent),
        "no_robots": config.politeness.no_robots,
        "no_trap_guard": config.scope.no_trap_guard,
        "sitemaps": config.scope.sitemaps,
        "allow_private": config.http.allow_private,
        "limit": config.limits.limit,
    }


def _check_same(then: dict[str, object], now: dict[str, object]) -> None:
    for name, value in now.items():
        if then.get(name) != value:
            option = "the command" if name == "command" else f"--{name}"
            raise JobError(
                f"{option} was {_said(then.get(name))} when this job began and is {_said(value)} now; "
                "use the former, another --job, or --fresh"
            )


def _said(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "not given"
    return "not given" if value is None else str(value)


def _remove(path: Path, outputs: Sequence[Path]) -> None:
    """Leave nothing of a job behind that nothing came of."""
    for output in outputs:
        if output.is_file() and not output.stat().st_size:
            try:
                refuse_busy(output)
            except JobError:  # another process has made it, just now
                continue
            output.unlink()
    _remove_spool(path)
    for name in (*_DATABASE_FILES, LOCK):
        (path / name).unlink(missing_ok=True)
    if not any(path.iterdir()):
        path.rmdir()
