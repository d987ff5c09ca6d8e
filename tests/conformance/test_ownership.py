"""Objects in the bucket: who deletes which, and when, over the fake."""

from __future__ import annotations

import asyncio
import errno
import resource
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from covalent._shared_files.exceptions import TaskCancelledError

from covalent_awsbatch_plugin import AWSBatchExecutor, covalent_results, errors
from covalent_awsbatch_plugin.aws.objects.references import references
from covalent_awsbatch_plugin.protocol import env_names
from tests.fake_aws import CutError, FakeAws, JobEnd
from tests.fake_aws.aws import BUCKET
from tests.fake_aws.scripts import run_here, task_of

from .over_fake import LARGE, Make, objects, task, wait_until


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    with FakeAws(script=run_here, job_seconds=0.1) as fake:
        yield fake


# ---- Executors that differ, in one dispatch


def other_cache_dir(make: Make, tmp_path: Path) -> AWSBatchExecutor:
    return make(cache_dir=str(tmp_path / "other"))


def other_spelling(make: Make, tmp_path: Path) -> AWSBatchExecutor:
    file = Path(make().credentials_file)
    return make(credentials=str(file.parent / "." / ".." / file.parent.name / file.name))


def other_credentials(make: Make, tmp_path: Path) -> AWSBatchExecutor:
    return make(credentials=str(shutil.copy(make().credentials_file, tmp_path / "other")))


def other_profile(make: Make, tmp_path: Path) -> AWSBatchExecutor:
    file = tmp_path / "profiles"
    text = Path(make().credentials_file).read_text()
    file.write_text(text + text.replace("[default]", "[second]"))
    return make(credentials=str(file), profile="second")


def other_endpoint(make: Make, tmp_path: Path) -> AWSBatchExecutor:
    return make(endpoint_url=make().endpoint_url.replace("127.0.0.1", "localhost") + "/")


def keeping(make: Make, tmp_path: Path) -> AWSBatchExecutor:
    return make(keep_objects=True)


def other_memory(make: Make, tmp_path: Path) -> AWSBatchExecutor:
    return make(memory=1.0, environment={"A": "b"}, tags={"team": "other"}, retry_attempts=3)


def other_key(make: Make, tmp_path: Path) -> AWSBatchExecutor:
    return make(s3_encryption="aws:kms", s3_kms_key_id="alias/other")


DIFFERENT = [
    other_cache_dir,
    other_spelling,
    other_credentials,
    other_profile,
    other_endpoint,
    keeping,
    other_memory,
    other_key,
]


@pytest.mark.parametrize("other", DIFFERENT, ids=lambda other: other.__name__)
async def test_the_end_of_one_takes_nothing_from_another(aws, make, tmp_path, other):
    """One electron ends, and its clean-up runs, while the other's job has not read its input."""
    release = threading.Event()

    async def wait_in_second(job: Any, fake: FakeAws) -> JobEnd:
        if "-1-" in job.name:
            await asyncio.to_thread(release.wait)
        return await run_here(job, fake)

    aws.script = wait_in_second
    second = asyncio.ensure_future(other(make, tmp_path).run(len, [LARGE], {}, task(1)))
    await wait_until(lambda: aws.batch.jobs)
    assert await make().run(len, [LARGE], {}, task(0)) == len(LARGE)
    # Long enough for all that is deleted after the last task of a dispatch.
    await asyncio.sleep(6)
    release.set()
    assert await second == len(LARGE)


