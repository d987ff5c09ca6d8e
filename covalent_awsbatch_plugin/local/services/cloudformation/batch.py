"""Batch's types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..clients import Client
from .kinds import Kind, Physical, Properties, camel, without


def _make_environment(client: Client, properties: Properties) -> Physical:
    arn = client("batch").create_compute_environment(
        computeEnvironmentName=properties["ComputeEnvironmentName"],
        type=properties["Type"],
        state=properties["State"],
        computeResources=camel(_compute_resources(properties)),
        serviceRole=_service_linked_role(client),
    )["computeEnvironmentArn"]
    return Physical(arn, {"ComputeEnvironmentArn": arn})


def _service_linked_role(client: Client) -> str:
    """Return the role that AWS Batch gives itself; moto wants it to be named."""
    iam, service = client("iam"), "batch.amazonaws.com"
    there = iam.list_roles(PathPrefix=f"/aws-service-role/{service}/")["Roles"]
    role = there[0] if there else iam.create_service_linked_role(AWSServiceName=service)["Role"]
    return str(role["Arn"])


def _change_environment(client: Client, physical: Physical, properties: Properties) -> Physical:
    client("batch").update_compute_environment(
        computeEnvironment=physical.name,
        state=properties["State"],
        computeResources=camel(_compute_resources(properties)),
    )
    return physical


def _compute_resources(properties: Properties) -> dict[str, Any]:
    # Only CloudFormation and updates know it.
    return without(properties["ComputeResources"], "UpdateToLatestImageVersion")


def _remove_environment(client: Client, arn: str) -> None:
    batch = client("batch")
    batch.update_compute_environment(computeEnvironment=arn, state="DISABLED")
    batch.delete_compute_environment(computeEnvironment=arn)


def _make_queue(client: Client, properties: Properties) -> Physical:
    arn = client("batch").create_job_queue(**camel(dict(properties)))["jobQueueArn"]
    return Physical(arn, {"JobQueueArn": arn})


def _change_queue(client: Client, physical: Physical, properties: Properties) -> Physical:
    changed = camel(without(properties, "JobQueueName"))
    client("batch").update_job_queue(jobQueue=physical.name, **changed)
    return physical


def _remove_queue(client: Client, arn: str) -> None:
    batch = client("batch")
    batch.update_job_queue(jobQueue=arn, state="DISABLED")
    batch.delete_job_queue(jobQueue=arn)


def _make_definition(client: Client, properties: Properties) -> Physical:
    request = camel(dict(properties))
    arn = client("batch").register_job_definition(**request)["jobDefinitionArn"]
    return Physical(arn, {})


def _change_definition(client: Client, physical: Physical, properties: Properties) -> Physical:
    made = _make_definition(client, properties)
    _remove_definition(client, physical.name)
    return made


def _remove_definition(client: Client, arn: str) -> None:
    client("batch").deregister_job_definition(jobDefinition=arn)


BATCH_KINDS: Mapping[str, Kind] = {
    "AWS::Batch::ComputeEnvironment": Kind(
        _make_environment, _remove_environment, _change_environment
    ),
    "AWS::Batch::JobQueue": Kind(_make_queue, _remove_queue, _change_queue),
    "AWS::Batch::JobDefinition": Kind(_make_definition, _remove_definition, _change_definition),
}
