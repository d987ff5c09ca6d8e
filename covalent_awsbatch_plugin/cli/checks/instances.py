"""What instance types have, and whether a task fits into them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..shared.account import Account

# What AWS Batch's own choices amount to, at least; the newest generations come on top.
CHOSEN_BY_BATCH = {
    "optimal": ("m6i", "c6i", "r6i", "c7i"),
    "default_x86_64": ("m6i", "c6i", "r6i", "c7i"),
    "default_arm64": ("m6g", "c6g", "r6g", "c7g"),
}

# An instance does not give jobs all its memory: the kernel takes some 2 to 6 percent, and ECS
# 32 MiB, its default reserve. Measured figures differ by type; this is on the safe side.
KERNEL_SHARE = 0.06
ECS_RESERVE_MIB = 32


@dataclass(frozen=True)
class InstanceType:
    """What a type of instance has: vCPUs, memory in MiB, GPUs, processor architectures."""

    name: str
    vcpus: int
    memory_mib: int
    gpus: int
    architectures: tuple[str, ...]

    @property
    def usable_mib(self) -> int:
        """The memory that jobs can have, in MiB."""
        return int(self.memory_mib * (1 - KERNEL_SHARE)) - ECS_RESERVE_MIB


def instance_types(account: Account, names: Iterable[str]) -> list[InstanceType]:
    """Return what EC2 knows of types, families and AWS Batch's own choices."""
    wanted = [part for name in names for part in CHOSEN_BY_BATCH.get(name, (name,))]
    patterns = [name if "." in name else f"{name}.*" for name in wanted]
    pages = account.client("ec2").get_paginator("describe_instance_types")
    found = pages.paginate(Filters=[{"Name": "instance-type", "Values": patterns}])
    return [_parse(kind) for page in found for kind in page["InstanceTypes"]]


def fitting_types(
    known: Iterable[InstanceType], vcpus: int, memory_mib: int, gpus: int
) -> list[InstanceType]:
    """Return the types into which a task fits."""
    return [
        kind
        for kind in known
        if kind.vcpus >= vcpus and kind.usable_mib >= memory_mib and kind.gpus >= gpus
    ]


def _parse(kind: dict) -> InstanceType:  # type: ignore[type-arg]
    devices = kind.get("GpuInfo", {}).get("Gpus", ())
    return InstanceType(
        name=kind["InstanceType"],
        vcpus=kind["VCpuInfo"]["DefaultVCpus"],
        memory_mib=kind["MemoryInfo"]["SizeInMiB"],
        gpus=sum(device["Count"] for device in devices),
        architectures=tuple(kind.get("ProcessorInfo", {}).get("SupportedArchitectures", ())),
    )
