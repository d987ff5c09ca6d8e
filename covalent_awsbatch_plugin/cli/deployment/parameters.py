"""From the command's options to the template's parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

# Instances have this many tags of the user's: a template cannot have a list of any length.
MOST_TAGS = 5
NO_TAG = "="

NAMES = {
    "instance_types": "InstanceTypes",
    "gpu_instance_types": "GpuInstanceTypes",
    "min_vcpus": "MinvCpus",
    "max_vcpus": "MaxvCpus",
    "spot": "Spot",
    "disk": "RootVolumeGiB",
    "object_days": "ObjectDays",
    "log_days": "LogDays",
    "keep_warm": "KeepWarmMinutes",
    "permissions_boundary": "PermissionsBoundary",
    "kms_key": "KmsKeyArn",
}


def parameters(options: Mapping[str, Any], *, new: bool) -> dict[str, str]:
    """Return the parameters that options give, and those of a new stack."""
    given = {NAMES[key]: options[key] for key in NAMES if options[key] is not None}
    if options["tag"]:
        tags = [f"{key}={value}" for key, value in options["tag"].items()]
        given["InstanceTags"] = ",".join([*tags, *[NO_TAG] * (MOST_TAGS - len(tags))])
    if new:
        # IAM's names are the account's: a second region could not be deployed without it.
        given["RegionInNames"] = True
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in given.items()
    }


def parse_tags(
    _context: click.Context, _parameter: click.Parameter, given: Iterable[str]
) -> dict[str, str]:
    """Return tags by key; a click callback.

    Raises:
        click.BadParameter: One is not KEY=VALUE, or there are too many.
    """
    tags = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not key or not equals or not value or set(value) & set("=,") or "," in key:
            raise click.BadParameter(f"{text!r} must be KEY=VALUE, without commas.")
        if key.lower().startswith("aws:"):
            raise click.BadParameter(f"{text!r} begins with aws:, which AWS keeps for itself.")
        tags[key] = value
    if len(tags) > MOST_TAGS:
        raise click.BadParameter(f"there are {len(tags)} tags; at most {MOST_TAGS} are possible.")
    return tags


def check_keep_warm(
    _context: click.Context, _parameter: click.Parameter, minutes: int | None
) -> int | None:
    """Return the minutes, where AWS Batch takes them; a click callback.

    Raises:
        click.BadParameter: They are neither 0 nor from 20 to 10080.
    """
    if minutes is not None and minutes != 0 and not 20 <= minutes <= 10080:
        raise click.BadParameter("AWS Batch takes 20 to 10080 minutes, or 0 for none.")
    return minutes
