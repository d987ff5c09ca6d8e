"""What a deployment would change: a change set of the template, to be executed or discarded."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from ..shared.account import Account
from ..shared.errors import Refusal
from .stack import StackState, fix_for, look_every

# The template's parameters; what a command's user leaves out keeps its value or the default.
PARAMETERS = (
    "Prefix",
    "VpcId",
    "SubnetIds",
    "InstanceTypes",
    "GpuInstanceTypes",
    "MinvCpus",
    "MaxvCpus",
    "Spot",
    "RootVolumeGiB",
    "ObjectDays",
    "LogDays",
    "KeepWarmMinutes",
    "RegionInNames",
    "PermissionsBoundary",
    "KmsKeyArn",
    "InstanceTags",
)

NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True)
class Change:
    """What a plan does to one resource: Add, Modify or Remove."""

    action: str
    resource: str
    kind: str
    replacement: str


@dataclass(frozen=True)
class Plan:
    """A change set that waits to be executed.

    Attributes:
        change_set: Its ARN.
        stack_id: The stack's ARN.
        creates: Whether the stack is a new one.
        changes: What it does.
    """

    change_set: str
    stack_id: str
    creates: bool
    changes: tuple[Change, ...]


def template() -> str:
    """Return the text of the CloudFormation template."""
    return (files("covalent_awsbatch_plugin") / "assets" / "cloudformation.yaml").read_text(
        "utf-8"
    )


def make_plan(
    account: Account,
    name: str,
    state: StackState | None,
    given: Mapping[str, str],
    tags: Mapping[str, str],
) -> Plan | None:
    """Make a change set of the template, the given parameters, and tags for a new stack.

    Returns:
        The plan; nothing where the stack already is as asked for.

    Raises:
        Refusal: CloudFormation refused the template or the parameters.
    """
    cloudformation = account.client("cloudformation")
    creates = state is None or state.status == "REVIEW_IN_PROGRESS"
    request: dict[str, Any] = {
        "StackName": name,
        "ChangeSetName": f"covalent-awsbatch-{time.time_ns()}",
        "ChangeSetType": "CREATE" if creates else "UPDATE",
        "TemplateBody": template(),
        "Parameters": _parameters(None if creates else state, given),
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
    }
    if creates:
        # What a failed creation made is removed at once, so that the next attempt can start.
        request["OnStackFailure"] = "DELETE"
        # Not later: the tags of a compute environment cannot be changed.
        request["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
    made = cloudformation.create_change_set(**request)
    try:
        described = _wait_for_change_set(account, made["Id"])
    except KeyboardInterrupt:
        discard(account, Plan(made["Id"], made["StackId"], creates, ()))
        raise
    plan = Plan(made["Id"], made["StackId"], creates, _changes(described))
    if described["Status"] == "CREATE_COMPLETE":
        return plan
    reason = described.get("StatusReason", "no reason given")
    # Before the change set is deleted, and its events with it.
    reason = _validation_errors(account, plan.change_set) or reason
    discard(account, plan)
    if any(words in reason for words in NO_CHANGES):
        return None
    raise Refusal(f"CloudFormation cannot make this deployment: {reason}", fix_for(reason))


def discard(account: Account, plan: Plan) -> None:
    """Delete a plan, and the empty stack that CloudFormation made to hold it."""
    cloudformation = account.client("cloudformation")
    cloudformation.delete_change_set(ChangeSetName=plan.change_set)
    if plan.creates:
        cloudformation.delete_stack(StackName=plan.stack_id)


def execute(account: Account, plan: Plan) -> None:
    """Start what a plan has."""
    account.client("cloudformation").execute_change_set(ChangeSetName=plan.change_set)


def _parameters(state: StackState | None, given: Mapping[str, str]) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {"ParameterKey": name, "ParameterValue": value} for name, value in given.items()
    ]
    kept = [n for n in PARAMETERS if state and n in state.parameters and n not in given]
    return parameters + [{"ParameterKey": name, "UsePreviousValue": True} for name in kept]


def _wait_for_change_set(account: Account, change_set: str) -> dict[str, Any]:
    cloudformation = account.client("cloudformation")
    while True:
        described: dict[str, Any] = cloudformation.describe_change_set(ChangeSetName=change_set)
        if described["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            return described
        time.sleep(look_every(account))


def _validation_errors(account: Account, change_set: str) -> str:
    """Return what the validation of a change set found; empty where it found nothing."""
    cloudformation = account.client("cloudformation")
    if not hasattr(cloudformation, "describe_events"):
        # An SDK from before November 2025.
        return ""
    found = cloudformation.describe_events(
        ChangeSetName=change_set, Filters={"FailedEvents": True}
    )
    return " ".join(
        f"{event.get('LogicalResourceId', '')}: {event['ValidationStatusReason']}"
        for event in found["OperationEvents"]
        if event.get("ValidationStatusReason")
    )


def _changes(described: Mapping[str, Any]) -> tuple[Change, ...]:
    changes = [c["ResourceChange"] for c in described.get("Changes", ()) if "ResourceChange" in c]
    return tuple(
        Change(
            action=c["Action"],
            resource=c["LogicalResourceId"],
            kind=c["ResourceType"],
            replacement=c.get("Replacement", ""),
        )
        for c in changes
    )
