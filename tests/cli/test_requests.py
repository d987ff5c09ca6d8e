"""Every request that the executor and the commands send is one that AWS's models allow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from covalent_awsbatch_plugin import AWSBatchExecutor
from tests.fake_aws import FakeAws, JobEnd, scripts
from tests.modelled import checked_requests

from .command import Aws, CommandLine

LARGE = "x" * 20_000_000
OPTIONS: dict[str, Any] = {
    "environment": {"A_1": 'text with spaces, \u00fc and "quotes"'},
    "tags": {"team": "a + b = c", "Gr\u00f6\u00dfe": "1 / 2 @ home"},
    "container_properties": {
        "linuxParameters": {"sharedMemorySize": 64, "tmpfs": []},
        "ulimits": [{"name": "nofile", "softLimit": 1024, "hardLimit": 1024}],
        "environment": [{"name": "B", "value": "2"}],
    },
    "retry_on": "infrastructure",
    "retry_attempts": 10,
    "s3_encryption": "aws:kms",
    "s3_kms_key_id": "alias/team",
    "poll_freq": 0.1,
}
SENT_BY_TASKS = {
    "batch:DescribeJobDefinitions",
    "batch:DescribeJobs",
    "batch:RegisterJobDefinition",
    "batch:SubmitJob",
    "batch:TerminateJob",
    "logs:GetLogEvents",
    "s3:DeleteObjects",
    "s3:GetObject",
    "s3:ListObjectsV2",
    "s3:PutObject",
    "sts:GetCallerIdentity",
}
SENT_BY_COMMANDS = {
    "batch:DescribeComputeEnvironments",
    "batch:DescribeJobQueues",
    "batch:GetJobQueueSnapshot",
    "batch:ListJobs",
    "cloudformation:CreateChangeSet",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeStacks",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:DeleteStack",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "iam:GetRole",
}


async def run(options: dict[str, Any], node: int, function: Any, *args: Any) -> Any:
    executor = AWSBatchExecutor(**options)
    metadata = {"dispatch_id": "an odd dispatch/\u00fc", "node_id": node}
    return await executor.run(function, list(args), {}, metadata)


def fails_without_a_word(job: Any, aws: FakeAws) -> JobEnd:
    return JobEnd(None, reason="CannotPullContainerError: no", log=("why",))


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError


async def work(aws: FakeAws) -> None:
    options = {**aws.executor_options(), **OPTIONS}
    aws.batch.add_queue("fair", fair_share=True)
    fair = {"batch_queue": "fair", "share_identifier": "team", "scheduling_priority": 9999}
    await run(options, 1, len, LARGE)
    await run({**options, **fair}, 2, len, "small")
    aws.batch.job_seconds = 60
    waiting = asyncio.ensure_future(run(options, 3, len, "cancelled"))
    await until(lambda: any(job.status == "RUNNING" for job in aws.batch.jobs.values()))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    aws.batch.job_seconds, aws.script = 0, fails_without_a_word
    failed = await asyncio.gather(run(options, 4, len, "x"), return_exceptions=True)
    assert "CannotPullContainerError" in str(failed[0])
    await until(lambda: aws.calls["s3:DeleteObjects"] > 0)


def test_requests_of_tasks() -> None:
    with checked_requests() as requests, FakeAws(script=scripts.run_here) as aws:
        asyncio.run(asyncio.wait_for(work(aws), 120))
    assert requests.refused == []
    assert requests.operations >= SENT_BY_TASKS


def test_requests_of_commands(aws: Aws, on_aws: CommandLine) -> None:
    with checked_requests() as requests:
        deploy = ("deploy", "--prefix", "models", "--yes")
        assert on_aws.here(*deploy).code == 0
        assert on_aws.here("doctor").code in (0, 1)
        definition = aws.client("batch").describe_job_definitions(status="ACTIVE")
        job = aws.client("batch").submit_job(
            jobName="covalent-models-0-1",
            jobQueue=on_aws.section()["batch_queue"],
            jobDefinition=definition["jobDefinitions"][0]["jobDefinitionArn"],
            containerOverrides={"resourceRequirements": [{"type": "GPU", "value": "8"}]},
            tags={"covalent-awsbatch:dispatch": "models", "covalent-awsbatch:node": "0"},
        )["jobId"]
        for arguments in (
            ("jobs",),
            ("jobs", "models"),
            ("logs", "models:0"),
            ("cancel", "models", "--yes"),
            ("reap", "--yes"),
        ):
            assert on_aws.here(*arguments).code in (0, 1, 2), arguments
        assert aws.client("batch").describe_jobs(jobs=[job])["jobs"]
        assert on_aws.here(*deploy[:3], "--delete", "--yes").code == 0
    assert requests.refused == []
    assert requests.operations >= SENT_BY_COMMANDS, SENT_BY_COMMANDS - requests.operations


def test_what_aws_would_refuse_is_found() -> None:
    with checked_requests() as requests, FakeAws() as aws:
        session = boto3.Session("AKIAFAKE", "secret", region_name=aws.region)
        logs = session.client("logs", endpoint_url=aws.endpoint_url)
        with pytest.raises(ClientError):
            logs.get_log_events(logGroupName="no spaces", logStreamName="a:b")
        batch = session.client("batch", endpoint_url=aws.endpoint_url)
        with pytest.raises(ClientError):
            batch.submit_job(jobName="-", jobQueue="q", jobDefinition="d")
    first, second, third = requests.refused
    assert "logGroupName" in first
    assert "logStreamName" in second
    assert "Job name" in third
