"""The walk through an account, on the local AWS: the command that ``make test-aws`` calls."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from tests.served import served

from .facts import FACTS
from .report import masked

ROOT = Path(__file__).parents[2]

# Far more than it takes.
LIMIT = 900

# What needs an option, EC2 instances or a cluster of ECS.
ONLY_ON_AWS = {"GPUs", "KMS key", "agent", "instance tags"}


@pytest.fixture(scope="module")
def access() -> Iterator[dict[str, str]]:
    with served("tests.account.serve") as found:
        yield found


def start(access: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    named = [
        *("--endpoint-url", access["endpoint_url"], "--credentials", access["credentials"]),
        *("--region", "us-east-1"),
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.account", *named, *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )


def left(access: dict[str, str]) -> list[str]:
    """What of the walk is still on the account."""
    session = boto3.Session("local", "local", region_name="us-east-1")

    def client(service: str) -> Any:
        return session.client(service, endpoint_url=access["endpoint_url"])

    return [
        *(s["StackName"] for s in client("cloudformation").describe_stacks()["Stacks"]),
        *(b["Name"] for b in client("s3").list_buckets()["Buckets"]),
        *(r["RoleName"] for r in client("iam").list_roles()["Roles"] if "walk" in r["RoleName"]),
        *(q["jobQueueName"] for q in client("batch").describe_job_queues()["jobQueues"]),
        *(g["logGroupName"] for g in client("logs").describe_log_groups()["logGroups"]),
    ]


def commands(access: dict[str, str]) -> list[list[str]]:
    """The commands of the walk that still run."""
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if access["endpoint_url"] in line]


def test_the_whole_walk(access: dict[str, str], tmp_path: Path) -> None:
    target = tmp_path / "report.md"
    with start(access, "--yes", "--report", str(target)) as walk:
        printed, _ = walk.communicate(timeout=LIMIT)
    assert walk.returncode == 0, printed
    report = target.read_text()
    assert "DIFFERS" not in report
    assert "not run" not in report
    measured = {row[1]: row[3] for row in cells(report) if len(row) == 5}
    assert "AWS_BATCH_JOB_ID" in measured["variables"]
    assert "REGION" not in measured["variables"]
    assert measured["log"].startswith("in the log ")
    missing = {f.key for f in FACTS if measured[f.key].startswith("not measured")}
    assert missing == ONLY_ON_AWS
    assert re.search(r"\| task that takes too much memory \| FAILED \| 137 ", report)
    assert "123456789012" not in report
    assert str(Path.home()) not in report
    assert left(access) == []


def cells(report: str) -> Iterator[list[str]]:
    _, _, facts = report.partition("## Facts")
    yield from ([c.strip() for c in line.split("|")] for line in facts.splitlines())


def test_a_walk_that_is_interrupted_leaves_nothing(access: dict[str, str], tmp_path: Path) -> None:
    target = tmp_path / "report.md"
    with start(access, "--yes", "--report", str(target)) as walk:
        assert walk.stdout is not None
        printed = ""
        while "hello job" not in printed:
            line = walk.stdout.readline()
            assert line, printed
            printed += line
        os.killpg(walk.pid, signal.SIGINT)
        printed += walk.communicate(timeout=LIMIT)[0]
    assert walk.returncode == 1, printed
    assert "Interrupted." in printed
    assert "deploy of a new stack" in target.read_text()
    assert commands(access) == []
    assert left(access) == []


def test_nothing_is_made_without_a_yes(access: dict[str, str]) -> None:
    with start(access) as walk:
        printed, _ = walk.communicate(timeout=LIMIT)
    assert walk.returncode == 1
    assert re.search(r"less than [0-2]\.\d\d dollars", printed)
    assert "Begin?" in printed
    assert left(access) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("arn:aws:iam::123456789012:role/r", "arn:aws:iam::ACCOUNT:role/r"),
        ("bucket-123456789012-eu-west-1", "bucket-ACCOUNT-eu-west-1"),
        (
            "arn:aws:sts::123456789012:assumed-role/a/me@x.org",
            "arn:aws:sts::ACCOUNT:assumed-role/NAME",
        ),
        ("key AKIAIOSFODNN7EXAMPLE", "key KEY"),
        (
            "Host EC2 (instance i-0f2e4d6c8b0a19283) terminated.",
            "Host EC2 (instance i-ID) terminated.",
        ),
        ("dial tcp 10.0.3.17:443: i/o timeout", "dial tcp ADDRESS:443: i/o timeout"),
        ("profile research", "profile HIDDEN"),
        ("exit code 137 after 61.5 s", "exit code 137 after 61.5 s"),
    ],
)
def test_a_report_names_no_account(text: str, shown: str) -> None:
    assert masked(text, ("research",)) == shown
