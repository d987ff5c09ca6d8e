"""One electron's run: from the executor's options to a request, from a settled job to a result."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import contract, envelope, glue, payloads, settings
from .aws.backend import Backend, backends
from .aws.outcomes import fetch_result, find_outcome
from .aws.properties import DefinitionSpec
from .aws.tasks import Cancelled, Running, Settled, TaskRequest, was_cancelled
from .diagnosis import diagnose
from .errors import BatchTaskError, OutcomeMissing, OutcomeUnreadable
from .evidence import Case

if TYPE_CHECKING:
    from .awsbatch import AWSBatchExecutor

__all__ = ["Cancelled", "query", "run_electron", "task_request", "upload"]

log = logging.getLogger("covalent_awsbatch_plugin")

# What the worker imports, at the dispatcher's own versions; and what keeps pip from releases of
# Covalent's requirements that do not work with it, or that it would take minutes to rule out.
REQUIREMENTS = ("covalent", "cloudpickle", "boto3")
BOUNDS = ("alembic", "fastapi", "sqlalchemy-utils")


async def run_electron(
    executor: AWSBatchExecutor,
    function: Callable[..., Any],
    args: list[Any],
    kwargs: dict[str, Any],
    metadata: dict[str, Any],
) -> Any:
    """Run a function as a job.

    Raises:
        BatchTaskError: The task failed, or could not be run.
        Cancelled: The task was cancelled.
    """
    settings.validate(vars(executor))
    if not executor.glue_on_batch and glue.is_glue(function):
        outcome = await _run_beside(function, args, kwargs, metadata)
        if outcome is not None:
            return _glue_result(executor, outcome)
    request = task_request(executor, function, metadata)
    async with backends.use(executor.access) as backend, backend.task(request) as running:
        if await _ask(executor.get_cancel_requested(), "whether it was cancelled"):
            running.cancel()
        task, large = await _pack(backend, request, function, args, kwargs)

        async def submitted(job_id: str) -> None:
            await _ask(executor.set_job_handle(job_id), "to note its job's id")

        settled = await backend.execute(request, running, task, large, submitted)
        return await _conclude(executor, backend, running, request, settled, task.call)


async def _run_beside(
    function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], metadata: dict[str, Any]
) -> contract.Outcome | None:
    """Run one of Covalent's own nodes beside the server; return None where it cannot."""
    if not glue.fits(function, args, kwargs):
        return None
    task = payloads.pack_inline(function, args, kwargs)
    try:
        async with glue.processes.use(glue.PROCESSES) as processes:
            return await processes.run(envelope.encode_task(task))
    except glue.GlueUnavailable as error:
        node = f"{metadata['dispatch_id']}:{metadata['node_id']}"
        log.info("AWS Batch: node %s goes to Batch, not beside the server: %s", node, error)
        return None


def _glue_result(executor: AWSBatchExecutor, outcome: contract.Outcome) -> Any:
    _print_output(executor, outcome)
    part = outcome.result
    if outcome.status == contract.RETURNED and part is not None and part.data is not None:
        return payloads.transportable(part, part.data.decode("ascii", "replace"))
    error = diagnose(Case(job_id="none; it ran beside the Covalent server", outcome=outcome))
    raise error or OutcomeMissing()


def _print_output(executor: AWSBatchExecutor, outcome: contract.Outcome) -> None:
    print(outcome.stdout, end="", file=executor.task_stdout or sys.stdout)
    print(outcome.stderr, end="", file=executor.task_stderr or sys.stderr)
    print(outcome.traceback, end="", file=executor.task_stderr or sys.stderr)


async def _ask(question: Any, what: str) -> Any:
    """Ask the Covalent server something; a server that does not answer must not end the task."""
    try:
        return await question
    except (RuntimeError, TimeoutError, asyncio.TimeoutError) as error:
        # Its database was locked. After that it answers nothing about this task any more.
        log.warning("AWS Batch: Covalent could not be asked %s: %r", what, error)
    except AttributeError:
        log.debug("AWS Batch: run() was called by hand; there is no server to ask")
    return None


def task_request(
    executor: AWSBatchExecutor, function: Callable[..., Any] | None, metadata: dict[str, Any]
) -> TaskRequest:
    """Return what the executor's options make of a task.

    Args:
        executor: The executor.
        function: The task's function, where it is known.
        metadata: The task's ``dispatch_id`` and ``node_id``.
    """
    python = payloads.python_version(function) if function else sys.version.split()[0]
    return TaskRequest(
        dispatch_id=metadata["dispatch_id"],
        node_id=metadata["node_id"],
        name=payloads.function_name(function) if function else "",
        bucket=executor.s3_bucket_name,
        cache_dir=executor.cache_dir,
        definition=_definition(executor, python),
        queue=executor.batch_queue,
        vcpus=executor.vcpu,
        memory_mib=int(executor.memory * 1024),
        gpus=executor.num_gpus,
        attempts=executor.retry_attempts,
        retry_on=executor.retry_on,
        time_limit=executor.time_limit,
        poll_freq=executor.poll_freq,
        tags=dict(executor.tags),
        keep_objects=executor.keep_objects,
    )