@pytest.mark.parametrize("keep", [False, True])
async def test_each_has_its_objects_encrypted_as_it_asks(aws, make, keep):
    """Also those of the same content, which tasks of a dispatch otherwise share."""
    release = threading.Event()

    async def wait(job: Any, fake: FakeAws) -> JobEnd:
        await asyncio.to_thread(release.wait)
        return await run_here(job, fake)

    aws.script = wait
    encryptions = [("", ""), ("AES256", ""), ("aws:kms", ""), ("aws:kms", "alias/a")]
    runs = [
        asyncio.ensure_future(
            make(s3_encryption=kind, s3_kms_key_id=key, keep_objects=keep).run(
                len, [LARGE], {}, task(node)
            )
        )
        for node, (kind, key) in enumerate(encryptions)
    ]
    await wait_until(lambda: len(aws.batch.jobs) == len(encryptions))
    for job in aws.batch.jobs.values():
        [wanted] = [each for node, each in enumerate(encryptions) if f"-{node}-" in job.name]
        call = task_of(job, aws).call
        keys = [job.environment[env_names.ENV_TASK], job.environment[env_names.ENV_WORKER]]
        keys += [part.key for part in (call.function, *call.args) if part.key]
        assert len(keys) == 3
        stored = aws.s3.buckets[BUCKET].objects
        assert {encryption_of(stored[key]) for key in keys} == {wanted}
    release.set()
    assert await asyncio.gather(*runs) == [len(LARGE)] * len(encryptions)


def encryption_of(stored: Any) -> tuple[str, str]:
    headers = {name.lower(): value for name, value in stored.headers.items()}
    kind = headers.get("x-amz-server-side-encryption", "")
    return kind, headers.get("x-amz-server-side-encryption-aws-kms-key-id", "")


async def test_what_is_kept_stays_beside_what_is_not(aws, make):
    """Also where the one that keeps its objects ended before the other began."""
    kept = make(keep_objects=True)
    assert await kept.run(bytes, [LARGE], {}, task(0)) == LARGE
    assert await make().run(bytes, [LARGE], {}, task(1)) == LARGE
    await wait_until(lambda: not [key for key in objects(aws) if "/1/" in key])
    await asyncio.sleep(5)
    result, _, _ = await kept.query_result(task(0))
    assert result == LARGE
    for each in [job.environment for job in aws.batch.jobs.values() if "-0-" in job.name]:
        assert each[env_names.ENV_TASK] in objects(aws)
        assert each[env_names.ENV_WORKER] in aws.s3.buckets[BUCKET].objects
    names = [key.rsplit("/", 1)[-1] for key in objects(aws)]
    assert sorted(name for name in names if "-1" in name) == ["outcome-1", "result-1"]


async def test_objects_of_others_are_never_deleted(aws, make):
    """Whatever lies under the dispatch's prefix, or where outcomes are."""
    strange = [
        "covalent/d/0/task",
        "covalent/d/blobs/" + 64 * "a",
        "covalent/d/strange",
        "covalent/outcomes/another-server/d/0/job/outcome-1",
    ]
    for key in strange:
        aws.s3.put(BUCKET, key, b"another server's")
    assert await make().run(bytes, [LARGE], {}, task(0)) == LARGE
    await wait_until(lambda: set(objects(aws)) == set(strange))


async def test_two_event_loops_share_a_dispatch(aws, make):
    """A thread's event loop ends while a job of the main one still has to read its input."""
    held = len(references)
    release = threading.Event()

    async def wait_in_second(job: Any, fake: FakeAws) -> JobEnd:
        if "-1-" in job.name:
            await asyncio.to_thread(release.wait)
        return await run_here(job, fake)

    aws.script = wait_in_second
    second = asyncio.ensure_future(make().run(len, [LARGE], {}, task(1)))
    await wait_until(lambda: aws.batch.jobs)

    def other_loop() -> Any:
        return asyncio.run(make().run(len, [LARGE], {}, task(0)))

    assert await asyncio.to_thread(other_loop) == len(LARGE)
    release.set()
    assert await second == len(LARGE)
    await wait_until(lambda: not objects(aws))
    await wait_until(lambda: len(references) <= held)


async def test_what_a_job_reads_that_could_not_be_ended_stays(aws, make):
    """Its event loop ended while AWS was out of reach; a task of another one ends.

    Its inputs stay for the rest of the process, so the dispatch is none of the other tests'.
    """
    release = threading.Event()

    async def wait_in_second(job: Any, fake: FakeAws) -> JobEnd:
        if "-1-" in job.name:
            await asyncio.to_thread(release.wait)
        return await run_here(job, fake)

    async def script() -> None:
        run = asyncio.ensure_future(make().run(len, [LARGE], {}, task(1, "left")))
        await wait_until(lambda: aws.batch.jobs)
        aws.fail("batch:TerminateJob", CutError(), 1_000_000)
        assert not run.done()

    aws.script = wait_in_second
    await asyncio.to_thread(asyncio.run, script())
    [job] = aws.batch.jobs.values()
    assert not job.ended
    assert await make().run(len, [LARGE], {}, task(0, "left")) == len(LARGE)
    # Long enough for all that is deleted after the last task of a dispatch.
    await asyncio.sleep(6)
    release.set()
    await wait_until(lambda: job.ended)
    assert job.status == "SUCCEEDED"


