"""What a job definition says: from a specification to RegisterJobDefinition's parameters. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...protocol import env_names, tag_names
from .access import Identity
from .job_command import worker_command


@dataclass(frozen=True)
class DefinitionSpec:
    """What a job definition says; all tasks that share it share one revision.

    Attributes:
        name: The definition's name.
        image: The job's image.
        execution_role: Name or ARN of the role of ECS.
        job_role: Name or ARN of the role of the task.
        log_group: The log group of the job's output.
        region: The log group's region.
        python: The Python minor version that the worker needs.
        requirements: What the worker needs, such as ``boto3==1.40.0``.
        bounds: Further bounds for pip, where it has to install requirements.
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
    requirements: tuple[str, ...]
    bounds: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    container_properties: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def definition_request(spec: DefinitionSpec, identity: Identity) -> dict[str, Any]:
    """Return the parameters of RegisterJobDefinition; a tag holds the hash of all the rest."""
    environment = {
        **spec.environment,
        env_names.ENV_PYTHON: spec.python,
        env_names.ENV_REQUIREMENTS: " ".join(spec.requirements),
        env_names.ENV_BOUNDS: " ".join(spec.bounds),
    }
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
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": spec.log_group,
                "awslogs-region": spec.region,
                "awslogs-create-group": "true",
                "awslogs-stream-prefix": "covalent-batch",
            },
        },
    }
    request = {
        "jobDefinitionName": spec.name,
        "type": "container",
        "containerProperties": merge(properties, spec.container_properties),
        "platformCapabilities": ["EC2"],
    }
    tags = {**spec.tags, tag_names.TAG_PROPERTIES: digest({**request, "tags": dict(spec.tags)})}
    return {**request, "tags": tags}


def digest(value: Any) -> str:
    """Return a hash of a JSON value that does not depend on the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def merge(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``theirs`` over ``ours``: tables are merged, lists of names and values joined."""
    merged = dict(ours)
    for key, value in theirs.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        elif key == "environment":
            merged[key] = [*value, *merged[key]]
        else:
            merged[key] = value
    return merged


def pairs(environment: Mapping[str, str]) -> list[dict[str, str]]:
    """Return environment variables in Batch's form."""
    return [{"name": name, "value": value} for name, value in sorted(environment.items())]
