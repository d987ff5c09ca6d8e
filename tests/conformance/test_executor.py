"""The executor's verbs: one suite over the fake in memory and over the local AWS.

The fake enforces what AWS does (a hundred ids, rates, late visibility of definitions) and
runs tasks in a thread; the local AWS runs the real worker in processes.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from covalent._shared_files.exceptions import TaskCancelledError, TaskRuntimeError
from covalent._workflow.transportable_object import TransportableObject
from covalent.executor.utils.wrappers import wrapper_fn

from covalent_awsbatch_plugin import AWSBatchExecutor, errors
from covalent_awsbatch_plugin.local import LocalAws
from covalent_awsbatch_plugin.protocol import s3_keys
from tests.fake_aws import FakeAws
from tests.fake_aws.scripts import run_here

from .over_fake import wait_until

SLEEP_SECONDS = 600


@pytest.fixture(params=["fake", pytest.param("emulator", marks=pytest.mark.emulator)])
def aws(request: pytest.FixtureRequest, local: LocalAws) -> Iterator[FakeAws | LocalAws]:
    if request.param == "emulator":
        yield local
        return
    # Long enough to be cancelled while it runs; definitions are visible late, as on AWS.
    with FakeAws(script=run_here, job_seconds=0.3, definition_delay=0.5) as fake:
        yield fake


@pytest.fixture
def executor(aws: FakeAws | LocalAws, tmp_path: Path) -> Callable[..., AWSBatchExecutor]:
    ours = {
        "poll_freq": 0.3,
        # On the local AWS of these tests a hundredth of it passes.
        "time_limit": 6000,
        "retry_attempts": 1,
        "cache_dir": str(tmp_path / "cache"),
    }

    def make(**options: Any) -> AWSBatchExecutor:
        return AWSBatchExecutor(**{**aws.executor_options(), **ours, **options})

    return make


@pytest.fixture
def client(aws: FakeAws | LocalAws) -> Callable[[str], Any]:
    one = AWSBatchExecutor(**aws.executor_options())
    session = boto3.Session(**one.boto_session_options())
    return partial(session.client, endpoint_url=one.endpoint_url)


@pytest.fixture
def metadata(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"dispatch_id": s3_keys.safe_name(request.node.name), "node_id": 0}


def covalent_call(function: Callable[..., Any]) -> Any:
    """Return the call that Covalent's server makes of an electron."""
    return partial(wrapper_fn, TransportableObject(function), [], [])


def jobs_of(client: Callable[[str], Any], queue: str, dispatch_id: str) -> list[dict[str, Any]]:
    wanted = [{"name": "JOB_NAME", "values": [f"covalent-{dispatch_id}-*"]}]
    listed = client("batch").list_jobs(jobQueue=queue, filters=wanted)["jobSummaryList"]
    ids = [job["jobId"] for job in listed]
    return client("batch").describe_jobs(jobs=ids)["jobs"] if ids else []


def objects(client: Callable[[str], Any], bucket: str, dispatch_id: str) -> list[str]:
    prefix = s3_keys.dispatch_prefix(dispatch_id)
    listed = client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
    return [entry["Key"] for entry in listed.get("Contents", [])]


async def test_a_plain_function_returns(executor, metadata):
    def join(a, *, b):
        return a + b

    assert await executor().run(join, ["x"], {"b": "y"}, metadata) == "xy"


async def test_covalent_s_call_returns_what_was_never_unpickled(executor, metadata):
    class Bomb:
        def __reduce__(self):
            return (RuntimeError, ("defused",))

    result = await executor().run(covalent_call(Bomb), [], {}, metadata)
    assert isinstance(result, TransportableObject)
    assert isinstance(result.get_deserialized(), RuntimeError)


async def test_large_argument_and_result(executor, metadata):
    data = TransportableObject(bytes(range(256)) * 8192)
    result = await executor().run(covalent_call(lambda x: x[::-1]), [data], {}, metadata)
    assert result.get_deserialized() == data.get_deserialized()[::-1]


