"""One electron's run: from the executor's options to a request, from a settled job to a result."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from .. import covalent_calls, covalent_results
from ..aws.backend import Backend, backends
from ..aws.bucket import cache_folder
from ..aws.model.task import Cancelled, Settled, TaskRequest, was_cancelled
from ..aws.task_run import TaskRun
from ..builtin_nodes import detection
from ..builtin_nodes.processes import PROCESSES, NodeUnavailable, processes
from ..errors import OutcomeMissing, OutcomeUnreadable
from ..failures.diagnosis import diagnose
from ..failures.evidence import Case
from ..failures.unfetched import not_fetched
from ..options import resolution
from ..protocol import envelope, messages
from . import wheelhouse
from .environments import shared_environment, shared_prefix
from .request import Executor, task_request

log = logging.getLogger("covalent_awsbatch_plugin")


async def run_electron(
    executor: Executor,
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
    resolution.validate(vars(executor))
    if not executor.builtin_nodes_on_batch and detection.is_builtin(function):
        outcome = await _run_on_host(function, args, kwargs, metadata)
        if outcome is not None:
            return _builtin_result(executor, outcome)
    request = task_request(executor, function, metadata).for_run()
    async with backends.use(executor.access) as backend, backend.task(request) as run:
        if await _ask(executor.get_cancel_requested(), "whether it was cancelled"):
            run.cancel()
        task, large = await _pack(backend, request, function, args, kwargs)
        task, large = await _with_wheelhouse(backend, request, task, large)
        task = replace(
            task,
            source=covalent_calls.read_source(metadata),
            environment=shared_environment(function, request, executor.share_packages),
            shared_prefix=shared_prefix(request, executor.share_packages),
        )

        async def submitted(job_id: str) -> None:
            await _ask(executor.set_job_handle(job_id), "to note its job's id")

        settled = await run.execute(task, large, submitted)
        return await _conclude(executor, backend, run, settled, task.call)


async def _run_on_host(
    function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], metadata: dict[str, Any]
) -> messages.Outcome | None:
    """Run one of Covalent's own nodes on the server's host; return None where it cannot."""
    if not detection.fits(function, args, kwargs):
        return None
    task = covalent_calls.pack_inline(function, args, kwargs, metadata)
    try:
        async with processes.use(PROCESSES) as hosted:
            return await hosted.run(envelope.encode_task(task))
    except NodeUnavailable as error:
        node = f"{metadata['dispatch_id']}:{metadata['node_id']}"
        log.info("AWS Batch: node %s goes to Batch, not on the server's host: %s", node, error)
        return None


def _builtin_result(executor: Executor, outcome: messages.Outcome) -> Any:
    _print_output(executor, outcome)
    part = outcome.result
    if outcome.status == messages.RETURNED and part is not None and part.data is not None:
        return covalent_results.transportable(part, part.data.decode("ascii", "replace"))
    error = diagnose(Case(job_id="none; it ran on the Covalent server's host", outcome=outcome))
    raise error or OutcomeMissing()


def _print_output(executor: Executor, outcome: messages.Outcome) -> None:
    print(encodable(outcome.stdout), end="", file=executor.task_stdout or sys.stdout)
    print(encodable(outcome.stderr), end="", file=executor.task_stderr or sys.stderr)
    print(encodable(outcome.traceback), end="", file=executor.task_stderr or sys.stderr)


def encodable(text: str) -> str:
    """Return a text without lone surrogates: Covalent would leave the node RUNNING for them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


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


async def _pack(
    backend: Backend,
    request: TaskRequest,
    function: Callable[..., Any],
    args: list[Any],
    kwargs: dict[str, Any],
) -> tuple[messages.Task, dict[str, covalent_calls.Write]]:
    pack = partial(covalent_calls.pack, function, args, kwargs, request)
    if not covalent_calls.is_large(function, args, kwargs):
        return pack()
    return await backend.session.in_thread(pack)


async def _with_wheelhouse(
    backend: Backend,
    request: TaskRequest,
    task: messages.Task,
    large: dict[str, covalent_calls.Write],
) -> tuple[messages.Task, dict[str, covalent_calls.Write]]:
    """Give a task that names Covalent what its job needs to import it."""
    if not wheelhouse.names_covalent(task.call):
        return task, large
    digest = await backend.session.in_thread(wheelhouse.digest)
    if not digest:
        return task, large
    key = request.packages_prefix + digest
    return replace(task, wheelhouse=key), {**large, key: wheelhouse.write}


