"""Jobs and job definitions as plain data: from specifications to requests, from answers to facts.

Everything here is pure. Limits are AWS's own, from the Batch service model and its service quotas.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import contract
from .properties import pairs

SUBMITTED, PENDING, RUNNABLE = "SUBMITTED", "PENDING", "RUNNABLE"
STARTING, RUNNING, SUCCEEDED, FAILED = "STARTING", "RUNNING", "SUCCEEDED", "FAILED"
WAITING = frozenset({SUBMITTED, PENDING, RUNNABLE})
FINISHED = frozenset({SUCCEEDED, FAILED})

# How the reason of a job begins that can never start, as it or the queue is set up.
MISCONFIGURED = "MISCONFIGURATION:"

DESCRIBE_LIMIT = 100
REASON_LIMIT = 255
TAG_VALUE_LIMIT = 256
JOB_NAME_LIMIT = 128

# What AWS says of an attempt that no task can be blamed for, as evaluateOnExit patterns.
INFRASTRUCTURE_STATUS_REASONS = ("Host EC2*",)
INFRASTRUCTURE_REASONS = ("CannotPullContainerError:*", "DockerTimeoutError:*")


@dataclass(frozen=True)
class JobSpec:
    """One job.

    Attributes:
        name: The job's name, its own among all of the queue.
        queue: Name or ARN of the queue.
        vcpus: Number of vCPUs.
        memory_mib: Memory in MiB.
        gpus: Number of GPUs.
        attempts: Attempts in all, 1 to 10.
        retry_on: ``any`` or ``infrastructure``.
        time_limit: Seconds an attempt may take, at least 60.
        environment: What the worker is told.
        tags: The job's tags.
    """

    name: str
    queue: str
    vcpus: int
    memory_mib: int
    gpus: int
    attempts: int
    retry_on: str
    time_limit: int
    environment: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Attempt:
    """How one attempt of a job ended, as Batch tells it."""

    exit_code: int | None = None
    reason: str = ""
    status_reason: str = ""
    log_stream: str = ""


@dataclass(frozen=True)
class JobDescription:
    """What Batch tells of a job.

    Attributes:
        job_id: The job's id.
        status: One of Batch's seven.
        status_reason: Why it is in that status.
        reason: The container's own reason.
        exit_code: The last attempt's exit code, where it had one.
        log_stream: The last attempt's log stream.
        log_group: The log group of the streams.
        attempts: Those that have ended, the first first.
        memory_mib: The memory the job asked for, in MiB; 0 if not told.
        image: The job's image.
        name: The job's name.
        terminated: Whether somebody ended it on purpose.
    """

    job_id: str
    status: str
    status_reason: str = ""
    reason: str = ""
    exit_code: int | None = None
    log_stream: str = ""
    log_group: str = ""
    attempts: tuple[Attempt, ...] = ()
    memory_mib: int = 0
    image: str = ""
    name: str = ""
    terminated: bool = False

    @property
    def finished(self) -> bool:
        """Whether the job has ended."""
        return self.status in FINISHED

    @property
    def stuck(self) -> bool:
        """Whether the job can never start, as it or the queue is set up."""
        return self.waiting and self.status_reason.startswith(MISCONFIGURED)

    @property
    def waiting(self) -> bool:
        """Whether the job has not started."""
        return self.status in WAITING


def job_name(dispatch_id: object, node_id: object, nonce: str) -> str:
    """Return a job's name: of the form Batch accepts, and this run's own."""
    node = contract.safe_name(node_id)[:32]
    return f"covalent-{contract.safe_name(dispatch_id)}-{node}-{nonce}"[:JOB_NAME_LIMIT]


def job_tags(dispatch_id: object, node_id: object, function: str, server: str) -> dict[str, str]:
    """Return the tags by which a job's dispatch, node and server are found again."""
    return {
        contract.TAG_DISPATCH: contract.safe_name(dispatch_id),
        contract.TAG_NODE: contract.safe_name(node_id),
        contract.TAG_FUNCTION: tag_value(function),
        contract.TAG_SERVER: tag_value(server),
    }


def tag_value(text: str) -> str:
    """Return ``text`` with what AWS refuses in a tag's value replaced, at most 256 characters."""
    return re.sub(r"[^\w .:/=+@-]", "_", text)[:TAG_VALUE_LIMIT]


def submit_request(spec: JobSpec, definition_arn: str) -> dict[str, Any]:
    """Return the parameters of SubmitJob."""
    resources = [("VCPU", spec.vcpus), ("MEMORY", spec.memory_mib)]
    if spec.gpus:
        resources.append(("GPU", spec.gpus))
    return {
        "jobName": spec.name,
        "jobQueue": spec.queue,
        "jobDefinition": definition_arn,
        "containerOverrides": {
            "environment": pairs(spec.environment),
            "resourceRequirements": [{"type": t, "value": str(v)} for t, v in resources],
        },
        "retryStrategy": retry_strategy(spec.attempts, spec.retry_on),
        "timeout": {"attemptDurationSeconds": spec.time_limit},
        "tags": dict(spec.tags),
    }


def retry_strategy(attempts: int, retry_on: str) -> dict[str, Any]:
    """Return a job's retry strategy.

    What cannot succeed is never attempted again. Of the rest, everything is (``any``), or only
    what AWS is to blame for. Batch takes five rules at most and retries what no rule matches.
    """
    rules = [{"action": "EXIT", "onExitCode": contract.NEVER_RETRIED}]
    if retry_on == "infrastructure":
        rules = [
            *({"action": "RETRY", "onStatusReason": r} for r in INFRASTRUCTURE_STATUS_REASONS),
            *({"action": "RETRY", "onReason": r} for r in INFRASTRUCTURE_REASONS),
            {"action": "EXIT", "onReason": "*"},
        ]
    return {"attempts": max(attempts, 1), "evaluateOnExit": rules}


def parse_job(described: Mapping[str, Any]) -> JobDescription:
    """Read one job of a DescribeJobs answer. Fields that AWS leaves out are empty."""
    container = described.get("container") or {}
    options = (container.get("logConfiguration") or {}).get("options") or {}
    return JobDescription(
        job_id=described["jobId"],
        status=described["status"],
        status_reason=described.get("statusReason") or "",
        reason=container.get("reason") or "",
        exit_code=container.get("exitCode"),
        log_stream=container.get("logStreamName") or "",
        log_group=options.get("awslogs-group", ""),
        attempts=tuple(map(_parse_attempt, described.get("attempts") or ())),
        memory_mib=_memory(container),
        image=container.get("image") or "",
        name=described.get("jobName") or "",
        terminated=bool(described.get("isTerminated") or described.get("isCancelled")),
    )


def _parse_attempt(attempt: Mapping[str, Any]) -> Attempt:
    container = attempt.get("container") or {}
    return Attempt(
        exit_code=container.get("exitCode"),
        reason=container.get("reason") or "",
        status_reason=attempt.get("statusReason") or "",
        log_stream=container.get("logStreamName") or "",
    )


def _memory(container: Mapping[str, Any]) -> int:
    requirements: Sequence[Mapping[str, Any]] = container.get("resourceRequirements") or ()
    for requirement in requirements:
        if requirement.get("type") == "MEMORY":
            return int(requirement["value"])
    return int(container.get("memory") or 0)
