"""Runs the table's tasks as jobs of a local AWS, several at once."""

from __future__ import annotations

import asyncio
import io
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import cloudpickle
from covalent._shared_files.exceptions import TaskRuntimeError
from covalent._workflow.transport import TransportableObject
from covalent.executor.utils.wrappers import wrapper_fn

from covalent_awsbatch_plugin import AWSBatchExecutor
from covalent_awsbatch_plugin.local import LocalAws

from . import functions, images
from .cases import Case
from .images import Odd

T = TypeVar("T")

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


@dataclass(frozen=True)
class Task:
    """A task to run.

    Attributes:
        call: Its function, pickled.
        args: Its arguments.
        before: Covalent's hooks before it.
        options: Options of its executor.
    """

    call: TransportableObject
    options: Mapping[str, Any]
    args: Sequence[Any] = ()
    before: Sequence[Any] = ()


def run_all(
    aws: LocalAws, cases: Mapping[str, Case], scratch: Path, **options: Any
) -> dict[str, Ended]:
    """Run cases; return how each ended."""
    return _run_tasks(
        aws,
        scratch,
        lambda: {
            name: Task(
                TransportableObject(case.function), {"retry_attempts": case.allowed, **options}
            )
            for name, case in cases.items()
        },
    )


def run_in_images(aws: LocalAws, table: Mapping[str, Odd], scratch: Path) -> dict[str, Ended]:
    """Run tasks in their images; return how each ended."""

    def task(number: int, odd: Odd) -> Task:
        made = odd.image.make(scratch / f"image-{number}")
        call = TransportableObject(odd.case.function)
        args = [TransportableObject(arg) for arg in odd.args]
        return Task(call, {"retry_attempts": odd.case.allowed, **made}, args, odd.before)

    return _run_tasks(
        aws,
        scratch,
        lambda: {name: task(n, odd) for n, (name, odd) in enumerate(table.items())},
    )


def _run_tasks(
    aws: LocalAws, scratch: Path, make: Callable[[], dict[str, Task]]
) -> dict[str, Ended]:
    """Run the tasks that are made while functions of this suite are pickled by value."""

    async def run_them(tasks: dict[str, Task]) -> list[Ended]:
        free = asyncio.Semaphore(AT_ONCE)
        return await asyncio.gather(*(_run(aws, free, task, scratch) for task in tasks.values()))

    for module in (functions, images):
        cloudpickle.register_pickle_by_value(module)
    try:
        tasks = make()
        return dict(zip(tasks, asyncio.run(run_them(tasks)), strict=True))
    finally:
        for module in (functions, images):
            cloudpickle.unregister_pickle_by_value(module)


async def _run(aws: LocalAws, free: asyncio.Semaphore, task: Task, scratch: Path) -> Ended:
    defaults = {"poll_freq": 1, "cache_dir": str(scratch)}
    executor = Executor(**{**aws.executor_options(), **defaults, **task.options})
    executor.task_stdout, executor.task_stderr = io.StringIO(), io.StringIO()
    dispatch = str(uuid.uuid4())
    function = partial(wrapper_fn, task.call, list(task.before), [])
    async with free:
        node = {"dispatch_id": dispatch, "node_id": 0}
        running = executor.run(function, list(task.args), {}, node)
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


def selected(items: Iterable[Any], module: str, cases: Mapping[str, T]) -> dict[str, T]:
    """Return the cases that the tests of a module need, of those that this run has selected."""
    names = {i.callspec.params["name"] for i in items if i.module.__name__ == module}
    return {name: case for name, case in cases.items() if name in names}
