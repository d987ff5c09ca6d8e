"""From DescribeJobs' responses to facts. Pure.

Limits are AWS's own, from the Batch service model and its service quotas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SUBMITTED, PENDING, RUNNABLE = "SUBMITTED", "PENDING", "RUNNABLE"
STARTING, RUNNING, SUCCEEDED, FAILED = "STARTING", "RUNNING", "SUCCEEDED", "FAILED"
WAITING = frozenset({SUBMITTED, PENDING, RUNNABLE})
FINISHED = frozenset({SUCCEEDED, FAILED})

# How the reason of a job begins that cannot start as it or the queue is set up, and of those the
# reasons that no host of the queue can ever change.
MISCONFIGURED = "MISCONFIGURATION:"
NEVER_FITS = (
    f"{MISCONFIGURED}JOB_RESOURCE_REQUIREMENT",
    f"{MISCONFIGURED}COMPUTE_ENVIRONMENT_MAX_RESOURCE",
)

DESCRIBE_LIMIT = 100

# How the reason begins that AWS shows for a job that Covalent cancelled.
CANCELLED = "Cancelled by Covalent:"


@dataclass(frozen=True)
class Attempt:
    """How one attempt of a job ended, as Batch reports it."""

    exit_code: int | None = None
    reason: str = ""
    status_reason: str = ""
    log_stream: str = ""


@dataclass(frozen=True)
class JobDescription:
    """What Batch reports of a job.

    Attributes:
        job_id: The job's id.
        status: One of Batch's seven.
        status_reason: Why it is in that status.
        reason: The container's own reason.
        exit_code: The last attempt's exit code, where it had one.
        log_stream: The last attempt's log stream.
        log_group: The log group of the streams.
        attempts: Those that have ended, the first first.
        memory_mib: The memory the job asked for, in MiB; 0 where unknown.
        image: The job's image.
        name: The job's name.
        terminated: Whether it was terminated or cancelled.
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
    def misconfiguration(self) -> str:
        """The name of the misconfiguration that keeps the job waiting; empty where there is none.

        Batch takes it back when an instance comes that can run the job.
        """
        if not (self.waiting and self.status_reason.startswith(MISCONFIGURED)):
            return ""
        return self.status_reason.split(" ", 1)[0]

    @property
    def never_fits(self) -> bool:
        """Whether Batch reports that no host of the queue can run the job."""
        return self.misconfiguration.startswith(NEVER_FITS)

    @property
    def waiting(self) -> bool:
        """Whether the job has not started."""
        return self.status in WAITING


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
        terminated=_was_terminated(described),
    )


def _was_terminated(described: Mapping[str, Any]) -> bool:
    flagged = bool(described.get("isTerminated") or described.get("isCancelled"))
    return flagged or (described.get("statusReason") or "").startswith(CANCELLED)


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
