"""The roles: that they exist, that ECS may use them, that they and we may do what a job needs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from ...aws.calls.aws_errors import Kind, classify, code_of
from ...protocol import s3_keys
from ..shared.errors import aws_message
from .finding import Case, Finding, ok, problem, unknown
from .image import ecr_repository_arn
from .key import find_key

ECS = "ecs-tasks.amazonaws.com"


@dataclass(frozen=True)
class Need:
    """Actions that must be allowed on a resource, in a context of condition keys."""

    actions: tuple[str, ...]
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def check_job_role(case: Case) -> Iterator[Finding]:
    """Check the role that a task has."""
    objects = f"{_bucket_arn(case)}/{s3_keys.PREFIX}/x"
    needs = [Need(("s3:GetObject", "s3:PutObject"), objects), *_key_needs(case)]
    yield from _check_role(case, "job role", "batch_job_role_name", needs)


def check_execution_role(case: Case) -> Iterator[Finding]:
    """Check the role with which ECS starts a task."""
    streams = case.arn("logs", f"log-group:{case.options['log_group_name']}:log-stream:x")
    needs = [Need(("logs:CreateLogStream", "logs:PutLogEvents"), streams)]
    repository = ecr_repository_arn(case)
    if repository:
        pulling = ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
        needs += [
            Need(("ecr:GetAuthorizationToken",), "*"),
            Need(tuple(f"ecr:{action}" for action in pulling), repository),
        ]
    yield from _check_role(case, "execution role", "execution_role", needs)


def check_permissions(case: Case) -> Iterator[Finding]:
    """Check what these credentials may do, where IAM shows it."""
    principal = _principal(case)
    if principal is None:
        yield ok("credentials", "permissions", "The account's root user may do everything.")
        return
    yield _simulated(case, "credentials", principal, dispatcher_needs(case))


def _principal(case: Case) -> str | None:
    """Return the ARN of the user or role behind the caller; nothing for the root user.

    The caller's ARN has no path, which the roles of SSO have.
    """
    from botocore.exceptions import ClientError

    guessed = principal_arn(case.identity.arn)
    if ":assumed-role/" not in case.identity.arn or guessed is None:
        return guessed
    try:
        role = case.account.client("iam").get_role(RoleName=guessed.rpartition("/")[2])
    except ClientError:
        return guessed
    return str(role["Role"]["Arn"])


def dispatcher_needs(case: Case) -> list[Need]:
    """Return what the Covalent server's credentials must be allowed."""
    definition = case.options["batch_job_definition_name"]
    objects = f"{_bucket_arn(case)}/{s3_keys.PREFIX}/x"
    queue = case.options["batch_queue"]
    queue_arn = queue if queue.startswith("arn:") else case.arn("batch", f"job-queue/{queue}")
    job = case.arn("batch", "job/x")
    passed = {"iam:PassedToService": ECS}
    group = case.options["log_group_name"]
    return [
        Need(("batch:SubmitJob",), queue_arn),
        Need(
            ("batch:SubmitJob", "batch:RegisterJobDefinition"),
            case.arn("batch", f"job-definition/{definition}"),
        ),
        Need(("batch:TagResource", "batch:TerminateJob"), job),
        Need(("batch:DescribeJobs", "batch:DescribeJobDefinitions", "batch:ListJobs"), "*"),
        Need(("iam:PassRole",), case.identity.role_arn(case.options["execution_role"]), passed),
        Need(
            ("iam:PassRole",), case.identity.role_arn(case.options["batch_job_role_name"]), passed
        ),
        Need(("s3:GetObject", "s3:PutObject", "s3:DeleteObject"), objects),
        Need(("s3:ListBucket",), _bucket_arn(case)),
        Need(("logs:GetLogEvents",), case.arn("logs", f"log-group:{group}:log-stream:x")),
        *_key_needs(case),
    ]


def _key_needs(case: Case) -> list[Need]:
    """Return what using the objects' KMS key takes, where they have one."""
    key = find_key(case)
    return [Need(("kms:Decrypt", "kms:GenerateDataKey"), key)] if key.startswith("arn:") else []


