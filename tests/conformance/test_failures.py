"""Every fault of the local AWS's plan, alone and among thirty other tasks.

Each ends in the right error or the right result, within a bounded time, with its neighbours
unharmed, nothing left in S3, no job left running and no temporary file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from covalent._shared_files.exceptions import TaskRuntimeError

from covalent_awsbatch_plugin import AWSBatchExecutor, errors
from covalent_awsbatch_plugin.local import LocalAws
from covalent_awsbatch_plugin.local.faults.plan import ApiFault, FaultPlan, JobFault
from covalent_awsbatch_plugin.protocol import s3_keys

pytestmark = pytest.mark.emulator

POLL_FREQ = 0.5

# A hundredth of it passes here.
TIME_LIMIT = 6000
NEIGHBOURS = 30


@dataclass(frozen=True)
class Expected:
    """What a fault must lead to: an error with texts, or (no error) the task's result."""

    fault: JobFault
    error: type[errors.BatchTaskError] | None = None
    texts: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


ONCE = {"retry_attempts": 1}
TWICE = {"retry_attempts": 2}

JOB_CASES = {
    # The first, so that among others it runs at once: it is missed for some seconds only.
    "vanished but done": Expected(JobFault("vanished"), options=ONCE),
    "host lost for good": Expected(
        JobFault("host_lost"), errors.HostLost, ("Host EC2 (instance i-", "Attempt 2:"), TWICE
    ),
    "host lost once": Expected(JobFault("host_lost", attempts=[1]), options=TWICE),
    "late zombie": Expected(JobFault("zombie", attempts=[1]), options=TWICE),
    "out of memory": Expected(
        JobFault("out_of_memory"),
        errors.OutOfMemory,
        ("Exit code: 137", "raise memory= above 3.75 GB"),
        ONCE,
    ),
    "image": Expected(
        JobFault("image"),
        errors.ImageFailed,
        ("CannotPullContainerError", "container_image_uri="),
        ONCE,
    ),
    "Docker": Expected(
        JobFault("docker_timeout"), errors.DockerFailed, ("DockerTimeoutError",), ONCE
    ),
    "stuck": Expected(
        JobFault("stuck"),
        errors.NeverStarted,
        ("MISCONFIGURATION:", "lower vcpu="),
        {**ONCE, "misconfiguration_timeout": 1},
    ),
    "time limit": Expected(
        JobFault("time_limit"), errors.TimeLimitExceeded, ("raise time_limit= above 6000",), TWICE
    ),
    "vanished": Expected(
        JobFault("vanished_dead"), errors.JobVanished, ("look for the job",), ONCE
    ),
    "no outcome": Expected(
        JobFault("no_outcome"), errors.OutcomeMissing, ("look at the log",), ONCE
    ),
    "exit code, no outcome": Expected(
        JobFault("no_outcome", exit_code=3), errors.OutcomeMissing, ("Exit code: 3",), ONCE
    ),
    "killed after its outcome": Expected(JobFault("killed_after_outcome"), options=ONCE),
    "no log": Expected(JobFault("no_log"), options=ONCE),
}

SURVIVED = (
    "throttle",
    "server_error",
    "slow_down",
    "reset",
    "slow",
    "lost_answer",
    "expired_token",
)


@pytest.fixture
def aws(local: LocalAws) -> Iterator[LocalAws]:
    yield local
    local.faults = FaultPlan()


@pytest.fixture
def options(aws: LocalAws, tmp_path: Path) -> dict[str, Any]:
    return {
        **aws.executor_options(),
        "poll_freq": POLL_FREQ,
        "time_limit": TIME_LIMIT,
        "cache_dir": str(tmp_path / "cache"),
    }


def dispatch_of(case: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in case)


def planned(case: str, fault: JobFault) -> JobFault:
    return JobFault(**{**vars(fault), "names": f"covalent-{dispatch_of(case)}-*"})


async def run(options: dict[str, Any], case: str, node: int = 0) -> Any:
    """Run a task that returns its own number."""
    executor = AWSBatchExecutor(**options)
    metadata = {"dispatch_id": dispatch_of(case), "node_id": node}
    return await executor.run(lambda number: number, [node], {}, metadata)


