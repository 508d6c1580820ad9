"""The part of the crash matrix that every change has to pass; `make crash` runs all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from tests.crash import failpoints, faults, power, random_kills, stopping, syscalls, two_owners
from tests.crash.bench import Bench, say
from tests.crash.trial import Outcome

from skitter.testing import Oracle

SEED = 4


@pytest.fixture(scope="module")
def bench_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One of everything that a site can have, but for the page that asks to wait for a second."""
    with Oracle(pages=100, hosts=20, retry_after=False) as oracle:
        yield Bench(oracle, tmp_path_factory.mktemp("crash"), SEED)


@pytest.fixture
def bench(bench_of_all: Bench) -> Bench:
    """Clean runs are made once for all tests; what chance decides is the same for a test run by itself."""
    bench_of_all.chance.seed(SEED)
    return bench_of_all


def none_violated(outcomes: Iterable[Outcome]) -> None:
    """All cases, then all that was found."""
    found, skipped = [], []
    for outcome in outcomes:
        say(f"{outcome.mode} {outcome.case}: {outcome.skipped or 'ok'} {outcome.seconds:.1f} s")
        found += [f"{outcome.mode} {outcome.case}: {violation}" for violation in outcome.violations]
        skipped += [outcome.skipped] if outcome.skipped else []
    assert not found, "\n".join(found)
    if skipped:
        pytest.skip("; ".join(dict.fromkeys(skipped)))


@pytest.mark.timeout(300)
def test_k1_killed_at_any_time(tmp_path: Path) -> None:
    with Oracle(pages=300, hosts=40, retry_after=False) as oracle:
        none_violated(random_kills.random_kills(Bench(oracle, tmp_path, SEED), 30))


@pytest.mark.timeout(300)
def test_k1_several_processes_are_killed(tmp_path: Path) -> None:
    with Oracle(pages=200, hosts=30, retry_after=False) as oracle:
        none_violated(random_kills.process_kills(Bench(oracle, tmp_path, SEED), 8))


@pytest.mark.timeout(300)
def test_k1_every_format_is_exactly_once(tmp_path: Path) -> None:
    with Oracle(pages=80, hosts=15, retry_after=False) as oracle:
        none_violated(random_kills.format_kills(Bench(oracle, tmp_path, SEED), 7))


@pytest.mark.timeout(300)
def test_k7_workers_are_killed(tmp_path: Path) -> None:
    with Oracle(pages=200, hosts=30, retry_after=False) as oracle:
        none_violated(random_kills.worker_kills(Bench(oracle, tmp_path, SEED), 3))


def test_k1_hosts_are_not_hurried_by_a_restart(tmp_path: Path) -> None:
    with Oracle(pages=40, hosts=20) as oracle:
        none_violated(random_kills.patient_kills(Bench(oracle, tmp_path, SEED), 1))


@pytest.mark.parametrize("call", ["pwrite64", "write"])
def test_k2_killed_at_system_calls(call: str, tmp_path: Path) -> None:
    with Oracle(pages=40, hosts=8, retry_after=False) as oracle:
        none_violated(syscalls.syscall_kills(Bench(oracle, tmp_path, SEED), call, 7, 200))


def test_k3_killed_at_each_failpoint(bench: Bench) -> None:
    none_violated(failpoints.all_points(bench, every=False))


def test_k4_power_is_lost(bench: Bench) -> None:
    none_violated(power.power_cuts(bench, 3, 1))


@pytest.mark.parametrize(("call", "error"), [("pwrite64", "ENOSPC"), ("write", "ENOSPC"), ("fsync", "EIO")])
def test_k5_system_calls_fail(bench: Bench, call: str, error: str) -> None:
    none_violated(faults.injected(bench, call, error, 2))


def test_k5_limits_are_too_small(bench: Bench) -> None:
    none_violated(faults.small_files(bench, 2))
    none_violated(faults.few_files(bench, 2))


def test_k5_the_disk_is_full(bench: Bench) -> None:
    none_violated(faults.full_disks(bench, 2))


def test_k6_first_signal(bench: Bench) -> None:
    none_violated(stopping.polite_stops(bench, 1))


def test_k6_second_signal(bench: Bench) -> None:
    none_violated(stopping.impatient(bench))


def test_k6_closed_pipe(bench: Bench) -> None:
    none_violated(stopping.closed_pipe(bench, 1))


def test_k6_frozen(bench: Bench) -> None:
    none_violated(stopping.frozen(bench, 1.5, 1, (1,)))


def test_k6_starved(bench: Bench) -> None:
    none_violated(stopping.starved(bench, 2))


def test_k6_shut_down_from_within(bench: Bench) -> None:
    none_violated(stopping.shutdowns(bench, 1))


def test_i12_two_processes(bench: Bench) -> None:
    none_violated(two_owners.two_owners(bench))
