"""Runs the table's tasks as jobs of a local AWS, several at once."""

from __future__ import annotations

import asyncio
import io
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
from covalent._shared_files.exceptions import TaskRuntimeError
from covalent._workflow.transport import TransportableObject
from covalent.executor.utils.wrappers import wrapper_fn

from covalent_awsbatch_plugin import AWSBatchExecutor
from covalent_awsbatch_plugin.local import LocalAws

from . import functions
from .cases import Case

AT_ONCE = 4

# Far above what any case takes. A wait that nothing bounds does not pass.
LIMIT = 240


FAILED = object()
FINISHED = ("SUCCEEDED", "FAILED")


class Executor(AWSBatchExecutor):
    """The executor with streams that are there without a Covalent server."""

    task_stdout: Any = None
    task_stderr: Any = None


@dataclass(frozen=True)
class Ended:
    """How a task ended, as Covalent's server sees it.

    Attributes:
        value: What it returned, or FAILED.
        stdout: Its standard output.
        stderr: Its standard error, with the diagnosis.
        attempts: How often it was run.
    """

    value: Any
    stdout: str
    stderr: str
    attempts: int


def run_all(
    aws: LocalAws, cases: Mapping[str, Case], scratch: Path, **options: Any
) -> dict[str, Ended]:
    """Run cases; return how each ended."""
    cloudpickle.register_pickle_by_value(functions)
    calls = {name: TransportableObject(case.function) for name, case in cases.items()}

    async def run_them() -> list[Ended]:
        free = asyncio.Semaphore(AT_ONCE)
        runs = (
            _run(aws, free, call, scratch, {"retry_attempts": cases[name].allowed, **options})
            for name, call in calls.items()
        )
        return await asyncio.gather(*runs)

    try:
        return dict(zip(cases, asyncio.run(run_them()), strict=True))
    finally:
        cloudpickle.unregister_pickle_by_value(functions)


async def _run(
    aws: LocalAws,
    free: asyncio.Semaphore,
    call: TransportableObject,
    scratch: Path,
    options: dict[str, Any],
) -> Ended:
    defaults = {"poll_freq": 1, "cache_dir": str(scratch)}
    executor = Executor(**{**aws.executor_options(), **defaults, **options})
    executor.task_stdout, executor.task_stderr = io.StringIO(), io.StringIO()
    dispatch = str(uuid.uuid4())
    function = partial(wrapper_fn, call, [], [])
    async with free:
        running = executor.run(function, [], {}, {"dispatch_id": dispatch, "node_id": 0})
        try:
            value = (await asyncio.wait_for(running, LIMIT)).get_deserialized()
        except TaskRuntimeError:
            value = FAILED
        attempts = await asyncio.to_thread(_attempts, aws, dispatch)
    stdout, stderr = executor.task_stdout.getvalue(), executor.task_stderr.getvalue()
    return Ended(value, stdout, stderr, attempts)


def _attempts(aws: LocalAws, dispatch: str) -> int:
    """Return how many attempts a task took, once its job has ended: its outcome is seen before."""
    limit = time.monotonic() + LIMIT
    while not all(job["status"] in FINISHED for job in _jobs(aws, dispatch)):
        assert time.monotonic() < limit
        time.sleep(0.1)
    return sum(len(job["attempts"]) for job in _jobs(aws, dispatch))


def _jobs(aws: LocalAws, dispatch: str) -> list[dict[str, Any]]:
    batch, queue = aws.client("batch"), aws.executor_options()["batch_queue"]
    wanted = [{"name": "JOB_NAME", "values": [f"covalent-{dispatch}-*"]}]
    listed = batch.list_jobs(jobQueue=queue, filters=wanted)["jobSummaryList"]
    return list(batch.describe_jobs(jobs=[job["jobId"] for job in listed])["jobs"])


def check(case: Case, ended: Ended) -> None:
    """Assert that a task ended as its case expects."""
    if case.error is None:
        assert ended.value == case.value, ended.stderr
    else:
        assert ended.value is FAILED
        assert str(case.error()) in ended.stderr
    for text in (*case.texts, case.stderr):
        assert text in ended.stderr, ended.stderr
    for text in case.absent:
        assert text not in ended.stderr
    assert case.stdout in ended.stdout
    assert ended.attempts == case.attempts
    for text in (ended.stdout, ended.stderr):
        text.encode("utf-8")
        assert len(text) < 6_000_000


def selected(items: Iterable[Any], module: str, cases: Mapping[str, Case]) -> dict[str, Case]:
    """Return the cases that the tests of a module need, of those that this run has selected."""
    names = {i.callspec.params["name"] for i in items if i.module.__name__ == module}
    return {name: case for name, case in cases.items() if name in names}
