"""What users attached to a stack's roles and policy: IAM deletes none that has something attached.

The documentation asks users to do so: the dispatcher's policy to the server's role, and policies
of their own to the job role.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...aws.calls.aws_errors import code_of
from ..shared.account import Account
from .stack import Resource

ROLE, POLICY = "AWS::IAM::Role", "AWS::IAM::ManagedPolicy"

# Inline policies and attached ones that the template itself gives to roles.
OWN = ("start-tasks", "task-objects", "AmazonEC2ContainerServiceforEC2Role")


@dataclass(frozen=True)
class Attachment:
    """A policy on a role, user or group.

    Attributes:
        policy: The managed policy's ARN, or the inline policy's name.
        kind: ``role``, ``user`` or ``group``.
        holder: Whose it is.
        inline: Whether it is an inline policy, which is deleted, not detached.
    """

    policy: str
    kind: str
    holder: str
    inline: bool = False

    def __str__(self) -> str:
        kind = "inline policy" if self.inline else "policy"
        return f"{kind} {self.policy.rpartition('/')[2]} of the {self.kind} {self.holder}"


def find_attachments(account: Account, resources: Iterable[Resource]) -> list[Attachment]:
    """Return what prevents the deletion of a stack's roles and policies."""
    found: list[Attachment] = []
    for resource in resources:
        if resource.physical and resource.kind == ROLE:
            found += _if_there(_of_role(account, resource.physical))
        if resource.physical and resource.kind == POLICY:
            found += _if_there(_of_policy(account, resource.physical))
    return list(dict.fromkeys(found))


def detach(account: Account, attachments: Iterable[Attachment]) -> None:
    """Detach policies, and delete inline ones."""
    iam = account.client("iam")
    for each in attachments:
        holder = {f"{each.kind.capitalize()}Name": each.holder}
        if each.inline:
            getattr(iam, f"delete_{each.kind}_policy")(**holder, PolicyName=each.policy)
        else:
            getattr(iam, f"detach_{each.kind}_policy")(**holder, PolicyArn=each.policy)


def _if_there(found: Iterator[Attachment]) -> list[Attachment]:
    from botocore.exceptions import ClientError

    try:
        return list(found)
    except ClientError as error:
        # A creation or deletion that failed half-way has removed it.
        if code_of(error) != "NoSuchEntity":
            raise
        return []


def _of_role(account: Account, role: str) -> Iterator[Attachment]:
    attached = _pages(account, "list_attached_role_policies", "AttachedPolicies", RoleName=role)
    for policy in attached:
        if policy["PolicyName"] not in OWN:
            yield Attachment(policy["PolicyArn"], "role", role)
    for name in _pages(account, "list_role_policies", "PolicyNames", RoleName=role):
        if name not in OWN:
            yield Attachment(name, "role", role, inline=True)


def _of_policy(account: Account, arn: str) -> Iterator[Attachment]:
    pages = account.client("iam").get_paginator("list_entities_for_policy")
    for page in pages.paginate(PolicyArn=arn):
        for kind in ("Role", "User", "Group"):
            holders: list[Mapping[str, Any]] = page.get(f"Policy{kind}s", [])
            yield from (Attachment(arn, kind.lower(), each[f"{kind}Name"]) for each in holders)


def _pages(account: Account, operation: str, key: str, **which: str) -> Iterator[Any]:
    for page in account.client("iam").get_paginator(operation).paginate(**which):
        yield from page[key]
