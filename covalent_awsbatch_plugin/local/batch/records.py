"""A job: its state, and what its attempts are."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..faults.plan import JobFault
from ..runners.runner import AttemptSpec, RunningAttempt
from ..services.moto_backend import Region
from ..services.moto_capacity import Resources
from . import descriptions
from .resolve import requirement
from .retries import AttemptEnd

Json = dict[str, Any]

SUBMITTED, PENDING, RUNNABLE = "SUBMITTED", "PENDING", "RUNNABLE"
STARTING, RUNNING, SUCCEEDED, FAILED = "STARTING", "RUNNING", "SUCCEEDED", "FAILED"
STATUSES = (SUBMITTED, PENDING, RUNNABLE, STARTING, RUNNING, SUCCEEDED, FAILED)
WAITING = frozenset({SUBMITTED, PENDING, RUNNABLE})
FINISHED = frozenset({SUCCEEDED, FAILED})


def now() -> int:
    """Return the time in milliseconds since the epoch, as Batch gives times."""
    return int(time.time() * 1000)


@dataclass
class Job:
    """A job. It is only changed under the scheduler's lock.

    Attributes:
        region: Its account and region.
        job_id: Its id, the same for all attempts.
        name: Its name.
        queue_name: Its queue.
        queue_arn: Its queue.
        definition: Its definition, as DescribeJobDefinitions returns it.
        container: Its container properties, with overrides and parameters.
        parameters: Its parameters.
        attempts_allowed: Attempts in all.
        rules: ``evaluateOnExit``.
        timeout: Seconds an attempt may take; 0 for no limit.
        depends_on: Jobs that have to succeed first.
        propagate_tags: As submitted.
        share_identifier: Its share of a fair-share queue.
        scheduling_priority: Its priority within the share.
        status: Its status.
        status_reason: Why.
        number: The latest attempt's number; 0 before the first.
        ended: The attempts that have ended, as Batch describes them.
        termination: The reason given with TerminateJob or CancelJob.
        cancelled: Whether that was CancelJob.
        vanished: Whether Batch denies that it exists.
        running: Its current attempt, once that was started.
        faults: The faults of its current attempt, or of its next.
        faults_of: The number of the attempt whose faults these are.
        scaled_up: Whether it has waited for its compute environment to scale up.
        created: When it was submitted, in milliseconds since the epoch, as all times.
        started: When its current attempt was started.
        stopped: When its latest attempt ended.
        exit_code: Of its latest attempt.
        reason: ``container.reason`` of its latest attempt.
        stream: The log stream of its latest attempt.
        task: The id of its latest attempt's ECS task.
    """

    region: Region
    job_id: str
    name: str
    queue_name: str
    queue_arn: str
    definition: Json
    container: Json
    parameters: dict[str, str]
    attempts_allowed: int
    rules: list[dict[str, str]]
    timeout: int
    depends_on: list[Job]
    propagate_tags: bool
    share_identifier: str = ""
    scheduling_priority: int | None = None
    status: str = SUBMITTED
    status_reason: str = ""
    number: int = 0
    ended: list[Json] = field(default_factory=list)
    termination: str | None = None
    cancelled: bool = False
    vanished: bool = False
    running: RunningAttempt | None = None
    faults: list[JobFault] = field(default_factory=list)
    faults_of: int = 0
    scaled_up: bool = False
    created: int = field(default_factory=now)
    started: int | None = None
    stopped: int | None = None
    exit_code: int | None = None
    reason: str | None = None
    stream: str | None = None
    task: str = ""

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"{self.queue_arn.partition(':job-queue/')[0]}:job/{self.job_id}"

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return self.status in FINISHED

    def begin_attempt(self) -> None:
        """Begin the next attempt."""
        self.status, self.status_reason = STARTING, ""
        self.number += 1
        self.task = uuid.uuid4().hex
        self.started = self.exit_code = self.reason = self.stream = self.running = None

    def attempt_runs(self, running: RunningAttempt, stream: str) -> None:
        """Take note that the attempt was started."""
        self.status, self.running, self.started = RUNNING, running, now()
        self.stream = stream

    def end_attempt(self, end: AttemptEnd) -> None:
        """Take note of how the attempt ended."""
        self.stopped, self.running = now(), None
        self.exit_code, self.reason = end.exit_code, end.reason
        self.status_reason = end.status_reason
        self.ended.append(descriptions.attempt(self, end))

    def settle(self, status: str, reason: str) -> None:
        """End."""
        self.status, self.status_reason = status, reason
        self.stopped = self.stopped or now()

    def attempt_spec(self, environment: Mapping[str, str]) -> AttemptSpec:
        """Return the current attempt.

        Args:
            environment: Variables that a job finds where it runs, unless it sets them itself.
        """
        own = {entry["name"]: entry.get("value", "") for entry in self.container["environment"]}
        batch = {
            "AWS_BATCH_JOB_ID": self.job_id,
            "AWS_BATCH_JOB_ATTEMPT": str(self.number),
            "AWS_BATCH_JQ_NAME": self.queue_name,
            "AWS_EXECUTION_ENV": "AWS_ECS_EC2",
        }
        return AttemptSpec(
            job_id=self.job_id,
            attempt=self.number,
            image=self.container["image"],
            command=tuple(self.container["command"]),
            environment={**environment, **own, **batch},
            vcpus=requirement(self.container, "VCPU"),
            memory_mib=requirement(self.container, "MEMORY"),
            gpus=requirement(self.container, "GPU"),
            container_properties=self.container,
        )

    def asked(self) -> Resources:
        """Return the resources that it asks for."""
        return Resources(
            requirement(self.container, "VCPU"),
            requirement(self.container, "MEMORY"),
            requirement(self.container, "GPU"),
        )

    def roles(self) -> list[str]:
        """Return the ARNs of its roles."""
        named = (self.container.get("executionRoleArn"), self.container.get("jobRoleArn"))
        return [arn for arn in named if arn]

    @property
    def log_is_blocking(self) -> bool:
        """Whether a log that cannot be opened fails the attempt: not by ECS's default."""
        options = (self.container.get("logConfiguration") or {}).get("options") or {}
        return bool(options.get("mode") == "blocking")

    def log_place(self) -> tuple[str, str, bool]:
        """Return log group, a new stream's name, and whether the group is made if it is not."""
        options = (self.container.get("logConfiguration") or {}).get("options") or {}
        prefix = options.get("awslogs-stream-prefix") or self.definition["jobDefinitionName"]
        group = options.get("awslogs-group")
        create = not group or options.get("awslogs-create-group") == "true"
        return group or "/aws/batch/job", f"{prefix}/default/{self.task}", create
