"""Which jobs and definitions a call selects."""

from __future__ import annotations

import re
from typing import Any

from tests.fake_aws.errors import client_error
from tests.fake_aws.jobs import Definition, Job


def selected(definition: Definition, params: dict[str, Any]) -> bool:
    """Return whether DescribeJobDefinitions describes a definition."""
    short = f"{definition.name}:{definition.revision}"
    wanted = params.get("jobDefinitions")
    return (
        params.get("jobDefinitionName") in (None, definition.name)
        and params.get("status") in (None, definition.status)
        and (wanted is None or definition.arn in wanted or short in wanted)
    )


def listed(job: Job, params: dict[str, Any]) -> bool:
    """Return whether ListJobs lists a job."""
    filters = params.get("filters")
    if not filters:
        return bool(job.status == params.get("jobStatus", "RUNNING"))
    return _filtered(job, filters[0])


def _filtered(job: Job, condition: dict[str, Any]) -> bool:
    name, values = condition["name"], condition["values"]
    if name == "JOB_NAME":
        return any(_glob(value, job.name) for value in values)
    if name == "SHARE_IDENTIFIER":
        return job.request.get("shareIdentifier") in values
    if name == "JOB_DEFINITION":
        short = f"{job.definition.name}:{job.definition.revision}"
        return any(v in (job.definition.arn, short) or _glob(v, short) for v in values)
    moment = job.created_at * 1000
    if name == "BEFORE_CREATED_AT":
        return moment < float(values[0])
    if name == "AFTER_CREATED_AT":
        return moment > float(values[0])
    raise client_error(f"Unknown filter {name!r}")


def _glob(pattern: str, text: str) -> bool:
    """Compare as ListJobs does: without case, with an asterisk at the end."""
    if pattern.endswith("*"):
        return text.lower().startswith(pattern[:-1].lower())
    return bool(re.fullmatch(re.escape(pattern), text, re.IGNORECASE))
