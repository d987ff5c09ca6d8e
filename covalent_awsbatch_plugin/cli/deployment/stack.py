"""The CloudFormation stack that holds the cloud resources: state, plan, change, progress."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..shared.account import Account
from ..shared.errors import Refusal, aws_message

# The template's outputs are the executor's configuration keys in CamelCase.
OUTPUT_KEYS = {
    "S3BucketName": "s3_bucket_name",
    "BatchQueue": "batch_queue",
    "BatchJobDefinitionName": "batch_job_definition_name",
    "BatchExecutionRoleName": "batch_execution_role_name",
    "BatchJobRoleName": "batch_job_role_name",
    "BatchJobLogGroupName": "batch_job_log_group_name",
    "Region": "region",
}

# Seconds between two looks at a stack; a change of ours takes AWS one to three minutes.
LOOK_EVERY = 2.0
LOOK_EVERY_LOCALLY = 0.1


@dataclass(frozen=True)
class StackState:
    """A stack as CloudFormation describes it.

    Attributes:
        stack_id: Its ARN, by which it can be asked for after it was deleted.
        status: CloudFormation's status.
        reason: Why it is in that status.
        outputs: Its outputs.
        parameters: Its parameters.
    """

    stack_id: str
    status: str
    reason: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]

    @property
    def region(self) -> str:
        """The region it is in."""
        return self.stack_id.split(":")[3]

    @property
    def busy(self) -> bool:
        """Whether CloudFormation is at work on it."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    def options(self) -> dict[str, str]:
        """Return the outputs as options of the executor."""
        return {OUTPUT_KEYS[k]: v for k, v in self.outputs.items() if k in OUTPUT_KEYS}


@dataclass(frozen=True)
class Resource:
    """One resource of a stack and how far it is."""

    name: str
    physical: str
    kind: str
    status: str
    reason: str


def stack_name(prefix: str) -> str:
    """Return the name of the stack of a prefix."""
    return f"{prefix}-awsbatch"


def find_stack(account: Account, name: str) -> StackState | None:
    """Return the stack of a name or ARN, where there is one."""
    from botocore.exceptions import ClientError

    try:
        answer = account.client("cloudformation").describe_stacks(StackName=name)
    except ClientError as error:
        if "does not exist" in aws_message(error):
            return None
        raise
    described = answer["Stacks"][0]
    return StackState(
        stack_id=described["StackId"],
        status=described["StackStatus"],
        reason=described.get("StackStatusReason", ""),
        outputs={o["OutputKey"]: o["OutputValue"] for o in described.get("Outputs", ())},
        parameters={
            p["ParameterKey"]: p.get("ParameterValue", "") for p in described.get("Parameters", ())
        },
    )


def refuse_unusable(state: StackState, name: str, again: str) -> None:
    """Refuse a stack that CloudFormation cannot change.

    Args:
        state: The stack.
        name: Its name.
        again: The options that name it to the command line, such as ``--prefix lab``.

    Raises:
        Refusal: The stack is busy, or what a failed operation left.
    """
    because = f" ({state.reason})" if state.reason else ""
    if state.busy:
        raise Refusal(
            f"The stack {name} is being changed elsewhere: {state.status}{because}.",
            "wait until that has ended, then try again.",
        )
    if state.status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"):
        raise Refusal(
            f"The stack {name} is in {state.status}{because}: what an attempt that failed left "
            "behind. CloudFormation cannot update it.",
            f"remove it with 'covalent-awsbatch deploy --delete{again}', then deploy again.",
        )
    if state.status == "UPDATE_ROLLBACK_FAILED":
        raise Refusal(
            f"The stack {name} is in UPDATE_ROLLBACK_FAILED{because}.",
            f"'aws cloudformation continue-update-rollback --stack-name {name} "
            f"--region {state.region}', then try again.",
        )


def follow(account: Account, stack_id: str) -> Iterator[tuple[StackState, list[Resource]]]:
    """Yield the stack and its resources, again and again, until CloudFormation is done."""
    while True:
        state = find_stack(account, stack_id)
        if state is None:
            # A deleted stack can be described by its ARN; one that cannot is gone for good.
            state = StackState(stack_id, "DELETE_COMPLETE", "", {}, {})
        yield state, resources(account, stack_id)
        if not state.busy and state.status != "REVIEW_IN_PROGRESS":
            return
        time.sleep(look_every(account))


def look_every(account: Account) -> float:
    """Return the seconds between two looks."""
    return LOOK_EVERY_LOCALLY if account.endpoint_url else LOOK_EVERY


def resources(account: Account, stack_id: str) -> list[Resource]:
    """Return a stack's resources; none where it has none or is gone."""
    from botocore.exceptions import ClientError

    cloudformation = account.client("cloudformation")
    try:
        answer = cloudformation.describe_stack_resources(StackName=stack_id)
    except ClientError as error:
        if "does not exist" in aws_message(error):
            return []
        raise
    return [
        Resource(
            name=r["LogicalResourceId"],
            physical=r.get("PhysicalResourceId", ""),
            kind=r["ResourceType"],
            status=r["ResourceStatus"],
            reason=r.get("ResourceStatusReason", ""),
        )
        for r in answer["StackResources"]
    ]


def failure(account: Account, stack_id: str) -> str:
    """Return what failed first in a stack's last operation, in CloudFormation's words."""
    pages = account.client("cloudformation").get_paginator("describe_stack_events")
    first = ""
    for page in pages.paginate(StackName=stack_id):
        for event in page["StackEvents"]:
            reason = event.get("ResourceStatusReason", "")
            if event["ResourceStatus"].endswith("_FAILED") and "cancelled" not in reason:
                first = f"{event['LogicalResourceId']}: {reason}"
            if _starts_operation(event) and first:
                return first
    return first


def fix_for(reason: str) -> str:
    """Return what to do about a failure that CloudFormation gives a reason for."""
    lowered = reason.lower()
    if "already exist" in lowered:
        return (
            "something has that name already, made by hand or by a deployment in another region "
            "or account: delete it, or deploy with another --prefix."
        )
    if "kms key does not exist or is not allowed" in lowered:
        return (
            "let the service logs.REGION.amazonaws.com use the key in its key policy: "
            "kms:Encrypt*, kms:Decrypt*, kms:ReEncrypt*, kms:GenerateDataKey* and kms:Describe*."
        )
    if any(words in lowered for words in ("not authorized", "accessdenied", "access denied")):
        return "deploy with credentials (--profile) that may make these resources."
    if any(words in lowered for words in ("limit", "quota")):
        return "ask AWS for a higher quota, or delete what is not needed any more."
    return "the stack's events in the CloudFormation console have details."


def _starts_operation(event: Mapping[str, Any]) -> bool:
    return event["PhysicalResourceId"] == event["StackId"] and event["ResourceStatus"] in (
        "CREATE_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
        "DELETE_IN_PROGRESS",
    )
