"""Ends seen in the bucket, over the fake: several attempts, zombies, strange keys, no listing."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from covalent_awsbatch_plugin import AWSBatchExecutor, errors
from covalent_awsbatch_plugin.protocol import envelope, messages, s3_keys
from tests.fake_aws import ApiError, FakeAws, JobEnd
from tests.fake_aws.aws import BUCKET
from tests.fake_aws.scripts import run_here, store, task_of

from .over_fake import objects, wait_until

# So long that whatever is seen earlier was not seen by DescribeJobs.
POLL_FREQ = 3600


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    with FakeAws(script=run_here, job_seconds=0.5) as fake:
        yield fake


@pytest.fixture
def run(aws: FakeAws, tmp_path: Path) -> Callable[..., Any]:
    ours = {"poll_freq": POLL_FREQ, "retry_attempts": 3, "cache_dir": str(tmp_path / "cache")}

    async def run(function: Any, *args: Any, node: int = 0, **options: Any) -> Any:
        one = AWSBatchExecutor(**{**aws.executor_options(), **ours, **options})
        metadata = {"dispatch_id": "d", "node_id": node}
        return await asyncio.wait_for(one.run(function, list(args), {}, metadata), 60)

    return run


async def test_a_task_that_returns_is_seen_without_describe_jobs(aws, run):
    assert await run(len, b"abc", node=0) == 3
    asked = aws.calls["batch:DescribeJobs"]
    assert await asyncio.gather(*(run(len, b"a" * n, node=n) for n in range(20))) == list(
        range(20)
    )
    # The first of all may be asked for before the bucket has been listed once.
    assert aws.calls["batch:DescribeJobs"] <= asked + 1


async def test_a_task_that_raises_is_seen_soon(aws, run):
    """Its outcome appears, and then Batch is asked whether another attempt follows."""

    def fail() -> None:
        raise LookupError("nowhere")

    with pytest.raises(errors.TaskRaised, match="nowhere"):
        await run(fail, retry_attempts=1)


async def test_an_attempt_that_raises_does_not_end_a_job_with_attempts_left(aws, run):
    def second_returns(job: Any, fake: FakeAws) -> Any:
        if job.attempt == 1:
            return store(job, fake, messages.Outcome(messages.RAISED, exit_code=1, error="first"))
        return run_here(job, fake)

    aws.script = second_returns
    assert await run(len, b"abc", poll_freq=1) == 3
    [job] = aws.batch.jobs.values()
    assert len(job.attempts) == 2


async def test_a_zombie_s_result_counts_and_the_other_attempt_is_ended(aws, run):
    """Batch has given up the first attempt's host for lost; the second attempt runs."""
    returned = threading.Event()

    async def lost_once(job: Any, fake: FakeAws) -> JobEnd | None:
        if job.attempt == 1:
            return JobEnd(None, status_reason="Host EC2 (instance i-0) terminated.")
        await asyncio.to_thread(returned.wait)
        # What the first attempt stores, while the second is described as running.
        job.attempts.clear()
        await run_here(job, fake)
        job.attempts.append(
            {"statusReason": "Host EC2 (instance i-0) terminated.", "stoppedAt": 1}
        )
        return None

    aws.script = lost_once
    ended = asyncio.ensure_future(run(len, b"abc", poll_freq=0.3))
    await wait_until(lambda: any(job.attempts for job in aws.batch.jobs.values()))
    asked = aws.calls["batch:DescribeJobs"]
    await wait_until(lambda: aws.calls["batch:DescribeJobs"] >= asked + 4)
    returned.set()
    assert await ended == 3
    [job] = aws.batch.jobs.values()
    await wait_until(lambda: job.status == "FAILED")
    assert "has returned" in job.status_reason
    await wait_until(lambda: not objects(aws))


async def test_an_outcome_that_comes_after_the_end_is_deleted(aws, run):
    """A host that was thought lost stores its outcome when the job has long ended."""
    assert await run(len, b"abc") == 3
    [job] = aws.batch.jobs.values()
    await wait_until(lambda: not objects(aws))
    prefix = s3_keys.outcome_prefix(server_name(), "d", 0)
    late = s3_keys.outcome_key(prefix, job.id, 2)
    aws.s3.put(BUCKET, late, b"late")
    await wait_until(lambda: late not in objects(aws))


def server_name() -> str:
    from covalent_awsbatch_plugin.aws.model import task

    return task.server_name()


STRANGE = [
    "outcome-1",
    "d/0/outcome-1",
    "d/0/{job}/outcome-0",
    "d/0/{job}/outcome-x",
    "d/0/{job}/outcome-99999999999999999999",
    "d/0/{job}/outcome-1/more",
    "d/0/{job}/\u2603",
    "d/0/another-job/outcome-1",
]


async def test_strange_keys_and_contents_are_ignored(aws, run):
    def beside_strange(job: Any, fake: FakeAws) -> Any:
        prefix = s3_keys.server_prefix(server_name())
        for name in STRANGE:
            fake.s3.put(BUCKET, prefix + name.format(job=job.id), b"strange")
        return run_here(job, fake)

    aws.script = beside_strange
    assert await run(len, b"abc") == 3


