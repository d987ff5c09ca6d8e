"""A soak: 300 tasks, a tenth of all calls with faults injected, a tenth of all hosts lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from covalent_awsbatch_plugin import AWSBatchExecutor
from covalent_awsbatch_plugin.local import LocalAws
from covalent_awsbatch_plugin.local.faults.plan import ApiFault, FaultPlan, JobFault

from .threads import PlayedRunner

pytestmark = pytest.mark.emulator

TASKS = 300
RATE = 0.1

KINDS = ("throttle", "server_error", "slow_down", "reset", "lost_answer", "expired_token")

PLAN = FaultPlan(
    seed=20,
    # Each kind is injected into a part of the calls; together they are a tenth.
    api=[ApiFault("*", kind, probability=RATE / len(KINDS), by="dispatcher") for kind in KINDS],
    # No job loses all of its ten hosts: one in ten billion.
    jobs=[JobFault("host_lost", probability=RATE, names="covalent-soak-*")],
)


async def soak(aws: LocalAws, cache_dir: str) -> list[Any]:
    options = {"poll_freq": 1, "retry_attempts": 10, "cache_dir": cache_dir}
    executor = AWSBatchExecutor(**aws.executor_options(), **options)

    async def one(number: int) -> Any:
        metadata = {"dispatch_id": "soak", "node_id": number}
        return await executor.run(lambda n: n * n, [number], {}, metadata)

    return await asyncio.gather(*map(one, range(TASKS)), return_exceptions=True)


def jobs_of(aws: LocalAws) -> list[dict[str, Any]]:
    batch = aws.client("batch")
    pages = batch.get_paginator("list_jobs").paginate(
        jobQueue=aws.executor_options()["batch_queue"],
        filters=[{"name": "JOB_NAME", "values": ["covalent-soak-*"]}],
    )
    ids = [job["jobId"] for page in pages for job in page["jobSummaryList"]]
    hundreds = [ids[start : start + 100] for start in range(0, len(ids), 100)]
    return [job for part in hundreds for job in batch.describe_jobs(jobs=part)["jobs"]]


@pytest.fixture(scope="module")
def soaked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a soak ended in."""
    runner = PlayedRunner()
    with LocalAws(runner=runner, slots=32) as aws:
        aws.faults = PLAN
        cache_dir = str(tmp_path_factory.mktemp("cache"))
        ended = asyncio.run(soak(aws, cache_dir))
        injected = Counter(aws.injected)
        aws.faults = FaultPlan()
        return {"ended": ended, "injected": injected, "jobs": jobs_of(aws), "runs": runner.runs}


def test_every_task_ends_in_its_true_state(soaked, capsys):
    with capsys.disabled():
        attempts = sum(len(job["attempts"]) for job in soaked["jobs"])
        print(f"\nSoak: {TASKS} tasks, {len(soaked['jobs'])} jobs, {attempts} attempts; injected:")
        for what, count in sorted(soaked["injected"].items()):
            print(f"  {count:4} {what}")
    assert soaked["ended"] == [number * number for number in range(TASKS)]


def test_no_task_has_two_jobs_and_none_runs_twice(soaked):
    names = Counter(job["jobName"].rsplit("-", 1)[0] for job in soaked["jobs"])
    assert len(names) == TASKS
    assert set(names.values()) == {1}


def test_faults_were_injected(soaked):
    calls = sum(n for what, n in soaked["injected"].items() if not what.startswith("job "))
    lost = soaked["injected"]["job host_lost"]
    assert calls > TASKS * 3 * RATE / 2
    assert lost > TASKS * RATE / 2
