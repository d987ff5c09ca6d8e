"""CloudFormation's validation of a change set before anything is done: names that are taken.

The change set itself then shows no more than the validation's name. Which resources it concerns,
DescribeEvents shows, until the change set is deleted.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from ..clients import Client

REASON = (
    "The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]. To "
    "troubleshoot Early Validation errors, use the DescribeEvents API for detailed failure "
    "information."
)


def _buckets(client: Client) -> Iterable[str]:
    return (bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"])


def _iam(operation: str, key: str, **given: Any) -> Callable[[Client], Iterable[str]]:
    def names(client: Client) -> Iterator[str]:
        for page in client("iam").get_paginator(operation).paginate(**given):
            for entries in page.values():
                if isinstance(entries, list):
                    yield from (entry[key] for entry in entries)

    return names


def _log_groups(client: Client) -> Iterable[str]:
    return (group["logGroupName"] for group in client("logs").describe_log_groups()["logGroups"])


def _batch(operation: str, answer: str, key: str) -> Callable[[Client], Iterable[str]]:
    return lambda client: (each[key] for each in getattr(client("batch"), operation)()[answer])


def _launch_templates(client: Client) -> Iterable[str]:
    found = client("ec2").describe_launch_templates()["LaunchTemplates"]
    return (template["LaunchTemplateName"] for template in found)


# Of each type, the property that names a resource, and all names that are taken.
NAMED: Mapping[str, tuple[str, Callable[[Client], Iterable[str]]]] = {
    "AWS::S3::Bucket": ("BucketName", _buckets),
    "AWS::IAM::Role": ("RoleName", _iam("list_roles", "RoleName")),
    "AWS::IAM::InstanceProfile": (
        "InstanceProfileName",
        _iam("list_instance_profiles", "InstanceProfileName"),
    ),
    "AWS::IAM::ManagedPolicy": (
        "ManagedPolicyName",
        _iam("list_policies", "PolicyName", Scope="Local"),
    ),
    "AWS::Logs::LogGroup": ("LogGroupName", _log_groups),
    "AWS::EC2::LaunchTemplate": ("LaunchTemplateName", _launch_templates),
    "AWS::Batch::ComputeEnvironment": (
        "ComputeEnvironmentName",
        _batch("describe_compute_environments", "computeEnvironments", "computeEnvironmentName"),
    ),
    "AWS::Batch::JobQueue": (
        "JobQueueName",
        _batch("describe_job_queues", "jobQueues", "jobQueueName"),
    ),
}


def taken_names(
    client: Client, stack_id: str, wanted: Mapping[str, Mapping[str, Any]], added: Iterable[str]
) -> list[dict[str, Any]]:
    """Return an event for each resource to be added whose name is taken.

    Args:
        client: Makes clients of services.
        stack_id: The stack's ARN.
        wanted: The resources that the template asks for, by their logical names.
        added: The logical names of those that are new.
    """
    events = []
    for logical in added:
        kind = wanted[logical]["Type"]
        if kind not in NAMED:
            continue
        property_, names = NAMED[kind]
        name = wanted[logical]["Properties"].get(property_)
        if isinstance(name, str) and name in names(client):
            events.append(_event(stack_id, logical, kind, name, property_))
    return events


def _event(stack_id: str, logical: str, kind: str, name: str, property_: str) -> dict[str, Any]:
    return {
        "EventId": str(uuid.uuid4()),
        "StackId": stack_id,
        "OperationId": str(uuid.uuid4()),
        "OperationType": "CREATE_CHANGESET",
        "EventType": "VALIDATION_ERROR",
        "LogicalResourceId": logical,
        "PhysicalResourceId": name,
        "ResourceType": kind,
        "Timestamp": datetime.now(timezone.utc),
        "ValidationFailureMode": "FAIL",
        "ValidationName": "NAME_CONFLICT_VALIDATION",
        "ValidationStatus": "FAILED",
        "ValidationStatusReason": f"Resource of type '{kind}' with identifier '{name}' already "
        "exists.",
        "ValidationPath": f"/Resources/{logical}/Properties/{property_}",
    }
