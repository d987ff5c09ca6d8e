"""What a submitted job outlives: hours in which AWS, the network, the clock or keys fail.

Time is the event loop's: it is made to run fast, so that an hour of waiting takes seconds.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from covalent._shared_files.exceptions import TaskCancelledError

from covalent_awsbatch_plugin import errors
from tests.fake_aws import ApiError, CutError, FakeAws
from tests.fake_aws.aws import ACCESS_KEY, ACCOUNT, BUCKET, SECRET_KEY
from tests.fake_aws.scripts import run_here

from .over_fake import LARGE, Make, wait_until

NEW_KEY, THIRD_KEY = "AKIAFAKENEWFAKENEW00", "AKIAFAKETHIRDFAKE000"
OTHER_ACCOUNT = "999999999999"


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock can run faster than the wall's."""

    def __init__(self) -> None:
        super().__init__()
        self._speed, self._base, self._since = 1.0, 0.0, time.monotonic()

    def time(self) -> float:
        return self._base + (time.monotonic() - self._since) * self._speed

    def speed_up(self, factor: float) -> None:
        self._base, self._since, self._speed = self.time(), time.monotonic(), factor


@pytest.fixture
def event_loop_policy() -> asyncio.AbstractEventLoopPolicy:
    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> FastLoop:
            return FastLoop()

    return Policy()


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    with FakeAws(script=run_here, job_seconds=600) as fake:
        yield fake


async def pass_hours(hours: float, calls: Callable[[], int]) -> None:
    """Let hours pass on the event loop's clock, within seconds, while calls are retried."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, FastLoop)
    end, before = loop.time() + hours * 3600, calls()
    loop.speed_up(1500)
    await asyncio.sleep(end - loop.time())
    loop.speed_up(1)
    assert calls() > before, "calls were retried meanwhile"


async def running_job(aws: FakeAws, make: Make) -> asyncio.Future[Any]:
    """Return the run of a task whose job has been described once and its bucket listed."""
    metadata = {"dispatch_id": "d", "node_id": 0}
    run = asyncio.ensure_future(make().run(len, [b"abc"], {}, metadata))
    await wait_until(lambda: aws.calls["batch:DescribeJobs"] and aws.calls["s3:ListObjectsV2"])
    await asyncio.sleep(0.1)
    return run


def end_job(aws: FakeAws) -> None:
    [job] = aws.batch.jobs.values()
    aws._loop.call_soon_threadsafe(aws.batch._time_is_over, job, 1)


def fail_all(aws: FakeAws, fault: ApiError | CutError | None) -> None:
    for operation in ("batch:DescribeJobs", "s3:ListObjectsV2", "s3:GetObject"):
        aws.faults[operation].clear()
        if fault is not None:
            aws.fail(operation, fault, 1_000_000)


FAULTS = {
    "expired": ApiError("ExpiredToken", "The provided token has expired.", 400),
    "revoked": ApiError("InvalidClientTokenId", "The security token is invalid.", 403),
    "throttled": ApiError("TooManyRequestsException", "Too Many Requests", 429),
    "unavailable": ApiError("ServiceUnavailable", "Service is unavailable.", 503),
    "unreachable": CutError(),
    "denied": ApiError("AccessDeniedException", "not authorized", 403),
    "skewed": ApiError("RequestTimeTooSkewed", "The difference is too large.", 403),
    "signature expired": ApiError(
        "InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier", 403
    ),
    "signature early": ApiError(
        "SignatureDoesNotMatch", "Signature not yet current: 20270101T000000Z is later", 403
    ),
    "proxy": ApiError("", "", 400, body=b"<html>Bad request</html>"),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_running_job_outlives_two_hours_of(aws, make, name, caplog):
    logger = logging.getLogger("covalent_awsbatch_plugin")
    logger.addHandler(caplog.handler)
    caplog.set_level("INFO", logger.name)
    try:
        run = await running_job(aws, make)
        fail_all(aws, FAULTS[name])
        await pass_hours(2, lambda: aws.calls["batch:DescribeJobs"])
        assert not run.done()
        [job] = aws.batch.jobs.values()
        assert job.status == "RUNNING"
        assert any(key.endswith("/task") for key in aws.s3.buckets[BUCKET].objects)
        fail_all(aws, None)
        await wait_until(lambda: "batch:describe_jobs succeeds again" in caplog.text)
        end_job(aws)
        assert await asyncio.wait_for(run, 120) == 3
    finally:
        logger.removeHandler(caplog.handler)
    # A record may reach the handler by two ways.
    logged = [record.getMessage() for record in dict.fromkeys(caplog.records)]
    [trouble] = [message for message in logged if "batch:describe_jobs fails" in message]
    assert "What to do: " in trouble


@pytest.mark.parametrize("name", ["skewed", "signature expired", "unavailable"])
async def test_a_finished_result_outlives_two_hours_of(aws, make, name):
    """The job has ended, and its outcome cannot be fetched."""
    run = await running_job(aws, make)
    aws.fail("s3:GetObject", FAULTS[name], 1_000_000)
    end_job(aws)
    await pass_hours(2, lambda: aws.calls["s3:GetObject"])
    assert not run.done()
    aws.faults["s3:GetObject"].clear()
    assert await asyncio.wait_for(run, 60) == 3


def use_keys(aws: FakeAws, key: str, account: str) -> None:
    """Have the server's credentials be of another account."""
    keys = "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n"
    aws.account = account
    aws.credentials_file.write_text(keys.format(key, SECRET_KEY))


