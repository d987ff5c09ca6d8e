"""What there is: stacks, their resources and events, change sets, and what those would change."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from .kinds import Physical
from .resources import KINDS


@dataclass
class Resource:
    """A resource of a stack: what it is meant to be, and what was made."""

    name: str
    wanted: dict[str, Any]
    physical: Physical | None = None
    status: str = "CREATE_IN_PROGRESS"
    reason: str = ""


@dataclass
class Stack:
    """A stack."""

    name: str
    stack_id: str
    region: str
    account: str
    status: str = "REVIEW_IN_PROGRESS"
    reason: str = ""
    text: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    created: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    @property
    def deleted(self) -> bool:
        """Whether it is gone; it can be described by its ARN all the same."""
        return self.status == "DELETE_COMPLETE"

    def set_status(self, status: str, reason: str = "") -> None:
        """Go into a status, and add its event."""
        self.status, self.reason = status, reason
        self.add_event(self.name, self.stack_id, "AWS::CloudFormation::Stack", status, reason)

    def add_event(
        self, name: str, physical: str, kind: str, status: str, reason: str = ""
    ) -> None:
        """Add an event."""
        self.events.append(
            {
                "EventId": str(uuid.uuid4()),
                "StackId": self.stack_id,
                "StackName": self.name,
                "LogicalResourceId": name,
                "PhysicalResourceId": physical,
                "ResourceType": kind,
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
                "Timestamp": datetime.now(timezone.utc),
            }
        )


@dataclass
class ChangeSet:
    """A change set, and what it would do."""

    arn: str
    name: str
    kind: str
    stack: Stack
    text: str
    parameters: dict[str, str]
    on_failure: str
    changes: list[dict[str, Any]]
    executed: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)


def differences(
    there: Mapping[str, Resource], wanted: Mapping[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the changes that turn the resources there are into those that are wanted."""
    made = {name: r for name, r in there.items() if r.physical and r.status != "DELETE_COMPLETE"}
    changes = [_change("Add", n, r["Type"]) for n, r in wanted.items() if n not in made]
    for name, resource in wanted.items():
        if name in made and made[name].wanted != resource:
            replaced = KINDS[resource["Type"]].change is None
            changes.append(
                _change("Modify", name, resource["Type"], "True" if replaced else "False")
            )
    return changes + [
        _change("Remove", n, r.wanted["Type"]) for n, r in made.items() if n not in wanted
    ]


def _change(action: str, name: str, kind: str, replacement: str = "") -> dict[str, Any]:
    change = {"Action": action, "LogicalResourceId": name, "ResourceType": kind}
    if replacement:
        change["Replacement"] = replacement
    return {"Type": "Resource", "ResourceChange": change}
