"""What the commands call, what the template allows, and what is printed when a call is denied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .command import Aws, CommandLine
from .proxy import Proxy
from .test_jobs import FOR_EVER, QUEUE, Dispatch

PREFIX = "may"


@pytest.fixture(scope="module")
def proxy(aws: Aws) -> Iterator[Proxy]:
    with Proxy(aws.endpoint_url) as running:
        yield running


@pytest.fixture(scope="module")
def deployed(aws: Aws, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    command = CommandLine(tmp_path_factory.mktemp("may"))
    command.configure({**aws.access(), "endpoint_url": proxy.endpoint_url})
    done = command("deploy", "--prefix", PREFIX)
    assert done.code == 0, done.text
    return command.section()


@pytest.fixture
def user(proxy: Proxy, deployed: dict[str, Any], command: CommandLine) -> Iterator[CommandLine]:
    """The command line of a user whose calls are recorded, and denied as a test wants."""
    command.configure(deployed)
    proxy.calls.clear()
    yield command
    proxy.denied.clear()


DENIED = [
    (["deploy", "--prefix", "other"], "cloudformation:CreateChangeSet"),
    (["deploy", "--prefix", "other"], "ec2:DescribeVpcs"),
    (["deploy"], "sts:GetCallerIdentity"),
    (["deploy", "--delete", "--yes", "--prefix", PREFIX], "cloudformation:DeleteStack"),
    (["jobs"], "batch:ListJobs"),
    (["logs", "d:1"], "batch:DescribeJobQueues"),
    (["cancel", "d"], "batch:ListJobs"),
    (["reap"], "batch:DescribeJobQueues"),
]


@pytest.mark.parametrize(("arguments", "call"), DENIED)
def test_a_denied_call_is_named(
    user: CommandLine, proxy: Proxy, arguments: list[str], call: str
) -> None:
    configuration = user.configuration.read_text()
    proxy.denied.add(call)
    done = user.here(*arguments)
    assert done.code == 1
    assert done.err.startswith("Error: AWS denied permission for " + call.partition(":")[2])
    assert "Fix: allow" in done.err
    assert user.configuration.read_text() == configuration


@pytest.mark.parametrize(
    "call",
    ["batch:GetJobQueueSnapshot", "batch:DescribeComputeEnvironments", "logs:FilterLogEvents"],
)
def test_what_only_completes_the_list_of_jobs_may_be_denied(
    aws: Aws, user: CommandLine, proxy: Proxy, call: str
) -> None:
    user.configure({**user.section(), "batch_queue": QUEUE})
    dispatch = Dispatch(aws)
    dispatch.wait_for(dispatch.submit(0, "exit 3"), "FAILED")
    for node in range(1, 1 + aws.slots):
        dispatch.wait_for(dispatch.submit(node, FOR_EVER), "RUNNING")
    dispatch.wait_for(dispatch.submit(9, "true"), "RUNNABLE")
    proxy.denied.add(call)
    done = user.here("jobs", dispatch.id)
    dispatch.end()
    assert done.code == 0, done.text
    assert "wrote no result (exit code 3)" in done.out
    assert "1 waiting: " in done.out
    assert done.err.startswith("Not shown: ")
    assert call.partition(":")[2] in done.err


@pytest.mark.parametrize(
    ("call", "area", "check", "status"),
    [
        ("iam:SimulatePrincipalPolicy", "job role", "permissions", "not checked"),
        ("iam:GetRole", "job role", "exists", "not checked"),
        ("s3:GetBucketEncryption", "bucket", "encrypted", "not checked"),
        ("s3:PutObject", "bucket", "writable", "problem"),
        ("batch:DescribeJobQueues", "queue", "answer", "not checked"),
        ("logs:DescribeLogGroups", "log group", "answer", "not checked"),
        ("ec2:DescribeInstanceTypes", "queue", "answer", "not checked"),
    ],
)
def test_the_doctor_tells_what_it_may_not_look_at(
    user: CommandLine, proxy: Proxy, call: str, area: str, check: str, status: str
) -> None:
    proxy.denied.add(call)
    done = user.here("doctor", "--json")
    found = {(f["area"], f["check"]): f for f in done.json()["findings"]}
    assert found[area, check]["status"] == status
    assert done.code == (1 if status == "problem" else 0)