async def upload(
    executor: Executor,
    backend: Backend,
    function: Callable[..., Any],
    args: list[Any],
    kwargs: dict[str, Any],
    metadata: dict[str, Any],
) -> None:
    """Put a task into the bucket, from where ``submit_task`` takes it."""
    request = task_request(executor, function, metadata)
    task, large = await _pack(backend, request, function, args, kwargs)
    task = replace(task, source=covalent_calls.read_source(metadata))
    await backend.upload(request, task, large)


async def query(
    executor: Executor, backend: Backend, metadata: dict[str, Any]
) -> tuple[Any, str, str]:
    """Return the result, stdout and stderr that a task left in the bucket."""
    request = task_request(executor, None, metadata)
    outcomes = backend.bucket(request.bucket).outcomes
    settled = await outcomes.find(request)
    outcome = settled.outcome
    error = diagnose(_case(executor, request, settled))
    if error is not None or outcome is None:
        raise error or OutcomeMissing()
    if outcome.result is not None and outcome.result.kind == "pickle":
        # It is unpickled here, which only a function that was uploaded as a pickle asks for.
        called = await outcomes.called(request)
        if not _is_of_kind(outcome, called.call):
            raise _of_another_kind(settled)
    return await _result(backend, request, outcome), outcome.stdout, outcome.stderr


def _case(executor: Executor, request: TaskRequest, settled: Settled) -> Case:
    return Case(
        job_id=settled.job_id,
        job=settled.job,
        outcome=settled.outcome,
        unreadable=settled.unreadable,
        time_limit=request.time_limit,
        memory=executor.memory,
        python=request.definition.python,
        bucket=request.bucket,
        region=request.definition.region,
        logs=settled.log_tails,
        links=settled.links,
    )


async def _conclude(
    executor: Executor,
    backend: Backend,
    run: TaskRun,
    settled: Settled,
    call: messages.Call,
) -> Any:
    """Hand over the task's output, and return its result or raise its error."""
    outcome = settled.outcome
    if outcome is not None:
        _print_output(executor, outcome)
    error = diagnose(_case(executor, run.request, settled))
    if error is None and outcome is not None and _is_of_kind(outcome, call):
        result = await _fetched(backend, run, settled, outcome)
        await run.conclude(settled)
        return result
    await run.conclude(settled)
    if run.cancelled or was_cancelled(settled.job):
        raise Cancelled
    raise error or _of_another_kind(settled)


def _is_of_kind(outcome: messages.Outcome, call: messages.Call) -> bool:
    """Return whether a result is of the kind that the task returns."""
    return outcome.result is not None and outcome.result.kind == call.function.kind


def _of_another_kind(settled: Settled) -> OutcomeUnreadable:
    return OutcomeUnreadable(
        "Its result is not of the kind that the task returns.",
        evidence=f"Job: {settled.job_id}",
    )


async def _fetched(
    backend: Backend, run: TaskRun, settled: Settled, outcome: messages.Outcome
) -> Any:
    """Return a task's result; where that fails, its objects are kept.

    Raises:
        ResultNotFetched: It failed on the Covalent server's side.
    """
    try:
        return await _result(backend, run.request, outcome)
    except Exception as error:
        await run.keep(settled)
        metadata = {"dispatch_id": run.request.dispatch_id, "node_id": run.request.node_id}
        folder = f"s3://{run.request.bucket}/{run.request.prefix}"
        job_id, result = settled.job_id, outcome.result
        raise not_fetched(metadata, job_id, folder, result, error) from error


async def _result(backend: Backend, request: TaskRequest, outcome: messages.Outcome) -> Any:
    part = outcome.result
    if part is None:
        return None
    fetch = partial(
        backend.bucket(request.bucket).outcomes.fetch_result,
        request,
        part,
        cache=cache_folder(request.cache_dir),
    )
    if part.kind == "transportable":
        if part.data is not None:
            text = part.data.decode("ascii", "replace")
        else:
            text = await fetch(read=covalent_results.read_text)
        return await _transportable(backend, request, part, text)
    import cloudpickle

    # Only for a function that was given to run() by hand: who called it wants the object.
    if part.data is not None:
        return cloudpickle.loads(part.data)
    return cloudpickle.loads(await fetch(read=lambda file: file.read()))


async def _transportable(
    backend: Backend, request: TaskRequest, part: messages.Part, text: str
) -> Any:
    if request.name != messages.SUBLATTICE_BUILDER:
        return covalent_results.transportable(part, text)
    return await backend.session.in_thread(partial(covalent_results.sublattice, part, text))
