"""Why a job waits: the status reason, the queue and the room in it, as one sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .job_search import FoundJob

# What AWS's reasons of a job that waits mean, by their beginnings.
REASONS = {
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE": (
        "it asks for more than the compute environments' maximum of vCPUs"
    ),
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT": (
        "no instance type of the compute environments has what it asks for"
    ),
    "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS": ("AWS Batch's own role may not start instances"),
    "MISCONFIGURATION": "the compute environments are set up so that it cannot start",
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY": (
        "AWS has no instance of these types to give right now"
    ),
    "ACTION_REQUIRED": "AWS asks for something to be done",
}


@dataclass(frozen=True)
class Environment:
    """A compute environment of a queue.

    Attributes:
        name: Its name.
        state: ENABLED or DISABLED.
        status: VALID where AWS Batch can use it.
        reason: Why it is in that status.
        kind: EC2, SPOT, FARGATE or FARGATE_SPOT; empty for one that AWS does not manage.
        max_vcpus: Most vCPUs it may have.
        desired_vcpus: vCPUs it has or is getting.
        instance_types: Types and families it may start.
    """

    name: str
    state: str
    status: str
    reason: str
    kind: str
    max_vcpus: int
    desired_vcpus: int
    instance_types: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Whether it takes jobs."""
        return self.state == "ENABLED" and self.status == "VALID"


@dataclass(frozen=True)
class Queue:
    """A job queue with its compute environments, in order, and the jobs at its front.

    Attributes:
        name: Its name.
        arn: Its ARN.
        state: ENABLED or DISABLED.
        status: VALID where AWS Batch can use it.
        reason: Why it is in that status.
        environments: Those it starts jobs in, the first first.
        front: Ids of the jobs that are next, the first first; at most 100.
    """

    name: str
    arn: str
    state: str
    status: str
    reason: str
    environments: tuple[Environment, ...]
    front: tuple[str, ...] = ()


def parse_environment(described: Mapping[str, Any]) -> Environment:
    """Read one compute environment of a DescribeComputeEnvironments answer."""
    resources = described.get("computeResources") or {}
    return Environment(
        name=described["computeEnvironmentName"],
        state=described.get("state", ""),
        status=described.get("status", ""),
        reason=described.get("statusReason", ""),
        kind=resources.get("type", ""),
        max_vcpus=int(resources.get("maxvCpus", 0)),
        desired_vcpus=int(resources.get("desiredvCpus", 0)),
        instance_types=tuple(resources.get("instanceTypes") or ()),
    )


def why_waiting(job: FoundJob, queue: Queue) -> str:
    """Return one sentence that says why a job has not started."""
    if job.status == "SUBMITTED":
        parts = ["AWS Batch has taken it and looks at it next"]
    elif job.status == "PENDING":
        parts = ["it waits for the jobs it depends on"]
    else:
        parts = [_cause(job, queue), *_place(job, queue.front), *_room(job, queue)]
    text = "; ".join(part for part in parts if part)
    return text[:1].upper() + text[1:] + "."


def _cause(job: FoundJob, queue: Queue) -> str:
    if queue.state == "DISABLED":
        return f"the queue {queue.name} is DISABLED and starts no job"
    if not any(environment.usable for environment in queue.environments):
        told = ", ".join(f"{e.name} is {e.state} and {e.status}" for e in queue.environments)
        return f"no compute environment of the queue takes jobs ({told or 'it has none'})"
    for beginning, meaning in REASONS.items():
        if job.reason.startswith(beginning):
            return f"{meaning} ({job.reason})"
    return job.reason


def _place(job: FoundJob, front: Sequence[str]) -> list[str]:
    if job.job_id in front:
        before = front.index(job.job_id)
        return ["it is the next in the queue" if not before else f"{before} jobs are before it"]
    return [f"more than {len(front)} jobs are before it"] if front else []


def _room(job: FoundJob, queue: Queue) -> list[str]:
    usable = [environment for environment in queue.environments if environment.usable]
    if not usable:
        return []
    used = sum(environment.desired_vcpus for environment in usable)
    most = sum(environment.max_vcpus for environment in usable)
    asked = f"it asks for {job.vcpus} vCPUs and {job.memory_mib / 1024:g} GB"
    if job.gpus:
        asked += f" and {job.gpus} GPUs"
    if all(job.vcpus > environment.max_vcpus for environment in usable):
        return [f"{asked}, and no compute environment may have more than {most} vCPUs"]
    if any(job.vcpus <= e.max_vcpus - e.desired_vcpus for e in usable):
        return [f"{asked}, and there is room: {used} of {most} vCPUs are in use or starting"]
    return [f"{asked}, and {used} of {most} vCPUs are in use: it waits for one to end"]