async def test_the_same_task_run_twice_at_once(aws, make):
    """Scripts by hand use the same names over and over: each run has objects of its own."""
    aws.batch.job_seconds = 1
    ended = await asyncio.gather(
        make().run(len, [b"a"], {}, task(0)), make().run(len, [b"ab"], {}, task(0))
    )
    assert ended == [1, 2]
    await wait_until(lambda: not objects(aws))


# ---- The server's side fails


async def test_a_result_that_does_not_fit_the_disk_can_be_fetched_later(aws, make, monkeypatch):
    def full(file: BinaryIO) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    one, call = make(), covalent_results.read_text
    monkeypatch.setattr(covalent_results, "read_text", full)
    with pytest.raises(errors.ResultNotFetched) as caught:
        await one.run(covalent_call(bytes), [transportable(LARGE)], {}, task(0))
    text = str(caught.value)
    assert "No space left on device" in text
    assert "query_result({'dispatch_id': 'd', 'node_id': 0})" in text
    assert "covalent-awsbatch recover d --save" in text
    [result] = [key for key in objects(aws) if key.endswith("result-1")]
    assert f"s3://{BUCKET}/{result}" in text
    monkeypatch.setattr(covalent_results, "read_text", call)
    await asyncio.sleep(5)
    fetched, _, _ = await make().query_result(task(0))
    assert fetched.get_deserialized() == LARGE


def covalent_call(function: Callable[..., Any]) -> Any:
    from functools import partial

    from covalent.executor.utils.wrappers import wrapper_fn

    return partial(wrapper_fn, transportable(function), [], [])


def transportable(value: Any) -> Any:
    from covalent._workflow.transportable_object import TransportableObject

    return TransportableObject(value)


@pytest.mark.parametrize("folder", ["a file", "/proc/no-such-folder"])
async def test_a_cache_dir_that_cannot_be_written_to_is_reported_before_a_job(
    aws, make, tmp_path, folder
):
    (tmp_path / "a file").write_text("")
    with pytest.raises(errors.CacheDirUnusable, match="cache_dir"):
        await make(cache_dir=str(tmp_path / folder)).run(len, [b"a"], {}, task(0))
    assert not aws.batch.jobs
    await wait_until(lambda: not objects(aws))


async def test_a_disk_that_is_full_when_a_large_argument_is_written_is_reported(aws, make):
    """The disk has room for what is checked, and not for the argument."""
    handled = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(errors.CacheDirUnusable, match="File too large"):
            await make().run(len, [LARGE], {}, task(0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handled)
    assert not aws.batch.jobs
    await wait_until(lambda: not objects(aws))


# ---- Cancelled jobs


async def test_what_a_cancelled_job_stores_late_is_deleted(aws, make):
    """A container has thirty seconds from SIGTERM on, and its worker stores an outcome."""
    stored = threading.Event()

    async def after_termination(job: Any, fake: FakeAws) -> JobEnd:
        # Its description shows FAILED only when the container has ended.
        await wait_until(lambda: job.termination)
        await asyncio.sleep(2)
        end = await run_here(job, fake)
        stored.set()
        return end

    aws.script = after_termination
    aws.batch.ends_with_container = True
    one = make()
    run = asyncio.ensure_future(one.run(bytes, [LARGE], {}, task(0)))
    await wait_until(lambda: aws.batch.jobs)
    assert await one.cancel(task(0), None)
    with pytest.raises(TaskCancelledError):
        await run
    await wait_until(stored.is_set)
    await wait_until(lambda: not objects(aws))
