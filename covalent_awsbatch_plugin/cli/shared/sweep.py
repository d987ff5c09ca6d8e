"""How far a dispatch is: counts, throughput, an estimate of its end, the slowest tasks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .job_groups import Group
from .job_view import TaskView

# Seconds over which the throughput is measured, and how many tasks must have ended for it.
WINDOW = 300.0
LEAST_ENDED = 3


@dataclass(frozen=True)
class Progress:
    """How far a dispatch is.

    Attributes:
        group: Its tasks that have a job.
        total: How many tasks it has, as far as is known.
        now: The time, in seconds since the epoch.
    """

    group: Group
    total: int
    now: float

    @property
    def ended(self) -> int:
        """How many tasks have ended."""
        return sum(task.job.finished for task in self.group.tasks)

    @property
    def per_minute(self) -> float | None:
        """Tasks that end in a minute, of late; None while too few have."""
        stops = sorted(t.job.stopped for t in self.group.tasks if t.job.finished)
        recent = [stop for stop in stops if stop > self.now - WINDOW]
        if len(recent) < LEAST_ENDED:
            return None
        first = max(self.now - WINDOW, min(t.job.created for t in self.group.tasks))
        return len(recent) / max(self.now - first, 1.0) * 60

    @property
    def remaining(self) -> float | None:
        """Seconds until all tasks have ended, at this pace; None where that is not known."""
        rate = self.per_minute
        return None if not rate else max(self.total - self.ended, 0) / rate * 60

    def slowest(self, limit: int) -> list[TaskView]:
        """Return the tasks that have run for the longest and still do."""
        running = [task for task in self.group.tasks if task.job.state == "running"]
        return sorted(running, key=lambda task: -task.job.ran(self.now))[:limit]

    def failed(self) -> Sequence[TaskView]:
        """Return the tasks that have failed."""
        return [task for task in self.group.tasks if task.job.state == "failed"]
