"""AWS's limits on what may be asked of Batch.

The numbers are those of the Batch service model, of AWS's service quotas, and of ECS (overrides).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .errors import ClientError

SUBMIT_BYTES = 30 * 1024
DEFINITION_BYTES = 24 * 1024
OVERRIDES_CHARACTERS = 8192
REASON_CHARACTERS = 255
DESCRIBED_JOBS = 100
MOST_TERMINATED = 50
PAGE = 100
LEAST_TIMEOUT = 60
LEAST_MEMORY = 4
MOST_ATTEMPTS = 10
MOST_RULES = 5
MOST_TAGS = 50
MOST_DEPENDENCIES = 20
HIGHEST_PRIORITY = 9999
HIGHEST_SWAPPINESS = 100
NOT_ON_EC2 = ("fargatePlatformConfiguration", "instanceType", "networkConfiguration")

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_IMAGE = re.compile(r"[\w./:@#-]{1,255}", re.ASCII)
_ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]{1,512}", re.ASCII)
_SHARE = re.compile(r"[A-Za-z0-9]{1,255}")
_TAG_TEXT = re.compile(r"[\w\s.:/=+@-]*")
_REASON_PATTERN = re.compile(r"[A-Za-z0-9.:\s]{1,511}\*?|\*")
_EXIT_CODE_PATTERN = re.compile(r"[0-9]{1,511}\*?|\*")
_RULE_PATTERNS = {
    "onReason": _REASON_PATTERN,
    "onStatusReason": _REASON_PATTERN,
    "onExitCode": _EXIT_CODE_PATTERN,
}


def check_definition(request: Mapping[str, Any]) -> None:
    """Check a request of RegisterJobDefinition.

    Raises:
        ClientError: AWS would refuse it.
    """
    _check_name("Job definition name", request.get("jobDefinitionName", ""))
    if len(json.dumps(request)) > DEFINITION_BYTES:
        raise ClientError(f"Job definition is larger than {DEFINITION_BYTES} bytes")
    properties = request.get("containerProperties") or {}
    if request.get("type") == "container":
        _check_container(properties)
        if "FARGATE" not in (request.get("platformCapabilities") or ()):
            _check_ec2(properties)
    _check_shared(request)


def check_submission(request: Mapping[str, Any]) -> None:
    """Check a request of SubmitJob.

    Raises:
        ClientError: AWS would refuse it.
    """
    _check_name("Job name", request.get("jobName", ""))
    if len(json.dumps(request)) > SUBMIT_BYTES:
        raise ClientError(f"Request is larger than the limit of {SUBMIT_BYTES} bytes")
    overrides = request.get("containerOverrides") or {}
    if len(json.dumps(overrides, separators=(",", ":"))) > OVERRIDES_CHARACTERS:
        raise ClientError(f"Container Overrides length must be at most {OVERRIDES_CHARACTERS}")
    _check_environment(overrides.get("environment") or ())
    _check_requirements(overrides.get("resourceRequirements") or ())
    if len(request.get("dependsOn") or ()) > MOST_DEPENDENCIES:
        raise ClientError(f"A job may depend on at most {MOST_DEPENDENCIES} jobs")
    _check_shared(request)
    for unsupported in ("arrayProperties", "nodeOverrides", "eksPropertiesOverride"):
        if request.get(unsupported):
            raise ClientError(f"{unsupported} is not supported by the local AWS")


def check_share(
    is_fair_share: bool, request: Mapping[str, Any], definition: Mapping[str, Any]
) -> None:
    """Check what a fair-share queue requires of a submission, and other queues refuse.

    Raises:
        ClientError: AWS would refuse it.
    """
    share = request.get("shareIdentifier")
    if not is_fair_share:
        if share:
            raise ClientError("shareIdentifier is refused: the queue has no scheduling policy")
        return
    if not share:
        raise ClientError("shareIdentifier is required for a job queue with a scheduling policy")
    if not _SHARE.fullmatch(share):
        raise ClientError(f"shareIdentifier must be up to 255 letters and digits, was {share!r}")
    priority = request.get("schedulingPriorityOverride", definition.get("schedulingPriority"))
    if priority is None or not 0 <= priority <= HIGHEST_PRIORITY:
        raise ClientError(
            "schedulingPriority is required for a job queue with a scheduling policy, between 0 "
            f"and {HIGHEST_PRIORITY}"
        )


def check_filters(filters: Sequence[Mapping[str, Any]]) -> None:
    """Check the filters of ListJobs.

    Raises:
        ClientError: AWS would refuse them.
    """
    if len(filters) > 1:
        raise ClientError("Only one filter can be used at a time")


def check_ids(ids: Any, most: int = DESCRIBED_JOBS) -> list[str]:
    """Return the ids that DescribeJobs or TerminateJobs was given.

    Args:
        ids: The ids.
        most: How many it takes.

    Raises:
        ClientError: There are none, or too many.
    """
    if not ids or len(ids) > most:
        raise ClientError(f"Number of jobs must be between 1 and {most}, was {len(ids or ())}")
    return list(ids)


def check_reason(reason: Any) -> str:
    """Return why a job is to be ended.

    Raises:
        ClientError: AWS would refuse it.
    """
    if not reason or len(reason) > REASON_CHARACTERS:
        raise ClientError(f"reason must have 1 to {REASON_CHARACTERS} characters")
    return str(reason)


def _check_name(what: str, name: str) -> None:
    if not NAME.fullmatch(name or ""):
        raise ClientError(
            f"{what} should match valid pattern: {name!r} has other than 1 to 128 letters, "
            "digits, hyphens and underscores, or begins with neither a letter nor a digit"
        )


def _check_container(properties: Mapping[str, Any]) -> None:
    if not properties.get("image"):
        raise ClientError("Container properties must contain an image")
    if not _IMAGE.fullmatch(properties["image"]):
        raise ClientError(f"Container image is not valid: {properties['image']!r}")
    _check_roles(properties)
    _check_environment(properties.get("environment") or ())
    requirements = properties.get("resourceRequirements") or ()
    _check_requirements(requirements)
    given = {requirement["type"] for requirement in requirements}
    for kind, older in (("VCPU", "vcpus"), ("MEMORY", "memory")):
        if kind not in given and not properties.get(older):
            raise ClientError(f"Container properties must contain resourceRequirements of {kind}")


def _check_roles(properties: Mapping[str, Any]) -> None:
    for member in ("jobRoleArn", "executionRoleArn"):
        if properties.get(member) and not _ROLE.fullmatch(properties[member]):
            raise ClientError(f"{member} must be the ARN of a role, was {properties[member]!r}")
    if properties.get("secrets") and not properties.get("executionRoleArn"):
        raise ClientError("executionRoleArn is required for secrets")


def _check_ec2(properties: Mapping[str, Any]) -> None:
    for member in NOT_ON_EC2:
        if properties.get(member):
            raise ClientError(f"{member} must not be specified for jobs on EC2")
    swappiness = (properties.get("linuxParameters") or {}).get("swappiness", 0)
    if not 0 <= swappiness <= HIGHEST_SWAPPINESS:
        raise ClientError(f"swappiness must be between 0 and {HIGHEST_SWAPPINESS}")
    volumes = {each.get("name") for each in properties.get("volumes") or ()}
    for point in properties.get("mountPoints") or ():
        if point.get("sourceVolume") not in volumes:
            raise ClientError(f"Unknown volume {point.get('sourceVolume')!r}")


def _check_shared(request: Mapping[str, Any]) -> None:
    _check_tags(request.get("tags") or {})
    _check_retries(request.get("retryStrategy") or {})
    timeout = (request.get("timeout") or {}).get("attemptDurationSeconds")
    if timeout is not None and timeout < LEAST_TIMEOUT:
        raise ClientError(f"Timeout must be at least {LEAST_TIMEOUT} seconds, was {timeout}")
    for member in ("schedulingPriority", "schedulingPriorityOverride"):
        if not 0 <= request.get(member, 0) <= HIGHEST_PRIORITY:
            raise ClientError(f"{member} must be between 0 and {HIGHEST_PRIORITY}")


def _check_environment(variables: Iterable[Mapping[str, str]]) -> None:
    for variable in variables:
        if variable.get("name", "").startswith("AWS_BATCH"):
            raise ClientError(
                "Environment variable names cannot start with AWS_BATCH: " + variable["name"]
            )


def _check_requirements(requirements: Sequence[Mapping[str, str]]) -> None:
    if len({each["type"] for each in requirements}) < len(requirements):
        raise ClientError("resourceRequirements must not repeat a type")
    for requirement in requirements:
        kind, value = requirement["type"], requirement["value"]
        least = LEAST_MEMORY if kind == "MEMORY" else 1
        if not value.isdecimal() or int(value) < least:
            raise ClientError(f"{kind} must be a whole number of at least {least}, was {value!r}")


def _check_retries(strategy: Mapping[str, Any]) -> None:
    attempts = strategy.get("attempts", 1)
    if not 1 <= attempts <= MOST_ATTEMPTS:
        raise ClientError(f"Retry attempts must be between 1 and {MOST_ATTEMPTS}, was {attempts}")
    rules = strategy.get("evaluateOnExit") or ()
    if len(rules) > MOST_RULES:
        raise ClientError(f"At most {MOST_RULES} evaluateOnExit rules are allowed")
    for rule in rules:
        if str(rule.get("action", "")).upper() not in ("RETRY", "EXIT"):
            raise ClientError("The action of an evaluateOnExit rule must be RETRY or EXIT")
        for name, pattern in _RULE_PATTERNS.items():
            if name in rule and not pattern.fullmatch(rule[name]):
                raise ClientError(f"{name} is not a valid pattern: {rule[name]!r}")


def _check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > MOST_TAGS:
        raise ClientError(f"At most {MOST_TAGS} tags are allowed, there are {len(tags)}")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or not _TAG_TEXT.fullmatch(key) or key.startswith("aws:"):
            raise ClientError(f"Invalid tag key: {key!r}")
        if len(value) > 256 or not _TAG_TEXT.fullmatch(value):
            raise ClientError(f"Invalid value of tag {key!r}")