def principal_arn(caller: str) -> str | None:
    """Return the ARN of the user or role behind a caller's ARN; nothing for the root user."""
    head, _, resource = caller.partition(":assumed-role/")
    if resource:
        account = head.replace(":sts:", ":iam:")
        return f"{account}:role/{resource.split('/')[0]}"
    return None if caller.endswith(":root") else caller


def _bucket_arn(case: Case) -> str:
    return f"arn:{case.identity.partition}:s3:::{case.options['s3_bucket_name']}"


def _check_role(case: Case, area: str, option: str, needs: Sequence[Need]) -> Iterator[Finding]:
    from botocore.exceptions import ClientError

    name = case.options[option].rpartition("/")[2]
    key = "batch_execution_role_name" if option == "execution_role" else option
    try:
        role = case.account.client("iam").get_role(RoleName=name)["Role"]
    except ClientError as error:
        if classify(error) is Kind.DENIED:
            yield unknown(area, "exists", f"GetRole was denied: {aws_message(error)}")
            return
        if code_of(error) != "NoSuchEntity":
            raise
        yield problem(
            area,
            "exists",
            f"There is no role {name}.",
            f"correct {key}, or make it: 'covalent-awsbatch deploy'.",
        )
        return
    yield ok(area, "exists", f"{name}.")
    yield _trust(area, name, role["AssumeRolePolicyDocument"])
    yield _simulated(case, area, role["Arn"], needs)


def _trust(area: str, name: str, document: Any) -> Finding:
    policy = json.loads(unquote(document)) if isinstance(document, str) else document
    if trusts_ecs_tasks(policy):
        return ok(area, "trusted", f"ECS tasks may have {name}.")
    return problem(
        area,
        "trusted",
        f"The trust policy of {name} does not let ECS tasks have it.",
        f"add a statement that allows sts:AssumeRole to the service {ECS} "
        f"('aws iam update-assume-role-policy --role-name {name}').",
    )


def trusts_ecs_tasks(policy: Mapping[str, Any]) -> bool:
    """Return whether a trust policy lets ECS tasks assume the role."""
    return any(
        statement.get("Effect") == "Allow"
        and {"sts:AssumeRole", "sts:*", "*"} & set(_list(statement.get("Action")))
        and ECS in _services(statement.get("Principal"))
        for statement in _list(policy.get("Statement"))
    )


def _services(principal: Any) -> list[str]:
    return _list(principal.get("Service")) if isinstance(principal, Mapping) else []


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _simulated(case: Case, area: str, principal: str, needs: Sequence[Need]) -> Finding:
    from botocore.exceptions import ClientError

    try:
        denied = [line for need in needs for line in _denied(case, principal, need)]
    except ClientError as error:
        # Running tasks needs no permission to ask; nor is every caller a user or role.
        return unknown(
            area, "permissions", f"IAM's policy simulation cannot be asked: {aws_message(error)}"
        )
    if not denied:
        return ok(area, "permissions", "IAM's policy simulation allows what is needed.")
    who = principal.rpartition("/")[2]
    return problem(
        area,
        "permissions",
        f"{who} is not allowed: {', '.join(denied)}.",
        f"allow that in a policy of {who}; the CloudFormation template of 'covalent-awsbatch "
        "deploy' shows the whole policy.",
    )


def _denied(case: Case, principal: str, need: Need) -> Iterator[str]:
    answer = case.account.client("iam").simulate_principal_policy(
        PolicySourceArn=principal,
        ActionNames=list(need.actions),
        ResourceArns=[need.resource],
        ContextEntries=[
            {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [value]}
            for key, value in need.context.items()
        ],
    )
    for result in answer["EvaluationResults"]:
        if result["EvalDecision"] != "allowed":
            on = "" if need.resource == "*" else f" on {need.resource.removesuffix('/x')}"
            yield f"{result['EvalActionName']}{on}"
