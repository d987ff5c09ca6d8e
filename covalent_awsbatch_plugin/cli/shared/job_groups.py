"""Jobs by dispatch, with totals; the causes that several share. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .formats import amount, count, gigabytes, span
from .job_causes import cpu_used
from .job_view import TaskView

STATES = ("done", "running", "waiting", "failed")


@dataclass(frozen=True)
class Group:
    """The tasks of one dispatch.

    Attributes:
        dispatch: Covalent's id of the dispatch.
        tasks: Its tasks, by node.
    """

    dispatch: str
    tasks: tuple[TaskView, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many tasks are done, running, waiting, failed; those that are none are left out."""
        found = Counter(task.job.state for task in self.tasks)
        return {state: found[state] for state in STATES if found[state]}

    def totals(self, now: float) -> str:
        """Return ``16 done, 1 failed; 0.52 vCPU-hours, 1.04 GB-hours``."""
        counts = ", ".join(f"{number} {state}" for state, number in self.counts.items())
        vcpu, memory = self.vcpu_hours(now), self.gb_hours(now)
        return f"{counts}; {amount(vcpu)} vCPU-hours, {amount(memory)} GB-hours"

    def vcpu_hours(self, now: float) -> float:
        """Return the hours that its attempts ran, times their vCPUs."""
        return sum(task.job.ran(now) * task.job.vcpus for task in self.tasks) / 3600

    def gb_hours(self, now: float) -> float:
        """Return the hours that its attempts ran, times the memory they asked for."""
        return sum(t.job.ran(now) * t.job.memory_mib for t in self.tasks) / 1024 / 3600


@dataclass(frozen=True)
class Shared:
    """A cause that tasks share.

    Attributes:
        text: The cause.
        advice: What to do about it; empty where there is none.
        tasks: The tasks.
    """

    text: str
    advice: str
    tasks: tuple[TaskView, ...]


def group_by_dispatch(tasks: Iterable[TaskView]) -> list[Group]:
    """Return the tasks by dispatch, in the order in which dispatches first appear."""
    found: dict[str, list[TaskView]] = {}
    for task in tasks:
        found.setdefault(task.job.dispatch, []).append(task)
    return [Group(dispatch, tuple(some)) for dispatch, some in found.items()]


def shared_failures(tasks: Sequence[TaskView]) -> list[Shared]:
    """Return why tasks failed, each cause once, the most frequent first."""
    return _shared((t.cause, t.advice, t) for t in tasks if t.cause)


def shared_waits(tasks: Sequence[TaskView]) -> list[Shared]:
    """Return why tasks wait, each reason once, the most frequent first."""
    return _shared((t.waiting.cause, "", t) for t in tasks if t.waiting)


def _shared(causes: Iterable[tuple[str, str, TaskView]]) -> list[Shared]:
    found: dict[tuple[str, str], list[TaskView]] = defaultdict(list)
    for text, advice, task in causes:
        found[text, advice].append(task)
    shared = [Shared(text, advice, tuple(some)) for (text, advice), some in found.items()]
    return sorted(shared, key=lambda one: -len(one.tasks))


def fits(tasks: Sequence[TaskView]) -> Iterator[str]:
    """Yield, for each function and size, how much its tasks used of what they asked for."""
    alike: dict[tuple[str, int, int, int], list[TaskView]] = defaultdict(list)
    for task in tasks:
        if task.summary:
            job = task.job
            alike[job.function, job.vcpus, job.memory_mib, job.time_limit].append(task)
    for (function, vcpus, memory, limit), some in sorted(alike.items()):
        summaries = [task.summary for task in some if task.summary]
        peak = max(summary.peak_memory for summary in summaries) / 2**30
        parts = [f"{amount(peak)} of {gigabytes(memory)} GB"]
        # Of a task of a second or less, the time is mostly the start.
        busy = [cpu_used(t.job, t.summary) for t in some if t.summary and t.summary.seconds >= 1]
        if busy:
            parts.append(f"{max(busy):.0%} of {count(vcpus, 'vCPU')}")
        longest = span(max(summary.seconds for summary in summaries))
        parts.append(f"{longest} of {span(limit)}" if limit else longest)
        yield f"{function}: {', '.join(parts)}"
