"""The configured queue, its compute environments and its snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from ...options.table import BY_NAME
from .account import Account, Function
from .configuration import read_section
from .errors import Refusal
from .optional import Notes
from .waiting_reasons import Queue, parse_environment


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
    described = _described(account, name)
    return _with_environments(account, described) if described else None


def existing_queue(account: Account, name: str) -> Queue:
    """Return a queue without its compute environments.

    Raises:
        Refusal: There is none of this name.
    """
    described = _described(account, name)
    if not described:
        raise Refusal(
            f"There is no job queue {name} in {account.region}.",
            "check batch_queue and region in the Covalent configuration, or name them with "
            "--queue and --region; 'covalent-awsbatch deploy' makes one.",
        )
    return _queue(described)


def with_details(account: Account, queue: Queue, notes: Notes) -> Queue:
    """Return a queue with its compute environments and its front, where AWS has them."""
    with notes.optional("the compute environments of the queue"):
        described = _described(account, queue.name)
        queue = _with_environments(account, described) if described else queue
    front: tuple[str, ...] = ()
    with notes.optional("places in the queue"):
        response = account.client("batch").get_job_queue_snapshot(jobQueue=queue.name)
        jobs: list[dict[str, Any]] = (response.get("frontOfQueue") or {}).get("jobs") or []
        front = tuple(job["jobArn"].rpartition("/")[2] for job in jobs)
    return replace(queue, front=front)


def _described(account: Account, name: str) -> Mapping[str, Any] | None:
    found = account.client("batch").describe_job_queues(jobQueues=[name])["jobQueues"]
    return found[0] if found else None


def _queue(described: Mapping[str, Any]) -> Queue:
    return Queue(
        name=described["jobQueueName"],
        arn=described["jobQueueArn"],
        state=described["state"],
        status=described.get("status", ""),
        reason=described.get("statusReason", ""),
        environments=(),
        is_fair_share=bool(described.get("schedulingPolicyArn")),
    )


def _with_environments(account: Account, described: Mapping[str, Any]) -> Queue:
    order = sorted(described["computeEnvironmentOrder"], key=lambda entry: entry["order"])
    arns = [entry["computeEnvironment"] for entry in order]
    response = account.client("batch").describe_compute_environments(computeEnvironments=arns)
    by_arn = {e["computeEnvironmentArn"]: e for e in response["computeEnvironments"]}
    environments = tuple(parse_environment(by_arn[arn]) for arn in arns if arn in by_arn)
    return replace(_queue(described), environments=environments)
