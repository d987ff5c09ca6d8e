"""What is known of a finished job, and how it is shown below an error. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..aws.model.description import Attempt, JobDescription
    from ..protocol import messages


@dataclass(frozen=True)
class Case:
    """All that is known of a job that ended.

    Attributes:
        job_id: The job's id.
        job: Its last description; None where Batch does not know it any more.
        outcome: What its worker stored, if it did.
        unreadable: Why what is in the outcome's place is none.
        time_limit: Seconds an attempt could take.
        memory: GB the task asked for.
        python: The Python minor version that the task needs.
        bucket: The bucket of the task.
        region: The region of the job.
        logs: The ends of the attempts' logs, by log stream.
        links: The console's addresses of the log streams; empty where it knows none.
    """

    job_id: str
    job: JobDescription | None = None
    outcome: messages.Outcome | None = None
    unreadable: str = ""
    time_limit: int = 0
    memory: float = 0.0
    python: str = ""
    bucket: str = ""
    region: str = ""
    logs: Mapping[str, list[str]] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


def where(case: Case) -> str:
    """Name the job and its log, for a failure that its own output explains."""
    lines = [f"Job: {case.job_id}"]
    lines += [f"Log: {stream}  {link}".rstrip() for stream, link in list(case.links.items())[-1:]]
    return "\n".join(lines)


def evidence(case: Case) -> str:
    """Return all that AWS reports: reasons, exit codes, every attempt, the ends of the logs."""
    job = case.job
    lines = [f"Job: {case.job_id}"]
    if job is not None:
        lines += [
            f"Job status: {job.status}" + _because(job.status_reason),
            *([f"Container: {job.reason}"] if job.reason else []),
            *([f"Exit code: {job.exit_code}"] if job.exit_code is not None else []),
            *map(_attempt_line, range(1, len(job.attempts) + 1), job.attempts),
        ]
    for stream, link in case.links.items():
        lines.append(f"Log: {stream}  {link}".rstrip())
        lines += [f"  | {line}" for line in case.logs.get(stream, ())]
    return "\n".join(lines)


def _attempt_line(number: int, attempt: Attempt) -> str:
    code = "no exit code" if attempt.exit_code is None else f"exit code {attempt.exit_code}"
    known = filter(None, (code, attempt.status_reason, attempt.reason))
    return f"Attempt {number}: {'; '.join(known)}"


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
