"""What tasks may cost in calls and bytes, counted over the fake AWS; times are no part of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.drive import Server, Work, run_all
from covalent_awsbatch_plugin.awsbatch import AWSBatchExecutor
from tests.fake_aws import FakeAws

TASKS = 300
MB = 1024 * 1024


@pytest.fixture(scope="module")
def aws() -> Iterator[FakeAws]:
    with FakeAws(job_seconds=0.1) as fake:
        yield fake


@pytest.fixture(scope="module")
def first_run(aws: FakeAws, tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """Run the tasks for the first time in this account; return the calls by kind."""
    return run(aws, tmp_path_factory.mktemp("first"), tasks=TASKS)


def run(aws: FakeAws, scratch: Path, **work: Any) -> Counter[str]:
    """Run tasks as a server that has just started does, clean-up included.

    Returns:
        The calls that AWS took.
    """
    aws.forget_calls()
    aws.batch.jobs.clear()
    options = {**aws.executor_options(), "poll_freq": 1, "cache_dir": str(scratch)}

    async def all_of_it() -> None:
        server = Server(AWSBatchExecutor, options, str(scratch))
        await run_all(server, Work(work), work["tasks"], one_by_one=False)
        deadline = time.monotonic() + 20
        while aws.objects():
            assert time.monotonic() < deadline, "objects are left in the bucket"
            await asyncio.sleep(0.02)

    asyncio.run(all_of_it())
    assert {job.status for job in aws.batch.jobs.values()} == {"SUCCEEDED"}
    assert len(aws.batch.jobs) == work["tasks"]
    return aws.calls - aws.refused


def test_each_task_is_stored_submitted_and_fetched_once(first_run: Counter[str]) -> None:
    assert first_run["batch:SubmitJob"] == TASKS
    assert first_run["s3:GetObject"] == TASKS
    # One more: the worker, which the tasks of a dispatch share.
    assert first_run["s3:PutObject"] == TASKS + 1


def test_all_else_is_shared(first_run: Counter[str]) -> None:
    assert first_run["sts:GetCallerIdentity"] == 1
    assert first_run["batch:DescribeJobDefinitions"] == 1
    assert first_run["batch:RegisterJobDefinition"] == 1
    assert first_run["batch:DescribeJobs"] <= TASKS / 10
    assert first_run["s3:DeleteObjects"] <= TASKS / 10
    assert sum(first_run.values()) <= 3.3 * TASKS


def test_no_call_comes_faster_than_aws_takes_it(aws: FakeAws, first_run: Counter[str]) -> None:
    assert first_run
    # Calls that a busy machine delays arrive together, and a few are then too many at once.
    assert sum(aws.refused.values()) <= TASKS / 5


@pytest.mark.usefixtures("first_run")
def test_a_second_run_registers_no_job_definition(aws: FakeAws, tmp_path: Path) -> None:
    calls = run(aws, tmp_path, tasks=10)
    assert calls["batch:SubmitJob"] == 10
    assert calls["batch:RegisterJobDefinition"] == 0


@pytest.mark.usefixtures("first_run")
def test_a_shared_argument_goes_up_once(aws: FakeAws, tmp_path: Path) -> None:
    size = 4 * MB
    run(aws, tmp_path, tasks=20, argument_size=size)
    stored = sum(count for name, count in aws.bytes_up.items() if name.startswith("s3:"))
    # Covalent hands it over as base64, which is a third longer.
    assert size * 4 / 3 < stored < 1.1 * size * 4 / 3
