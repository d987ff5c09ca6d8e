"""Jobs and attempts as Batch describes them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .retries import AttemptEnd

if TYPE_CHECKING:
    from .records import Job

Json = dict[str, Any]


def describe(job: Job, tags: Mapping[str, str]) -> Json:
    """Return a job as DescribeJobs does.

    Args:
        job: The job.
        tags: Its tags.
    """
    strategy: Json = {"attempts": job.attempts_allowed, "evaluateOnExit": job.rules}
    timeout = {"attemptDurationSeconds": job.timeout} if job.timeout else None
    return _present(
        jobArn=job.arn,
        jobId=job.job_id,
        jobName=job.name,
        jobQueue=job.queue_arn,
        jobDefinition=job.definition["jobDefinitionArn"],
        status=job.status,
        statusReason=job.status_reason or None,
        attempts=list(job.ended),
        retryStrategy=strategy,
        createdAt=job.created,
        startedAt=job.started,
        stoppedAt=job.stopped if job.finished else None,
        dependsOn=[{"jobId": each.job_id} for each in job.depends_on],
        parameters=job.parameters,
        timeout=timeout,
        tags=dict(tags),
        propagateTags=job.propagate_tags,
        shareIdentifier=job.share_identifier or None,
        schedulingPriority=job.scheduling_priority,
        platformCapabilities=job.definition.get("platformCapabilities") or ["EC2"],
        eksAttempts=[],
        isCancelled=job.cancelled,
        isTerminated=job.termination is not None and not job.cancelled,
        container=_container(job),
    )


def _container(job: Job) -> Json:
    return {
        **job.container,
        **_present(
            exitCode=job.exit_code,
            reason=job.reason,
            logStreamName=job.stream,
            taskArn=_ecs(job, "task") if job.number else None,
            containerInstanceArn=_ecs(job, "container-instance") if job.number else None,
            networkInterfaces=[],
        ),
    }


def summary(job: Job) -> Json:
    """Return a job as ListJobs does."""
    return _present(
        jobArn=job.arn,
        jobId=job.job_id,
        jobName=job.name,
        createdAt=job.created,
        status=job.status,
        statusReason=job.status_reason or None,
        startedAt=job.started,
        stoppedAt=job.stopped if job.finished else None,
        container=_present(exitCode=job.exit_code, reason=job.reason),
        jobDefinition=job.definition["jobDefinitionArn"],
    )


def attempt(job: Job, end: AttemptEnd) -> Json:
    """Return a job's current attempt, which has ended, as DescribeJobs does."""
    container = _present(
        exitCode=end.exit_code,
        reason=end.reason,
        logStreamName=job.stream,
        taskArn=_ecs(job, "task"),
        containerInstanceArn=_ecs(job, "container-instance"),
        networkInterfaces=[],
    )
    return _present(
        container=container,
        startedAt=job.started,
        stoppedAt=job.stopped,
        statusReason=end.status_reason,
    )


def _ecs(job: Job, kind: str) -> str:
    base = job.queue_arn.partition(":job-queue/")[0].replace(":batch:", ":ecs:")
    return f"{base}:{kind}/local/{job.task}"


def _present(**values: Any) -> Json:
    return {name: value for name, value in values.items() if value is not None}
