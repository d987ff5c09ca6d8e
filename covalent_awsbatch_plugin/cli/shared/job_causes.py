"""Why a job failed: the executor's own diagnosis, in full and in a few words. Pure."""

from __future__ import annotations

from dataclasses import replace

from ... import errors
from ...errors import BatchTaskError
from ...failures.diagnosis import diagnose
from ...failures.evidence import Case
from ...protocol import env_names, exit_codes, messages
from ...protocol.summary import Summary
from .formats import amount, gigabytes, span
from .job_facts import JobFacts

# How the reasons of jobs begin that were ended on purpose, by Covalent or a command of ours.
CANCELLED = ("Cancelled by ",)
REAPED = ("Left behind; ended by ",)

# The fields in braces are those of _fields.
SHORT: dict[type[BatchTaskError], str] = {
    errors.DockerFailed: "Docker failed on the host",
    errors.HostLost: "host lost",
    errors.ImageFailed: "image could not be pulled or started",
    errors.JobTerminated: "terminated: {reason}",
    errors.JobVanished: "job is unknown to AWS Batch",
    errors.NeverStarted: "can never start as the queue is set up",
    errors.NotPermitted: "no access to the bucket",
    errors.OutcomeMissing: "wrote no result ({exit_code})",
    errors.OutcomeUnreadable: "unreadable result",
    errors.OutOfMemory: "out of memory ({memory})",
    errors.PythonMismatch: "wrong Python in the image",
    errors.ResultNotSerializable: "result cannot be pickled: {detail}",
    errors.TaskKilled: "task process ended early: {detail}",
    errors.TaskRaised: "{detail}",
    errors.TimeLimitExceeded: "ran longer than its limit of {time_limit}",
    errors.WorkerNotStarted: "worker could not start ({exit_code})",
}


def error_of(
    job: JobFacts,
    summary: Summary | None = None,
    outcome: messages.Outcome | None = None,
    logs: dict[str, list[str]] | None = None,
) -> BatchTaskError | None:
    """Return the error that a failed job means to its user; None for any other job.

    Args:
        job: The job.
        summary: The last line of its log.
        outcome: The outcome in the bucket, where it is still there.
        logs: The ends of the attempts' logs, by log stream.
    """
    if job.status != "FAILED":
        return None
    case = Case(
        job_id=job.job_id,
        job=job.description,
        outcome=outcome or _outcome(job, summary),
        time_limit=job.time_limit,
        memory=job.memory_mib / 1024,
        python=job.environment.get(env_names.ENV_PYTHON, ""),
        bucket=job.environment.get(env_names.ENV_BUCKET, ""),
        logs=logs or {},
    )
    if ended_on_purpose(job):
        return errors.JobTerminated(f"The reason given was: {job.reason}")
    return diagnose(case) or diagnose(replace(case, outcome=None))


def ended_on_purpose(job: JobFacts) -> bool:
    """Whether Covalent or one of the commands ended it: the reason proves it."""
    return job.reason.startswith((*CANCELLED, *REAPED))


def short_cause(job: JobFacts, error: BatchTaskError | None, summary: Summary | None) -> str:
    """Return why a job failed, in a few words; empty for any other job."""
    if error is None:
        return ""
    if job.reason.startswith(CANCELLED):
        return "cancelled"
    if job.reason.startswith(REAPED):
        return "ended by reap"
    words = SHORT.get(type(error), "{detail}").format(**_fields(job, error, summary))
    return words or "raised an exception"


def _fields(job: JobFacts, error: BatchTaskError, summary: Summary | None) -> dict[str, str]:
    memory = f"it had {gigabytes(job.memory_mib)} GB"
    if summary is not None and summary.peak_memory:
        memory = f"peak {memory_used(job, summary)}"
    return {
        "detail": error.detail,
        "exit_code": "no exit code" if job.exit_code is None else f"exit code {job.exit_code}",
        "memory": memory,
        "reason": job.reason,
        "time_limit": span(job.time_limit),
    }


def used(job: JobFacts, summary: Summary | None) -> str:
    """Return how much of its memory, processors and time limit a task used."""
    if summary is None:
        return ""
    parts = [f"memory peak {memory_used(job, summary)}"]
    if summary.seconds >= 1 and job.vcpus:
        parts.append(f"CPU {cpu_used(job, summary):.0%} of {job.vcpus} vCPU")
    limit = f" of {span(job.time_limit)}" if job.time_limit else ""
    parts.append(f"{span(summary.seconds)}{limit}")
    return ", ".join(parts)


def memory_used(job: JobFacts, summary: Summary) -> str:
    """Return ``0.62 of 3.75 GB``."""
    return f"{amount(summary.peak_memory / 2**30)} of {gigabytes(job.memory_mib)} GB"


def cpu_used(job: JobFacts, summary: Summary) -> float:
    """Return the part of its vCPUs' time that a task used."""
    return summary.cpu_seconds / max(summary.seconds, 0.001) / max(job.vcpus, 1)


def _outcome(job: JobFacts, summary: Summary | None) -> messages.Outcome | None:
    if summary is not None:
        return messages.Outcome(
            status=summary.status,
            attempt=summary.attempt,
            error=summary.error,
            peak_memory=summary.peak_memory,
            exit_code=job.exit_code or 0,
        )
    raised = (exit_codes.EXIT_RAISED, exit_codes.EXIT_CANNOT_UNPICKLE)
    if job.exit_code in raised and env_names.ENV_TASK in job.environment:
        # Its log could not be read; the exit code alone still means an exception.
        return messages.Outcome(status=messages.RAISED, exit_code=job.exit_code)
    return None
