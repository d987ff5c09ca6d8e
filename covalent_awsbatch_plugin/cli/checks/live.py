"""The doctor's hello job: through the bucket and the queue, by the executor's own engine."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

from ... import covalent_calls
from ...aws.backend import Backend
from ...aws.model.task import Settled
from ...electron.request import task_request
from ...failures.diagnosis import diagnose
from ...failures.evidence import Case as FailedCase
from .finding import Case


def run_hello(case: Case) -> dict[str, float]:
    """Run a job that returns at once, and return the seconds that each stage took.

    Raises:
        BatchTaskError: It failed; the error explains why and what to do.
    """
    return asyncio.run(_run_hello(case))


async def _run_hello(case: Case) -> dict[str, float]:
    times = {"start": time.time()}
    settled = await _execute(case, times)
    times["end"] = time.time()
    job = _described(case, settled.job_id)
    return stages(times, job, settled)


async def _execute(case: Case, times: dict[str, float]) -> Settled:
    metadata = {"dispatch_id": f"doctor-{uuid.uuid4()}", "node_id": 0}
    executor = cast(Any, SimpleNamespace(**case.options, access=case.account.access))
    request = task_request(executor, _hello(), metadata).for_run()
    task, large = covalent_calls.pack(_hello(), [], {}, request)

    async def submitted(_job_id: str) -> None:
        times["submitted"] = time.time()

    backend = Backend(case.account.access)
    try:
        async with backend.task(request) as run:
            settled = await run.execute(task, large, submitted)
            await run.conclude(settled)
    finally:
        await backend.close()
    _raise_failure(case, settled)
    return settled


def _raise_failure(case: Case, settled: Settled) -> None:
    error = diagnose(
        FailedCase(
            job_id=settled.job_id,
            job=settled.job,
            outcome=settled.outcome,
            unreadable=settled.unreadable,
            memory=case.options["memory"],
            time_limit=case.options["time_limit"],
            python=case.python,
            logs=settled.log_tails,
            links=settled.links,
        )
    )
    if error is not None:
        raise error


def _hello() -> Callable[[], str]:
    # A function of an importable module is pickled by its name, which the container cannot
    # import; one made here travels with its code.
    def hello() -> str:
        return "Hello"

    return hello


def _described(case: Case, job_id: str) -> Mapping[str, Any]:
    answer = case.account.client("batch").describe_jobs(jobs=[job_id])
    return dict(answer["jobs"][0])


def stages(
    times: Mapping[str, float], job: Mapping[str, Any], settled: Settled
) -> dict[str, float]:
    """Return the seconds of each stage, from the server's, Batch's and the worker's clocks.

    Args:
        times: When the run started, was submitted and ended, in seconds since the epoch.
        job: The job as DescribeJobs describes it.
        settled: Its outcome.
    """
    outcome = settled.outcome
    begun, ended = (outcome.started, outcome.ended) if outcome else (0.0, 0.0)
    placed = job.get("startedAt", 0) / 1000 or begun
    marks = [
        ("upload and submit", times["start"], times["submitted"]),
        ("wait for an instance", times["submitted"], placed),
        ("start container and worker", placed, begun),
        ("run the function", begun, ended),
        ("see the end and fetch the result", ended, times["end"]),
        ("all", times["start"], times["end"]),
    ]
    # Three clocks are compared: a difference below zero is theirs.
    return {name: round(max(till - since, 0.0), 3) for name, since, till in marks}
