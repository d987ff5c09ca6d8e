"""Ending many jobs: fifty with a call where AWS knows that, one by one where it does not."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from covalent._shared_files.exceptions import TaskCancelledError

from covalent_awsbatch_plugin import AWSBatchExecutor
from covalent_awsbatch_plugin.aws.backend import end_all_tasks, unended_jobs
from tests.fake_aws import ApiError, FakeAws

JOBS = 120

# Fifty in a call, and a few calls under way before company has come together.
CALLS = 3 + 4

Start = Callable[[], Any]


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    with FakeAws(job_seconds=math.inf) as fake:
        yield fake


@pytest.fixture
def start(aws: FakeAws, tmp_path: Path) -> Start:
    """Start tasks whose jobs run until they are ended."""
    options = {**aws.executor_options(), "retry_attempts": 1, "cache_dir": str(tmp_path)}

    async def start() -> list[asyncio.Future[Any]]:
        one = AWSBatchExecutor(**options)
        runs = [
            asyncio.ensure_future(one.run(len, [b""], {}, {"dispatch_id": "many", "node_id": n}))
            for n in range(JOBS)
        ]
        while len(aws.batch.jobs) < JOBS:  # noqa: ASYNC110 - the fake is no coroutine
            await asyncio.sleep(0.05)
        return runs

    return start


async def stopped(aws: FakeAws, runs: list[asyncio.Future[Any]]) -> None:
    """Stop the server, and see that every job was ended for that reason."""
    await asyncio.wait_for(end_all_tasks(), 60)
    assert not unended_jobs()
    ended = await asyncio.gather(*runs, return_exceptions=True)
    assert all(isinstance(each, TaskCancelledError) for each in ended)
    reasons = [job.status_reason or "" for job in aws.batch.jobs.values()]
    assert len(reasons) == JOBS
    assert all(reason.startswith("Cancelled by Covalent:") for reason in reasons)
    assert all(reason.endswith("the Covalent server stopped") for reason in reasons)


def knows_the_call() -> bool:
    import botocore.session

    model = botocore.session.get_session().get_service_model("batch")
    return "TerminateJobs" in model.operation_names


@pytest.mark.skipif(not knows_the_call(), reason="this release of botocore ends single jobs only")
async def test_a_server_that_stops_ends_fifty_jobs_with_a_call(aws, start):
    await stopped(aws, await start())
    assert aws.calls["batch:TerminateJobs"] + aws.calls["batch:TerminateJob"] <= CALLS


UNKNOWN = {
    "denied": ApiError("AccessDeniedException", "not authorized", 403),
    "not known": ApiError("UnknownOperationException", "", 404),
    "not implemented": ApiError("NotImplemented", "", 501),
    "a page of a proxy": ApiError("", "", 404, body=b"<html>Not found</html>"),
    "out of order": ApiError("ServerException", "", 500),
}


@pytest.mark.parametrize("name", UNKNOWN)
async def test_where_that_call_fails_jobs_are_ended_one_by_one(aws, start, name):
    runs = await start()
    aws.fail("batch:TerminateJobs", UNKNOWN[name], 1_000_000)
    await stopped(aws, runs)
    assert aws.calls["batch:TerminateJobs"] <= 4
    assert aws.calls["batch:TerminateJob"] == JOBS


@pytest.mark.skipif(not knows_the_call(), reason="this release of botocore ends single jobs only")
async def test_a_job_that_the_call_leaves_out_is_ended_by_its_own(aws, start):
    runs = await start()
    aws.batch.protected = set(list(aws.batch.jobs)[::10])
    await stopped(aws, runs)
    assert aws.calls["batch:TerminateJob"] >= len(aws.batch.protected)


async def test_a_single_job_is_ended_at_once_and_its_reason_names_its_node(aws, start):
    runs = await start()
    runs[7].cancel()
    await asyncio.gather(runs[7], return_exceptions=True)
    [job] = [job for job in aws.batch.jobs.values() if job.ended]
    assert job.status_reason == (
        "Cancelled by Covalent: dispatch many, node 7: the Covalent server stopped"
    )
    await end_all_tasks()
    await asyncio.gather(*runs, return_exceptions=True)
