"""What AWS may do to a task under way, over the fake AWS: each is survived or reported in time."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from covalent._shared_files.exceptions import TaskCancelledError

from covalent_awsbatch_plugin import AWSBatchExecutor, errors
from covalent_awsbatch_plugin.protocol import messages, s3_keys
from tests.fake_aws import ApiError, CutError, FakeAws, JobEnd
from tests.fake_aws.aws import ACCESS_KEY, BUCKET, SECRET_KEY
from tests.fake_aws.scripts import run_here, task_of

from .over_fake import Make, objects, wait_until

MB = 1024 * 1024
Run = Callable[..., Awaitable[Any]]


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    with FakeAws(script=run_here, job_seconds=0.1) as fake:
        yield fake


@pytest.fixture
def run(make: Make) -> Run:
    """Run a function as a job of node 0 of a dispatch, within a minute."""

    async def run(function: Any, *args: Any, dispatch: str = "d", **options: Any) -> Any:
        metadata = {"dispatch_id": dispatch, "node_id": 0}
        return await asyncio.wait_for(
            make(**options).run(function, list(args), {}, metadata), timeout=60
        )

    return run


# ---- Answers


@pytest.mark.parametrize("operation", ["batch:SubmitJob", "batch:DescribeJobs"])
async def test_an_answer_that_cannot_be_read_is_asked_for_again(aws, run, operation):
    garbage = ApiError("", status=200, body=b"<html>a proxy's page</html>")
    aws.fail(operation, garbage)
    assert await run(len, "abc") == 3
    assert len(aws.batch.jobs) == 1


async def test_a_submission_whose_response_is_lost_makes_one_job(aws, run):
    aws.fail("batch:SubmitJob", CutError(done=True))
    assert await run(len, "abc") == 3
    assert len(aws.batch.jobs) == 1


SLOW_DOWN = ApiError("SlowDown", "Please reduce your request rate.", 503)
EXPIRED = ApiError("ExpiredToken", "The provided token has expired.", 400)


@pytest.mark.parametrize("fault", [SLOW_DOWN, EXPIRED], ids=lambda fault: fault.code)
async def test_large_transfers_wait_out_what_small_ones_do(aws, run, fault):
    # boto3 itself makes three attempts.
    for operation in ("s3:CreateMultipartUpload", "s3:HeadObject"):
        aws.fail(operation, fault, times=4)
    assert await run(lambda data: data[::-1], b"ab" * 5 * MB) == b"ba" * 5 * MB


async def test_a_log_that_does_not_answer_delays_a_failure_for_seconds_only(aws, run):
    aws.script = lambda job, fake: JobEnd(3)
    aws.fail("logs:GetLogEvents", ApiError("InternalFailure", status=500), times=10_000)
    with pytest.raises(errors.OutcomeMissing, match="Exit code: 3"):
        await asyncio.wait_for(run(len, "abc"), 20)


async def test_a_bucket_of_another_account_is_told_from_a_missing_permission(aws, run):
    aws.s3.add_bucket("of-another-account", "999999999999", aws.region)
    with pytest.raises(
        errors.BucketElsewhere, match=r"'of-another-account' is not of account 1234"
    ):
        await run(len, "abc", s3_bucket_name="of-another-account")


async def test_credentials_that_ran_out_are_read_again_from_their_file(aws, run):
    aws.batch.job_seconds = 2
    file = aws.credentials_file
    task = asyncio.ensure_future(run(len, "abc"))
    await wait_until(lambda: aws.batch.jobs)
    aws.expired_keys.add(ACCESS_KEY)
    await wait_until(lambda: aws.expired_calls >= 3)
    assert not task.done(), "tasks wait while credentials cannot be renewed"
    keys = f"aws_access_key_id = AKIAFAKENEWFAKENEW00\naws_secret_access_key = {SECRET_KEY}\n"
    file.write_text(f"[default]\n{keys}")
    assert await task == 3


async def test_a_job_definition_that_was_deregistered_is_registered_again(aws, run):
    assert await run(len, "a", dispatch="first") == 1
    [definition] = [d for revisions in aws.batch.definitions.values() for d in revisions]
    aws.batch.deregister_job_definition({"jobDefinition": definition.arn})
    assert await run(len, "ab", dispatch="second") == 2
    assert aws.calls["batch:RegisterJobDefinition"] == 2


# ---- Clean-up


async def test_clean_up_takes_nothing_from_a_task_that_starts_meanwhile(aws, run):
    """The next electron of a dispatch may start at the moment its objects are swept away."""
    # So large that it is an object of its own, which both runs need.
    argument = os.urandom(messages.INLINE_LIMIT)
    assert await run(len, argument) == len(argument)
    aws.latency = 0.2
    aws.bytes_up.clear()
    await wait_until(lambda: "s3:ListObjectsV2" in aws.bytes_up)
    assert await run(len, argument) == len(argument)


async def test_clean_up_takes_nothing_from_a_task_that_runs_again(aws, run):
    """A function's first run may have ended less than the clean-up's delay ago."""
    aws.batch.job_seconds = 1.5
    assert await run(len, "abc") == 3
    assert await run(len, "abc") == 3
    await wait_until(lambda: not objects(aws))


# ---- Cancellation


async def cancel_all(executor: AWSBatchExecutor, runs: list[Any]) -> None:
    nodes = ({"dispatch_id": "d", "node_id": node} for node in range(len(runs)))
    await asyncio.gather(*(executor.cancel(node, None) for node in nodes))


async def test_tasks_that_queue_for_submission_can_be_cancelled(aws, make):
    """At fifty submissions a second, the last of a wide fan-out wait for minutes."""
    count, one = 300, make()
    runs = [
        asyncio.ensure_future(one.run(len, ["abc"], {}, {"dispatch_id": "d", "node_id": node}))
        for node in range(count)
    ]
    aws.batch.job_seconds = 600
    await wait_until(lambda: len(aws.batch.jobs) >= 3)
    too_fast = ApiError("TooManyRequestsException", "Too Many Requests", 429)
    aws.fail("batch:SubmitJob", too_fast, times=1_000_000)
    # All are uploaded, and a few submitted.
    await wait_until(lambda: len(objects(aws)) >= count, 60)
    before = len(aws.batch.jobs)
    await cancel_all(one, runs)
    aws.faults.clear()
    ended = await asyncio.wait_for(asyncio.gather(*runs, return_exceptions=True), 30)
    assert all(isinstance(end, TaskCancelledError) for end in ended)
    # Calls that are under way are not given up.
    assert len(aws.batch.jobs) <= before + 32 < count
    assert {job.status for job in aws.batch.jobs.values()} == {"FAILED"}


@pytest.mark.parametrize("operation", ["s3:PutObject", "batch:SubmitJob"])
async def test_a_task_is_cancelled_while_aws_is_out_of_order(aws, make, operation):
    one = make()
    await one.run(len, [""], {}, {"dispatch_id": "before", "node_id": 0})
    aws.fail(operation, ApiError("ServiceUnavailable", status=503), times=10_000)
    task = asyncio.ensure_future(one.run(len, ["abc"], {}, {"dispatch_id": "d", "node_id": 0}))
    before = aws.calls[operation]
    await wait_until(lambda: aws.calls[operation] >= before + 2)
    assert await one.cancel({"dispatch_id": "d", "node_id": 0}, None)
    with pytest.raises(TaskCancelledError):
        await asyncio.wait_for(task, 6)
    assert len(aws.batch.jobs) == 1
    aws.faults.clear()


async def test_a_submission_that_is_cancelled_leaves_no_job_running(aws, make):
    one = make()
    await one.run(len, [""], {}, {"dispatch_id": "before", "node_id": 0})
    aws.latency, aws.batch.job_seconds = 0.5, 600
    aws.bytes_up.clear()
    task = asyncio.ensure_future(one.run(len, ["abc"], {}, {"dispatch_id": "d", "node_id": 0}))
    await wait_until(lambda: "batch:SubmitJob" in aws.bytes_up)
    assert await one.cancel({"dispatch_id": "d", "node_id": 0}, None)
    with pytest.raises(TaskCancelledError):
        await asyncio.wait_for(task, 6)
    assert [job.status for job in aws.batch.jobs.values()] == ["SUCCEEDED", "FAILED"]


async def test_a_large_upload_that_is_cancelled_leaves_nothing(aws, make, tmp_path):
    one = make()
    aws.latency = 0.3
    data = b"ab" * 20 * MB
    task = asyncio.ensure_future(one.run(len, [data], {}, {"dispatch_id": "d", "node_id": 0}))
    await wait_until(lambda: "s3:UploadPart" in aws.bytes_up)
    assert await one.cancel({"dispatch_id": "d", "node_id": 0}, None)
    with pytest.raises(TaskCancelledError):
        await asyncio.wait_for(task, 6)
    await wait_until(lambda: not objects(aws) and not list((tmp_path / "cache").iterdir()))
    assert not aws.batch.jobs


# ---- Secrecy and economy


async def test_nothing_secret_is_logged(aws, run, caplog):
    secrets = {"environment": {"TOKEN": "e-hunter2"}, "tags": {"team": "t-hunter2"}}
    logger = logging.getLogger("covalent_awsbatch_plugin")
    logger.addHandler(caplog.handler)
    caplog.set_level("DEBUG", logger.name)
    try:
        for operation in ("s3:PutObject", "batch:SubmitJob", "batch:DescribeJobs"):
            aws.fail(operation, SLOW_DOWN)
        await run(len, "a-hunter2", **secrets)
    finally:
        logger.removeHandler(caplog.handler)
    assert "SlowDown" in caplog.text, "something was logged"
    assert "hunter2" not in caplog.text
    assert SECRET_KEY not in caplog.text


async def test_temporary_files_have_no_name(aws, make, tmp_path):
    cache, seen = tmp_path / "cache", set()

    async def watch() -> None:
        while True:
            seen.update(cache.rglob("*"))
            await asyncio.sleep(0.005)

    watcher = asyncio.create_task(watch())
    aws.latency = 0.1
    data = b"ab" * MB
    result = await make().run(lambda x: x, [data], {}, {"dispatch_id": "d", "node_id": 0})
    watcher.cancel()
    assert result == data
    assert cache.is_dir()
    assert not seen


async def test_waiting_for_credentials_costs_little(aws, run):
    from aiobotocore.client import AioBaseClient

    def clients() -> int:
        gc.collect()
        return sum(isinstance(thing, AioBaseClient) for thing in gc.get_objects())

    assert await run(len, "abc", dispatch="before") == 3
    before = clients()
    aws.expired_keys.add(ACCESS_KEY)
    tasks = [asyncio.ensure_future(run(len, "abc", dispatch=f"d{n}")) for n in range(30)]
    await wait_until(lambda: aws.expired_calls >= 100)
    assert not any(task.done() for task in tasks)
    assert clients() <= before
    aws.expired_keys.clear()
    assert await asyncio.gather(*tasks) == [3] * 30


async def test_two_executors_with_buckets_of_their_own(aws, make):
    aws.s3.add_bucket("second-bucket", aws.account, aws.region)
    first, second = (
        make(keep_objects=True),
        make(keep_objects=True, s3_bucket_name="second-bucket"),
    )
    ended = await asyncio.gather(
        first.run(len, ["a"], {}, {"dispatch_id": "one", "node_id": 0}),
        second.run(len, ["ab"], {}, {"dispatch_id": "two", "node_id": 0}),
    )
    assert ended == [1, 2]
    for bucket, dispatch in ((BUCKET, "one"), ("second-bucket", "two")):

        def dispatches(bucket: str = bucket) -> set[str]:
            return {key.split("/")[1] for key in aws.objects(bucket)}

        await wait_until(lambda: dispatches() == {dispatch})  # noqa: B023


async def test_an_outcome_that_is_none_is_told(aws, make):
    one, metadata = make(keep_objects=True), {"dispatch_id": "d", "node_id": 0}
    aws.script = store_garbage
    with pytest.raises(errors.OutcomeUnreadable, match="what else writes to the bucket"):
        await one.run(len, ["a"], {}, metadata)
    with pytest.raises(errors.OutcomeUnreadable, match="what else writes to the bucket"):
        await one.query_result(metadata)


def store_garbage(job: Any, aws: FakeAws) -> JobEnd:
    key = s3_keys.outcome_key(task_of(job, aws).outcome_prefix, job.id, 1)
    aws.s3.put(BUCKET, key, b"not an outcome")
    return JobEnd(0)
