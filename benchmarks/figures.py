"""From what was measured to figures with their targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.runs import JOB_SECONDS, LATENCY, MB, OLD, OURS

SUBMITS_A_SECOND = 50
# The least number of calls for one task: store it, submit it, fetch its outcome.
LEAST_CALLS = 3

Measured = dict[str, Any]

# Seconds, and seconds of processor time, from a container's start to the function, at most.
COLD_STARTS = {
    "bare image": (0.5, 0.6),
    "full image": (0.5, 0.6),
    "Covalent imported, first job": (6, 6),
    "Covalent imported, later": (6, 6),
    "sublattice's builder": (6, 6),
    "DepsPip, first job": (9, 12),
    "DepsPip, later": (3, 4),
}

# What 20 electrons may take to install the same, in installations, by processor time.
SWEEP = 2.5

# MB that scikit-learn with all it needs may be; other jobs reach no index at all.
RECEIVED = 100


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        work: What was done.
        unit: What is counted.
        ours: Ours.
        target: What ours is to be at most.
        old: Release 0.42's, where it can do the work.
        limit: What nothing can be below, where that is known.
    """

    work: str
    unit: str
    ours: float
    target: float
    old: float | None = None
    limit: float | None = None

    @property
    def held(self) -> bool:
        """Whether the target is held."""
        return self.ours <= self.target


def figures(measured: Measured) -> list[Figure]:
    """Return every figure that was measured."""
    found = []
    for name, make in FIGURES.items():
        if name in measured:
            found += list(make(measured[name]))
    return found


def wall_limit(count: int) -> float:
    """Return the seconds that ``count`` tasks take at AWS's own rate.

    That is SubmitJob at 50 a second, the job itself, and one after the other the calls without
    which no task is done: store, submit, describe, fetch.
    """
    return count / SUBMITS_A_SECOND + JOB_SECONDS + 4 * LATENCY


def calls(run: Measured) -> int:
    """Return the number of calls a run made."""
    return int(sum(run["calls"].values()))


def bytes_up(run: Measured) -> int:
    """Return the bytes a run stored in S3."""
    return int(sum(n for name, n in run["bytes_up"].items() if name.startswith("s3:")))


def _tasks(measured: Measured) -> Iterator[Figure]:
    old, ours = measured[OLD], measured[OURS]
    for count, target in (("100", 5.0), ("1000", 26.0)):
        if count in ours:
            before = old[count]["wall"] if count in old else None
            limit = wall_limit(int(count))
            yield Figure(f"{int(count):,} tasks", "s", ours[count]["wall"], target, before, limit)
    if "1000" in ours:
        yield from _thousand(ours["1000"], old.get("100"))


def _thousand(run: Measured, old: Measured | None) -> Iterator[Figure]:
    """Yield what a task costs at 1,000; release 0.42 is measured at 100."""
    cpu, memory, made, registered = _each(old, 100) if old else (None,) * 4
    ours = _each(run, 1000)
    yield Figure("CPU a task, at 1,000", "ms", ours[0], 15, cpu)
    peak = (run["peak"] - run["imported"]) / MB
    yield Figure("memory above the import, at 1,000", "MB", peak, 100, memory and memory * 1000)
    yield Figure("AWS calls a task, at 1,000", "", ours[2], 3.3, made, LEAST_CALLS)
    yield Figure(
        "job definitions registered, second run of 1,000",
        "",
        ours[3] * 1000,
        0,
        registered and registered * 1000,
        0,
    )


def _each(run: Measured, count: int) -> tuple[float, float, float, float]:
    """Return a task's CPU in ms, memory in MB, calls and registrations."""
    return (
        run["cpu"] / count * 1000,
        (run["peak"] - run["imported"]) / MB / count,
        calls(run) / count,
        run["calls"].get("batch:RegisterJobDefinition", 0) / count,
    )


def _shared(measured: Measured) -> Iterator[Figure]:
    copies = {release: bytes_up(run) / run["payload"] for release, run in measured.items()}
    work = f"one argument shared by {measured[OURS]['jobs']} tasks, bytes up"
    yield Figure(work, "copies", copies[OURS], 1.1, copies[OLD], 1)