def _definition(executor: AWSBatchExecutor, python: str) -> DefinitionSpec:
    return DefinitionSpec(
        name=executor.batch_job_definition_name,
        image=executor.container_image_uri or settings.default_image(python),
        execution_role=executor.execution_role,
        job_role=executor.batch_job_role_name,
        log_group=executor.log_group_name,
        region=executor.region,
        python=contract.minor(python),
        requirements=_requirements(),
        bounds=_bounds(),
        environment=executor.environment,
        container_properties=executor.container_properties,
        tags=executor.tags,
    )


@lru_cache(maxsize=1)
def _requirements() -> tuple[str, ...]:
    return tuple(f"{name}=={version(name)}" for name in REQUIREMENTS)


@lru_cache(maxsize=1)
def _bounds() -> tuple[str, ...]:
    """Return our own bounds on Covalent's requirements, from this package's metadata."""
    ours = requires("covalent-awsbatch-plugin") or []
    return tuple(sorted(line for line in ours if line.startswith(BOUNDS) and ";" not in line))


async def _pack(
    backend: Backend,
    request: TaskRequest,
    function: Callable[..., Any],
    args: list[Any],
    kwargs: dict[str, Any],
) -> tuple[contract.Task, dict[str, payloads.Write]]:
    arguments = (function, args, kwargs, request.dispatch_id, request.prefix)
    if not payloads.is_large(function, args, kwargs):
        return payloads.pack(*arguments)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(backend.session.threads, payloads.pack, *arguments)


async def upload(
    executor: AWSBatchExecutor,
    backend: Backend,
    function: Callable[..., Any],
    args: list[Any],
    kwargs: dict[str, Any],
    metadata: dict[str, Any],
) -> None:
    """Put a task into the bucket, from where ``submit_task`` takes it."""
    request = task_request(executor, function, metadata)
    task, large = await _pack(backend, request, function, args, kwargs)
    await backend.upload(request, task, large)


async def query(
    executor: AWSBatchExecutor, backend: Backend, metadata: dict[str, Any]
) -> tuple[Any, str, str]:
    """Return the result, stdout and stderr that a task left in the bucket."""
    request = task_request(executor, None, metadata)
    storage = backend.storage(request.bucket, request.cache_dir)
    settled = await find_outcome(storage, request)
    outcome = settled.outcome
    error = diagnose(_case(executor, request, settled))
    if error is not None or outcome is None:
        raise error or OutcomeMissing()
    return await _result(backend, request, outcome), outcome.stdout, outcome.stderr


def _case(executor: AWSBatchExecutor, request: TaskRequest, settled: Settled) -> Case:
    return Case(
        job_id=settled.job_id,
        job=settled.job,
        outcome=settled.outcome,
        unreadable=settled.unreadable,
        time_limit=request.time_limit,
        memory=executor.memory,
        python=request.definition.python,
        bucket=request.bucket,
        logs=settled.log_tails,
        links=settled.links,
    )


async def _conclude(
    executor: AWSBatchExecutor,
    backend: Backend,
    running: Running,
    request: TaskRequest,
    settled: Settled,
    call: contract.Call,
) -> Any:
    """Hand over the task's output, and return its result or raise what became of it."""
    outcome = settled.outcome
    if outcome is not None:
        _print_output(executor, outcome)
    error = diagnose(_case(executor, request, settled))
    if error is not None or outcome is None:
        if running.cancelled or was_cancelled(settled.job):
            raise Cancelled
        raise error or OutcomeMissing()
    if outcome.result is None or outcome.result.kind != call.function.kind:
        raise _unreadable(settled, "its result is not of the kind that the task returns")
    return await _result(backend, request, outcome)


async def _result(backend: Backend, request: TaskRequest, outcome: contract.Outcome) -> Any:
    part = outcome.result
    if part is None:
        return None
    storage = backend.storage(request.bucket, request.cache_dir)
    if part.kind == "transportable":
        if part.data is not None:
            return payloads.transportable(part, part.data.decode("ascii", "replace"))
        text = await fetch_result(storage, request, part, payloads.read_text)
        return payloads.transportable(part, text)
    import cloudpickle

    # Only for a function that was given to run() by hand: who called it wants the object.
    if part.data is not None:
        return cloudpickle.loads(part.data)
    return cloudpickle.loads(await fetch_result(storage, request, part, Path.read_bytes))


def _unreadable(settled: Settled, why: str) -> BatchTaskError:
    return OutcomeUnreadable(f"{why}.", evidence=f"Job: {settled.job_id}")
