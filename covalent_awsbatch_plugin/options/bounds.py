"""What an option's value may be: AWS's rules, each a function that returns what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

# Returns what is wrong with a value of the right type, or nothing.
Check = Callable[[Any], str | None]


def between(low: float, high: float | None = None) -> Check:
    """Return the check of a number, both bounds included."""

    def check(value: Any) -> str | None:
        if value < low:
            return f"must be at least {low:g}"
        if high is not None and value > high:
            return f"must be at most {high:g}"
        return None

    return check


def matches(pattern: str, rule: str) -> Check:
    """Return the check of a text that is to match a pattern as a whole."""

    def check(value: Any) -> str | None:
        return None if re.fullmatch(pattern, value) else rule

    return check


def bucket(value: str) -> str | None:
    """Check the name of an S3 bucket."""
    rule = "must be a name S3 accepts: 3 to 63 of a-z, 0-9, '.' and '-', no IP address"
    well_formed = re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", value) and ".." not in value
    if not well_formed or re.fullmatch(r"\d+\.\d+\.\d+\.\d+", value):
        return rule
    return rule if value.startswith("xn--") or value.endswith("-s3alias") else None


def environment(value: dict[str, Any]) -> str | None:
    """Check environment variables."""
    for name, content in value.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name)):
            return f"must have names a shell accepts, not {name!r}"
        if name.startswith(("AWS_BATCH", "COVALENT_AWSBATCH_")):
            return f"must not set {name}: AWS_BATCH* and COVALENT_AWSBATCH_* are taken"
        if not isinstance(content, str):
            return f"must have text for values; {name} is {type(content).__name__}"
    return None


def tags(value: dict[str, Any]) -> str | None:
    """Check AWS tags."""
    # AWS allows 50; the plugin's own take five.
    if len(value) > 45:
        return "must be at most 45"
    for key, content in value.items():
        if not isinstance(content, str) or not 0 < len(key) <= 128 or len(content) > 256:
            return f"must have keys of 1 to 128 and text values of up to 256 characters ({key!r})"
        if key.lower().startswith(("aws:", "covalent-awsbatch:")):
            return f"must not begin with aws: or covalent-awsbatch: ({key!r})"
    return None


def container_properties(value: dict[str, Any]) -> str | None:
    """Check that none of the plugin's own properties is set."""
    taken = {"command", "vcpus", "memory", "resourceRequirements"} & set(value)
    if taken:
        return f"must not set {', '.join(sorted(taken))}: the plugin sets them itself"
    return None


def choice(*choices: str) -> Check:
    """Return the check of a text that is to be one of a few."""

    def check(value: Any) -> str | None:
        return None if value in choices else f"must be one of {', '.join(map(repr, choices))}"

    return check
