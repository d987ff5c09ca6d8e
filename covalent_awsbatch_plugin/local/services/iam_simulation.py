"""IAM's policy simulation, which moto lacks: what a user's or role's policies allow.

Resources, actions, explicit denials, and the condition operators StringEquals and StringLike are
evaluated; a statement with any other condition does not apply.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from .clients import Client, own_client

# Whom moto takes the bearer of unknown keys for. The local AWS lets them do everything.
NOBODY_IN_PARTICULAR = ":user/moto"
EVERYTHING = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}

ALLOWED, DENIED, EXPLICITLY_DENIED = "allowed", "implicitDeny", "explicitDeny"


def decide(
    policies: Iterable[Mapping[str, Any]], action: str, resource: str, context: Mapping[str, str]
) -> str:
    """Return how policies decide on an action on a resource.

    Args:
        policies: Policy documents.
        action: The action, such as ``s3:GetObject``.
        resource: The resource's ARN, or ``*``.
        context: The values of condition keys.
    """
    decision = DENIED
    for policy in policies:
        for statement in _list(policy.get("Statement")):
            if not _applies(statement, action, resource, context):
                continue
            if statement["Effect"] == "Deny":
                return EXPLICITLY_DENIED
            decision = ALLOWED
    return decision


def _applies(
    statement: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str]
) -> bool:
    return (
        _any_matches(statement.get("Action"), action, re.IGNORECASE)
        and _any_matches(statement.get("Resource"), resource)
        and all(
            _holds(operator, key, values, context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _holds(operator: str, key: str, values: Any, context: Mapping[str, str]) -> bool:
    if operator not in ("StringEquals", "StringLike") or key not in context:
        return False
    if operator == "StringEquals":
        return context[key] in _list(values)
    return _any_matches(values, context[key])


def _any_matches(patterns: Any, text: str, flags: int = 0) -> bool:
    return any(re.fullmatch(_pattern(p), text, flags) for p in _list(patterns))


def _pattern(text: str) -> str:
    return re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


# ---- In moto's place


def install() -> None:
    """Teach moto's IAM the action; once, before its server starts."""
    from moto.iam.responses import IamResponse

    IamResponse.simulate_principal_policy = _simulate


def _simulate(response: Any) -> Any:
    from botocore.exceptions import ClientError
    from moto.core.responses import ActionResult
    from moto.iam.exceptions import NotFoundException

    source = response._get_param("PolicySourceArn")
    try:
        policies = list(_policies_of(own_client(response), source))
    except ClientError as error:
        raise NotFoundException(error.response["Error"]["Message"]) from error
    context = {
        entry["ContextKeyName"]: entry["ContextKeyValues"][0]
        for entry in _members(response, "ContextEntries")
    }
    results = [
        {
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": decide(policies, action, resource, context),
        }
        for action in _members(response, "ActionNames")
        for resource in _members(response, "ResourceArns") or ["*"]
    ]
    return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def _members(response: Any, name: str) -> list[Any]:
    return list(response._get_param(name, []))


def _policies_of(client: Client, arn: str) -> Iterator[dict[str, Any]]:
    """Yield the policy documents of a user or role, inline and attached."""
    if arn.endswith(NOBODY_IN_PARTICULAR):
        yield EVERYTHING
        return
    iam, name = client("iam"), arn.rpartition("/")[2]
    kind = "role" if ":role/" in arn else "user"
    who = {"RoleName" if kind == "role" else "UserName": name}
    for policy in getattr(iam, f"list_{kind}_policies")(**who)["PolicyNames"]:
        document = getattr(iam, f"get_{kind}_policy")(**who, PolicyName=policy)["PolicyDocument"]
        yield _read(document)
    for attached in getattr(iam, f"list_attached_{kind}_policies")(**who)["AttachedPolicies"]:
        policy = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]
        version = iam.get_policy_version(
            PolicyArn=attached["PolicyArn"], VersionId=policy["DefaultVersionId"]
        )
        yield _read(version["PolicyVersion"]["Document"])


def _read(document: Any) -> dict[str, Any]:
    return dict(json.loads(unquote(document)) if isinstance(document, str) else document)
