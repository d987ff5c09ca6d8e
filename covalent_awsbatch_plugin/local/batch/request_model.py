"""Requests against botocore's model of Batch, and against what Batch documents of queues."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...options import service_model
from ..services import moto_backend
from ..services.moto_backend import Region
from .errors import ClientError
from .limits import NAME, PAGE, check_definition

MOST_ENVIRONMENTS = 3
REQUIRED_ON_EC2 = ("subnets", "instanceRole", "instanceTypes")
WAITING_SECONDS = (600, 86_400)


def check(operation: str, request: Any) -> None:
    """Check a request against the model of its operation.

    What the model does not know is ignored, as by AWS: the caller's SDK may be newer.

    Raises:
        ClientError: AWS would refuse it.
    """
    model = service_model.service("batch")
    if operation not in model.operation_names:
        # An older botocore than the caller's.
        return
    shape = model.operation_model(operation).input_shape
    for found in service_model.violations(request, shape, "request"):
        if not found.endswith(service_model.UNKNOWN):
            raise ClientError(f"Error executing request, Exception : {found}")


def check_resources(operation: str, region: Region, request: Mapping[str, Any]) -> None:
    """Check a request about queues, environments or definitions.

    Raises:
        ClientError: AWS would refuse it.
    """
    if found := _CHECKS.get(operation):
        found(region, request)


def _queue(region: Region, request: Mapping[str, Any]) -> None:
    name = request.get("jobQueueName")
    if name is not None and not NAME.fullmatch(name):
        raise ClientError(f"jobQueueName should match valid pattern: {name!r}")
    if request.get("priority", 0) < 0:
        raise ClientError("priority must be at least 0")
    order = request.get("computeEnvironmentOrder")
    if order is not None:
        _check_order(order)
    for action in request.get("jobStateTimeLimitActions") or ():
        low, high = WAITING_SECONDS
        if not low <= action["maxTimeSeconds"] <= high:
            raise ClientError(f"maxTimeSeconds must be between {low} and {high}")
        if action["action"] != "CANCEL":
            raise ClientError("The action for queues of ECS must be CANCEL")


def _check_order(order: Sequence[Mapping[str, Any]]) -> None:
    if not 1 <= len(order) <= MOST_ENVIRONMENTS:
        raise ClientError(f"A queue must have 1 to {MOST_ENVIRONMENTS} compute environments")
    for member in ("order", "computeEnvironment"):
        if len({each[member] for each in order}) < len(order):
            raise ClientError(f"computeEnvironmentOrder must not repeat {member}")


def _environment(region: Region, request: Mapping[str, Any]) -> None:
    name = request["computeEnvironmentName"]
    if not NAME.fullmatch(name):
        raise ClientError(f"computeEnvironmentName should match valid pattern: {name!r}")
    if moto_backend.environment_use(region, name)[0]:
        raise ClientError("Object already exists")
    resources = request.get("computeResources") or {}
    if request["type"] == "MANAGED" and not resources:
        raise ClientError("computeResources must be provided for a MANAGED compute environment")
    on_ec2 = resources.get("type") in ("EC2", "SPOT")
    for member in REQUIRED_ON_EC2 if on_ec2 else ():
        if not resources.get(member):
            raise ClientError(f"computeResources.{member} must be provided")
    if resources and resources.get("minvCpus", 0) > resources["maxvCpus"]:
        raise ClientError("maxvCpus must not be below minvCpus")


def _queue_to_delete(region: Region, request: Mapping[str, Any]) -> None:
    queue = moto_backend.queue(region, request["jobQueue"])
    if queue is not None and queue.enabled:
        raise ClientError("Cannot delete, the job queue must be DISABLED first")


def _environment_to_delete(region: Region, request: Mapping[str, Any]) -> None:
    state, queues = moto_backend.environment_use(region, request["computeEnvironment"])
    if state == "ENABLED":
        raise ClientError("Cannot delete, the compute environment must be DISABLED first")
    if queues:
        raise ClientError("Cannot delete, found existing JobQueue relationship")


def _definition(region: Region, request: Mapping[str, Any]) -> None:
    check_definition(request)


def _definitions(region: Region, request: Mapping[str, Any]) -> None:
    if not 1 <= request.get("maxResults", PAGE) <= PAGE:
        raise ClientError(f"maxResults must be between 1 and {PAGE}")


_CHECKS: Mapping[str, Callable[[Region, Mapping[str, Any]], None]] = {
    "CreateJobQueue": _queue,
    "UpdateJobQueue": _queue,
    "DeleteJobQueue": _queue_to_delete,
    "CreateComputeEnvironment": _environment,
    "DeleteComputeEnvironment": _environment_to_delete,
    "RegisterJobDefinition": _definition,
    "DescribeJobDefinitions": _definitions,
}
