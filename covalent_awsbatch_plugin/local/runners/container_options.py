"""A job definition's container properties as the Docker SDK's options. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..loopback import direct_environment
from .runner import AttemptNotStarted, AttemptSpec

# The least memory that Docker takes, in MiB.
LEAST_MEMORY = 6

PERMISSIONS = {"READ": "r", "WRITE": "w", "MKNOD": "m"}


def container_options(spec: AttemptSpec, cpus: int, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return the keyword arguments of ``containers.create`` for an attempt.

    As on AWS the container uses the host's network and may use no swap. On AWS vCPUs are shares
    that a job may exceed on an idle instance; here they are a limit, so that a job that needs
    more than it asks for shows.

    Args:
        spec: The attempt.
        cpus: Number of CPUs of the engine's machine: Docker refuses more.
        labels: By which the container is found again.

    Raises:
        AttemptNotStarted: The properties ask for what only AWS has.
    """
    properties = spec.container_properties
    memory = f"{max(spec.memory_mib, LEAST_MEMORY)}m"
    options: dict[str, Any] = {
        "image": spec.image,
        "command": list(spec.command),
        "environment": direct_environment(spec.environment),
        "labels": dict(labels),
        "network_mode": "host",
        "mem_limit": memory,
        "memswap_limit": memory,
        "nano_cpus": min(max(spec.vcpus, 1), cpus) * 10**9,
        "read_only": bool(properties.get("readonlyRootFilesystem")),
        "privileged": bool(properties.get("privileged")),
        "volumes": binds(properties),
        "ulimits": [ulimit(entry) for entry in properties.get("ulimits") or ()],
    }
    if properties.get("user"):
        options["user"] = properties["user"]
    return {**options, **linux_options(properties.get("linuxParameters") or {})}


def linux_options(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options for a definition's ``linuxParameters``."""
    options: dict[str, Any] = {}
    if parameters.get("initProcessEnabled"):
        options["init"] = True
    if parameters.get("sharedMemorySize"):
        options["shm_size"] = f"{parameters['sharedMemorySize']}m"
    if parameters.get("tmpfs"):
        options["tmpfs"] = dict(map(tmpfs, parameters["tmpfs"]))
    if parameters.get("devices"):
        options["devices"] = [device(entry) for entry in parameters["devices"]]
    return options


def tmpfs(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return path and options of a file system in memory; Batch gives its size in MiB."""
    options = [f"size={entry['size']}m", *entry.get("mountOptions", ())]
    return entry["containerPath"], ",".join(options)


def device(entry: Mapping[str, Any]) -> str:
    """Return a device in Docker's form."""
    permissions: Sequence[str] = entry.get("permissions") or ("READ", "WRITE")
    path = entry.get("containerPath") or entry["hostPath"]
    return f"{entry['hostPath']}:{path}:{''.join(PERMISSIONS[name] for name in permissions)}"


def ulimit(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a limit in Docker's form."""
    return {
        "Name": entry["name"],
        "Soft": int(entry["softLimit"]),
        "Hard": int(entry["hardLimit"]),
    }


def binds(properties: Mapping[str, Any]) -> list[str]:
    """Return mount points in Docker's form; a volume without a source lasts as long as the job.

    Raises:
        AttemptNotStarted: A mount point names no volume, or one that only AWS has.
    """
    volumes = {volume["name"]: volume for volume in properties.get("volumes") or ()}
    found = []
    for point in properties.get("mountPoints") or ():
        volume = volumes.get(point.get("sourceVolume"))
        if volume is None:
            raise AttemptNotStarted(f"CannotCreateVolumeError: no volume for mount point {point}")
        if "efsVolumeConfiguration" in volume:
            raise AttemptNotStarted(
                "CannotCreateVolumeError: the local AWS has no EFS; give the volume "
                f"{volume['name']} a host.sourcePath to try the job here"
            )
        source = (volume.get("host") or {}).get("sourcePath")
        mode = "ro" if point.get("readOnly") else "rw"
        target = point["containerPath"]
        found.append(f"{source}:{target}:{mode}" if source else target)
    return found
