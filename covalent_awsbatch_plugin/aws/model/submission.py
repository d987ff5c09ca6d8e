"""From a job's specification to the parameters of SubmitJob. Pure.

Limits are AWS's own, from the Batch service model and its service quotas.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...protocol import exit_codes, s3_keys, tag_names
from .job_definition import pairs

REASON_LIMIT = 255
TAG_VALUE_LIMIT = 256
JOB_NAME_LIMIT = 128

# AWS's reasons of an attempt that no task can be blamed for, as evaluateOnExit patterns: with the
# last rule, as many as Batch takes. ECS has a dozen errors that begin with Cannot.
INFRASTRUCTURE_STATUS_REASONS = ("Host EC2*", "Task failed to start*")
INFRASTRUCTURE_REASONS = ("Cannot*", "DockerTimeoutError*")


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
        environment: Variables for the worker.
        tags: The job's tags.
        share_identifier: The job's share of a fair-share queue; empty for other queues.
        scheduling_priority: The job's priority within its share, 0 to 9999.
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
    share_identifier: str = ""
    scheduling_priority: int = 0


def job_name(dispatch_id: object, node_id: object, nonce: str) -> str:
    """Return a job's name: of the form Batch accepts, and this run's own."""
    node = s3_keys.safe_name(node_id)[:32]
    return f"covalent-{s3_keys.safe_name(dispatch_id)}-{node}-{nonce}"[:JOB_NAME_LIMIT]


def job_tags(dispatch_id: object, node_id: object, function: str, server: str) -> dict[str, str]:
    """Return the tags by which a job's dispatch, node and server are found again."""
    return {
        tag_names.TAG_DISPATCH: s3_keys.safe_name(dispatch_id),
        tag_names.TAG_NODE: s3_keys.safe_name(node_id),
        tag_names.TAG_FUNCTION: tag_value(function),
        tag_names.TAG_SERVER: tag_value(server),
    }


def tag_value(text: str) -> str:
    """Return ``text`` with what AWS refuses in a tag's value replaced, at most 256 characters."""
    return re.sub(r"[^\w .:/=+@-]", "_", text)[:TAG_VALUE_LIMIT]


def submit_request(spec: JobSpec, definition_arn: str) -> dict[str, Any]:
    """Return the parameters of SubmitJob."""
    resources = [("VCPU", spec.vcpus), ("MEMORY", spec.memory_mib)]
    if spec.gpus:
        resources.append(("GPU", spec.gpus))
    request = {
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
        # Without it, costs of ECS tasks show none of them.
        "propagateTags": True,
    }
    if spec.share_identifier:
        # A fair-share queue requires both, and any other queue refuses them.
        request["shareIdentifier"] = spec.share_identifier
        request["schedulingPriorityOverride"] = spec.scheduling_priority
    return request


def retry_strategy(attempts: int, retry_on: str) -> dict[str, Any]:
    """Return a job's retry strategy.

    What cannot succeed is never attempted again. Of the rest, everything is (``any``), or only
    what AWS is to blame for. Batch takes five rules at most and retries what no rule matches.
    """
    # It matches 21 too; the worker sees to it that no task ends its job so (``of_job``).
    rules = [{"action": "EXIT", "onExitCode": exit_codes.NEVER_RETRIED}]
    if retry_on == "infrastructure":
        rules = [
            *({"action": "RETRY", "onStatusReason": r} for r in INFRASTRUCTURE_STATUS_REASONS),
            *({"action": "RETRY", "onReason": r} for r in INFRASTRUCTURE_REASONS),
            {"action": "EXIT", "onReason": "*"},
        ]
    return {"attempts": max(attempts, 1), "evaluateOnExit": rules}
