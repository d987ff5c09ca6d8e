"""Why a job waits: the status reason, the queue and the room in it, as one sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .formats import count
from .job_facts import JobFacts

# What AWS's reasons of a job that waits mean, by their beginnings.
REASONS = {
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE": (
        "it asks for more than the compute environments' maximum of vCPUs"
    ),
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT": (
        "no instance type of the compute environments has what it asks for"
    ),
    "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS": "AWS Batch's own role may not start instances",
    "MISCONFIGURATION": "the compute environments are set up so that it cannot start",
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY": (
        "AWS has no free instance of these types at the moment"
    ),
    "ACTION_REQUIRED": "the queue or its compute environments need a change",
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
        subnets: Ids of the subnets in which its instances start.
        image_status: LATEST or UPDATE_AVAILABLE, where AWS Batch reports it.
    """

    name: str
    state: str
    status: str
    reason: str
    kind: str
    max_vcpus: int
    desired_vcpus: int
    instance_types: tuple[str, ...]
    subnets: tuple[str, ...] = ()
    image_status: str = ""

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
        is_fair_share: Whether it has a scheduling policy.
    """

    name: str
    arn: str
    state: str
    status: str
    reason: str
    environments: tuple[Environment, ...]
    front: tuple[str, ...] = ()
    is_fair_share: bool = False


def parse_environment(described: Mapping[str, Any]) -> Environment:
    """Read one compute environment of a DescribeComputeEnvironments response."""
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
        subnets=tuple(resources.get("subnets") or ()),
        image_status=_image_status(resources),
    )


def _image_status(resources: Mapping[str, Any]) -> str:
    found = [each.get("batchImageStatus", "") for each in resources.get("ec2Configuration") or ()]
    return next((status for status in ("UPDATE_AVAILABLE", "LATEST") if status in found), "")


@dataclass(frozen=True)
class WaitingReason:
    """Why a job has not started.

    Attributes:
        cause: What it waits for, in one sentence that other jobs may share.
        place: Its place in the queue; empty where AWS does not give it.
    """

    cause: str
    place: str = ""

    @property
    def sentence(self) -> str:
        """Cause and place."""
        place = f" {self.place[:1].upper()}{self.place[1:]}." if self.place else ""
        return self.cause + place


def why_waiting(job: JobFacts, queue: Queue) -> WaitingReason:
    """Return why a job has not started."""
    if job.status == "SUBMITTED":
        return WaitingReason("AWS Batch has received it and schedules it next.")
    if job.status == "PENDING":
        return WaitingReason("It waits for the jobs it depends on.")
    cause = "; ".join(part for part in (_cause(job, queue), *_room(job, queue)) if part)
    cause = cause or "AWS Batch gives no reason; it waits for a host"
    return WaitingReason(cause[:1].upper() + cause[1:] + ".", _place(job, queue.front))


def _cause(job: JobFacts, queue: Queue) -> str:
    if queue.state == "DISABLED":
        return f"the queue {queue.name} is DISABLED and starts no job"
    if not queue.environments:
        return job.reason
    if not any(environment.usable for environment in queue.environments):
        states = ", ".join(f"{e.name} is {e.state} and {e.status}" for e in queue.environments)
        return f"no compute environment of the queue accepts jobs ({states})"
    for beginning, meaning in REASONS.items():
        if job.reason.startswith(beginning):
            return f"{meaning} ({job.reason})"
    return job.reason


def _place(job: JobFacts, front: Sequence[str]) -> str:
    if job.job_id in front:
        place = front.index(job.job_id) + 1
        return f"place {place} in the queue" if place > 1 else "next in the queue"
    return f"place {len(front) + 1} or later in the queue" if front else ""


def _room(job: JobFacts, queue: Queue) -> list[str]:
    usable = [environment for environment in queue.environments if environment.usable]
    if not usable:
        return []
    used = sum(environment.desired_vcpus for environment in usable)
    most = sum(environment.max_vcpus for environment in usable)
    asked = f"it asks for {count(job.vcpus, 'vCPU')} and {job.memory_mib / 1024:g} GB"
    if job.gpus:
        asked += f" and {count(job.gpus, 'GPU')}"
    if all(job.vcpus > environment.max_vcpus for environment in usable):
        largest = max(environment.max_vcpus for environment in usable)
        limit = count(largest, "vCPU")
        return [f"{asked}, and no compute environment may have more than {limit}"]
    if any(job.vcpus <= e.max_vcpus - e.desired_vcpus for e in usable):
        return [f"{asked}; {used} of {count(most, 'vCPU')} are in use or starting"]
    return [f"{asked}, and {used} of {count(most, 'vCPU')} are in use: it waits for a job to end"]