def hostile(**header: Any) -> bytes:
    known = {"format": envelope.FORMAT, "type": "outcome", **header}
    encoded = json.dumps(known).encode()
    return envelope.MAGIC + len(encoded).to_bytes(4, "big") + encoded


NESTED = "[" * 100_000
HOSTILE = {
    "a header of 29 MB": hostile(status="returned", error=["x"] * 7_000_000),
    "nested": envelope.MAGIC + len(NESTED).to_bytes(4, "big") + NESTED.encode(),
    "another type": hostile(type="task"),
    "no status": hostile(),
    "a length beyond its end": envelope.MAGIC + b"\xff\xff\xff\xff",
    "empty": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_outcome_harms_only_its_task(aws, run, name):
    """It is read in a thread and within bounds; the event loop serves the others meanwhile."""

    def forge(job: Any, fake: FakeAws) -> Any:
        if "-0-" not in job.name:
            return run_here(job, fake)
        key = s3_keys.outcome_key(task_of(job, fake).outcome_prefix, job.id, 1)
        fake.s3.put(BUCKET, key, HOSTILE[name])
        return JobEnd(0)

    aws.script = forge
    harmed, healthy = await asyncio.gather(
        run(len, b"abc", node=0), run(len, b"ab", node=1), return_exceptions=True
    )
    assert healthy == 2
    assert isinstance(harmed, errors.OutcomeUnreadable), repr(harmed)


async def test_a_result_of_another_kind_is_refused(aws, tmp_path):
    """A pickle in place of a TransportableObject would be unpickled in the caller's process."""
    from functools import partial

    from covalent._workflow.transportable_object import TransportableObject
    from covalent.executor.utils.wrappers import wrapper_fn

    bomb = messages.Part("pickle", b"cos\nsystem\n(S'true'\ntR.", size=24)
    aws.script = lambda job, fake: store(job, fake, messages.Outcome(messages.RETURNED), bomb)
    one = AWSBatchExecutor(
        **aws.executor_options(), keep_objects=True, cache_dir=str(tmp_path / "cache")
    )
    call, metadata = (
        partial(wrapper_fn, TransportableObject(int), [], []),
        {
            "dispatch_id": "d",
            "node_id": 0,
        },
    )
    await one._upload_task(call, [], {}, metadata)
    job_id = await one.submit_task(metadata, {})
    assert await one._poll_task(job_id) == "SUCCEEDED"
    with pytest.raises(errors.OutcomeUnreadable, match="not of the kind"):
        await one.query_result(metadata)


async def test_without_permission_to_list_ends_are_seen_by_describe_jobs(aws, run):
    aws.fail("s3:ListObjectsV2", ApiError("AccessDenied", "Access Denied", 403), 1_000_000)
    assert await run(len, b"abc", poll_freq=1) == 3
    assert aws.calls["batch:DescribeJobs"] >= 1
    assert aws.calls["s3:ListObjectsV2"] <= 2


async def test_a_succeeded_job_without_attempts_has_the_outcome_that_returned(aws, run):
    """Batch may describe no attempts; the first one raised, and the second returned."""
    aws.fail("s3:ListObjectsV2", ApiError("AccessDenied", "Access Denied", 403), 1)

    def second_returns(job: Any, fake: FakeAws) -> Any:
        if job.attempt == 1:
            return store(job, fake, messages.Outcome(messages.RAISED, exit_code=1, error="first"))
        describe = job.describe
        job.describe = lambda: {**describe(), "attempts": []}
        return run_here(job, fake)

    aws.script = second_returns
    assert await run(len, b"abc", poll_freq=0.3) == 3


async def test_thousands_of_objects_of_others_under_the_prefix(aws, run):
    """More than a listing shows: those that come after are seen by the next ones."""
    prefix = s3_keys.server_prefix(server_name())
    for number in range(7000):
        aws.s3.put(BUCKET, f"{prefix}a/{number:05}", b"")
    assert await run(len, b"abc") == 3


async def test_the_bucket_is_listed_only_while_tasks_run(aws, run):
    """Whatever a task ended in: it returned, raised, was unreadable or cancelled."""

    def fail() -> None:
        raise LookupError

    def forge(job: Any, fake: FakeAws) -> Any:
        if "-2-" not in job.name:
            return run_here(job, fake)
        bomb = messages.Part("transportable", b"bm8=", size=4)
        return store(job, fake, messages.Outcome(messages.RETURNED), bomb)

    aws.script = forge
    ends = await asyncio.gather(
        run(len, b"abc", node=0),
        run(fail, node=1, retry_attempts=1),
        run(len, b"", node=2),
        return_exceptions=True,
    )
    assert ends[0] == 3
    assert isinstance(ends[1], errors.TaskRaised)
    assert isinstance(ends[2], errors.OutcomeUnreadable)
    cancelled = asyncio.ensure_future(run(len, b"abc", node=3))
    await wait_until(lambda: len(aws.batch.jobs) == 4)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    await wait_until(lambda: not objects(aws))
    await asyncio.sleep(1.5)
    listed = aws.calls["s3:ListObjectsV2"]
    await asyncio.sleep(3)
    assert aws.calls["s3:ListObjectsV2"] == listed
