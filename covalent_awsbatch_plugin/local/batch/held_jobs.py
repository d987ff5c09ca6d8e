"""Jobs that wait in RUNNABLE for something else than a slot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from .capacity import Hold
from .records import RUNNABLE, Job

CANCELED = "Canceled by JobStateTimeLimit action due to reason: {code}"


@dataclass
class Held:
    """A job that waits, why, and what happens later.

    Attributes:
        job: The job.
        hold: Why it waits.
        again: Has it looked at again.
        limit: Cancels it, as its queue asks for.
    """

    job: Job
    hold: Hold
    again: threading.Timer | None = None
    limit: threading.Timer | None = None


@dataclass
class HeldJobs:
    """Jobs that cannot start now. It is only used under the scheduler's lock.

    Attributes:
        look_again: Has a job looked at again; called without the lock.
        cancel: Cancels a job for a reason; called without the lock.
    """

    look_again: Callable[[Job], None]
    cancel: Callable[[Job, str], None]
    _held: dict[str, Held] = field(default_factory=dict)

    def hold(self, job: Job, hold: Hold) -> None:
        """Keep a job in RUNNABLE, for some time or for as long as nothing changes."""
        job.status_reason = hold.reason
        before = self._held.get(job.job_id)
        held = Held(job, hold)
        if before is not None and before.hold.code == hold.code:
            # The queue's limit counts from when the job began to wait for this.
            held.limit, before.limit = before.limit, None
        self.forget(job)
        self._held[job.job_id] = held
        if hold.seconds is not None:
            held.again = _after(hold.seconds, self.look_again, job)
        if hold.limit is not None and held.limit is None:
            reason = CANCELED.format(code=hold.code)
            held.limit = _after(hold.limit, self.cancel, job, reason)

    def forget(self, job: Job) -> None:
        """Let go of a job: it starts, has ended, or waits for something else."""
        held = self._held.pop(job.job_id, None)
        for timer in (held.again, held.limit) if held else ():
            if timer is not None:
                timer.cancel()

    def until_a_change(self) -> list[Job]:
        """Return the jobs that wait for as long as nothing changes."""
        held = [each for each in self._held.values() if each.hold.seconds is None]
        return [each.job for each in held if each.job.status == RUNNABLE]

    def close(self) -> None:
        """Let go of all jobs."""
        for held in list(self._held.values()):
            self.forget(held.job)


def _after(seconds: float, call: Callable[..., None], *arguments: object) -> threading.Timer:
    timer = threading.Timer(seconds, call, args=arguments)
    timer.daemon = True
    timer.start()
    return timer