async def test_another_account_s_keys_and_back(aws, make):
    run = await running_job(aws, make)
    aws.expired_keys.add(ACCESS_KEY)
    [job] = aws.batch.jobs.values()
    job.vanished = True
    aws.fail("s3:ListObjectsV2", ApiError("AccessDenied", "Access Denied", 403), 1_000_000)
    use_keys(aws, NEW_KEY, OTHER_ACCOUNT)
    await wait_until(lambda: aws.calls["sts:GetCallerIdentity"] >= 2)
    await pass_hours(1, lambda: aws.calls["batch:DescribeJobs"])
    assert not run.done()
    job.vanished = False
    aws.expired_keys.clear()
    aws.faults.clear()
    use_keys(aws, THIRD_KEY, ACCOUNT)
    end_job(aws)
    assert await asyncio.wait_for(run, 60) == 3


async def test_another_account_s_keys_and_back_while_a_large_result_is_fetched(aws, make):
    metadata = {"dispatch_id": "d", "node_id": 0}
    run = asyncio.ensure_future(make().run(bytes, [LARGE], {}, metadata))
    await wait_until(lambda: aws.calls["batch:DescribeJobs"] and aws.calls["s3:ListObjectsV2"])
    count = aws.count

    def other_account(operation: str) -> None:
        if operation == "s3:HeadObject" and aws.account == ACCOUNT:
            use_keys(aws, NEW_KEY, OTHER_ACCOUNT)
            aws.expired_keys.add(ACCESS_KEY)
            aws.count = count
            raise ApiError("400", "Bad Request", 400)
        count(operation)

    aws.count = other_account
    end_job(aws)
    await wait_until(lambda: aws.calls["s3:HeadObject"] >= 3)
    assert not run.done()
    use_keys(aws, THIRD_KEY, ACCOUNT)
    assert await asyncio.wait_for(run, 60) == LARGE


@pytest.mark.parametrize("argument", [b"abc", LARGE], ids=["small", "large"])
async def test_credentials_of_the_right_account_are_found_without_a_restart(aws, make, argument):
    """Those of the other account have not expired: they are only of no use."""
    aws.batch.job_seconds = 0
    use_keys(aws, NEW_KEY, OTHER_ACCOUNT)
    with pytest.raises(errors.BucketElsewhere, match=OTHER_ACCOUNT):
        await make().run(len, [argument], {}, {"dispatch_id": "d", "node_id": 0})
    use_keys(aws, THIRD_KEY, ACCOUNT)
    run = make().run(len, [argument], {}, {"dispatch_id": "d", "node_id": 1})
    assert await asyncio.wait_for(run, 60) == len(argument)


async def test_who_we_are_is_unknown_for_hours_after_new_credentials(aws, make):
    """STS does not answer, and the calls that name the bucket's owner wait for it."""
    run = await running_job(aws, make)
    aws.fail("sts:GetCallerIdentity", FAULTS["unavailable"], 1_000_000)
    aws.expired_keys.add(ACCESS_KEY)
    use_keys(aws, NEW_KEY, ACCOUNT)
    await wait_until(lambda: aws.calls["sts:GetCallerIdentity"] >= 2)
    end_job(aws)
    await pass_hours(3, lambda: aws.calls["sts:GetCallerIdentity"])
    assert not run.done()
    aws.faults.clear()
    assert await asyncio.wait_for(run, 60) == 3


async def test_a_task_is_cancelled_while_nothing_can_be_reached(aws, make):
    """run() ends within seconds, and the job is ended when AWS can be reached again."""
    run = await running_job(aws, make)
    for operation in ("batch:TerminateJob", "batch:DescribeJobs", "s3:ListObjectsV2"):
        aws.fail(operation, CutError(), 1_000_000)
    assert await make().cancel({"dispatch_id": "d", "node_id": 0}, None)
    with pytest.raises(TaskCancelledError):
        await asyncio.wait_for(run, 20)
    [job] = aws.batch.jobs.values()
    assert job.status == "RUNNING"
    aws.faults.clear()
    await wait_until(lambda: job.status == "FAILED")
    assert job.status_reason.startswith("Cancelled by Covalent")


async def test_a_clock_that_was_always_wrong_is_reported(aws, make):
    aws.fail("sts:GetCallerIdentity", FAULTS["signature expired"], 1_000_000)
    run = asyncio.ensure_future(make().run(len, [b""], {}, {"dispatch_id": "d", "node_id": 0}))
    await wait_until(lambda: aws.calls["sts:GetCallerIdentity"] >= 3)
    asyncio.get_running_loop().speed_up(100)
    with pytest.raises(errors.AWSUnavailable, match="set the clock"):
        await run


def test_a_script_ends_within_seconds_when_aws_is_gone(aws, make):
    """asyncio.run returns, and no session is left open."""

    async def script() -> None:
        run = asyncio.ensure_future(
            make().run(len, [b"abc"], {}, {"dispatch_id": "d", "node_id": 0})
        )
        await wait_until(lambda: aws.calls["batch:DescribeJobs"])
        for operation in itertools.chain(aws.calls, ("batch:TerminateJob", "s3:DeleteObjects")):
            aws.fail(operation, CutError(), 1_000_000)
        assert not run.done()

    started = time.monotonic()
    asyncio.run(script())
    # An hour was the patience of clean-up.
    assert time.monotonic() - started < 60