def _private(measured: Measured) -> Iterator[Figure]:
    peaks = {
        name: (run["peak"] - run["before"]) / run["payload"] for name, run in measured.items()
    }
    work = "a large argument and result, peak memory above the baseline"
    yield Figure(work, "payloads", peaks[OURS], 1.5, peaks[OLD], 1)


def _imports(measured: Measured) -> Iterator[Figure]:
    shares = {release: run["plugin"] * 1000 for release, run in measured.items()}
    yield Figure("share of `import covalent`", "ms", shares[OURS], 15, shares[OLD])


def _worker(measured: Measured) -> Iterator[Figure]:
    run = measured[OURS]
    yield Figure("a worker's start to the function", "s", run["worker"], 0.5, None, run["python"])


def _containers(measured: Measured) -> Iterator[Figure]:
    ways = measured.get(OURS, {})
    for way, targets in COLD_STARTS.items():
        if way in ways:
            old = ways.get("0.42's protocol") if way == "full image" else None
            yield from _cold_start(way, ways[way], targets, old, ways.get("a bare Python"))
    if "bare image" in ways:
        disk = ways["bare image"]["disk"] / MB
        yield Figure("disk that a job writes before the function, bare image", "MB", disk, 10)
    if {"bare image", "DepsPip, first job", "DepsPip, sweep"} <= ways.keys():
        once, all_of_them = (
            ways[way]["cpu"] - ways[way]["electrons"] * ways["bare image"]["cpu"]
            for way in ("DepsPip, first job", "DepsPip, sweep")
        )
        work = "20 electrons that install the same, 4 at once, by processor time"
        yield Figure(work, "installations", all_of_them / once, SWEEP)


def _cold_start(
    way: str, ours: Any, targets: tuple[float, float], old: Any, floor: Any
) -> Iterator[Figure]:
    named = (f"container's start to the function, {way}", f"the same, {way}, processor")
    for work, key, target in zip(named, ("seconds", "cpu"), targets, strict=True):
        before, least = (each[key] if each else None for each in (old, floor))
        yield Figure(work, "s", ours[key], target, before, least)
    if "received" in ours:
        received = ours["received"] / MB
        yield Figure(f"the same, {way}, received from the index", "MB", received, RECEIVED)


def _fanout(measured: Measured) -> Iterator[Figure]:
    run = measured[OURS]
    ratio = run["awsbatch"] / run["two_calls"]
    yield Figure("fan-out through Covalent, against two database calls", "x", ratio, 1.15, None, 1)


def _waiting(measured: Measured) -> Iterator[Figure]:
    run = measured[OURS]
    count = run["jobs"]
    rate = run["describes_a_second"]
    yield Figure(f"{count:,} tasks waiting, DescribeJobs", "/s", rate, 5)
    block = run["longest_block"] * 1000
    yield Figure(f"{count:,} tasks waiting, longest block of the loop", "ms", block, 50)


def _ends(measured: Measured) -> Iterator[Figure]:
    for count, run in measured[OURS].items():
        number = int(count)
        work = f"{number:,} tasks of a minute, from a job's end to its result"
        yield Figure(f"{work}, mean", "s", run["late_mean"], 1.2)
        yield Figure(f"{work}, longest", "s", run["late_max"], 2.0 if number <= 100 else 2.5)
        if number >= 1000:
            asked = run["calls"].get("batch:DescribeJobs", 0)
            yield Figure(f"{number:,} tasks of a minute, DescribeJobs", "", asked, 100)
            made = calls(run) / number
            yield Figure(f"{number:,} tasks of a minute, AWS calls a task", "", made, 3.3)


FIGURES = {
    "tasks": _tasks,
    "shared": _shared,
    "private": _private,
    "imports": _imports,
    "worker": _worker,
    "containers": _containers,
    "fanout": _fanout,
    "ends": _ends,
    "waiting": _waiting,
}
