"""Requests checked against botocore's service models, and against what AWS checks besides."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

from tests.fake_aws.errors import ApiError, client_error

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,512}")
IMAGE = re.compile(r"[\w./:@#-]{1,255}", re.ASCII)
QUEUE = re.compile(rf"(arn:aws[a-z-]*:batch:[a-z0-9-]+:\d{{12}}:job-queue/)?{NAME.pattern}")
NOT_ON_EC2 = ("fargatePlatformConfiguration", "instanceType", "networkConfiguration")
HIGHEST_PRIORITY = 9999
TAG_TEXT = re.compile(r"[\w\s.:/=+@-]*")
EXIT_REASON = re.compile(r"[A-Za-z0-9.:\s]{0,511}\*?")
EXIT_CODE = re.compile(r"\d{1,511}\*?|\*")
RESERVED_VARIABLE = "AWS_BATCH"

SUBMIT_LIMIT = 30 * 1024
DEFINITION_LIMIT = 24 * 1024
OVERRIDES_LIMIT = 8192


@functools.cache
def _input(service: str, name: str) -> Any:
    """Return botocore's model of an operation's input."""
    return _service(service).operation_model(name).input_shape


@functools.cache
def _service(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def check_request(service: str, name: str, params: dict[str, Any]) -> None:
    """Refuse what does not fit the service's model: unknown or missing members, types, bounds."""
    shape = _input(service, name)
    report = ParamValidator().validate(params, shape)
    if report.has_errors():
        raise _invalid(service, report.generate_report())
    for problem in violations(params, shape, name):
        raise _invalid(service, problem)


def _invalid(service: str, text: str) -> ApiError:
    code = "InvalidParameterException" if service == "logs" else "ClientException"
    return ApiError(code, f"Error executing request, Exception : {text}")


