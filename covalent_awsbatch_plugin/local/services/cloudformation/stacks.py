"""Stacks and change sets: made, planned, changed, rolled back, deleted.

Whatever is to be done is done when a call returns, so a stack is never seen in progress.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from ..clients import Client, partition_of
from . import template as language
from .early_validation import taken_names
from .records import ChangeSet, Resource, Stack, differences
from .resources import KINDS


class Refused(Exception):
    """What CloudFormation answers as a ValidationError."""


class Stacks:
    """The stacks and change sets of one account and region."""

    def __init__(self, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self.stacks: list[Stack] = []
        self.change_sets: list[ChangeSet] = []

    def find(self, name: str) -> Stack:
        """Return a stack by its ARN, or one that is not deleted by its name.

        Raises:
            Refused: There is none.
        """
        for stack in self.stacks:
            if name == stack.stack_id or (name == stack.name and not stack.deleted):
                return stack
        raise Refused(f"Stack with id {name} does not exist")

    def exists(self, name: str) -> bool:
        """Whether there is a stack of this name that is more than a plan."""
        return any(s.name == name and not s.deleted for s in self.stacks)

    def new(self, name: str) -> Stack:
        """Return a new, empty stack."""
        arn = self._arn("stack", name)
        stack = Stack(name=name, stack_id=arn, region=self.region, account=self.account)
        self.stacks.append(stack)
        return stack

    def plan(
        self,
        client: Client,
        name: str,
        set_name: str,
        kind: str,
        text: str,
        given: dict[str, str],
        failure: str,
    ) -> ChangeSet:
        """Make a change set, and look whether names that it needs are taken."""
        if kind == "CREATE":
            stack = next((s for s in self.stacks if s.name == name and not s.deleted), None)
            if stack is not None and stack.status != "REVIEW_IN_PROGRESS":
                raise Refused(f"Stack [{name}] already exists and cannot be created again")
            stack = stack or self.new(name)
        else:
            stack = self.find(name)
            refuse_unusable(stack)
        _content, values, wanted = self.evaluate(name, text, given)
        change_set = ChangeSet(
            arn=self._arn("changeSet", set_name),
            name=set_name,
            kind=kind,
            stack=stack,
            text=text,
            parameters=values,
            on_failure=failure,
            changes=differences(stack.resources, wanted),
        )
        added = [
            change["ResourceChange"]["LogicalResourceId"]
            for change in change_set.changes
            if change["ResourceChange"]["Action"] == "Add"
        ]
        change_set.events = taken_names(client, stack.stack_id, wanted, added)
        self.change_sets.append(change_set)
        return change_set

    def change_set(self, name: str) -> ChangeSet:
        """Return a change set by its name or ARN.

        Raises:
            Refused: There is none.
        """
        for change_set in self.change_sets:
            if name in (change_set.arn, change_set.name):
                return change_set
        raise Refused(f"ChangeSet [{name}] does not exist")

    def evaluate(
        self, name: str, text: str, given: Mapping[str, str]
    ) -> tuple[dict[str, Any], dict[str, str], dict[str, dict[str, Any]]]:
        """Return a template, all its parameters, and the resources that it asks for."""
        content = language.load(text)
        values = language.parameters(content, given)
        return content, values, language.resources(content, self._known(name, content, values))

    def create(
        self, client: Client, stack: Stack, text: str, given: Mapping[str, str], failure: str
    ) -> None:
        """Make all of a stack; what a failure has made is removed, as ``failure`` asks."""
        stack.set_status("CREATE_IN_PROGRESS", "User Initiated")
        reason = self._bring_about(client, stack, text, given)
        if not reason:
            stack.set_status("CREATE_COMPLETE")
        elif failure == "DO_NOTHING":
            stack.set_status("CREATE_FAILED", reason)
        else:
            stack.set_status(
                "ROLLBACK_IN_PROGRESS" if failure == "ROLLBACK" else "DELETE_IN_PROGRESS", reason
            )
            self._remove_all(client, stack, retain=())
            stack.set_status("ROLLBACK_COMPLETE" if failure == "ROLLBACK" else "DELETE_COMPLETE")

    def update(self, client: Client, stack: Stack, text: str, given: Mapping[str, str]) -> None:
        """Bring a stack to what a template and parameters ask for, or back on a failure."""
        refuse_unusable(stack)
        before = stack.text, dict(stack.parameters)
        stack.set_status("UPDATE_IN_PROGRESS", "User Initiated")
        reason = self._bring_about(client, stack, text, given)
        if not reason:
            stack.set_status("UPDATE_COMPLETE")
            return
        stack.set_status("UPDATE_ROLLBACK_IN_PROGRESS", reason)
        again = self._bring_about(client, stack, *before)
        stack.set_status("UPDATE_ROLLBACK_FAILED" if again else "UPDATE_ROLLBACK_COMPLETE", again)

    def delete(self, client: Client, stack: Stack, retain: tuple[str, ...]) -> None:
        """Delete a stack and its resources, the dependent ones first."""
        if stack.deleted:
            return
        stack.set_status("DELETE_IN_PROGRESS", "User Initiated")
        reason = self._remove_all(client, stack, retain)
        stack.set_status("DELETE_FAILED" if reason else "DELETE_COMPLETE", reason)

    # ---- The work

    def _bring_about(
        self, client: Client, stack: Stack, text: str, given: Mapping[str, str]
    ) -> str:
        """Make, change and remove resources; return why it failed, or nothing."""
        content, values, wanted = self.evaluate(stack.name, text, given)
        for name in language.in_order(wanted):
            reason = self._make_or_change(client, stack, name, wanted[name])
            if reason:
                return f"The following resource(s) failed: [{name}]. {reason}"
        for name in [n for n in reversed(stack.resources) if n not in wanted]:
            self._remove(client, stack, stack.resources[name])
        stack.text, stack.parameters = text, values
        declared = language.outputs(content, self._known(stack.name, content, values))
        stack.outputs = {k: str(self._resolved(stack, value)) for k, value in declared.items()}
        return ""

    def _make_or_change(
        self, client: Client, stack: Stack, name: str, wanted: dict[str, Any]
    ) -> str:
        there = stack.resources.get(name)
        properties = self._resolved(stack, wanted["Properties"])
        if there is not None and there.physical is not None and there.wanted == wanted:
            return ""
        resource = there or stack.resources.setdefault(name, Resource(name, wanted))
        doing = "UPDATE" if resource.physical else "CREATE"
        kind = KINDS[wanted["Type"]]
        try:
            if resource.physical is None:
                resource.physical = kind.make(client, properties)
            elif kind.change is None:
                kind.remove(client, resource.physical.name)
                resource.physical = kind.make(client, properties)
            else:
                resource.physical = kind.change(client, resource.physical, properties)
        except Exception as error:  # noqa: BLE001 - whatever AWS answers is the resource's failure
            self._mark(stack, resource, f"{doing}_FAILED", str(error))
            return str(error)
        resource.wanted = wanted
        self._mark(stack, resource, f"{doing}_COMPLETE")
        return ""

    def _remove_all(self, client: Client, stack: Stack, retain: tuple[str, ...]) -> str:
        order = language.in_order({r.name: r.wanted for r in stack.resources.values()})
        for name in reversed(order):
            if name in retain:
                self._mark(stack, stack.resources[name], "DELETE_SKIPPED")
            else:
                self._remove(client, stack, stack.resources[name])
        failed = [r.name for r in stack.resources.values() if r.status == "DELETE_FAILED"]
        return (
            f"The following resource(s) failed to delete: [{', '.join(failed)}]." if failed else ""
        )

    def _remove(self, client: Client, stack: Stack, resource: Resource) -> None:
        if resource.status in ("DELETE_COMPLETE", "DELETE_SKIPPED"):
            return
        try:
            if resource.physical is not None:
                KINDS[resource.wanted["Type"]].remove(client, resource.physical.name)
        except Exception as error:  # noqa: BLE001 - whatever AWS answers is the resource's failure
            if not _is_gone(error):
                self._mark(stack, resource, "DELETE_FAILED", str(error))
                return
        self._mark(stack, resource, "DELETE_COMPLETE")
        if stack.status.startswith("UPDATE"):
            del stack.resources[resource.name]

    def _mark(self, stack: Stack, resource: Resource, status: str, reason: str = "") -> None:
        resource.status, resource.reason = status, reason
        physical = resource.physical.name if resource.physical else ""
        stack.add_event(resource.name, physical, resource.wanted["Type"], status, reason)

    def _resolved(self, stack: Stack, node: Any) -> Any:
        def find(name: str, attribute: str) -> str:
            physical = stack.resources[name].physical
            if physical is None:
                raise Refused(f"Unresolved resource dependencies [{name}] in the template")
            return physical.attributes[attribute] if attribute else physical.name

        return language.resolved(node, find)

    def _known(
        self, name: str, content: Mapping[str, Any], values: Mapping[str, str]
    ) -> dict[str, Any]:
        pseudo = {
            "AWS::AccountId": self.account,
            "AWS::Partition": partition_of(self.region),
            "AWS::Region": self.region,
            "AWS::StackName": name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        return language.environment(content, values, pseudo)

    def _arn(self, kind: str, name: str) -> str:
        partition = partition_of(self.region)
        where = f"arn:{partition}:cloudformation:{self.region}:{self.account}"
        return f"{where}:{kind}/{name}/{uuid.uuid4()}"


def refuse_unusable(stack: Stack) -> None:
    """Refuse to update a stack that CloudFormation would not.

    Raises:
        Refused: It is in such a status.
    """
    if stack.status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"):
        raise Refused(f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.")


def _is_gone(error: Exception) -> bool:
    code = str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
    return "NotFound" in code or code in ("NoSuchEntity", "NoSuchBucket")
