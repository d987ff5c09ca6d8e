"""The configured queue, its compute environments and its snapshot, as AWS tells them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from ...aws.calls.aws_errors import Kind, classify
from ...options.table import BY_NAME
from .account import Account, Function
from .configuration import read_section
from .errors import Refusal
from .waiting_reasons import Environment, Queue, parse_environment


def queue_option(command: Function) -> Function:
    """Add the option that names the queue."""
    return click.option(
        "--queue", metavar="NAME", help="Job queue.  [default: as configured for Covalent]"
    )(command)


def queue_name(options: Mapping[str, Any]) -> str:
    """Return the queue's name of a command's options and the Covalent configuration."""
    configured = read_section().get("batch_queue") or BY_NAME["batch_queue"].default
    return str(options["queue"] or configured)


def look_up_queue(account: Account, name: str) -> Queue | None:
    """Return a queue with its compute environments, where there is one."""
    batch = account.client("batch")
    found = batch.describe_job_queues(jobQueues=[name])["jobQueues"]
    if not found:
        return None
    described = found[0]
    order = sorted(described["computeEnvironmentOrder"], key=lambda entry: entry["order"])
    return Queue(
        name=described["jobQueueName"],
        arn=described["jobQueueArn"],
        state=described["state"],
        status=described.get("status", ""),
        reason=described.get("statusReason", ""),
        environments=_environments(account, [entry["computeEnvironment"] for entry in order]),
    )


def existing_queue(account: Account, name: str) -> Queue:
    """Return a queue.

    Raises:
        Refusal: There is none of this name.
    """
    queue = look_up_queue(account, name)
    if queue is None:
        raise Refusal(
            f"There is no job queue {name} in {account.region}.",
            "check batch_queue and region in the Covalent configuration, or name them with "
            "--queue and --region; 'covalent-awsbatch deploy' makes one.",
        )
    return queue


def with_front(account: Account, queue: Queue) -> Queue:
    """Return a queue with the jobs at its front; without them where the caller may not ask."""
    from botocore.exceptions import ClientError

    try:
        answer = account.client("batch").get_job_queue_snapshot(jobQueue=queue.name)
    except ClientError as error:
        if classify(error) is not Kind.DENIED:
            raise
        return queue
    jobs: list[dict[str, Any]] = (answer.get("frontOfQueue") or {}).get("jobs") or []
    return replace(queue, front=tuple(job["jobArn"].rpartition("/")[2] for job in jobs))


def _environments(account: Account, arns: list[str]) -> tuple[Environment, ...]:
    batch = account.client("batch")
    answer = batch.describe_compute_environments(computeEnvironments=arns)
    by_arn = {e["computeEnvironmentArn"]: e for e in answer["computeEnvironments"]}
    return tuple(parse_environment(by_arn[arn]) for arn in arns if arn in by_arn)
