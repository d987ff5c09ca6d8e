"""What ``deploy --delete`` does: end jobs, empty the bucket, remove the stack, list what stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from ...aws.calls.aws_errors import code_of
from ...aws.model.description import FINISHED
from ..shared.account import Account
from ..shared.errors import Refusal
from ..shared.formats import count
from ..shared.screen import console, print_prose
from . import bucket as bucket_objects
from . import stack
from .attachments import Attachment, detach, find_attachments
from .progress import Progress

UNFINISHED = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")


@dataclass(frozen=True)
class Contents:
    """What goes with a deployment.

    Attributes:
        bucket: The bucket's name; empty where it was never made.
        definition: The name of the job definitions.
        jobs: Ids of the jobs that have not ended.
        objects: Number of the plugin's objects in the bucket.
        foreign: Number of other objects in the bucket.
        attached: What users attached to the roles and the policy.
    """

    bucket: str
    definition: str
    jobs: tuple[str, ...]
    objects: int
    foreign: int
    attached: tuple[Attachment, ...]


def delete_deployment(
    account: Account, prefix: str, again: str, *, ask: bool, only_plan: bool
) -> None:
    """Remove the stack of a prefix with the plugin's own objects, jobs and job definitions.

    Args:
        account: Where the stack is.
        prefix: The prefix of the stack's name.
        again: The options that name it to the command line, such as ``--prefix lab``.
        ask: Whether to ask for confirmation first.
        only_plan: Whether to list what would be deleted, and delete nothing.

    Raises:
        Refusal: There is no such stack, it is busy, or CloudFormation could not delete it.
        click.Abort: The user declined.
    """
    name = stack.stack_name(prefix)
    state = stack.find_stack(account, name)
    if state is None:
        raise Refusal(
            f"There is no stack {name} in {account.region}.", _name_another(account, again)
        )
    if state.busy:
        stack.refuse_unusable(state, name, again)
    contents = _contents(account, state, prefix)
    print_prose(_announcement(name, contents))
    if only_plan:
        console().print("This was the plan only; nothing was changed.")
        return
    if ask:
        click.confirm("Delete it?", abort=True)
    _end_jobs(account, contents)
    bucket_objects.empty(account, contents.bucket, contents.objects)
    detach(account, contents.attached)
    _delete_stack(account, name, state.stack_id, contents)
    _deregister(account, contents.definition)
    for line in _kept(account, prefix, contents):
        print_prose(line)


def _contents(account: Account, state: stack.StackState, prefix: str) -> Contents:
    resources = stack.resources(account, state.stack_id)
    physical = {r.name: r.physical for r in resources}
    bucket = physical.get("Bucket", "")
    queues = [physical[name] for name in ("JobQueue", "GpuQueue") if physical.get(name)]
    objects, foreign = bucket_objects.count_objects(account, bucket)
    return Contents(
        bucket=bucket,
        definition=f"{prefix}-batch-jobs",
        jobs=tuple(job for queue in queues for job in _unfinished(account, queue)),
        objects=objects,
        foreign=foreign,
        attached=tuple(find_attachments(account, resources)),
    )


def _unfinished(account: Account, queue: str) -> Iterator[str]:
    from botocore.exceptions import ClientError

    pages = account.client("batch").get_paginator("list_jobs")
    try:
        for status in UNFINISHED:
            for page in pages.paginate(jobQueue=queue, jobStatus=status):
                listed = page["jobSummaryList"]
                yield from (job["jobId"] for job in listed if job.get("status") not in FINISHED)
    except ClientError as error:
        # The queue of a stack that failed half-way is gone.
        if code_of(error) != "ClientException":
            raise


def _announcement(name: str, contents: Contents) -> str:
    lines = [f"This deletes the stack [bold]{name}[/]"]
    if contents.bucket:
        lines.append(
            f"  with {count(contents.objects, 'object')} of the plugin in {contents.bucket}"
        )
    if contents.jobs:
        lines.append(f"  and ends {count(len(contents.jobs), 'unfinished job')}")
    lines += [f"  and removes the {attachment}" for attachment in contents.attached]
    return "\n".join(lines)


def _end_jobs(account: Account, contents: Contents) -> None:
    if contents.jobs:
        console().print(f"Ending {count(len(contents.jobs), 'job')}.")
    for job in contents.jobs:
        account.client("batch").terminate_job(
            jobId=job, reason="The deployment was deleted by 'covalent-awsbatch deploy --delete'."
        )


def _delete_stack(account: Account, name: str, stack_id: str, contents: Contents) -> None:
    cloudformation = account.client("cloudformation")
    cloudformation.delete_stack(StackName=stack_id)
    state = _follow(account, name, stack_id)
    if state.status == "DELETE_FAILED" and contents.foreign:
        # All else is gone; the bucket stays for what others keep in it.
        cloudformation.delete_stack(StackName=stack_id, RetainResources=["Bucket"])
        state = _follow(account, name, stack_id)
    if state.status != "DELETE_COMPLETE":
        reason = stack.failure(account, stack_id) or state.reason
        raise Refusal(
            f"The stack {name} could not be deleted ({state.status}). {reason}",
            "remove what the reason names, then try again.",
        )


def _follow(account: Account, name: str, stack_id: str) -> stack.StackState:
    with Progress(f"Deleting {name}") as progress:
        for state, resources in stack.follow(account, stack_id):
            progress.update(state, resources)
    return state


def _deregister(account: Account, name: str) -> None:
    """Deregister the revisions that the executor added; they are not the stack's."""
    batch = account.client("batch")
    pages = batch.get_paginator("describe_job_definitions")
    for page in pages.paginate(jobDefinitionName=name, status="ACTIVE"):
        for definition in page["jobDefinitions"]:
            batch.deregister_job_definition(jobDefinition=definition["jobDefinitionArn"])


def _kept(account: Account, prefix: str, contents: Contents) -> Iterator[str]:
    if contents.foreign and _exists(account, contents.bucket):
        yield (
            f"Kept: the bucket {contents.bucket}, because it holds "
            f"{count(contents.foreign, 'object')} "
            f"that the plugin did not write. A new deployment of {prefix!r} needs it gone."
        )
    yield (
        "Kept: your configuration \\[executors.awsbatch], because it may name other resources by "
        "now; images in ECR, because they may be in use; and Batch's record of ended jobs, which "
        "AWS drops after about a week."
    )
    yield "[green]Deleted.[/]"


def _exists(account: Account, bucket: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        account.client("s3").head_bucket(Bucket=bucket)
    except ClientError:
        return False
    return True


def _name_another(account: Account, again: str) -> str:
    pages: Any = account.client("cloudformation").get_paginator("describe_stacks")
    suffix = stack.stack_name("")
    names = [s["StackName"] for page in pages.paginate() for s in page["Stacks"]]
    prefixes = sorted(name.removesuffix(suffix) for name in names if name.endswith(suffix))
    if not prefixes:
        return (
            "name the --region and --profile it was deployed with."
            if not again
            else ("check --prefix, --region and --profile.")
        )
    return f"prefixes that are deployed here: {', '.join(prefixes)}. Name one with --prefix."
