"""CloudFormation's actions in the place of moto's: from a request to an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..clients import own_client
from .early_validation import REASON
from .records import Stack, differences
from .stacks import Refused, Stacks
from .template import TemplateError

UNCHANGED = (
    "The submitted information didn't contain changes. Submit different information to create a "
    "change set."
)


def install() -> None:
    """Put these actions in the place of moto's; once, before its server starts."""
    from moto.cloudformation.responses import CloudFormationResponse

    # These would turn moto's own objects into answers; ours are answers already.
    CloudFormationResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER = {}
    for name, action in ACTIONS.items():
        setattr(CloudFormationResponse, name, _answering(action))


def _answering(action: Callable[[Any], dict[str, Any] | None]) -> Callable[[Any], Any]:
    def respond(response: Any) -> Any:
        from moto.cloudformation.exceptions import ValidationError
        from moto.core.responses import ActionResult

        try:
            return ActionResult(action(response) or {})
        except (Refused, TemplateError) as error:
            raise ValidationError(message=str(error)) from error

    return respond


def _store(response: Any) -> Stacks:
    # moto throws its backends away when it is reset, and our stacks with them.
    backend = response.cloudformation_backend
    if not hasattr(backend, "covalent_stacks"):
        backend.covalent_stacks = Stacks(backend.account_id, backend.region_name)
    store: Stacks = backend.covalent_stacks
    return store


def _given(response: Any, stack: Stack | None) -> dict[str, str]:
    given = {}
    for parameter in response._get_param("Parameters", []):
        name = parameter["ParameterKey"]
        if parameter.get("UsePreviousValue") and stack:
            given[name] = stack.parameters[name]
        else:
            given[name] = parameter["ParameterValue"]
    return given


def _text(response: Any, stack: Stack | None = None) -> str:
    text = response._get_param("TemplateBody")
    return str(text or (stack.text if stack else ""))


def _create_stack(response: Any) -> dict[str, Any]:
    store, name = _store(response), response._get_param("StackName")
    if store.exists(name):
        raise Refused(f"Stack [{name}] already exists")
    text, given = _text(response), _given(response, None)
    store.evaluate(name, text, given)
    stack = store.new(name)
    failure = response._get_param("OnFailure", "ROLLBACK")
    store.create(own_client(response), stack, text, given, failure)
    return {"StackId": stack.stack_id}


def _update_stack(response: Any) -> dict[str, Any]:
    store = _store(response)
    stack = store.find(response._get_param("StackName"))
    text, given = _text(response, stack), _given(response, stack)
    _content, _values, wanted = store.evaluate(stack.name, text, given)
    if not differences(stack.resources, wanted):
        raise Refused("No updates are to be performed.")
    store.update(own_client(response), stack, text, given)
    return {"StackId": stack.stack_id}


def _delete_stack(response: Any) -> None:
    store = _store(response)
    try:
        stack = store.find(response._get_param("StackName"))
    except Refused:
        return
    retain = tuple(response._get_param("RetainResources", []))
    store.delete(own_client(response), stack, retain)


def _create_change_set(response: Any) -> dict[str, Any]:
    store, name = _store(response), response._get_param("StackName")
    kind = response._get_param("ChangeSetType", "UPDATE")
    stack = store.find(name) if kind == "UPDATE" else None
    change_set = store.plan(
        own_client(response),
        name,
        response._get_param("ChangeSetName"),
        kind,
        _text(response, stack),
        _given(response, stack),
        response._get_param("OnStackFailure", "ROLLBACK"),
    )
    return {"Id": change_set.arn, "StackId": change_set.stack.stack_id}


def _describe_change_set(response: Any) -> dict[str, Any]:
    change_set = _store(response).change_set(response._get_param("ChangeSetName"))
    described = {
        "ChangeSetId": change_set.arn,
        "ChangeSetName": change_set.name,
        "StackId": change_set.stack.stack_id,
        "StackName": change_set.stack.name,
        "Status": "CREATE_COMPLETE",
        "ExecutionStatus": "EXECUTE_COMPLETE" if change_set.executed else "AVAILABLE",
        "Changes": change_set.changes,
    }
    if not change_set.changes:
        described.update(Status="FAILED", ExecutionStatus="UNAVAILABLE", StatusReason=UNCHANGED)
    if change_set.events:
        described.update(Status="FAILED", ExecutionStatus="UNAVAILABLE", StatusReason=REASON)
    return described


def _describe_events(response: Any) -> dict[str, Any]:
    """Handle DescribeEvents, for the events of a change set's validation."""
    change_set = _store(response).change_set(response._get_param("ChangeSetName"))
    return {"OperationEvents": change_set.events}


def _execute_change_set(response: Any) -> None:
    store = _store(response)
    change_set = store.change_set(response._get_param("ChangeSetName"))
    if change_set.executed or not change_set.changes or change_set.events:
        raise Refused(f"ChangeSet [{change_set.name}] cannot be executed in its current state")
    change_set.executed = True
    stack, text, given = change_set.stack, change_set.text, change_set.parameters
    if change_set.kind == "CREATE":
        store.create(own_client(response), stack, text, given, change_set.on_failure)
    else:
        store.update(own_client(response), stack, text, given)


def _delete_change_set(response: Any) -> None:
    store = _store(response)
    store.change_sets.remove(store.change_set(response._get_param("ChangeSetName")))


def _describe_stacks(response: Any) -> dict[str, Any]:
    store, name = _store(response), response._get_param("StackName")
    found = [store.find(name)] if name else [s for s in store.stacks if not s.deleted]
    return {"Stacks": [_described(stack) for stack in found]}


def _described(stack: Stack) -> dict[str, Any]:
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "CreationTime": stack.created,
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason,
        "DisableRollback": False,
        "NotificationARNs": [],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Tags": [],
        "Parameters": [
            {"ParameterKey": k, "ParameterValue": v} for k, v in stack.parameters.items()
        ],
        "Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in stack.outputs.items()],
    }


def _describe_stack_resources(response: Any) -> dict[str, Any]:
    stack = _store(response).find(response._get_param("StackName"))
    return {
        "StackResources": [
            {
                "StackId": stack.stack_id,
                "StackName": stack.name,
                "LogicalResourceId": resource.name,
                "PhysicalResourceId": resource.physical.name if resource.physical else "",
                "ResourceType": resource.wanted["Type"],
                "ResourceStatus": resource.status,
                "ResourceStatusReason": resource.reason,
                "Timestamp": stack.created,
            }
            for resource in stack.resources.values()
        ]
    }


def _describe_stack_events(response: Any) -> dict[str, Any]:
    stack = _store(response).find(response._get_param("StackName"))
    return {"StackEvents": stack.events[::-1]}


def _get_template(response: Any) -> dict[str, Any]:
    stack = _store(response).find(response._get_param("StackName"))
    return {"TemplateBody": stack.text, "StagesAvailable": ["Original", "Processed"]}


ACTIONS: Mapping[str, Callable[[Any], dict[str, Any] | None]] = {
    "create_stack": _create_stack,
    "update_stack": _update_stack,
    "delete_stack": _delete_stack,
    "create_change_set": _create_change_set,
    "describe_change_set": _describe_change_set,
    "describe_events": _describe_events,
    "execute_change_set": _execute_change_set,
    "delete_change_set": _delete_change_set,
    "describe_stacks": _describe_stacks,
    "describe_stack_resources": _describe_stack_resources,
    "describe_stack_events": _describe_stack_events,
    "get_template": _get_template,
}
