"""Job definitions: from a specification to RegisterJobDefinition's parameters. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...protocol import env_names, tag_names
from .access import Identity
from .job_command import worker_command

LOG_DRIVER = "awslogs"


@dataclass(frozen=True)
class DefinitionSpec:
    """The content of a job definition; all tasks that share it share one revision.

    Attributes:
        name: The definition's name.
        image: The job's image.
        execution_role: Name or ARN of the role of ECS.
        job_role: Name or ARN of the role of the task.
        log_group: The log group of the job's output.
        region: The log group's region.
        python: The Python minor version that the worker needs.
        environment: The user's environment variables.
        container_properties: The user's container properties, merged over ours.
        tags: The user's tags.
    """

    name: str
    image: str
    execution_role: str
    job_role: str
    log_group: str
    region: str
    python: str
    environment: Mapping[str, str] = field(default_factory=dict)
    container_properties: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def definition_request(spec: DefinitionSpec, identity: Identity) -> dict[str, Any]:
    """Return the parameters of RegisterJobDefinition; a tag holds the hash of all but the tags.

    Tags change nothing about a job, so tasks that differ in them share a revision, which has the
    tags of the first. Each job has its own, which count more than those of the revision.
    """
    theirs = dict(spec.container_properties)
    environment = container_environment(spec, theirs.pop("environment", ()))
    properties: dict[str, Any] = {
        "image": spec.image,
        "command": list(worker_command()),
        "environment": pairs(environment),
        "executionRoleArn": identity.role_arn(spec.execution_role),
        "jobRoleArn": identity.role_arn(spec.job_role),
        # Every submission overrides these; Batch wants some in the definition.
        "resourceRequirements": [
            {"type": "VCPU", "value": "1"},
            {"type": "MEMORY", "value": "1024"},
        ],
        "logConfiguration": log_configuration(spec),
        # Process 1 of a container ignores SIGTERM until it installs a handler, so a job that is
        # terminated while packages are installed would live for another thirty seconds.
        "linuxParameters": {"initProcessEnabled": True},
    }
    if (theirs.get("logConfiguration") or {}).get("logDriver") not in (None, LOG_DRIVER):
        # Another driver takes none of these options.
        del properties["logConfiguration"]
    request = {
        "jobDefinitionName": spec.name,
        "type": "container",
        "containerProperties": merge(properties, theirs),
        "platformCapabilities": ["EC2"],
    }
    tags = {**spec.tags, tag_names.TAG_PROPERTIES: digest(request)}
    return {**request, "tags": tags}


def container_environment(
    spec: DefinitionSpec, theirs: Iterable[Mapping[str, str]]
) -> dict[str, str]:
    """Return the variables of the definition: the user's over the region, ours over the user's.

    ECS sets AWS_REGION only on recent hosts, and AWS_DEFAULT_REGION, which botocore reads, never.

    Args:
        spec: The definition.
        theirs: The variables of the user's container properties, in Batch's form.
    """
    return {
        "AWS_REGION": spec.region,
        "AWS_DEFAULT_REGION": spec.region,
        **{pair["name"]: pair.get("value", "") for pair in theirs},
        **spec.environment,
        env_names.ENV_PYTHON: spec.python,
    }


def log_configuration(spec: DefinitionSpec) -> dict[str, Any]:
    """Return where the job's output goes.

    The mode is named, as ECS has changed its default. It is non-blocking: the task's output is in
    its outcome too, and a log group that is missing or slow must neither fail a task nor hold it
    up. Output beyond the buffer is missing in the log alone.
    """
    options = {
        "awslogs-group": spec.log_group,
        "awslogs-region": spec.region,
        "awslogs-create-group": "true",
        "awslogs-stream-prefix": "covalent-batch",
        "mode": "non-blocking",
        "max-buffer-size": "25m",
    }
    return {"logDriver": LOG_DRIVER, "options": options}


def digest(value: Any) -> str:
    """Return a hash of a JSON value that does not depend on the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def merge(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``theirs`` over ``ours``: tables are merged, all else is replaced."""
    merged = dict(ours)
    for key, value in theirs.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def pairs(environment: Mapping[str, str]) -> list[dict[str, str]]:
    """Return environment variables in Batch's form."""
    return [{"name": name, "value": value} for name, value in sorted(environment.items())]
