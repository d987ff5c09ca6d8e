"""``covalent-awsbatch logs``: what a task wrote, from CloudWatch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click

from ..aws.calls.aws_errors import code_of
from .shared.account import Account, account_options, connect_from
from .shared.errors import Refusal, WrongCall
from .shared.job_facts import JobFacts
from .shared.job_queue import existing_queue, queue_name, queue_option
from .shared.job_search import (
    Selection,
    find_jobs,
    none_found,
    one_dispatch,
    parse_selection,
    refreshed,
)
from .shared.screen import harmless

# Seconds between two looks; CloudWatch allows an account about ten a second.
LOOK_EVERY = 2.0
LOOK_EVERY_LOCALLY = 0.2

# Seconds for which an ended job's log may still be filling up.
LATE_EVENTS = 5.0


@click.command()
@click.argument("dispatch_id")
@account_options
@queue_option
@click.option("-f", "--follow", is_flag=True, help="Go on until the task has ended.")
@click.option("--attempt", type=click.IntRange(1), help="The attempt's number.  [default: last]")
def logs(dispatch_id: str, follow: bool, attempt: int | None, **options: Any) -> None:
    """Print the log of a task: of DISPATCH_ID:NODE, or of DISPATCH_ID's only task."""
    selection = parse_selection(dispatch_id)
    account, name = connect_from(options), queue_name(options)
    existing_queue(account, name)
    job = _one_job(account, name, selection)
    while follow and not job.streams and not job.finished:
        time.sleep(_pause(account))
        job = refreshed(account, job)
    stream = _stream(job, attempt)
    for line in _follow(account, job, stream) if follow else _lines(account, job, stream):
        click.echo(harmless(line))


def _one_job(account: Account, queue: str, selection: Selection) -> JobFacts:
    found = find_jobs(account, queue, selection, recent=0)
    if not found:
        raise none_found(selection, queue, account)
    one_dispatch(found, selection.dispatch)
    nodes = sorted({job.node for job in found}, key=lambda node: (len(node), node))
    if len(nodes) > 1:
        raise WrongCall(
            f"The dispatch has jobs of {len(nodes)} nodes: {', '.join(nodes)}.",
            f"name one: 'covalent-awsbatch logs {found[0].dispatch}:{nodes[0]}'.",
        )
    return found[0]


def _stream(job: JobFacts, attempt: int | None) -> str:
    if not job.streams:
        raise Refusal(
            f"The job is {job.status} and has no log yet.",
            f"'covalent-awsbatch jobs {job.dispatch}' tells why; --follow waits for it.",
        )
    if attempt is None:
        return job.streams[-1]
    if attempt > len(job.streams):
        raise WrongCall(
            f"There is no attempt {attempt}; the task has had {len(job.streams)}.",
            f"give --attempt a number from 1 to {len(job.streams)}.",
        )
    return job.streams[attempt - 1]


def _lines(account: Account, job: JobFacts, stream: str) -> Iterator[str]:
    reader = _Reader(account, job.log_group, stream)
    yield from reader.new_lines()


def _follow(account: Account, job: JobFacts, stream: str) -> Iterator[str]:
    """Yield lines as they come, until the job has ended and its last lines have arrived."""
    reader = _Reader(account, job.log_group, stream)
    ended_at: float | None = None
    while True:
        count = 0
        for line in reader.new_lines():
            count += 1
            yield line
        now = time.monotonic()
        if ended_at is not None and not count and now - ended_at > _late(account):
            return
        if ended_at is None and refreshed(account, job).finished:
            ended_at = now
        time.sleep(_pause(account))


def _pause(account: Account) -> float:
    return LOOK_EVERY_LOCALLY if account.access.endpoint_url else LOOK_EVERY


def _late(account: Account) -> float:
    return 2 * LOOK_EVERY_LOCALLY if account.access.endpoint_url else LATE_EVENTS


class _Reader:
    """Reads a log stream from where it stopped."""

    def __init__(self, account: Account, group: str, stream: str) -> None:
        self.client = account.client("logs")
        self.request: dict[str, Any] = {
            "logGroupName": group,
            "logStreamName": stream,
            "startFromHead": True,
        }

    def new_lines(self) -> Iterator[str]:
        """Yield the lines that came since the last call; none where there is no stream yet."""
        from botocore.exceptions import ClientError

        while True:
            try:
                answer = self.client.get_log_events(**self.request)
            except ClientError as error:
                # A task that has not written anything has no stream.
                if code_of(error) == "ResourceNotFoundException":
                    return
                raise
            yield from (event["message"] for event in answer["events"])
            token = answer["nextForwardToken"]
            # CloudWatch says that there is no more by repeating the token.
            if token == self.request.get("nextToken"):
                return
            self.request["nextToken"] = token
