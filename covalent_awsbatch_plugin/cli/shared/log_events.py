"""What jobs wrote, from CloudWatch: one stream as it grows, or many at once in order of time."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...aws.calls.aws_errors import code_of
from .account import Account
from .errors import Refusal
from .job_facts import JobFacts

# How many pages are turned back for the last lines of a log.
TAIL_PAGES = 20

# As many streams as FilterLogEvents takes.
STREAM_LIMIT = 100

# Seconds between two calls while following; CloudWatch allows an account about ten a second.
PAUSE, PAUSE_LOCALLY = 2.0, 0.2

# Seconds for which an ended job's log may still be filling up.
LATE, LATE_LOCALLY = 5.0, 0.5


# Seconds by which the clock of a host may be behind.
CLOCK_SKEW = 300.0


@dataclass(frozen=True)
class Event:
    """One line of a log.

    Attributes:
        timestamp: Milliseconds since the epoch.
        stream: The log stream.
        message: The line.
    """

    timestamp: int
    stream: str
    message: str


def pause(account: Account) -> float:
    """Return the seconds between two calls while following."""
    return PAUSE_LOCALLY if account.endpoint_url else PAUSE


def lateness(account: Account) -> float:
    """Return the seconds for which an ended job's log may still be filling up."""
    return LATE_LOCALLY if account.endpoint_url else LATE


class StreamReader:
    """Reads a log stream from where it stopped.

    Attributes:
        exists: Whether the stream was there when it was last read.
    """

    def __init__(self, account: Account, group: str, stream: str) -> None:
        self.exists = False
        self._account = account
        self._request: dict[str, Any] = {
            "logGroupName": group,
            "logStreamName": stream,
            "startFromHead": True,
        }

    def new_events(self) -> Iterator[Event]:
        """Yield the events that came since the last call; none where there is no stream (yet).

        Raises:
            Refusal: There is no such log group.
        """
        while True:
            response = self._next()
            if response is None:
                return
            stream = self._request["logStreamName"]
            for event in response.get("events", ()):
                yield Event(event["timestamp"], stream, event["message"])
            token = response.get("nextForwardToken")
            # CloudWatch repeats the token where there is no more.
            if token in (None, self._request.get("nextToken")):
                return
            self._request["nextToken"] = token

    def _next(self) -> dict[str, Any] | None:
        from botocore.exceptions import ClientError

        try:
            response: dict[str, Any] = self._account.client("logs").get_log_events(**self._request)
        except ClientError as error:
            refuse_missing_group(self._account, error, self._request["logGroupName"])
            if code_of(error) == "ResourceNotFoundException":
                return None
            raise
        self.exists = True
        return response


def read_streams(account: Account, jobs: Iterable[JobFacts], pattern: str = "") -> Iterator[Event]:
    """Yield what the last attempts of jobs wrote, in order of time.

    Args:
        account: Where the logs are.
        jobs: The jobs; those without a stream are left out.
        pattern: CloudWatch's filter pattern of the events; empty for all.

    Raises:
        Refusal: There is no such log group.
    """
    by_group: dict[str, list[JobFacts]] = defaultdict(list)
    for job in jobs:
        if job.streams:
            by_group[job.log_group].append(job)
    sources = [
        _of_streams(account, group, some[start : start + STREAM_LIMIT], pattern)
        for group, some in by_group.items()
        for start in range(0, len(some), STREAM_LIMIT)
    ]
    return heapq.merge(*sources, key=lambda event: event.timestamp)


def _of_streams(
    account: Account, group: str, jobs: Sequence[JobFacts], pattern: str
) -> Iterator[Event]:
    """Yield what streams hold; since AWS refuses all for one that is missing, halves are tried."""
    from botocore.exceptions import ClientError

    pages = _pages(account, group, jobs, pattern)
    try:
        first = next(pages, [])
    except ClientError as error:
        refuse_missing_group(account, error, group)
        if code_of(error) != "ResourceNotFoundException":
            raise
        half = len(jobs) // 2
        halves = [jobs[:half], jobs[half:]] if half else []
        sources = [_of_streams(account, group, some, pattern) for some in halves]
        yield from heapq.merge(*sources, key=lambda event: event.timestamp)
        return
    yield from first
    for page in pages:
        yield from page


def _pages(
    account: Account, group: str, jobs: Sequence[JobFacts], pattern: str
) -> Iterator[list[Event]]:
    request: dict[str, Any] = {
        "logGroupName": group,
        "logStreamNames": [job.streams[-1] for job in jobs],
        "startTime": int((min(job.created for job in jobs) - CLOCK_SKEW) * 1000),
        **({"filterPattern": pattern} if pattern else {}),
    }
    while True:
        response = account.client("logs").filter_log_events(**request)
        events = response.get("events", ())
        found = [Event(e["timestamp"], e["logStreamName"], e["message"]) for e in events]
        yield sorted(found, key=lambda event: event.timestamp)
        if not response.get("nextToken"):
            return
        request["nextToken"] = response["nextToken"]


def refuse_missing_group(account: Account, error: Exception, group: str) -> None:
    """Refuse a log group that does not exist.

    Raises:
        Refusal: It does not.
    """
    if code_of(error) != "ResourceNotFoundException" or _exists(account, group):
        return
    raise Refusal(
        f"There is no log group {group}.",
        "check batch_job_log_group_name in the Covalent configuration and --region; "
        "'covalent-awsbatch deploy' makes one.",
    ) from error


def _exists(account: Account, group: str) -> bool:
    """Whether a log group exists, or that cannot be seen: the error may be about its stream."""
    from botocore.exceptions import ClientError

    try:
        response = account.client("logs").describe_log_groups(logGroupNamePrefix=group)
    except ClientError:
        return True
    return any(found["logGroupName"] == group for found in response["logGroups"])


def tail(account: Account, job: JobFacts, lines: int) -> list[str]:
    """Return the last lines of a job's last attempt; none where its stream does not exist."""
    from botocore.exceptions import ClientError

    request: dict[str, Any] = {
        "logGroupName": job.log_group,
        "logStreamName": job.streams[-1],
        "limit": lines,
        "startFromHead": False,
    }
    found: list[str] = []
    try:
        # A page may be empty, or less than full, although there are more events before it.
        for _ in range(TAIL_PAGES):
            response = account.client("logs").get_log_events(**request)
            found = [event["message"] for event in response.get("events", ())] + found
            token = response.get("nextBackwardToken")
            if len(found) >= lines or token in (None, request.get("nextToken")):
                break
            request["nextToken"] = token
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
    return found[-lines:]