async def test_a_task_that_raises(executor, metadata):
    def fail():
        raise LookupError("nowhere")

    with pytest.raises(errors.TaskRaised, match="LookupError: nowhere") as caught:
        await executor().run(covalent_call(fail), [], {}, metadata)
    assert isinstance(caught.value, TaskRuntimeError)


async def test_objects_are_gone_afterwards_unless_they_are_kept(executor, metadata, client):
    removing, keeping = executor(), executor(keep_objects=True)
    kept = {**metadata, "dispatch_id": f"{metadata['dispatch_id']}-kept"}
    await removing.run(covalent_call(int), [], {}, metadata)
    await keeping.run(covalent_call(int), [], {}, kept)
    bucket = removing.s3_bucket_name
    await wait_until(lambda: not objects(client, bucket, metadata["dispatch_id"]))
    names = [key.rsplit("/", 1)[-1] for key in objects(client, bucket, kept["dispatch_id"])]
    assert {"task", "outcome-1"} <= set(names)


async def test_like_tasks_share_a_job_definition(executor, metadata, client):
    name = f"shared-{metadata['dispatch_id']}"[:128]

    def run(number, **options):
        one = executor(batch_job_definition_name=name, **options)
        return one.run(covalent_call(int), [], {}, {**metadata, "node_id": number})

    await asyncio.gather(run(1, vcpu=1), run(2, memory=1), run(3, time_limit=7000))
    await run(4, environment={"OTHER": "property"})
    found = client("batch").describe_job_definitions(jobDefinitionName=name)["jobDefinitions"]
    assert len(found) == 2


@pytest.fixture
async def sleeping(executor, metadata, client, aws):
    """A task under way as a running job: its run, its executor and its job."""
    if isinstance(aws, FakeAws):
        aws.batch.job_seconds = SLEEP_SECONDS

    def sleep(seconds):
        import time

        time.sleep(seconds)

    one = executor()
    run = asyncio.ensure_future(
        one.run(covalent_call(sleep), [TransportableObject(SLEEP_SECONDS)], {}, metadata)
    )

    def running():
        found = jobs_of(client, one.batch_queue, metadata["dispatch_id"])
        return [job for job in found if job["status"] == "RUNNING"]

    job = (await wait_until(running))[0]
    yield run, one, job
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)


async def assert_ended(client, one, metadata):
    def ended():
        found = jobs_of(client, one.batch_queue, metadata["dispatch_id"])
        return found if all(job["status"] == "FAILED" for job in found) else None

    for job in await wait_until(ended):
        assert metadata["dispatch_id"][:50] in job["statusReason"]


async def test_cancel_while_it_runs(sleeping, client, metadata, executor):
    run, one, job = sleeping
    assert await executor().cancel(metadata, job["jobId"])
    with pytest.raises(TaskCancelledError):
        await asyncio.wait_for(run, 10)
    await assert_ended(client, one, metadata)


async def test_cancel_by_a_node_without_a_handle(sleeping, client, metadata, executor):
    run, one, _ = sleeping
    assert await executor().cancel(metadata, None)
    with pytest.raises(TaskCancelledError):
        await asyncio.wait_for(run, 10)
    await assert_ended(client, one, metadata)


async def test_cancel_trusts_the_handle_that_is_paired_wrongly(
    sleeping, client, metadata, executor
):
    run, one, job = sleeping
    assert await executor().cancel({**metadata, "node_id": 99}, job["jobId"])
    with pytest.raises(TaskCancelledError):
        await asyncio.wait_for(run, 10)
    await assert_ended(client, one, metadata)


async def test_cancel_by_an_executor_of_another_identity(
    sleeping, client, metadata, executor, tmp_path
):
    run, one, job = sleeping
    other = executor(credentials=shutil.copy(one.credentials_file, tmp_path / "other"))
    assert await other.cancel({**metadata, "node_id": 99}, job["jobId"])
    with pytest.raises(TaskCancelledError):
        await asyncio.wait_for(run, 10)
    await assert_ended(client, one, metadata)