def violations(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Yield what botocore leaves to the service: enumerations, patterns and upper bounds."""
    if shape.type_name == "structure":
        for name, item in value.items():
            yield from violations(item, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for item in value:
            yield from violations(item, shape.member, f"{path}[]")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from violations(key, shape.key, f"{path} key")
            yield from violations(item, shape.value, f"{path}.{key}")
    yield from _bounds(value, shape, path)


def _bounds(value: Any, shape: Any, path: str) -> Iterator[str]:
    limits = shape.metadata
    if "enum" in limits and value not in limits["enum"]:
        yield f"{path}: {value!r} is not one of {', '.join(limits['enum'])}"
    if "pattern" in limits and not _fits(limits["pattern"], value):
        yield f"{path}: {value!r} does not match {limits['pattern']}"
    if "max" in limits and _magnitude(value) > limits["max"]:
        yield f"{path}: more than {limits['max']}"
    if "min" in limits and _magnitude(value) < limits["min"]:
        yield f"{path}: less than {limits['min']}"


def _fits(pattern: str, value: str) -> bool:
    try:
        # Of a whole text, also where the pattern is anchored at one of its lines.
        return bool(re.fullmatch(pattern, value, re.DOTALL))
    except re.error:
        # The models are written for another engine, which knows classes such as \p{L}.
        return True


def _magnitude(value: Any) -> float:
    return value if isinstance(value, int | float) else len(value)


def check_name(what: str, name: str) -> None:
    """Refuse a name of a job or job definition that Batch would refuse."""
    if not NAME.fullmatch(name):
        raise client_error(f"{what} should match valid pattern: {name!r}")


def check_tags(tags: dict[str, str]) -> None:
    """Refuse tags beyond AWS's limits."""
    if any(not TAG_TEXT.fullmatch(part) for pair in tags.items() for part in pair):
        raise client_error("Tags may have letters, digits, spaces and + - = . _ : / @ only")
    if len(tags) > 50:
        raise client_error("Too many tags: at most 50")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256 or key.lower().startswith("aws:"):
            raise client_error(f"Invalid tag {key!r}")


def check_environment(variables: list[dict[str, str]]) -> None:
    """Refuse variables whose names Batch keeps for itself."""
    for variable in variables:
        if variable.get("name", "").startswith(RESERVED_VARIABLE):
            raise client_error(
                f"Environment variable names must not start with {RESERVED_VARIABLE}: "
                f"{variable['name']}"
            )


def check_resources(requirements: list[dict[str, str]]) -> None:
    """Refuse resources that no EC2 job can have."""
    for requirement in requirements:
        kind, value = requirement["type"], requirement["value"]
        least = 4 if kind == "MEMORY" else 1
        if not value.isdecimal() or int(value) < least:
            raise client_error(f"resourceRequirements {kind} must be at least {least}: {value!r}")


def check_timeout(timeout: dict[str, int]) -> None:
    """Refuse a time limit of less than a minute."""
    if timeout.get("attemptDurationSeconds", 60) < 60:
        raise client_error("Timeout duration cannot be less than 60 seconds")


def check_retries(strategy: dict[str, Any]) -> None:
    """Refuse a retry strategy outside Batch's bounds."""
    if not 1 <= strategy.get("attempts", 1) <= 10:
        raise client_error("Retry attempts must be between 1 and 10")
    rules = strategy.get("evaluateOnExit", [])
    if len(rules) > 5:
        raise client_error("At most 5 evaluateOnExit conditions")
    for rule in rules:
        _check_rule(rule)


def _check_rule(rule: dict[str, str]) -> None:
    if rule["action"].upper() not in ("RETRY", "EXIT"):
        raise client_error(f"Invalid action {rule['action']!r}")
    for name, pattern in (
        ("onReason", EXIT_REASON),
        ("onStatusReason", EXIT_REASON),
        ("onExitCode", EXIT_CODE),
    ):
        if name in rule and not pattern.fullmatch(rule[name]):
            raise client_error(f"evaluateOnExit {name} is invalid: {rule[name]!r}")


def check_definition(params: dict[str, Any]) -> None:
    """Refuse a RegisterJobDefinition that Batch would refuse."""
    check_name("Job definition name", params["jobDefinitionName"])
    if len(json.dumps(params)) > DEFINITION_LIMIT:
        raise client_error(f"Job definition is larger than {DEFINITION_LIMIT} bytes")
    properties = params.get("containerProperties")
    if params["type"] == "container" and not (properties and properties.get("image")):
        raise client_error("Container properties must have an image")
    _check_container(properties or {})
    _check_common(params)
    _check_priority(params.get("schedulingPriority"))


def _check_container(properties: dict[str, Any]) -> None:
    check_environment(properties.get("environment", []))
    image = properties.get("image", "")
    if image and not IMAGE.fullmatch(image):
        raise client_error(f"Container image is invalid: {image!r}")
    for elsewhere in NOT_ON_EC2:
        if elsewhere in properties:
            raise client_error(f"{elsewhere} must not be specified for EC2 jobs")
    requirements = properties.get("resourceRequirements", [])
    check_resources(requirements)
    given = {item["type"] for item in requirements}
    if not {"VCPU", "MEMORY"} <= given:
        raise client_error("Container properties must have VCPU and MEMORY")
    for role in ("jobRoleArn", "executionRoleArn"):
        if role in properties and not ROLE_ARN.fullmatch(properties[role]):
            raise client_error(f"{role} is no role's ARN: {properties[role]}")


def check_submission(params: dict[str, Any]) -> None:
    """Refuse a SubmitJob that Batch would refuse."""
    check_name("Job name", params["jobName"])
    if len(json.dumps(params)) > SUBMIT_LIMIT:
        raise client_error(f"Request is larger than {SUBMIT_LIMIT} bytes")
    overrides = params.get("containerOverrides", {})
    if len(json.dumps(overrides)) > OVERRIDES_LIMIT:
        raise client_error("Container Overrides length must be at most 8192")
    check_environment(overrides.get("environment", []))
    check_resources(overrides.get("resourceRequirements", []))
    if not QUEUE.fullmatch(params["jobQueue"]):
        raise client_error(f"jobQueue is invalid: {params['jobQueue']!r}")
    _check_common(params)
    _check_priority(params.get("schedulingPriorityOverride"))


def check_share(is_fair_share: bool, params: dict[str, Any], definition: Any) -> None:
    """Refuse a share where there is no fair-share queue, and a fair-share queue without one."""
    share = params.get("shareIdentifier")
    if not is_fair_share and share:
        raise client_error("shareIdentifier is refused: the queue has no scheduling policy")
    if not is_fair_share:
        return
    if not re.fullmatch(r"[A-Za-z0-9]{1,255}", share or ""):
        raise client_error("shareIdentifier is required for a queue with a scheduling policy")
    priority = params.get("schedulingPriorityOverride", definition.get("schedulingPriority"))
    if priority is None or not 0 <= priority <= 9999:
        raise client_error("schedulingPriority is required: 0 to 9999")


def _check_priority(priority: int | None) -> None:
    if priority is not None and not 0 <= priority <= HIGHEST_PRIORITY:
        raise client_error(f"Scheduling priority must be 0 to {HIGHEST_PRIORITY}: {priority}")


def _check_common(params: dict[str, Any]) -> None:
    check_tags(params.get("tags", {}))
    check_timeout(params.get("timeout", {}))
    check_retries(params.get("retryStrategy", {}))
