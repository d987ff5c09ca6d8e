"""The benchmarks by name: what each measures, in full and in a quick run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks import cold_start, fanout, runs, startup
from benchmarks.runs import MB, OLD, OURS


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        old_tasks, our_tasks: Numbers of tasks.
        shared_by: Number of tasks that share an argument.
        payload: Bytes of the shared argument, and a fifth of the private ones.
        times: How often a start-up is measured.
        width: Electrons of the fan-out; 0 leaves it out.
        dispatches: How often each executor runs the fan-out.
        waiting: Number of tasks that wait.
        watched: Seconds for which they are watched.
        ends: Numbers of tasks whose ends are awaited.
        job_seconds: How long their jobs take.
        sweep: Number of electrons that install the same package in containers.
        package: That package.
    """

    old_tasks: tuple[int, ...]
    our_tasks: tuple[int, ...]
    shared_by: int
    payload: int
    times: int
    width: int
    dispatches: int
    waiting: int
    watched: float
    ends: tuple[int, ...]
    job_seconds: float
    sweep: int
    package: str


FULL = Size(
    old_tasks=(1, 10, 100),
    our_tasks=(1, 10, 100, 1000),
    shared_by=20,
    payload=20 * MB,
    times=9,
    width=100,
    dispatches=3,
    waiting=5000,
    watched=30,
    ends=(100, 1000),
    job_seconds=60,
    sweep=20,
    package="scikit-learn",
)
QUICK = Size(
    old_tasks=(1,),
    our_tasks=(1, 10, 100),
    shared_by=4,
    payload=10 * MB,
    times=2,
    width=20,
    dispatches=1,
    waiting=300,
    watched=10,
    ends=(20,),
    job_seconds=10,
    sweep=6,
    package="numpy",
)


def _tasks(size: Size) -> dict[str, Any]:
    numbers = {OLD: size.old_tasks, OURS: size.our_tasks}
    return {
        release: {str(count): runs.tasks(release, count) for count in counts}
        for release, counts in numbers.items()
    }


def _shared(size: Size) -> dict[str, Any]:
    return {r: runs.shared_argument(r, size.shared_by, size.payload) for r in (OLD, OURS)}


def _private(size: Size) -> dict[str, Any]:
    return {r: runs.private_payload(r, 5 * size.payload) for r in (OLD, OURS)}


def _imports(size: Size) -> dict[str, Any]:
    return {release: startup.import_share(release, size.times) for release in (OLD, OURS)}


def _worker(size: Size) -> dict[str, Any]:
    return {OURS: startup.worker(size.times)}


def _containers(size: Size) -> dict[str, Any]:
    found = cold_start.measure(size.times, size.sweep, size.package)
    return {OURS: found} if found else {}


def _fanout(size: Size) -> dict[str, Any]:
    return {OURS: fanout.against_two_calls(size.width, size.dispatches)}


def _waiting(size: Size) -> dict[str, Any]:
    return {OURS: runs.waiting(size.waiting, size.watched)}


def _ends(size: Size) -> dict[str, Any]:
    return {OURS: {str(count): runs.ends(count, size.job_seconds) for count in size.ends}}


CASES: dict[str, Callable[[Size], dict[str, Any]]] = {
    "imports": _imports,
    "worker": _worker,
    "tasks": _tasks,
    "shared": _shared,
    "private": _private,
    "fanout": _fanout,
    "ends": _ends,
    "waiting": _waiting,
    # The longest, and the one that needs most of the machine.
    "containers": _containers,
}
