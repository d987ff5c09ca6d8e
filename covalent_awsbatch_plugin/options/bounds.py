"""What an option's value may be: AWS's rules, each a function that returns what is wrong."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import service_model

# Returns what is wrong with a value of the right type, or nothing.
Check = Callable[[Any], str | None]

# AWS's integers have 32 bits.
LARGEST = 2**31 - 1

# Batch takes job definitions of 24 KiB, of which the worker's command and the rest take a third.
TABLE_BYTES = 16 * 1024

# Tags may hold letters and digits of any language, and these.
_TAG_TEXT = re.compile(r"[\w\s.:/=+@-]*")

# The container properties that the plugin sets itself, and those that jobs on EC2 cannot have.
TAKEN = frozenset({"command", "vcpus", "memory", "resourceRequirements"})
NOT_ON_EC2 = frozenset({"fargatePlatformConfiguration", "instanceType", "networkConfiguration"})

# Names of images and roles, which options have too.
IMAGE = r"[\w./:@#-]{1,255}"
ROLE_NAME = r"(?:[\w+=,.@-]+/){0,32}[\w+=,.@-]{1,64}"
ROLE_ARN = rf"arn:aws[\w-]*:iam::\d{{12}}:role/{ROLE_NAME}"
_NAMES = {"image": IMAGE, "jobRoleArn": ROLE_ARN, "executionRoleArn": ROLE_ARN}

# Beginnings and ends of bucket names that S3 keeps for itself.
_BUCKET_BEGINNINGS = ("xn--", "sthree-", "amzn-s3-demo-")
_BUCKET_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def between(low: float, high: float = LARGEST) -> Check:
    """Return the check of a number, both bounds included; infinity and NaN are refused."""

    def check(value: Any) -> str | None:
        if not math.isfinite(value):
            return "must be a finite number"
        if value < low:
            return f"must be at least {low:g}"
        return f"must be at most {high:.10g}" if value > high else None

    return check


def matches(pattern: str, rule: str) -> Check:
    """Return the check of a text that is to match a pattern of ASCII as a whole."""

    def check(value: Any) -> str | None:
        return None if re.fullmatch(pattern, value, re.ASCII) else rule

    return check


def text(value: str) -> str | None:
    """Check a text that may hold anything but what no file name or variable can."""
    if "\0" in value:
        return "must not have the character NUL"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "must be valid Unicode, without lone surrogates"
    return None


def bucket(value: str) -> str | None:
    """Check the name of an S3 bucket."""
    rule = "must be a name S3 accepts: 3 to 63 of a-z, 0-9, '.' and '-', no IP address"
    well_formed = re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", value) and ".." not in value
    if not well_formed or re.fullmatch(r"\d+\.\d+\.\d+\.\d+", value):
        return rule
    if value.startswith(_BUCKET_BEGINNINGS) or value.endswith(_BUCKET_ENDS):
        return "must not begin or end as names that S3 keeps for itself"
    return None


def environment(value: Mapping[str, Any]) -> str | None:
    """Check environment variables."""
    for name, content in value.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name)):
            return f"must have names a shell accepts, not {name!r}"
        if name.startswith(("AWS_BATCH", "COVALENT_AWSBATCH_")):
            return f"must not set {name}: AWS_BATCH* and COVALENT_AWSBATCH_* are taken"
        if not isinstance(content, str):
            return f"must have text for values; {name} is {type(content).__name__}"
        if problem := text(content):
            return f"{problem} ({name})"
    return _size(value)


def tags(value: dict[str, Any]) -> str | None:
    """Check AWS tags."""
    # AWS allows 50 of a job and its definition together; the plugin's own take five.
    if len(value) > 45:
        return "must be at most 45"
    for key, content in value.items():
        if not (isinstance(key, str) and isinstance(content, str)):
            return f"must have text for keys and values ({key!r})"
        if not 0 < len(key) <= 128 or len(content) > 256:
            return f"must have keys of 1 to 128 and values of up to 256 characters ({key!r})"
        if not (_TAG_TEXT.fullmatch(key) and _TAG_TEXT.fullmatch(content)):
            return f"must have letters, digits, spaces and + - = . _ : / @ only ({key!r})"
        if key.lower().startswith(("aws:", "covalent-awsbatch:")):
            return f"must not begin with aws: or covalent-awsbatch: ({key!r})"
    return None


def container_properties(value: dict[str, Any]) -> str | None:
    """Check that these are properties of Batch's, and none of the plugin's own."""
    if taken := TAKEN & set(value):
        return f"must not set {_listed(taken)}: the plugin sets them itself"
    if elsewhere := NOT_ON_EC2 & set(value):
        return f"must not set {_listed(elsewhere)}: Batch refuses it for jobs on EC2"
    return _size(value) or (_violation(value) if value else None)


def _violation(value: Mapping[str, Any]) -> str | None:
    """Return what AWS would refuse of container properties."""
    shape = service_model.service("batch").shape_for("ContainerProperties")
    if isinstance(log := value.get("logConfiguration"), Mapping):
        # What is not set of it is the plugin's.
        value = {**value, "logConfiguration": {"logDriver": "awslogs", **log}}
    for found in service_model.violations(value, shape):
        return found
    variables = {
        pair.get("name", ""): pair.get("value", "") for pair in value.get("environment", ())
    }
    swappiness = value.get("linuxParameters", {}).get("swappiness", 0)
    if not 0 <= swappiness <= 100:
        return "must have 0 to 100 for linuxParameters.swappiness"
    for name, pattern in _NAMES.items():
        if name in value and not re.fullmatch(pattern, value[name], re.ASCII):
            return f"must have {name} in the form that AWS takes"
    return environment(variables)


def _size(value: Mapping[str, Any]) -> str | None:
    try:
        size = len(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return "must be of numbers, texts, lists and tables"
    return None if size <= TABLE_BYTES else f"must be at most {TABLE_BYTES} bytes as JSON"


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(sorted(map(str, names)))


def choice(*choices: str) -> Check:
    """Return the check of a text that is to be one of a few."""

    def check(value: Any) -> str | None:
        return None if value in choices else f"must be one of {', '.join(map(repr, choices))}"

    return check


def conflicts(values: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with values that are valid by themselves.

    Args:
        values: The options' values, by their attributes.
    """
    found = []
    if values["s3_kms_key_id"] and not values["s3_encryption"].startswith("aws:kms"):
        found.append("s3_kms_key_id needs s3_encryption to be 'aws:kms' or 'aws:kms:dsse'")
    together = [values[name] for name in ("environment", "container_properties", "tags")]
    if len(json.dumps(together)) > TABLE_BYTES:
        found.append(
            f"environment, container_properties and tags must be at most {TABLE_BYTES} bytes "
            "together as JSON, as they share a job definition"
        )
    if values["scheduling_priority"] and not values["share_identifier"]:
        found.append("scheduling_priority needs a share_identifier")
    return found