async def test_a_server_that_gives_up_its_task_ends_the_job(sleeping, client, metadata):
    run, one, _ = sleeping
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(run, 10)
    await assert_ended(client, one, metadata)


async def test_cancel_of_what_is_unknown_or_finished_raises_nothing(executor, metadata, client):
    one = executor()
    assert await one.cancel(metadata, None) is False
    assert await one.cancel(metadata, "12345678-0000-0000-0000-000000000000") in (True, False)
    await one.run(covalent_call(int), [], {}, metadata)
    job = jobs_of(client, one.batch_queue, metadata["dispatch_id"])[0]
    assert await one.cancel(metadata, job["jobId"]) in (True, False)
    again = jobs_of(client, one.batch_queue, metadata["dispatch_id"])[0]
    assert again["status"] == "SUCCEEDED"


class Talkative(AWSBatchExecutor):
    """Its Covalent returns what it is set to."""

    def short_name(self):
        return "awsbatch"

    async def get_cancel_requested(self):
        return self.answer("cancel")

    async def set_job_handle(self, handle):
        return self.answer("handle")


def talkative(configured: AWSBatchExecutor) -> Talkative:
    # The attributes of another class would be ignored.
    return Talkative().from_dict({**configured.to_dict(), "short_name": Talkative().short_name()})


@pytest.mark.parametrize("error", [RuntimeError("locked"), asyncio.TimeoutError()])
async def test_a_covalent_that_does_not_answer_is_survived(executor, metadata, error):
    def answer(what):
        raise error

    one = talkative(executor())
    one.answer = answer
    assert (await one.run(covalent_call(int), [], {}, metadata)).get_deserialized() == 0


async def test_cancel_requested_before_it_starts_makes_no_job(executor, metadata, client):
    one = talkative(executor())
    one.answer = lambda what: what == "cancel"
    with pytest.raises(TaskCancelledError):
        await one.run(covalent_call(int), [], {}, metadata)
    assert jobs_of(client, one.batch_queue, metadata["dispatch_id"]) == []


async def test_the_documented_steps_one_by_one(executor, metadata):
    one = executor(keep_objects=True)
    identity = await one._validate_credentials()
    await one._upload_task(covalent_call(lambda x: x + 1), [TransportableObject(1)], {}, metadata)
    job_id = await one.submit_task(metadata, identity)
    status, code = await one.get_status(job_id)
    assert (status in ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")) == (code == -1)
    assert await one._poll_task(job_id) == "SUCCEEDED"
    assert await one.get_status(job_id) == ("SUCCEEDED", 0)
    result, stdout, stderr = await one.query_result(metadata)
    assert (result.get_deserialized(), stdout, stderr) == (2, "", "")


async def test_a_result_that_is_not_there_is_told(executor, metadata):
    with pytest.raises(errors.OutcomeMissing):
        await executor().query_result(metadata)
    with pytest.raises(errors.JobVanished):
        await executor().get_status("12345678-0000-0000-0000-000000000000")


async def test_a_bucket_that_does_not_exist_is_told(executor, metadata):
    with pytest.raises(errors.BucketElsewhere, match="There is no bucket 'no-such-bucket'"):
        await executor(s3_bucket_name="no-such-bucket").run(covalent_call(int), [], {}, metadata)


async def test_a_profile_that_does_not_exist_is_told(executor, metadata):
    with pytest.raises(errors.CredentialsFailed, match="no AWS profile 'missing'"):
        await executor(profile="missing").run(covalent_call(int), [], {}, metadata)


async def test_more_than_a_hundred_jobs_at_once(executor, metadata, aws):
    if not isinstance(aws, FakeAws):
        pytest.skip("a hundred processes prove nothing more than a hundred threads")
    aws.batch.job_seconds = 3
    one = executor()
    runs = [
        one.run(
            covalent_call(lambda x: x), [TransportableObject(n)], {}, {**metadata, "node_id": n}
        )
        for n in range(130)
    ]
    ended = await asyncio.gather(*runs)
    assert [result.get_deserialized() for result in ended] == list(range(130))
