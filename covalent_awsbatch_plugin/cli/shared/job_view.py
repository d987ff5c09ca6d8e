"""What the commands know of a set of jobs: the one way from AWS's responses to what is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ...errors import BatchTaskError, TaskRaised
from ...protocol.summary import Summary
from .account import Account
from .job_causes import error_of, short_cause
from .job_facts import JobFacts
from .job_queue import with_details
from .job_summaries import fetch_summaries
from .optional import Notes
from .waiting_reasons import Queue, WaitingReason, why_waiting

# What is not obvious, and costs: an exception is a failure like any other.
RETRIED = (
    "exceptions of a task are tried again too, and each attempt is billed; "
    "retry_on='infrastructure' leaves them out."
)

# How often an ended job's log is asked for its last line.
ASK_LIMIT = 3


@dataclass(frozen=True)
class TaskView:
    """One task's job with what it used, and why it failed or waits.

    Attributes:
        job: The job.
        summary: The last line of its log, where it could be read.
        error: The executor's diagnosis, where it failed.
        waiting: Why it waits, where it does.
    """

    job: JobFacts
    summary: Summary | None = None
    error: BatchTaskError | None = None
    waiting: WaitingReason | None = None

    @property
    def cause(self) -> str:
        """Why it failed, in a few words."""
        return short_cause(self.job, self.error, self.summary)

    @property
    def advice(self) -> str:
        """What to do about its failure; empty where there is none."""
        if isinstance(self.error, TaskRaised) and self.job.attempts > 1:
            return RETRIED
        return self.error.advice if self.error else ""

    @property
    def remark(self) -> str:
        """What a row has beyond the numbers: the cause, or the place in the queue."""
        return self.cause or (self.waiting.place if self.waiting else "")

    def as_json(self, now: float) -> dict[str, Any]:
        """Return all that is known, for other programs."""
        job, summary = self.job, self.summary
        attempts = [asdict(attempt) for attempt in job.ended_attempts]
        return {
            "job_id": job.job_id,
            "dispatch": job.dispatch,
            "node": job.node,
            "function": job.function,
            "status": job.status,
            "reason": job.reason,
            "cause": self.cause or None,
            "advice": self.advice or None,
            "waits_because": self.waiting.sentence if self.waiting else None,
            "created": job.created,
            "started": job.started or None,
            "stopped": job.stopped or None,
            "waited_seconds": round(job.waited(now), 3),
            "ran_seconds": round(job.ran(now), 3),
            "exit_code": job.exit_code,
            "attempts": job.attempts,
            "attempt_limit": job.attempt_limit,
            "ended_attempts": attempts,
            "vcpus": job.vcpus,
            "memory_mib": job.memory_mib,
            "gpus": job.gpus,
            "time_limit": job.time_limit,
            "peak_memory_bytes": summary.peak_memory if summary else None,
            "cpu_seconds": summary.cpu_seconds if summary else None,
            "image": job.image,
            "server": job.server,
            "log_group": job.log_group,
            "log_stream": job.streams[-1] if job.streams else None,
            "log_streams": list(job.streams),
        }


@dataclass
class Reader:
    """Reads jobs' views; what it has learned of an ended job is not asked for again.

    Attributes:
        account: Where the queue is.
        queue: The queue.
        notes: What could not be read.
    """

    account: Account
    queue: Queue
    notes: Notes = field(default_factory=Notes)
    _summaries: dict[str, Summary] = field(default_factory=dict)
    _asked: Counter[str] = field(default_factory=Counter)

    def views(self, jobs: Sequence[JobFacts]) -> list[TaskView]:
        """Return the views of jobs, in their order."""
        reasons = self._reasons(jobs)
        summaries = self._fetch(jobs)
        return [
            TaskView(
                job=job,
                summary=summaries.get(job.job_id),
                error=error_of(job, summaries.get(job.job_id)),
                waiting=reasons.get(job.job_id),
            )
            for job in jobs
        ]

    def _reasons(self, jobs: Sequence[JobFacts]) -> Mapping[str, WaitingReason]:
        waiting = [job for job in jobs if job.waiting]
        if not waiting:
            return {}
        queue = with_details(self.account, self.queue, self.notes)
        return {job.job_id: why_waiting(job, queue) for job in waiting}

    def _fetch(self, jobs: Sequence[JobFacts]) -> Mapping[str, Summary]:
        new = [job for job in jobs if job.finished and self._worth_asking(job)]
        self._summaries.update(fetch_summaries(self.account, new, self.notes))
        self._asked.update(job.job_id for job in new)
        return self._summaries

    def _worth_asking(self, job: JobFacts) -> bool:
        # A log's last line appears a few seconds after its job has ended.
        return job.job_id not in self._summaries and self._asked[job.job_id] < ASK_LIMIT
