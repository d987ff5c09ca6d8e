"""The template's policies hold every action that the code calls, and none more.

Proxies note the calls of a Covalent server's engine, of the commands that watch and examine, and
of a job's worker, in good and bad ways.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from covalent_awsbatch_plugin import AWSBatchExecutor
from covalent_awsbatch_plugin.cli.deployment.plan import template
from covalent_awsbatch_plugin.errors import BatchTaskError
from covalent_awsbatch_plugin.local.services.cloudformation import template as language
from covalent_awsbatch_plugin.protocol import tag_names

from .command import Aws, CommandLine
from .proxy import Proxy

# What IAM calls an operation's action, where it has another name; nothing where it needs none.
ACTIONS = {
    "sts:GetCallerIdentity": (),
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:HeadObject": ("s3:GetObject",),
    "s3:Multipart": ("s3:PutObject",),
    "s3:UploadPart": ("s3:PutObject",),
    "s3:DeleteObjects": ("s3:DeleteObject",),
    "s3:GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    # With tags, and with roles for the job.
    "batch:SubmitJob": ("batch:SubmitJob", "batch:TagResource"),
    "batch:RegisterJobDefinition": (
        "batch:RegisterJobDefinition",
        "batch:TagResource",
        "iam:PassRole",
    ),
}


WAITING = "waiting-for-ever"


def actions(calls: Iterable[str]) -> set[str]:
    return {action for call in calls for action in ACTIONS.get(call, (call,))}


def allowed(*resources: str) -> set[str]:
    """Return the actions that the policies of the template's resources allow."""
    content = language.load(template())
    properties = [content["Resources"][name]["Properties"] for name in resources]
    documents = [
        document
        for each in properties
        for document in (
            [each["PolicyDocument"]]
            if "PolicyDocument" in each
            else [policy["PolicyDocument"] for policy in each["Policies"]]
        )
    ]
    # Statements with a condition are for parameters that are not set here.
    statements = [s for document in documents for s in document["Statement"] if "Action" in s]
    return {action for statement in statements for action in statement["Action"]}


class Recorded:
    """Two proxies, for the server's side and for the job's, and an executor between them."""

    def __init__(self, aws: Aws, server: Proxy, job: Proxy) -> None:
        self.server, self.job = server, job
        self.options = {
            **aws.options,
            "endpoint_url": server.endpoint_url,
            "environment": {"AWS_ENDPOINT_URL": job.endpoint_url},
            "poll_freq": 0.5,
            "retry_attempts": 1,
        }

    async def run(self, function: Any, *args: Any, node: int) -> Any:
        executor = AWSBatchExecutor(**self.options)
        return await executor.run(function, list(args), {}, self.task(node))

    @staticmethod
    def task(node: int) -> dict[str, Any]:
        return {"dispatch_id": "least-privilege", "node_id": node}


@pytest.fixture(scope="module")
def recorded(aws: Aws) -> Iterator[Recorded]:
    with Proxy(aws.endpoint_url) as server, Proxy(aws.endpoint_url) as job:
        yield Recorded(aws, server, job)


async def every_way(recorded: Recorded) -> None:
    """Run tasks that end in every way that makes a call of its own."""
    large = os.urandom(20 * 2**20)
    echoed = recorded.run(lambda data: data, large, node=0)
    killed = recorded.run(lambda: os._exit(9), node=1)
    results = await asyncio.gather(echoed, killed, return_exceptions=True)
    assert results[0] == large
    assert isinstance(results[1], BatchTaskError)

    waiting = asyncio.ensure_future(recorded.run(lambda: __import__("time").sleep(60), node=2))
    while recorded.server.calls["batch:SubmitJob"] < 3:  # noqa: ASYNC110 - of another process
        await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def failed_upload(recorded: Recorded, proxy: Proxy, function: Any, *args: Any) -> None:
    """Break off a large upload, which is then aborted."""
    proxy.denied.add("s3:UploadPart")
    with pytest.raises(BatchTaskError):
        await recorded.run(function, *args, node=3)
    proxy.denied.clear()


async def everything(recorded: Recorded) -> None:
    await every_way(recorded)
    await failed_upload(recorded, recorded.server, len, os.urandom(20 * 2**20))
    await failed_upload(recorded, recorded.job, os.urandom, 20 * 2**20)


@contextmanager
def jobs_that_wait(aws: Aws) -> Iterator[None]:
    """Fill the local AWS with jobs, so that one has to wait."""
    batch = aws.client("batch")
    jobs = [
        batch.submit_job(
            jobName=f"covalent-{WAITING}-{node}-0",
            jobQueue=aws.options["batch_queue"],
            jobDefinition=aws.options["batch_job_definition_name"],
            containerOverrides={"command": ["sleep", "600"]},
            tags={tag_names.TAG_DISPATCH: WAITING, tag_names.TAG_NODE: str(node)},
        )["jobId"]
        for node in range(aws.slots + 1)
    ]
    yield
    for job in jobs:
        batch.terminate_job(jobId=job, reason="the test is over")


def test_policies_hold_what_is_called_and_no_more(
    recorded: Recorded, command: CommandLine, aws: Aws
) -> None:
    asyncio.run(everything(recorded))
    assert actions(recorded.job.calls) == allowed("JobRole")

    command.configure(recorded.options)
    with jobs_that_wait(aws):
        command("jobs")
        command("cancel", WAITING, "--yes")
    command("logs", "least-privilege:1")
    command("doctor")
    image = f"{aws.account}.dkr.ecr.us-east-1.amazonaws.com/tasks:latest"
    command.configure({**recorded.options, "container_image_uri": image})
    command("doctor")
    # The local AWS has no images to look into, and no hosts.
    called = actions(recorded.server.calls) | {
        "ecr:GetDownloadUrlForLayer",
        "ec2:DescribeInstances",
        "ecs:DescribeContainerInstances",
    }
    assert called == allowed("DispatcherPolicy")
