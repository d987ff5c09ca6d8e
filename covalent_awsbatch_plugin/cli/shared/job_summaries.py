"""The last lines of jobs' logs: how each attempt ended and what it used, from CloudWatch.

They make a report more precise and are never a reason for it to fail.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from ...aws.calls.aws_errors import code_of
from ...protocol.summary import MARK, Summary, parse_summary
from .account import Account
from .errors import aws_message
from .job_facts import JobFacts
from .optional import Notes

# As many streams as FilterLogEvents takes, and how many pages of it are worth waiting for.
STREAM_LIMIT = 100
PAGE_LIMIT = 20


def fetch_summaries(
    account: Account, jobs: Iterable[JobFacts], notes: Notes
) -> dict[str, Summary]:
    """Return the summary of each job's last attempt, by the job's id, where there is one."""
    owners: dict[str, dict[str, JobFacts]] = defaultdict(dict)
    for job in jobs:
        if job.streams and job.log_group:
            owners[job.log_group][job.streams[-1]] = job
    found: dict[str, Summary] = {}
    for group, by_stream in owners.items():
        with notes.optional("what tasks used and raised, from their logs"):
            for stream, summary in _summaries(account, group, list(by_stream.values())):
                owner = by_stream.get(stream)
                if owner and summary.attempt >= owner.attempts:
                    found[owner.job_id] = summary
    return found


def _summaries(
    account: Account, group: str, jobs: list[JobFacts]
) -> Iterator[tuple[str, Summary]]:
    for start in range(0, len(jobs), STREAM_LIMIT):
        yield from _of_streams(account, group, jobs[start : start + STREAM_LIMIT])


def _of_streams(
    account: Account, group: str, jobs: list[JobFacts]
) -> Iterator[tuple[str, Summary]]:
    """Yield what the streams hold; AWS refuses all for one that does not exist."""
    from botocore.exceptions import ClientError

    try:
        yield from list(_filtered(account, group, jobs))
    except ClientError as error:
        missing = code_of(error) == "ResourceNotFoundException"
        if not missing or "group" in aws_message(error):
            raise
        half = len(jobs) // 2
        for some in (jobs[:half], jobs[half:]) if half else ():
            yield from _of_streams(account, group, some)


def _filtered(account: Account, group: str, jobs: list[JobFacts]) -> Iterator[tuple[str, Summary]]:
    request: dict[str, Any] = {
        "logGroupName": group,
        "logStreamNames": [job.streams[-1] for job in jobs],
        "filterPattern": f'"{MARK}"',
        "startTime": int(min(job.created for job in jobs) * 1000),
    }
    for _ in range(PAGE_LIMIT):
        response = account.client("logs").filter_log_events(**request)
        for event in response.get("events", ()):
            if summary := parse_summary(event["message"]):
                yield event["logStreamName"], summary
        if not response.get("nextToken"):
            return
        request["nextToken"] = response["nextToken"]
