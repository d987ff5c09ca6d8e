"""What users do most, over emulators of Batch and S3 that this project did not write.

``README.md`` has what is different there, and whose fault that is.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from typing import Any

import cloudpickle
import pytest
from covalent._shared_files.exceptions import TaskCancelledError

from covalent_awsbatch_plugin import AWSBatchExecutor, errors
from covalent_awsbatch_plugin.protocol import s3_keys
from tests.cli.command import CommandLine

from .servers import BUCKET, QUEUE, Cloud

Make = Callable[..., AWSBatchExecutor]


@pytest.fixture(autouse=True)
def by_value() -> Iterator[None]:
    """The functions of this module travel whole: no image has it."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.fixture
def metadata(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"dispatch_id": s3_keys.safe_name(request.node.name), "node_id": 0}


async def bounded(work: Any) -> Any:
    return await asyncio.wait_for(work, 180)


async def test_a_result_comes_back(executor: Make, metadata: dict[str, Any]) -> None:
    assert await bounded(executor().run(lambda a, *, b: a + b, [1], {"b": 2}, metadata)) == 3


@pytest.mark.parametrize("megabytes", [3, 30])
async def test_large_arguments_and_results(
    executor: Make, metadata: dict[str, Any], megabytes: int
) -> None:
    data = bytes(range(250)) * (megabytes * 4000)
    assert await bounded(executor().run(lambda x: x[::-1], [data], {}, metadata)) == data[::-1]


async def test_a_task_that_raises(executor: Make, metadata: dict[str, Any]) -> None:
    def fail() -> None:
        raise LookupError("nowhere")

    with pytest.raises(errors.TaskRaised, match="LookupError: nowhere"):
        await bounded(executor().run(fail, [], {}, metadata))


async def test_a_second_attempt_counts(executor: Make, metadata: dict[str, Any]) -> None:
    def second(kept: list[int]) -> int:
        import os

        if os.environ.get("AWS_BATCH_JOB_ATTEMPT", "1") == "1":
            os._exit(9)
        return sum(kept)

    run = executor(retry_attempts=2).run(second, [[1, 2]], {}, metadata)
    assert await bounded(run) == 3


async def test_twenty_at_once(executor: Make, metadata: dict[str, Any]) -> None:
    one = executor()
    runs = [
        one.run(lambda x: x * x, [number], {}, {**metadata, "node_id": number})
        for number in range(20)
    ]
    assert await bounded(asyncio.gather(*runs)) == [number**2 for number in range(20)]


async def test_a_cancelled_task_s_job_ends_and_leaves_no_object(
    executor: Make, metadata: dict[str, Any], cloud: Cloud
) -> None:
    def sleep() -> None:
        import time

        time.sleep(600)

    one = executor()
    run = asyncio.ensure_future(one.run(sleep, [], {}, metadata))
    batch = cloud.client("batch")

    def statuses() -> set[str]:
        wanted = f"covalent-{metadata['dispatch_id']}"[:40]
        return {
            job["status"]
            for status in ("SUBMITTED", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
            for job in batch.list_jobs(jobQueue=QUEUE, jobStatus=status)["jobSummaryList"]
            if job["jobName"].startswith(wanted)
        }

    await until(lambda: statuses() == {"RUNNING"})
    assert await one.cancel(metadata, None)
    with pytest.raises((TaskCancelledError, asyncio.CancelledError)):
        await asyncio.wait_for(run, 30)
    await until(lambda: statuses() == {"FAILED"})
    await until(lambda: not objects(cloud, metadata["dispatch_id"]))


def objects(cloud: Cloud, dispatch: str) -> list[str]:
    prefix = s3_keys.dispatch_prefix(dispatch)
    listed = cloud.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [each["Key"] for each in listed.get("Contents", ())]


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if await asyncio.to_thread(condition):
            return
        await asyncio.sleep(0.1)
    raise TimeoutError


async def test_objects_are_gone_after_their_task(
    executor: Make, metadata: dict[str, Any], cloud: Cloud
) -> None:
    await bounded(executor().run(len, ["abc"], {}, metadata))
    await until(lambda: not objects(cloud, metadata["dispatch_id"]))


async def test_commands(
    executor: Make, metadata: dict[str, Any], command_line: CommandLine
) -> None:
    await bounded(executor(keep_objects=True).run(len, ["abc"], {}, metadata))
    dispatch = metadata["dispatch_id"]

    async def ended(*arguments: str) -> str:
        # Raises where a command ends with a traceback.
        return (await asyncio.to_thread(command_line, *arguments)).text

    assert "SUCCEEDED" in await ended("jobs", dispatch)
    assert "SUCCEEDED" in await ended("show", f"{dispatch}:0")
    assert "independent-logs" in await ended("logs", f"{dispatch}:0")
    assert "checks are ok" in await ended("doctor")
    assert "No job was left behind" in await ended("reap", "--yes")
