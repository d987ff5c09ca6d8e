"""What moto knows of a queue's compute environments: their instance types and their network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .batch_queues import TIME_LIMITS
from .moto_backend import Region, batch_backend

# What AWS Batch chooses from where a compute environment leaves it the choice.
BUNDLES = {
    "optimal": ("m6i", "c6i", "r6i", "c7i"),
    "default_x86_64": ("m6i", "c6i", "r6i", "c7i"),
    "default_arm64": ("m6g", "c6g", "r6g", "c7g"),
}

# What a subnet's default route may lead to.
WAYS_OUT = ("gateway", "nat_gateway", "transit_gateway", "instance", "interface")
ANYWHERE = "0.0.0.0/0"

# The ECS agent keeps this much of an instance's memory for itself, in MiB.
AGENT_MEMORY = 32


@dataclass(frozen=True)
class Resources:
    """What a job asks for, or an instance has."""

    vcpus: int
    memory_mib: int
    gpus: int = 0

    def holds(self, asked: Resources) -> bool:
        """Whether an instance has room for a job."""
        return (
            asked.vcpus <= self.vcpus
            and asked.memory_mib <= self.memory_mib - AGENT_MEMORY
            and asked.gpus <= self.gpus
        )


@dataclass(frozen=True)
class Environment:
    """A compute environment that takes jobs.

    Attributes:
        max_vcpus: Most vCPUs that it may have.
        instances: What its instance types have.
        connected: Whether its subnets have a way to ECS.
    """

    max_vcpus: int
    instances: Sequence[Resources]
    connected: bool = True


def environments(region: Region, queue_arn: str) -> list[Environment]:
    """Return the compute environments of a queue that take jobs."""
    queue = batch_backend(region).get_job_queue(queue_arn)
    return [
        _environment(region, each.compute_resources or {})
        for each in (queue.environments if queue else ())
        if each.state == "ENABLED"
    ]


def time_limits(region: Region, queue_arn: str) -> dict[str, float]:
    """Return after how many seconds a queue cancels a job that waits, by the reason's code."""
    queue = batch_backend(region).get_job_queue(queue_arn)
    actions = getattr(queue, TIME_LIMITS, None) or ()
    return {each["reason"]: float(each["maxTimeSeconds"]) for each in actions}


def set_desired_vcpus(region: Region, queue_arn: str, used: int, is_full: bool) -> None:
    """Have a queue's first environment report the vCPUs that it has started.

    Args:
        region: Where.
        queue_arn: The queue.
        used: The vCPUs of the jobs that run.
        is_full: Whether no other job can start: the environment then has all that it may have.
    """
    queue = batch_backend(region).get_job_queue(queue_arn)
    for number, each in enumerate(queue.environments if queue else ()):
        if each.compute_resources:
            most = each.compute_resources.get("maxvCpus", 0)
            wanted = most if is_full else min(used if number == 0 else 0, most)
            each.compute_resources["desiredvCpus"] = wanted


def _environment(region: Region, resources: dict[str, Any]) -> Environment:
    return Environment(
        max_vcpus=int(resources.get("maxvCpus", 0)),
        instances=list(_instances(tuple(resources.get("instanceTypes") or ("optimal",)))),
        connected=any(map(_leads_out(region), resources.get("subnets") or ())),
    )


@lru_cache(maxsize=16)
def _instances(names: tuple[str, ...]) -> tuple[Resources, ...]:
    """Return what the types of names, families and bundles have; the largest of each is enough."""
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    families = {family for name in names for family in BUNDLES.get(name, (name,))}
    return tuple(
        _resources(described)
        for name, described in INSTANCE_TYPES.items()
        if name in families or name.partition(".")[0] in families
    )


def _resources(described: dict[str, Any]) -> Resources:
    gpus: Iterable[dict[str, Any]] = (described.get("GpuInfo") or {}).get("Gpus") or ()
    return Resources(
        vcpus=described["VCpuInfo"]["DefaultVCpus"],
        memory_mib=described["MemoryInfo"]["SizeInMiB"],
        gpus=sum(gpu["Count"] for gpu in gpus),
    )


def _leads_out(region: Region) -> Any:
    """Return what decides whether instances of a subnet can reach ECS."""
    from moto.ec2.models import ec2_backends

    ec2 = ec2_backends[region.account][region.region]

    def leads_out(subnet_id: str) -> bool:
        subnet = ec2.get_subnet(subnet_id)
        if str(subnet.default_for_az).lower() == "true":
            # moto's default VPC has no route to a gateway, which AWS's has.
            return True
        endpoints = [e.vpc_id for e in ec2.vpc_end_points.values() if ".ecs" in e.service_name]
        return subnet.vpc_id in endpoints or any(_ways_out(ec2, subnet))

    return leads_out


def _ways_out(ec2: Any, subnet: Any) -> Iterator[Any]:
    """Yield the routes of a subnet's route table that lead out of its VPC."""
    for table in _route_tables(ec2, subnet):
        for route in table.routes:
            leads_out = any(getattr(route, way, None) for way in WAYS_OUT)
            if leads_out and route.destination_cidr_block == ANYWHERE:
                yield route


def _route_tables(ec2: Any, subnet: Any) -> list[Any]:
    """Return a subnet's own route table, or its VPC's main one."""
    tables = [table for table in ec2.route_tables.values() if table.vpc_id == subnet.vpc_id]
    own = [t for t in tables if any(a.get("SubnetId") == subnet.id for a in t.associations)]
    return own or [table for table in tables if table.main_association_id]
