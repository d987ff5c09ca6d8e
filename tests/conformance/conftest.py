"""A local AWS, and what tests of its jobs need."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from covalent_awsbatch_plugin import AWSBatchExecutor
from covalent_awsbatch_plugin.local import LocalAws
from tests.fake_aws import FakeAws

from .over_fake import Make

# A minute's time limit takes six tenths of a second, the grace of 30 s three.
TIME_SCALE = 0.01
PLACES = 4
FINISHED = ("SUCCEEDED", "FAILED")


@pytest.fixture(scope="module", params=["processes"])
def runner(request: pytest.FixtureRequest) -> str:
    """What runs jobs; every test of jobs runs over each."""
    return str(request.param)


@pytest.fixture(scope="module")
def image(runner: str) -> str:
    """An image with a shell and Python."""
    return "public.ecr.aws/docker/library/python:3.11-slim"


@pytest.fixture(scope="module")
def local(runner: str) -> Iterator[LocalAws]:
    with LocalAws(runner=runner, slots=PLACES, time_scale=TIME_SCALE) as aws:
        yield aws


@pytest.fixture
def jobs(local: LocalAws, image: str) -> Iterator[Jobs]:
    made = Jobs(local, image)
    yield made
    made.end_all()


@pytest.fixture
def make(aws: FakeAws, tmp_path: Path) -> Make:
    """Makes executors for the test's own fake AWS."""
    ours = {"poll_freq": 0.3, "retry_attempts": 1, "cache_dir": str(tmp_path / "cache")}
    return lambda **options: AWSBatchExecutor(**{**aws.executor_options(), **ours, **options})


@dataclass
class Jobs:
    """Submits jobs with plain boto3 and looks at them."""

    aws: LocalAws
    image: str
    submitted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.batch = self.aws.client("batch")
        self.logs = self.aws.client("logs")
        self.options = self.aws.executor_options()
        self.queue = self.options["batch_queue"]

    def job_role(self) -> str:
        """Return the ARN of the job role that the executor's options name."""
        name = self.options["batch_job_role_name"]
        return name if name.startswith("arn:") else f"arn:aws:iam::123456789012:role/{name}"

    def define(self, *command: str, name: str = "test", **given: Any) -> str:
        """Register a definition; return its ARN."""
        container = {
            "image": self.image,
            "command": list(command),
            "jobRoleArn": self.job_role(),
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "128"},
            ],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": self.options["batch_job_log_group_name"],
                    "awslogs-stream-prefix": "test",
                },
            },
            **given.pop("container", {}),
        }
        answer = self.batch.register_job_definition(
            jobDefinitionName=name,
            type="container",
            containerProperties={k: v for k, v in container.items() if v is not None},
            **given,
        )
        return str(answer["jobDefinitionArn"])

    def submit(self, definition: str, **given: Any) -> str:
        """Submit a job; return its id."""
        answer = self.batch.submit_job(
            **{"jobName": "test", "jobQueue": self.queue, "jobDefinition": definition, **given}
        )
        self.submitted.append(answer["jobId"])
        return str(answer["jobId"])

    def run(self, *command: str, **given: Any) -> dict[str, Any]:
        """Run a command as a job; return its description when it has ended."""
        return self.ended(self.submit(self.define(*command), **given))

    def describe(self, job_id: str) -> dict[str, Any]:
        return dict(self.batch.describe_jobs(jobs=[job_id])["jobs"][0])

    def ended(self, job_id: str) -> dict[str, Any]:
        return self.reached(job_id, *FINISHED)

    def reached(self, job_id: str, *statuses: str) -> dict[str, Any]:
        """Return a job's description once it is in one of these statuses."""

        def look() -> dict[str, Any] | None:
            job = self.describe(job_id)
            assert job["status"] in statuses or job["status"] not in FINISHED, job
            return job if job["status"] in statuses else None

        return wait_until(look)

    def output(self, job: dict[str, Any], attempt: int = -1) -> list[str]:
        """Return the lines in the log stream of an attempt."""
        stream = job["container"]["logStreamName"]
        if job["attempts"]:
            stream = job["attempts"][attempt]["container"]["logStreamName"]
        return self.lines(self.options["batch_job_log_group_name"], stream)

    def lines(self, group: str, stream: str) -> list[str]:
        events = self.logs.get_log_events(
            logGroupName=group, logStreamName=stream, startFromHead=True
        )
        return [event["message"] for event in events["events"]]

    def end_all(self) -> None:
        for job_id in self.submitted:
            self.batch.terminate_job(jobId=job_id, reason="the test is over")


def wait_until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Return what ``condition`` returns, once that is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.01)
    return value
