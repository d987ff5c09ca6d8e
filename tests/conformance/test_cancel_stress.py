"""Cancels of every kind at random moments, while a tenth of all calls fail: no job is left.

COVALENT_AWSBATCH_TEST_STRESS sets the number of tasks, for a soak of thousands, and after a colon
the seed.
"""

from __future__ import annotations

import asyncio
import os
import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from covalent._shared_files.exceptions import TaskCancelledError

from covalent_awsbatch_plugin import AWSBatchExecutor
from covalent_awsbatch_plugin.aws.backend import backends, end_all_tasks
from tests.fake_aws import ApiError, CutError, FakeAws
from tests.fake_aws.scripts import run_here

TASKS, _, SEED = os.environ.get("COVALENT_AWSBATCH_TEST_STRESS", "150:7").partition(":")
RATE = 0.1
FAULTS = (
    ApiError("ThrottlingException", "Rate exceeded", 429),
    ApiError("InternalFailure", "An error occurred", 500),
    ApiError("SlowDown", "Please reduce your request rate.", 503),
    CutError(),
    CutError(done=True),
)
KINDS = ("none", "none", "covalent", "wrong pairing", "asyncio", "twice", "server stops")


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    with FakeAws(script=run_here, job_seconds=1.0, latency=0.02) as fake:
        yield fake


def inject_faults(aws: FakeAws, chance: random.Random) -> None:
    """Have a tenth of all calls fail; of one that breaks, half have been received."""
    count = aws.count

    def faulty(operation: str) -> None:
        count(operation)
        if chance.random() < RATE and not operation.startswith("sts:"):
            raise chance.choice(FAULTS)

    aws.count = faulty  # type: ignore[method-assign]


class Stress:
    """Runs tasks and cancels them; it records every cancel."""

    def __init__(self, executor: AWSBatchExecutor, chance: random.Random) -> None:
        self.executor = executor
        self.chance = chance
        # What a job needs that another test left running stays; that test's dispatch was another.
        self.dispatch_id = str(uuid.uuid4())
        self.handles: dict[int, str] = {}
        self.record: list[tuple[float, int, str, str]] = []

    async def run(self, node: int) -> Any:
        """Run a task and do to it what the seed decides."""
        kind = self.chance.choice(KINDS)
        delay = self.chance.uniform(0, 5)
        run = asyncio.ensure_future(
            self.executor.run(
                len, [b"a" * node], {}, {"dispatch_id": self.dispatch_id, "node_id": node}
            )
        )
        await asyncio.wait({run}, timeout=delay)
        if not run.done():
            await self.cancel(node, kind, run)
        return kind, await asyncio.gather(run, return_exceptions=True)

    async def cancel(self, node: int, kind: str, run: asyncio.Future[Any]) -> None:
        loop = asyncio.get_running_loop()
        job_id = next((r.job_id for r in self.runs() if r.request.node_id == node), "")
        self.record.append((loop.time(), node, kind, job_id))
        metadata = {"dispatch_id": self.dispatch_id, "node_id": node}
        if kind in ("covalent", "twice"):
            await self.executor.cancel(metadata, job_id or None)
        if kind == "wrong pairing" and job_id:
            await self.executor.cancel({**metadata, "node_id": 10**6}, job_id)
        if kind == "twice":
            await self.executor.cancel(metadata, job_id or None)
            run.cancel()
        if kind == "asyncio":
            run.cancel()

    @staticmethod
    def runs() -> list[Any]:
        return [run for backend in backends.alive() for run in backend.runs]


async def test_no_job_is_left_running_whatever_is_cancelled_when(aws: FakeAws, tmp_path: Path):
    chance = random.Random(int(SEED or 7))
    inject_faults(aws, random.Random(int(SEED or 7) + 1))
    options = {**aws.executor_options(), "poll_freq": 1, "cache_dir": str(tmp_path)}
    stress = Stress(AWSBatchExecutor(**options, retry_attempts=1), chance)
    tasks = [asyncio.ensure_future(stress.run(node)) for node in range(int(TASKS))]
    ended = await asyncio.wait_for(asyncio.gather(*tasks[: len(tasks) * 3 // 4]), 3600)
    # The server stops while the last quarter is under way.
    await asyncio.wait_for(end_all_tasks(), 120)
    ended += await asyncio.wait_for(asyncio.gather(*tasks[len(tasks) * 3 // 4 :]), 600)
    for node, (kind, [result]) in enumerate(ended):
        fine = result == node or isinstance(result, (TaskCancelledError, asyncio.CancelledError))
        assert fine, (node, kind, result)
    left = [job for job in aws.batch.jobs.values() if not job.ended]
    known = [entry for entry in stress.record if entry[3] in {job.id for job in left}]
    assert not left, f"jobs left: {[job.name for job in left]}; cancels: {known or stress.record}"
    names = Counter(job.name.rsplit("-", 1)[0] for job in aws.batch.jobs.values())
    assert set(names.values()) <= {1}, "no task has two jobs"
    # A result that was being fetched when the server stopped stays, for it to be recovered.
    stopped = {
        f"/{stress.dispatch_id}/{node}/"
        for node, (_, [result]) in enumerate(ended)
        if isinstance(result, asyncio.CancelledError)
    }

    def unexpected() -> list[str]:
        return [key for key in aws.objects() if not any(node in key for node in stopped)]

    await wait_until_empty(unexpected)


async def wait_until_empty(rest: Callable[[], list[str]], seconds: float = 60) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while found := rest():
        assert loop.time() < deadline, f"objects that stay: {found}"
        await asyncio.sleep(0.05)
