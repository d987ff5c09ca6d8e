"""A job's real command, bootstrap and worker, as a process that reaches the fake AWS."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from covalent._shared_files.exceptions import TaskRuntimeError
from covalent._workflow.transport import TransportableObject
from covalent.executor.utils.wrappers import wrapper_fn

from covalent_awsbatch_plugin.awsbatch import AWSBatchExecutor
from covalent_awsbatch_plugin.protocol import env_names
from tests.fake_aws import FakeAws, Job, JobEnd, scripts
from tests.fake_aws.aws import BUCKET


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    with FakeAws(script=scripts.run_process) as fake:
        yield fake


def run(aws: FakeAws, scratch: Path, function: Callable[[], Any]) -> Any:
    """Run a function as a job; return its result, or what was raised."""

    async def all_of_it() -> Any:
        options = {**aws.executor_options(), "poll_freq": 1, "cache_dir": str(scratch)}
        executor = AWSBatchExecutor(**options, retry_attempts=1)
        call = TransportableObject(function)
        metadata = {"dispatch_id": "d", "node_id": 0}
        return await executor.run(partial(wrapper_fn, call, [], []), [], {}, metadata)

    return asyncio.run(all_of_it())


def log_of(aws: FakeAws) -> str:
    """Return what the only job wrote to its log."""
    [job] = aws.batch.jobs.values()
    events = aws.logs.groups[job.log_group][job.log_stream or ""]
    return "\n".join(event["message"] for event in events)


def test_it_returns_what_the_function_returns(aws: FakeAws, tmp_path: Path) -> None:
    def where() -> tuple[bool, str | None]:
        print("printed")
        return os.getpid() != os.getppid(), os.environ.get("COVALENT_PLUGIN_LOAD")

    assert run(aws, tmp_path, where).get_deserialized() == (True, None)
    assert "printed" in log_of(aws)


def test_a_worker_that_cannot_be_fetched_ends_the_job_and_says_why(
    aws: FakeAws, tmp_path: Path
) -> None:
    async def without_worker(job: Job, fake: FakeAws) -> JobEnd:
        del fake.s3.buckets[BUCKET].objects[job.environment[env_names.ENV_WORKER]]
        return await scripts.run_process(job, fake)

    aws.script = without_worker
    with pytest.raises(TaskRuntimeError):
        run(aws, tmp_path, lambda: None)
    assert "the worker could not be read from s3://" in log_of(aws)
    [job] = aws.batch.jobs.values()
    assert job.attempts[0]["container"]["exitCode"] == 200


def test_a_damaged_worker_is_not_run(aws: FakeAws, tmp_path: Path) -> None:
    async def damaged(job: Job, fake: FakeAws) -> JobEnd:
        key = job.environment[env_names.ENV_WORKER]
        fake.s3.put(BUCKET, key, fake.s3.get(BUCKET, key) + b"x")
        return await scripts.run_process(job, fake)

    aws.script = damaged
    with pytest.raises(TaskRuntimeError):
        run(aws, tmp_path, lambda: None)
    assert "could not be read" in log_of(aws)
    assert "damaged" in log_of(aws)


def test_a_task_that_ends_its_process_leaves_an_outcome(aws: FakeAws, tmp_path: Path) -> None:
    with pytest.raises(TaskRuntimeError, match="exit code 7"):
        run(aws, tmp_path, lambda: os._exit(7))


def test_modules_in_the_working_folder_are_the_tasks_and_not_the_workers(
    aws: FakeAws, tmp_path: Path
) -> None:
    wrong = "raise RuntimeError('the worker has imported it from the working folder')"
    names = {*sys.stdlib_module_names, "cloudpickle", "covalent_awsbatch_worker", "botocore"}
    files = {**{f"{name}.py": wrong for name in names}, "of_the_task.py": "value = 7"}
    aws.script = partial(scripts.run_process, files=files)

    def task() -> int:
        import of_the_task

        return int(of_the_task.value)

    assert run(aws, tmp_path, task).get_deserialized() == 7


def test_the_log_has_the_traceback_once_and_only_its_ends(aws: FakeAws, tmp_path: Path) -> None:
    def fail() -> None:
        raise ValueError("x" * 1_000_000)

    with pytest.raises(TaskRuntimeError):
        run(aws, tmp_path, fail)
    log = log_of(aws)
    assert log.count("Traceback (most recent call last):") == 1
    assert f'File "{__file__}", line' in log
    assert 'raise ValueError("x" * 1_000_000)' in log
    assert "characters left out" in log
    assert len(log) < 100_000
