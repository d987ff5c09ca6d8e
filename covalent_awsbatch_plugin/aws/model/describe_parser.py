"""DescribeJobs' answers, read for the few fields that are used.

An answer about a hundred jobs is 200 KB: each repeats its command, environment and tags. Read as
botocore reads it, it becomes ten thousand objects, twice, which takes 30 ms of the event loop and,
as many of them are alive when Python's garbage collector looks, makes it search the whole server's
memory every few seconds: a tenth of a second and more in which nothing else runs. Read this way,
it takes a fifth of the time, and a job that goes on is one object, which the collector need not
follow.
"""

from __future__ import annotations

import json
from typing import Any

from .description import FINISHED, MISCONFIGURED

# The names of the fields that ``jobs.parse_job`` reads, at whatever depth, and of those that
# hold them.
READ = frozenset(
    {
        "jobs",
        "jobId",
        "jobName",
        "status",
        "statusReason",
        "isTerminated",
        "isCancelled",
        "attempts",
        "stoppedAt",
        "container",
        "exitCode",
        "reason",
        "logStreamName",
        "image",
        "memory",
        "resourceRequirements",
        "type",
        "value",
        "logConfiguration",
        "options",
        "awslogs-group",
    }
)

# All that is read of a job that goes on.
GOING_ON = frozenset({"jobId", "status", "statusReason"})


def read_leanly(client: Any) -> None:
    """Have a Batch client's DescribeJobs answers hold only what is used of them."""
    client.meta.events.register("before-parse.batch.DescribeJobs", _before_parse)


def _before_parse(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    if response_dict["status_code"] >= 300:
        return
    try:
        lean = json.loads(response_dict["body"], object_pairs_hook=_keep)
    except ValueError:
        return  # botocore reads it too, and raises an error.
    if isinstance(lean, dict):
        customized_response_dict.update(lean)
        response_dict["body"] = b"{}"


def _keep(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return what is read of an object."""
    kept = {name: value for name, value in pairs if name in READ}
    if "jobId" in kept and _goes_on(kept):
        # Attempts only where one has ended, which is rare while a job goes on; an attempt that
        # runs is not in AWS's answers, but in those of emulators.
        ended = [each for each in kept.get("attempts") or () if "stoppedAt" in each]
        going_on = {name: value for name, value in kept.items() if name in GOING_ON}
        return {**going_on, "attempts": ended} if ended else going_on
    return kept


def _goes_on(job: dict[str, Any]) -> bool:
    """Return whether only its status is of interest: it has not ended, and nothing is amiss."""
    reason = str(job.get("statusReason"))
    return str(job.get("status")) not in FINISHED and not reason.startswith(MISCONFIGURED)