def check(expected: Expected, ended: Any, node: int = 0) -> None:
    if expected.error is None:
        assert ended == node
        return
    assert isinstance(ended, expected.error), repr(ended)
    assert isinstance(ended, TaskRuntimeError)
    for text in expected.texts:
        assert text in str(ended)


@asynccontextmanager
async def left_clean(aws: LocalAws, options: dict[str, Any]) -> AsyncIterator[None]:
    """Check that what happens inside leaves no object, no running job and no file behind."""
    yield
    s3, batch = aws.client("s3"), aws.client("batch")

    def left() -> list[str]:
        objects = s3.list_objects_v2(Bucket=options["s3_bucket_name"]).get("Contents", [])
        jobs = [
            job["jobName"]
            for status in ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
            for job in batch.list_jobs(jobQueue=options["batch_queue"], jobStatus=status)[
                "jobSummaryList"
            ]
        ]
        keys = [entry["Key"] for entry in objects]
        # The worker stays, for all dispatches.
        return [key for key in keys if not key.startswith(s3_keys.SHARED)] + jobs

    deadline = asyncio.get_running_loop().time() + 20
    while remaining := left():
        assert asyncio.get_running_loop().time() < deadline, remaining
        await asyncio.sleep(0.2)
    cache = Path(options["cache_dir"])
    assert not cache.exists() or not list(cache.iterdir())


@pytest.mark.parametrize("case", JOB_CASES)
async def test_a_job_s_fault_alone(aws, options, case):
    expected = JOB_CASES[case]
    aws.faults = FaultPlan(jobs=[planned(case, expected.fault)])
    async with left_clean(aws, options):
        ended = await asyncio.wait_for(
            asyncio.gather(run({**options, **expected.options}, case), return_exceptions=True), 60
        )
    check(expected, ended[0])


async def test_every_fault_of_jobs_among_thirty_others(aws, options):
    aws.faults = FaultPlan(jobs=[planned(case, e.fault) for case, e in JOB_CASES.items()])
    faulty = [run({**options, **e.options}, case, 7) for case, e in JOB_CASES.items()]
    healthy = [run(options, "neighbours", number) for number in range(NEIGHBOURS)]
    async with left_clean(aws, options):
        ended = await asyncio.wait_for(
            asyncio.gather(*faulty, *healthy, return_exceptions=True), 180
        )
    assert ended[len(faulty) :] == list(range(NEIGHBOURS))
    for expected, end in zip(JOB_CASES.values(), ended[: len(faulty)], strict=True):
        check(expected, end, 7)


@pytest.mark.parametrize("kind", SURVIVED)
async def test_faults_of_calls_are_waited_out(aws, options, kind):
    """The first call of every operation is injected; the task runs once all the same."""
    aws.faults = FaultPlan(api=[ApiFault("*", kind, calls=[1], by="dispatcher")])
    case = f"{kind} calls"
    async with left_clean(aws, options):
        assert await asyncio.wait_for(run(options, case, 5), 60) == 5
        aws.faults = FaultPlan()
    listed = aws.client("batch").list_jobs(
        jobQueue=options["batch_queue"],
        filters=[{"name": "JOB_NAME", "values": [f"covalent-{dispatch_of(case)}-*"]}],
    )
    assert len(listed["jobSummaryList"]) == 1


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("s3:PutObject", "s3:PutObject"),
        ("batch:SubmitJob", "batch:SubmitJob"),
        ("batch:DescribeJobs", "batch:DescribeJobs"),
        ("batch:DescribeJobDefinitions", "batch:DescribeJobDefinitions"),
    ],
)
async def test_a_denied_call_is_named(aws, options, operation, action):
    aws.faults = FaultPlan(api=[ApiFault(operation, "access_denied", by="dispatcher")])
    async with left_clean(aws, options):
        with pytest.raises(errors.NotPermitted, match=f"It denied {action}"):
            await asyncio.wait_for(run(options, f"denied {operation}"), 60)
        aws.faults = FaultPlan()
